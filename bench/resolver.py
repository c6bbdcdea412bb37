"""`python -m bench.resolver`: measures the DNS resolver with its real programs: questions a second, CPU, memory, and how soon a change is felt.

Needs dnsdist, unbound and h2load (Debian: nghttp2-client). Unbound answers every name itself, so that the internet is not measured.
"""

from __future__ import annotations

import argparse
import base64
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID

import dns.message
import dns.rcode
import httpx

from bench.__main__ import print_machine
from cartable.migrate import upgrade
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.places.towns import create_town
from mdm.composition import compose
from mdm.resolver.supervisor import ResolverSupervisor
from profiles.filters import service as filters
from profiles.filters.address_repository import AddressContent, FilterAddressRepository
from profiles.filters.blocks import build_blocks
from profiles.filters.reading import ReadLists
from profiles.filters.resolver_filter import ResolverFilter

SHARES = {"adult": 0.92, "malware": 0.05, "games": 0.02, "redirector": 0.01}
NAMES_PER_FILTER = 250
URLS = 20_000
HEADER = (
    "| filters | questions/s | dnsdist µs/question | unbound µs/question | dnsdist MB | unbound MB |\n|---|---|---|---|---|---|"
)


def main() -> None:
    """Measure with each number of filters."""
    parser = argparse.ArgumentParser(prog="python -m bench.resolver")
    parser.add_argument("--names", type=int, default=5_000_000, help="hosts in lists of categories")
    parser.add_argument("--filters", default="10,100,2000")
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    print_machine()
    folder = Path(tempfile.mkdtemp(prefix="cartable-bench-"))
    try:
        _measure(folder, arguments)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path, arguments: argparse.Namespace) -> None:
    runtime, town_id = _prepare(folder)
    started = time.monotonic()
    with runtime.open_unit_of_work() as work:
        hosts = {category: _list_hosts(category, int(share * arguments.names)) for category, share in SHARES.items()}
        lists = ReadLists({category: (False, list(build_blocks(names))) for category, names in hosts.items()}, [])
        filters.import_lists(work, SYSTEM, town_id, lists)
    print(f"\n{arguments.names} names imported in {time.monotonic() - started:.1f} s")
    supervisor = ResolverSupervisor(runtime)
    supervisor.start()
    try:
        started = time.monotonic()
        while supervisor.publisher.pending_lists:
            time.sleep(0.2)
        size = sum(path.stat().st_size for path in (supervisor.folder / "stores").iterdir())
        print(f"their stores built in {time.monotonic() - started:.1f} s, {size / 1e6:.0f} MB\n\n{HEADER}")
        for count in map(int, arguments.filters.split(",")):
            tokens = _save_filters(runtime, town_id, count)
            _wait_for(supervisor, tokens[-1])
            print(_measure_load(folder, supervisor, tokens, arguments))
        delays = [_measure_change(runtime, supervisor, town_id, number) for number in range(5)]
        print(f"\nfrom a saved host to its effect: median {median(delays):.1f} s, longest {max(delays):.1f} s")
    finally:
        supervisor.stop()
        runtime.engine.dispose()


def _prepare(folder: Path) -> tuple[Runtime, UUID]:
    zone = folder / "zone.conf"
    zone.write_text('server:\n  local-zone: "." redirect\n  local-data: ". 300 A 192.0.2.1"\n')
    settings = Settings(
        _env_file=None, data_dir=folder / "data", resolver_url="https://localhost", resolver_host="127.0.0.1", resolver_port=0,
        resolver_include=zone,
    )  # fmt: skip
    runtime = compose(settings)
    upgrade(runtime.engine)
    with runtime.open_unit_of_work() as work:
        identity.ensure_authority(work)
        tls.ensure_server_certificate(work, ["localhost"])
        return runtime, create_town(work, SYSTEM, name="Bench", slug="bench", tag_prefix="BEN").id


def _list_hosts(category: str, count: int) -> Iterator[str]:
    return (f"{category[:3]}{number:07d}-site.example" for number in range(count))


def _save_filters(runtime: Runtime, town_id: UUID, count: int) -> list[str]:
    """Store filters that differ in each of their names. Returns the tokens of their addresses."""
    contents = {
        f"filter {number}": AddressContent(
            town_id,
            f"token-{number}",
            ResolverFilter(
                denied=frozenset(f"refuse-{number}-{position}.example" for position in range(NAMES_PER_FILTER)),
                permitted=frozenset(f"ouvert-{number}-{position}.example" for position in range(NAMES_PER_FILTER)),
                blocked_categories=frozenset({"games"}),
            ),
        )
        for number in range(count)
    }
    keys = list(contents)
    for start in range(0, count, 200):
        with runtime.open_unit_of_work() as work:
            part = {key: contents[key] for key in keys[start : start + 200]}
            FilterAddressRepository(work.session).save_contents(part, datetime.now(UTC))
    return [content.token for content in contents.values()]


def _build_question(name: str) -> bytes:
    return dns.message.make_query(name, "A", id=0).to_wire()


def _ask(supervisor: ResolverSupervisor, http: httpx.Client, token: str, name: str) -> dns.rcode.Rcode | None:
    """Return the response code; None where there is no such address."""
    url = f"https://127.0.0.1:{supervisor.engine.listen_port}/f/{token}"
    response = http.post(url, content=_build_question(name), headers={"content-type": "application/dns-message"})
    return dns.message.from_wire(response.content).rcode() if response.status_code == 200 else None


def _wait_for(supervisor: ResolverSupervisor, token: str) -> None:
    with httpx.Client(http2=True, verify=False, trust_env=False) as http:
        while _ask(supervisor, http, token, "libre.example") is None:
            time.sleep(0.2)


def _measure_load(folder: Path, supervisor: ResolverSupervisor, tokens: list[str], arguments: argparse.Namespace) -> str:
    """Let h2load ask. A fifth of the names is in a list, a tenth is denied, the others are open."""
    chance = random.Random(1)
    urls = folder / "urls"
    with urls.open("w") as file:
        for _ in range(URLS):
            token = chance.choice(tokens)
            name = chance.choices(
                [
                    f"www.libre{chance.randrange(10**6)}.example",
                    f"www.adu{chance.randrange(int(SHARES['adult'] * arguments.names)):07d}-site.example",
                    f"refuse-{token.removeprefix('token-')}-{chance.randrange(NAMES_PER_FILTER)}.example",
                ],
                [7, 2, 1],
            )[0]
            question = base64.urlsafe_b64encode(_build_question(name)).rstrip(b"=").decode()
            file.write(f"https://127.0.0.1:{supervisor.engine.listen_port}/f/{token}?dns={question}\n")
    pids = supervisor.get_pids()
    before = {name: _read_cpu(pid) for name, pid in pids.items()}
    options = [f"--duration={arguments.seconds:g}", "--clients=16", "--max-concurrent-streams=8", f"--input-file={urls}"]
    done = subprocess.run(["h2load", *options], capture_output=True, text=True, check=True).stdout
    answered = int(next(iter(re.findall(r"(\d+) 2xx", done))))
    cpu = {name: 1e6 * (_read_cpu(pid) - before[name]) / answered for name, pid in pids.items()}
    memory = {name: _read_memory(pid) for name, pid in pids.items()}
    per_second = answered / arguments.seconds
    return (
        f"| {len(tokens)} | {per_second:.0f} | {cpu['dnsdist']:.0f} | {cpu['unbound']:.0f} | "
        f"{memory['dnsdist']:.0f} | {memory['unbound']:.0f} |"
    )


def _measure_change(runtime: Runtime, supervisor: ResolverSupervisor, town_id: UUID, number: int) -> float:
    """Return the seconds from the commit of a denied host until it does not exist any more."""
    name = f"nouveau-{number}.example"
    with httpx.Client(http2=True, verify=False, trust_env=False) as http:
        assert _ask(supervisor, http, "token-0", name) == dns.rcode.NOERROR
        content = AddressContent(town_id, "token-0", ResolverFilter(denied=frozenset({name})))
        with runtime.open_unit_of_work() as work:
            FilterAddressRepository(work.session).save_contents({"filter 0": content}, datetime.now(UTC))
        started = time.monotonic()
        while _ask(supervisor, http, "token-0", name) != dns.rcode.NXDOMAIN:
            time.sleep(0.05)
        return time.monotonic() - started


def _read_cpu(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read_memory(pid: int | None) -> float:
    """Return the resident memory in MB, without the pages of stores that the kernel may drop at any time."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) / 1024


if __name__ == "__main__":
    main()
