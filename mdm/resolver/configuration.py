"""The configuration of dnsdist and Unbound, as text from plain values. Pure.

Nothing is logged of a question: neither program has a log of queries, a console, a web page, or a collector to send anything to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from profiles.filters.safe_names import SEARCH, VIDEO, VIDEO_HOSTS

#: The name that proves that both programs answer; it leads nowhere.
PROBE_NAME = "probe.resolver.invalid"
PROBE_ADDRESS = "127.0.0.1"
#: Groups of servers with safe names, by the address on this machine from which they are asked: Unbound tells them apart by it.
SAFE_POOLS: Mapping[str, str] = {
    "safe_search": "127.0.0.2",
    **{f"video_{kind.value}": f"127.0.0.{number}" for number, kind in enumerate(VIDEO, 3)},
}
#: Seconds for which a tablet may keep a safe name or the address of the blocked page.
_TTL = 10
#: Seconds between two times at which counts leave dnsdist's memory: what is written says nothing of a moment.
COUNT_SECONDS = 900
_DECIDE = Path(__file__).with_name("decide.lua")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the configuration of both programs depends on. `folder` has the stores, the index and the certificate.

    `check_host`: a name that only this resolver knows; it leads to `check_target`, the host name or IP address of the web server.
    `forward_to`: addresses, with `@port` where it is not 53. `include`: a file of further settings of Unbound.
    """

    folder: Path
    listen_host: str
    listen_port: int
    unbound_port: int
    listeners: int = 1
    blocked_address: str = ""
    check_host: str = ""
    check_target: str = ""
    forward_to: tuple[str, ...] = ()
    include: Path | None = None
    trust_anchor: Path | None = None


def render_dnsdist(engine: EngineSettings) -> str:
    """Return dnsdist's configuration, in Lua."""
    return "\n".join(_list_dnsdist_lines(engine)) + "\n"


def _list_dnsdist_lines(engine: EngineSettings) -> Iterator[str]:
    yield 'setSecurityPollSuffix("")'
    # The ring of recent questions in memory, which nobody could read without a console: without room, and where dnsdist can, off.
    yield "setRingBuffersSize(0, 1)"
    yield "if setRingBuffersOptions then setRingBuffersOptions({recordQueries = false, recordResponses = false}) end"
    yield 'setACL({"0.0.0.0/0", "::/0"})'
    yield "setServFailWhenNoServer(true)"
    yield "setMaxTCPClientThreads(1)"
    address = f"[{engine.listen_host}]" if ":" in engine.listen_host else engine.listen_host
    options = 'exactPathMatching = false, reusePort = true, minTLSVersion = "tls1.2", serverTokens = "", sendCacheControlHeaders = false'
    for _ in range(engine.listeners):
        yield (
            f'addDOHLocal("{address}:{engine.listen_port}", {_quote(engine.folder / "tls.pem")}, {_quote(engine.folder / "tls.key")}, '
            f'{{"/f"}}, {{{options}}})'
        )
    for pool, source in (("", ""), *SAFE_POOLS.items()):
        asked_from = f', source = "{source}"' if source else ""
        yield (
            f'newServer({{address = "127.0.0.1:{engine.unbound_port}", pool = "{pool}"{asked_from}, checkName = "{PROBE_NAME}.", '
            'checkType = "A", mustResolve = true, checkInterval = 1, maxCheckFailures = 2, rise = 1})'
        )
    yield f"FOLDER = {_quote(engine.folder)}"
    yield f"BLOCKED_ADDRESS = {_quote(engine.blocked_address) if engine.blocked_address else 'nil'}"
    yield f"COUNT_SECONDS = {COUNT_SECONDS}"
    yield "SAFE_NAMES = {"
    yield from (f'["{host}."] = "search",' for host in sorted(SEARCH))
    yield from (f'["{host}."] = "video",' for host in VIDEO_HOSTS)
    yield "}"
    yield f"dofile({_quote(_DECIDE)})"
    yield "addAction(AllRule(), LuaAction(decide))"
    if engine.blocked_address:
        yield from _list_blocked_page_lines(engine.blocked_address)
    yield "addResponseAction(AllRule(), LuaResponseAction(shorten_ttls))"


def _list_blocked_page_lines(address: str) -> Iterator[str]:
    """Yield the rules that lead closed names to a page. To questions for anything but its kind of address there is no answer."""
    kind = "AAAA" if ip_address(address).version == 6 else "A"
    closed = 'TagRule("closed", "1")'
    yield f'addAction(AndRule({{{closed}, QTypeRule(DNSQType.{kind})}}), SpoofAction({{"{address}"}}, {{ttl = {_TTL}}}))'
    soa = f'"closed.invalid.", {_TTL}, "ns.closed.invalid.", "nobody.closed.invalid.", 1, 3600, 600, 86400, {_TTL}'
    yield f"addAction({closed}, (NegativeAndSOAAction or SetNegativeAndSOAAction)(false, {soa}))"


def _quote(text: object) -> str:
    """Return a Lua string."""
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def render_unbound(engine: EngineSettings) -> str:
    """Return Unbound's configuration."""
    return "\n".join(_list_unbound_lines(engine)) + "\n"


def _list_unbound_lines(engine: EngineSettings) -> Iterator[str]:
    yield "server:"
    settings = {
        "interface": f"127.0.0.1@{engine.unbound_port}",
        "access-control": "127.0.0.0/8 allow",
        "username": '""',
        "chroot": '""',
        "directory": f'"{engine.folder}"',
        "pidfile": '""',
        "do-daemonize": "no",
        "use-syslog": "no",
        "logfile": '""',
        "verbosity": "0",
        "log-queries": "no",
        "log-replies": "no",
        "log-local-actions": "no",
        "log-servfail": "no",
        "val-log-level": "0",
        "statistics-interval": "0",
        "do-not-query-localhost": "no",
        "hide-identity": "yes",
        "hide-version": "yes",
        "qname-minimisation": "yes",
        "minimal-responses": "yes",
        "prefetch": "yes",
        # An answer of yesterday is better than none while the line to the internet is down.
        "serve-expired": "yes",
        "serve-expired-ttl": "86400",
        "serve-expired-client-timeout": "1800",
        "msg-cache-size": "64m",
        "rrset-cache-size": "128m",
        "outgoing-range": "450",
        "num-queries-per-thread": "400",
        "local-zone": f'"{PROBE_NAME}." redirect',
        "local-data": f'"{PROBE_NAME}. A {PROBE_ADDRESS}"',
    }
    if engine.trust_anchor is None:
        settings["module-config"] = '"iterator"'
    else:
        settings["auto-trust-anchor-file"] = f'"{engine.trust_anchor}"'
    yield from (f"  {name}: {value}" for name, value in settings.items())
    yield from (f"  access-control-view: {source}/32 {pool}" for pool, source in SAFE_POOLS.items())
    if engine.check_host:
        yield from _list_check_lines(engine.check_host, engine.check_target)
    if engine.include is not None:
        yield f'  include: "{engine.include}"'
    yield from _list_view_lines("safe_search", SEARCH)
    for kind, target in VIDEO.items():
        yield from _list_view_lines(f"video_{kind.value}", dict.fromkeys(VIDEO_HOSTS, target))
    if engine.forward_to:
        yield "forward-zone:"
        yield '  name: "."'
        yield from (f"  forward-addr: {address}" for address in engine.forward_to)
    yield "remote-control:"
    yield "  control-enable: no"


def _list_check_lines(host: str, target: str) -> Iterator[str]:
    """Yield the answer to the name by which a page sees that the resolver answers: the address of the web server."""
    try:
        record = f"{'AAAA' if ip_address(target).version == 6 else 'A'} {target}"
    except ValueError:
        record = f"CNAME {target}."
    yield f'  local-zone: "{host}." redirect'
    yield f'  local-data: "{host}. {_TTL} {record}"'


def _list_view_lines(name: str, targets: Mapping[str, str]) -> Iterator[str]:
    yield "view:"
    yield f'  name: "{name}"'
    yield "  view-first: yes"
    for host, target in targets.items():
        # A zone of the kind redirect, since Unbound follows an alias in no other. Hosts below it do not come here.
        yield f'  local-zone: "{host}." redirect'
        yield f'  local-data: "{host}. {_TTL} CNAME {target}."'
