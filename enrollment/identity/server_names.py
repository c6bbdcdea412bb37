"""The names in the server's TLS certificate, and its renewal while the server runs. The certificate itself is made in `tls`."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from cartable.unit_of_work import UnitOfWork
from enrollment.identity import tls
from enrollment.places.repository import PlaceRepository


def list_tablet_names(work: UnitOfWork) -> list[str]:
    """Return the names at which tablets reach the server: that of the installation and those of the towns."""
    return [urlsplit(work.settings.public_url).hostname or "localhost", *PlaceRepository(work.session).list_hosts()]


def list_host_names(work: UnitOfWork) -> list[str]:
    """Return the names and addresses that the server's TLS certificate must contain."""
    names = [
        *list_tablet_names(work),
        urlsplit(work.settings.resolver_url).hostname,
        work.settings.resolver_check_host,
        "localhost",
        "127.0.0.1",
        socket.gethostname(),
        detect_lan_address(),
    ]
    return list(dict.fromkeys(name for name in names if name))


def renew_server_certificate(work: UnitOfWork) -> None:
    """Issue the installation's own certificate again when it ends soon, or when a town's name is missing. The server takes it up by itself."""
    if tls.needs_renewal(work, list_tablet_names(work)):
        tls.ensure_server_certificate(work, list_host_names(work))


def detect_lan_address() -> str:
    """Return the address of this machine on its network, or `localhost` without one. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: never routed; only picks the outgoing interface
            return str(probe.getsockname()[0])
        except OSError:
            return "localhost"
