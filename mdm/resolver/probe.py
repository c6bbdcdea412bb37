"""Asks the resolver as a tablet does, to prove that both programs answer and that the filter decides."""

from __future__ import annotations

import secrets
import ssl

import dns.exception
import dns.message
import dns.rdatatype
import httpx

from mdm.resolver.configuration import PROBE_ADDRESS, PROBE_NAME
from profiles.filters.resolver_filter import ResolverFilter

_SECONDS = 3.0
_DENIED_NAME = f"denied.{PROBE_NAME}"
#: The filter at the probe's address: one name is open, one below it is closed.
PROBE_RULES = ResolverFilter(only_permitted=True, permitted=frozenset({PROBE_NAME}), denied=frozenset({_DENIED_NAME}))


class ResolverProbe:
    """A client on this machine with an address of its own that nobody else knows."""

    def __init__(self, host: str, port: int) -> None:
        self.token = secrets.token_urlsafe(20)
        reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - what is listened on
        self._url = f"https://{reachable}:{port}/f/{self.token}"
        trust = ssl.create_default_context()
        # It goes to this machine's own process, by an address that is in no certificate.
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        self._http = httpx.Client(http2=True, verify=trust, timeout=_SECONDS, trust_env=False)

    def find_problem(self) -> str | None:
        """Return what is wrong with the resolver, or None."""
        try:
            if PROBE_ADDRESS not in self._ask(PROBE_NAME):
                return "an open name is not answered"
            if PROBE_ADDRESS in self._ask(_DENIED_NAME):
                return "a closed name is answered"
        except (httpx.HTTPError, ssl.SSLError, dns.exception.DNSException) as error:
            return f"no answer: {type(error).__name__}"
        return None

    def close(self) -> None:
        self._http.close()

    def _ask(self, name: str) -> list[str]:
        """Return the addresses of a name."""
        question = dns.message.make_query(name, dns.rdatatype.A, id=0)
        response = self._http.post(self._url, content=question.to_wire(), headers={"content-type": "application/dns-message"})
        response.raise_for_status()
        answer = dns.message.from_wire(response.content)
        return [str(record) for records in answer.answer for record in records]
