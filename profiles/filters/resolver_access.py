"""How tablets reach the resolver: its address, the path of each filter, and the hosts that no filter closes. Pure.

What is enforced at an address is in `resolver_filter`; which tablets use it is decided in `profiles.effective.resolving`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

from cartable.settings import Settings

#: Random-looking bytes in a path: nobody finds the address of another filter by trying.
TOKEN_BYTES = 20
#: Apple's hosts without which a tablet loses its management, its updates, its apps or its network. An entry covers the hosts below it.
#: See https://support.apple.com/101555; what is there for people alone (music, films, shopping) is left to the filter.
APPLE_HOSTS = frozenset(
    {
        # setup, activation, time, captive portals
        "albert.apple.com", "captive.apple.com", "gs.apple.com", "humb.apple.com", "static.ips.apple.com", "sq-device.apple.com",
        "tbsc.apple.com", "time.apple.com", "time-ios.apple.com",
        # management and push
        "push.apple.com", "identity.apple.com", "deviceenrollment.apple.com", "deviceservices-external.apple.com", "gdmf.apple.com",
        "iprofiles.apple.com", "mdmenrollment.apple.com", "setup.icloud.com", "vpp.itunes.apple.com", "school.apple.com",
        # updates
        "appldnld.apple.com", "configuration.apple.com", "gg.apple.com", "mesu.apple.com", "ns.itunes.apple.com", "oscdn.apple.com",
        "skl.apple.com", "swcdn.apple.com", "swdist.apple.com", "swdownload.apple.com", "swscan.apple.com", "updates.cdn-apple.com",
        "updates-http.cdn-apple.com", "xp.apple.com",
        # apps
        "itunes.apple.com", "apps.apple.com", "mzstatic.com", "ppq.apple.com",
        # certificates and attestation
        "appattest.apple.com", "certs.apple.com", "crl.apple.com", "ocsp.apple.com", "ocsp2.apple.com", "valid.apple.com",
        "crl3.digicert.com", "crl4.digicert.com", "ocsp.digicert.com",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResolverAccess:
    """The resolver of an installation as tablets reach it. `hash_key` turns what an address stands for into hexadecimal digits.

    The path is derived and not drawn: a server with a restored database gives every tablet the address that it has already.
    """

    url: str
    addresses: tuple[str, ...]
    always_open: frozenset[str]
    hash_key: Callable[[str], str] = field(repr=False, compare=False)
    #: Sites of each town and its schools, and the schools that get new lists first. No profile depends on them, only what is served.
    own_hosts: Mapping[UUID, frozenset[str]] = field(default_factory=dict, compare=False)
    trial_schools: frozenset[UUID] = field(default=frozenset(), compare=False)

    def get_token(self, key: str) -> str:
        """Return the last part of the path of a filter: 160 bits, which say nothing of what the address stands for."""
        return base64.urlsafe_b64encode(bytes.fromhex(self.hash_key(key))[:TOKEN_BYTES]).rstrip(b"=").decode()

    def get_own_hosts(self, town_id: UUID) -> frozenset[str]:
        """Return the sites of a town and its schools."""
        return self.own_hosts.get(town_id, frozenset())

    def build_url(self, key: str) -> str:
        """Return the address at which a filter is served."""
        return f"{self.url}/f/{self.get_token(key)}"


def list_own_hosts(settings: Settings) -> frozenset[str]:
    """Return the hosts of the installation that no filter closes, without those of Apple. An entry covers the hosts below it."""
    own = {urlsplit(url).hostname or "" for url in (settings.public_url, settings.resolver_url)}
    return frozenset({*own, settings.resolver_check_host, *settings.always_open_hosts} - {""})


def find_token(url: str) -> str | None:
    """Return the token in the address of a filter; None for an address of another service."""
    folder, _, token = urlsplit(url).path.rpartition("/")
    return token if folder == "/f" and token else None
