"""How a running resolver takes up changes, refuses what is wrong, outlives its programs, and keeps nothing of a question."""

from __future__ import annotations

import dataclasses
import os
import signal
import ssl
import time
from pathlib import Path

import dns.rcode
import pytest
import trustme

from cartable.private_files import list_open_paths
from mdm.resolver import engine as programs
from mdm.resolver.engine import ResolverUnavailable, accept_configuration
from mdm.resolver.service import ResolverStatus, load_resolver_state
from mdm.resolver.supervisor import ResolverSupervisor
from profiles.filters.resolver_access import list_own_hosts
from profiles.filters.resolver_filter import ResolverFilter
from tests.interop.resolver.conftest import ResolverTown, create_client, create_runtime, run_resolver
from tests.interop.resolver.internet import ANY_HOST
from tests.support.waiting import wait_until
from tests.support.world import TownFactory


@pytest.fixture
def key(town: ResolverTown) -> str:
    """The token of an address that is served, with nothing denied."""
    tokens = town.save_filters({"home": ResolverFilter()})
    town.wait_for(tokens)
    return tokens["home"]


def test_a_changed_filter_is_taken_up_in_seconds_without_a_restart(town: ResolverTown, key: str) -> None:
    pids = town.supervisor.get_pids()
    assert town.resolve(key, "nouveau.example") == ANY_HOST
    started = time.monotonic()
    town.save_filters({"home": ResolverFilter(denied=frozenset({"nouveau.example"}))})
    assert wait_until(lambda: town.resolve(key, "nouveau.example") is None, 30)
    assert time.monotonic() - started < 10
    town.save_filters({"home": ResolverFilter()})
    assert wait_until(lambda: town.resolve(key, "nouveau.example") == ANY_HOST, 30)
    assert town.supervisor.get_pids() == pids


def test_a_new_list_is_taken_up_and_the_former_one_closes_until_then(town: ResolverTown, key: str) -> None:
    town.import_lists({"malware": "virus.example\n"})
    assert wait_until(lambda: town.resolve(key, "www.virus.example") is None)
    town.import_lists({"malware": "virus.example\nnouveau-virus.example\n"})
    deadline = time.monotonic() + 10
    while town.resolve(key, "nouveau-virus.example") is not None:
        assert town.resolve(key, "virus.example") is None, "a list that is replaced closes what it closed"
        assert time.monotonic() < deadline


@pytest.mark.parametrize("program", ["dnsdist", "unbound"])
def test_a_program_that_is_killed_comes_back(town: ResolverTown, key: str, program: str) -> None:
    pid = town.supervisor.get_pids()[program]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: town.supervisor.get_pids()[program] not in (None, pid), 30)

    assert wait_until(lambda: town.is_served(key), 30)
    assert wait_until(lambda: town.ask(key, "libre.example").rcode() == dns.rcode.NOERROR, 30)


def test_a_program_that_is_stuck_is_killed_and_comes_back(town: ResolverTown, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdm.resolver.supervisor._PROBE_SECONDS", 0.0)
    monkeypatch.setattr("mdm.resolver.supervisor._GRACE_SECONDS", 1.0)
    monkeypatch.setattr("mdm.resolver.supervisor._FAILURES_UNTIL_KILLED", 1)
    pid = town.supervisor.get_pids()["dnsdist"]
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(lambda: town.supervisor.get_pids()["dnsdist"] not in (None, pid), 30)
    assert wait_until(lambda: town.is_served(key), 30)


def test_a_configuration_that_is_refused_leaves_the_last_good_one(town: ResolverTown) -> None:
    settings, good = town.supervisor.engine, (town.supervisor.folder / "unbound.conf").read_text()
    why = accept_configuration(dataclasses.replace(settings, forward_to=("not an address",)))
    assert why is not None
    assert why.startswith("unbound.conf:")
    assert (town.supervisor.folder / "unbound.conf").read_text() == good
    assert accept_configuration(settings) is None


def test_a_first_configuration_that_is_refused_is_an_error(town: ResolverTown, tmp_path: Path) -> None:
    with pytest.raises(ResolverUnavailable, match=r"unbound\.conf"):
        accept_configuration(dataclasses.replace(town.supervisor.engine, folder=tmp_path, forward_to=("not an address",)))


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_FOLDERS", "")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ResolverUnavailable, match="dnsdist is not installed"):
        programs.find_program("dnsdist")


def test_a_renewed_certificate_is_shown_without_a_restart(town: ResolverTown, key: str) -> None:
    folder, pids = town.runtime.settings.data_dir.parent, town.supervisor.get_pids()
    (folder / "chain.pem").write_text("this is no certificate")
    assert wait_until(lambda: town.resolve(key, "libre.example") == ANY_HOST)  # the last good one stays
    authority = trustme.CA()
    renewed = authority.issue_cert("localhost")
    (folder / "key.pem").write_bytes(renewed.private_key_pem.bytes())
    (folder / "chain.pem").write_bytes(renewed.cert_chain_pems[0].bytes())
    (folder / "ca.pem").write_bytes(authority.cert_pem.bytes())

    def is_shown() -> bool:
        port = town.supervisor.engine.listen_port
        return ssl.get_server_certificate(("localhost", port)).split() == renewed.cert_chain_pems[0].bytes().decode().split()

    assert wait_until(is_shown, 30)
    assert town.supervisor.get_pids() == pids
    town.http.close()
    town.http = create_client(folder)
    assert town.resolve(key, "libre.example") == ANY_HOST


def test_no_file_and_no_setting_keeps_a_question(town: ResolverTown, key: str) -> None:
    """The names that a child asks for are in no file of the resolver, and neither program has a place to keep or send them."""
    folder = town.supervisor.folder
    name = "ce-que-cherche-un-enfant.example"
    tokens = town.save_filters({"home": ResolverFilter(denied=frozenset({"refuse.example"}))})
    town.wait_for(tokens)
    town.resolve(tokens["home"], name)
    town.resolve(tokens["home"], f"{name}.refuse.example")
    time.sleep(0.2)
    for path in folder.rglob("*"):
        if path.is_file():
            assert name.encode() not in path.read_bytes(), path
    dnsdist = (folder / "dnsdist.conf").read_text() + Path(programs.__file__).with_name("decide.lua").read_text()
    for collector in (
        "controlSocket", "webserver", "carbonServer", "RemoteLog", "Dnstap", "LogAction", "TeeAction", "snmpAgent", "setVerbose",
        "ProtobufLog", "infolog", "warnlog", "errlog", "vinfolog", "print(",
    ):  # fmt: skip
        assert collector not in dnsdist
    assert "setRingBuffersSize(0, 1)" in dnsdist
    unbound = (folder / "unbound.conf").read_text()
    for setting in (
        "log-queries: no",
        "log-replies: no",
        "log-servfail: no",
        "val-log-level: 0",
        "verbosity: 0",
        "control-enable: no",
    ):
        assert setting in unbound
    assert "dnstap" not in unbound


def test_nobody_else_reads_its_files(town: ResolverTown) -> None:
    assert list_open_paths(town.supervisor.folder) == []


def test_people_see_that_it_answers(town: ResolverTown) -> None:
    with town.runtime.open_unit_of_work() as work:
        state = load_resolver_state(work)
    assert state.status in (ResolverStatus.ANSWERING, ResolverStatus.INCOMPLETE)
    assert [process.answered_at is not None for process in state.processes] == [True]


def test_without_its_database_it_goes_on_with_what_it_has(internet: str, tmp_path: Path) -> None:
    runtime = create_runtime(tmp_path, internet)
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    alone = ResolverTown(runtime, ResolverSupervisor(runtime), create_client(tmp_path), town_id)
    tokens = alone.save_filters({"home": ResolverFilter(denied=frozenset({"refuse.example"}))})
    database = Path(str(runtime.engine.url.database))
    with run_resolver(alone):
        runtime.engine.dispose()
        database.rename(tmp_path / "away.db")
        pid = alone.supervisor.get_pids()["dnsdist"]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: alone.supervisor.get_pids()["dnsdist"] not in (None, pid), 30)
        assert wait_until(lambda: alone.is_served(tokens["home"]), 30)
        assert alone.resolve(tokens["home"], "refuse.example") is None
        runtime.engine.dispose()
        (tmp_path / "away.db").rename(database)
        alone.save_filters({"home": ResolverFilter()})
        assert wait_until(lambda: alone.resolve(tokens["home"], "refuse.example") == ANY_HOST, 30)
    runtime.engine.dispose()


def test_a_second_resolver_in_one_folder_is_refused(town: ResolverTown) -> None:
    with pytest.raises(ResolverUnavailable, match="another resolver runs"):
        ResolverSupervisor(town.runtime)


def test_blocked_names_lead_to_the_page_where_there_is_one(internet: str, tmp_path: Path) -> None:
    runtime = create_runtime(tmp_path, internet, resolver_blocked_address="192.0.2.99")
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    paged = ResolverTown(runtime, ResolverSupervisor(runtime), create_client(tmp_path), town_id)
    tokens = paged.save_filters({"home": ResolverFilter(denied=frozenset({"refuse.example"}))})
    with run_resolver(paged):
        assert paged.resolve(tokens["home"], "www.refuse.example") == "192.0.2.99"
        assert paged.ask(tokens["home"], "www.refuse.example").answer[0].ttl <= 10
        assert paged.ask(tokens["home"], "www.refuse.example", "AAAA").answer == []
        assert paged.ask(tokens["home"], "www.refuse.example", "HTTPS").answer == []
        assert paged.resolve(tokens["home"], "libre.example") == ANY_HOST
    with runtime.open_unit_of_work() as work:
        assert load_resolver_state(work).status is ResolverStatus.AWAY


def test_the_check_host_leads_to_the_web_server_for_tablets_alone(internet: str, tmp_path: Path) -> None:
    """Even where nothing but permitted sites is open."""
    names = {"public_url": "https://mdm.ville.example:8443", "resolver_check_host": "check.dns.ville.example"}
    runtime = create_runtime(tmp_path, internet, **names)
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    checked = ResolverTown(runtime, ResolverSupervisor(runtime), create_client(tmp_path), town_id)
    open_hosts = list_own_hosts(runtime.settings)
    tokens = checked.save_filters({"night": ResolverFilter(only_permitted=True, always_open=open_hosts)})
    with run_resolver(checked):
        answer = checked.ask(tokens["night"], "check.dns.ville.example").answer
        assert [str(record) for records in answer for record in records] == ["mdm.ville.example.", ANY_HOST]
        assert checked.resolve(tokens["night"], "autre.example") is None
    runtime.engine.dispose()


def test_filters_outlive_a_restart_of_the_resolver(internet: str, tmp_path: Path) -> None:
    """It knows its lists from the first answer on: their stores are there already."""
    runtime = create_runtime(tmp_path, internet)
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    first = ResolverTown(runtime, ResolverSupervisor(runtime), create_client(tmp_path), town_id)
    first.import_lists({"adult": "porno.example\n"})
    tokens = first.save_filters({"home": ResolverFilter(denied=frozenset({"refuse.example"}))})
    with run_resolver(first):
        assert first.resolve(tokens["home"], "refuse.example") is None
        assert wait_until(lambda: first.resolve(tokens["home"], "porno.example") is None)
    again = ResolverTown(runtime, ResolverSupervisor(runtime), create_client(tmp_path), town_id)
    with run_resolver(again):
        assert again.resolve(tokens["home"], "refuse.example") is None
        assert again.resolve(tokens["home"], "porno.example") is None
    runtime.engine.dispose()
