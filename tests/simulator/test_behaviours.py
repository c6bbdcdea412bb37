"""Each behaviour misbehaves as described, and the next conversation is normal again."""

from __future__ import annotations

import asyncio

import pytest

from simulator import SimulatedTablet
from simulator.behaviours import BEHAVIOURS, MIXED_CLASS, choose_behaviour, parse_behaviour
from simulator.conversation import ConversationEnding, ConversationLog
from simulator.errors import SimulatorError
from tests.simulator.conftest import SimulatorRig
from tests.simulator.reference import RecordedTablet, build_profile


def poll_with_behaviour(
    rig: SimulatorRig, behaviour: str, polls: int
) -> tuple[SimulatedTablet, RecordedTablet, list[ConversationLog]]:
    """Let a tablet poll `polls` times with SecurityInfo, ProfileList and InstallProfile in its queue."""
    logs: list[ConversationLog] = []

    async def story() -> SimulatedTablet:
        async with rig.create_tablet(behaviour=behaviour) as tablet:
            await tablet.enrol()
            rig.server.enqueue(tablet.udid, "SecurityInfo")
            rig.server.enqueue(tablet.udid, "ProfileList")
            rig.server.enqueue(tablet.udid, "InstallProfile", Payload=build_profile("floor"))
            for _ in range(polls):
                logs.append(await tablet.poll())
            return tablet

    tablet = asyncio.run(story())
    return tablet, rig.server.tablets[tablet.udid], logs


def list_statuses(recorded: RecordedTablet) -> list[str]:
    return [log["Status"] for log in recorded.results]


def test_not_now(rig: SimulatorRig) -> None:
    _, recorded, logs = poll_with_behaviour(rig, "not_now:2", 2)
    assert list_statuses(recorded) == ["NotNow", "Acknowledged", "NotNow", "Acknowledged", "Acknowledged"]
    assert [log.ending for log in logs] == [ConversationEnding.NOT_NOW, ConversationEnding.DONE]


def test_a_locked_tablet_postpones_only_commands_that_need_the_passcode(rig: SimulatorRig) -> None:
    _, recorded, logs = poll_with_behaviour(rig, "locked:2", 1)
    assert list_statuses(recorded) == ["NotNow", "Acknowledged", "NotNow"]
    assert logs[0].ending is ConversationEnding.NOT_NOW


def test_corrupt_results(rig: SimulatorRig) -> None:
    tablet, recorded, logs = poll_with_behaviour(rig, "garbage:5", 6)
    assert [log.ending for log in logs] == [ConversationEnding.REFUSED] * 5 + [ConversationEnding.DONE]
    assert recorded.malformed_messages == 5
    assert "floor" in tablet.profiles


def test_duplicate_results(rig: SimulatorRig) -> None:
    _, recorded, logs = poll_with_behaviour(rig, "duplicate_answers:2", 1)
    uuids = [log["CommandUUID"] for log in recorded.results]
    assert uuids[::2] == uuids[1::2]
    assert len(set(uuids)) == 3
    assert logs[0].ending is ConversationEnding.DONE


def test_disconnecting_and_coming_back(rig: SimulatorRig) -> None:
    tablet, recorded, logs = poll_with_behaviour(rig, "dies_mid_conversation:2", 3)
    assert [log.ending for log in logs] == [ConversationEnding.VANISHED, ConversationEnding.VANISHED, ConversationEnding.DONE]
    assert {log["CommandUUID"] for log in recorded.results} == {uuid for log in logs for uuid in log.command_uuids}
    assert "floor" in tablet.profiles


@pytest.mark.parametrize("behaviour", ["slow:0.2", "wrong_clock:-600", "normal", "renews"])
def test_behaviours_that_change_no_result(rig: SimulatorRig, behaviour: str) -> None:
    tablet, recorded, logs = poll_with_behaviour(rig, behaviour, 2)
    assert list_statuses(recorded) == ["Acknowledged"] * 3
    assert logs[1].ending is ConversationEnding.DONE
    assert tablet.behaviour.serialize() == behaviour


def test_an_offline_tablet_comes_online_later() -> None:
    away = parse_behaviour("offline:5")
    assert not away.is_online(4.9)
    assert away.is_online(5)


def test_names_of_behaviours_and_the_mixed_class() -> None:
    assert {choose_behaviour("seed", index).name for index in range(600)} == set(BEHAVIOURS)
    assert [choose_behaviour("a", index).name for index in range(50)] == [
        choose_behaviour("a", index).name for index in range(50)
    ]
    assert sum(MIXED_CLASS.values()) == 101
    with pytest.raises(SimulatorError, match="not_now"):
        parse_behaviour("nonsense")
