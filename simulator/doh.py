"""A client of DNS over HTTPS (RFC 8484) over HTTP/2, as a tablet's system asks an encrypted resolver."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import dns.exception
import dns.message
import dns.rcode
import httpx

from simulator.errors import ResolverAway

_SECONDS = 5.0
_MEDIA_TYPE = "application/dns-message"


@dataclass(frozen=True, slots=True)
class NameAnswer:
    """What a resolver answered. `exists` is false when it says that there is no such name. `asked`: its URL; empty for the network's own."""

    exists: bool
    addresses: tuple[str, ...]
    seconds_to_live: int
    asked: str


async def ask_resolver(settings: Mapping[str, Any], trust: ssl.SSLContext, name: str, kind: str = "A") -> NameAnswer:
    """Return the answer of the resolver that DNS settings name, at its addresses where they give some.

    Raises `ResolverAway` when none of them answers with HTTP/2, or refuses the path.
    """
    url = settings["ServerURL"]
    question = dns.message.make_query(name, kind, id=0).to_wire()
    async with httpx.AsyncClient(http2=True, verify=trust, timeout=_SECONDS, trust_env=False) as client:
        for address in settings.get("ServerAddresses") or (None,):
            try:
                response = await client.send(_build_request(client, url, address, question))
            except httpx.TransportError:
                continue
            if response.status_code != 200 or response.http_version != "HTTP/2":
                raise ResolverAway(f"{url}: {response.http_version} {response.status_code}")
            return _read_answer(response.content, url)
    raise ResolverAway(f"{url} does not answer")


def _build_request(client: httpx.AsyncClient, url: str, address: str | None, question: bytes) -> httpx.Request:
    """Return the request. With an address no name is looked up: the host stands in the certificate and the header alone."""
    parts = urlsplit(url)
    headers = {"content-type": _MEDIA_TYPE, "accept": _MEDIA_TYPE, "host": parts.netloc}
    if address is None:
        return client.build_request("POST", url, content=question, headers=headers)
    place = f"[{address}]" if ":" in address else address
    target = urlunsplit(parts._replace(netloc=f"{place}:{parts.port or 443}"))
    extensions = {"sni_hostname": parts.hostname}
    return client.build_request("POST", target, content=question, headers=headers, extensions=extensions)


def _read_answer(content: bytes, url: str) -> NameAnswer:
    try:
        answer = dns.message.from_wire(content)
    except dns.exception.DNSException as error:
        raise ResolverAway(f"{url}: {error}") from error
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise ResolverAway(f"{url}: {dns.rcode.to_text(answer.rcode())}")
    addresses = tuple(str(record) for records in answer.answer for record in records if records.rdtype in (1, 28))
    ttl = min((records.ttl for records in answer.answer), default=0)
    return NameAnswer(answer.rcode() == dns.rcode.NOERROR, addresses, ttl, url)
