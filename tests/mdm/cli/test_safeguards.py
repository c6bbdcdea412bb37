"""The operator's commands: stop a town or all, be one of two people at the release, set limits, list alarms."""

from __future__ import annotations

import argparse

import pytest

from cartable.alarms import AlarmKind, raise_alarm
from cartable.errors import Invalid, SamePerson
from cartable.scope import Role
from cartable.unit_of_work import Runtime
from enrollment.safeguards import budget, stop_switch
from enrollment.safeguards.rules import Limits
from mdm.cli import safeguards
from tests.support.world import TownFactory, create_actor


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser()
    commands = whole.add_subparsers()
    safeguards.add_stop_arguments(commands.add_parser("stop"))
    safeguards.add_limit_arguments(commands.add_parser("budget-limits"))
    safeguards.add_alarm_arguments(commands.add_parser("alarms"))
    return whole


def test_the_operator_stops_all_towns_and_is_one_of_two_people_at_the_release(
    runtime: Runtime, parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with runtime.open_unit_of_work() as work:
        towns = [TownFactory(work).create_town() for _ in range(2)]
        admin = create_actor(Role.TOWN_ADMIN, towns[0])
        with pytest.raises(Invalid):
            safeguards.run_stop(work, parser.parse_args(["stop", "--all"]))
        safeguards.run_stop(work, parser.parse_args(["stop", "--all", "--reason", "an intruder"]))
        assert stop_switch.list_stopped_towns(work, {town.id for town in towns}) == {town.id for town in towns}
        slug = towns[0].slug
        safeguards.run_stop(work, parser.parse_args(["stop", slug, "--request-release", "--reason", "it is over"]))
        with pytest.raises(SamePerson):
            safeguards.run_stop(work, parser.parse_args(["stop", slug, "--approve-release"]))
        stop_switch.approve_release(work, admin, towns[0].id)
        stop_switch.stop(work, admin, towns[0].id, "again")
        stop_switch.request_release(work, admin, towns[0].id, "fine")
        capsys.readouterr()
        safeguards.run_stop(work, parser.parse_args(["stop", slug, "--approve-release"]))
        assert capsys.readouterr().out.endswith(f"{slug}: not stopped\n")
        assert stop_switch.list_stopped_towns(work, {town.id for town in towns}) == {towns[1].id}


def test_the_operator_sets_limits_and_takes_note_of_alarms(
    runtime: Runtime, parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        words = ["budget-limits", town.slug, "--person-per-hour", "1", "--person-per-day", "2", "--town-per-day", "3"]
        safeguards.run_budget_limits(work, parser.parse_args(words))
        assert budget.get_budget(work, create_actor(Role.TOWN_ADMIN, town), town.id).limits == Limits(1, 2, 3)
        raise_alarm(work, town.id, AlarmKind.STOPPED)
        of_server = raise_alarm(work, None, AlarmKind.INVITATION_CODES_GUESSED)
        assert of_server is not None
        safeguards.run_alarms(work, parser.parse_args(["alarms"]))
        assert "server: Somebody is guessing invitation codes." in capsys.readouterr().out
        safeguards.run_alarms(work, parser.parse_args(["alarms", "--acknowledge", str(of_server.id)]))
        printed = capsys.readouterr().out
        assert f"{town.slug}: Everything that cannot be taken back was stopped." in printed
        assert "server" not in printed
