"""Each way to misbehave does what it says, and the conversation afterwards is whole again."""

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
    rig: SimulatorRig, doing: str, polls: int
) -> tuple[SimulatedTablet, RecordedTablet, list[ConversationLog]]:
    """The tablet gets SecurityInfo, ProfileList and InstallProfile, and polls so often."""
    told: list[ConversationLog] = []

    async def story() -> SimulatedTablet:
        async with rig.create_tablet(behaviour=doing) as tablet:
            await tablet.enrol()
            rig.server.enqueue(tablet.udid, "SecurityInfo")
            rig.server.enqueue(tablet.udid, "ProfileList")
            rig.server.enqueue(tablet.udid, "InstallProfile", Payload=build_profile("floor"))
            for _ in range(polls):
                told.append(await tablet.poll())
            return tablet

    tablet = asyncio.run(story())
    return tablet, rig.server.tablets[tablet.udid], told


def list_statuses(seen: RecordedTablet) -> list[str]:
    return [one["Status"] for one in seen.results]


def test_not_now(rig: SimulatorRig) -> None:
    _, seen, told = poll_with_behaviour(rig, "not_now:2", 2)
    assert list_statuses(seen) == ["NotNow", "Acknowledged", "NotNow", "Acknowledged", "Acknowledged"]
    assert [one.ending for one in told] == [ConversationEnding.NOT_NOW, ConversationEnding.DONE]


def test_locked_puts_off_only_what_needs_the_passcode(rig: SimulatorRig) -> None:
    _, seen, told = poll_with_behaviour(rig, "locked:2", 1)
    assert list_statuses(seen) == ["NotNow", "Acknowledged", "NotNow"]
    assert told[0].ending is ConversationEnding.NOT_NOW


def test_garbage(rig: SimulatorRig) -> None:
    tablet, seen, told = poll_with_behaviour(rig, "garbage:5", 6)
    assert [one.ending for one in told] == [ConversationEnding.REFUSED] * 5 + [ConversationEnding.DONE]
    assert seen.malformed_messages == 5
    assert "floor" in tablet.profiles


def test_duplicates(rig: SimulatorRig) -> None:
    _, seen, told = poll_with_behaviour(rig, "duplicate_answers:2", 1)
    uuids = [one["CommandUUID"] for one in seen.results]
    assert uuids[::2] == uuids[1::2]
    assert len(set(uuids)) == 3
    assert told[0].ending is ConversationEnding.DONE


def test_death_and_return(rig: SimulatorRig) -> None:
    tablet, seen, told = poll_with_behaviour(rig, "dies_mid_conversation:2", 3)
    assert [one.ending for one in told] == [ConversationEnding.VANISHED, ConversationEnding.VANISHED, ConversationEnding.DONE]
    assert {one["CommandUUID"] for one in seen.results} == {uuid for one in told for uuid in one.command_uuids}
    assert "floor" in tablet.profiles


@pytest.mark.parametrize("doing", ["slow:0.2", "wrong_clock:-600", "normal", "renews"])
def test_the_harmless_ones(rig: SimulatorRig, doing: str) -> None:
    tablet, seen, told = poll_with_behaviour(rig, doing, 2)
    assert list_statuses(seen) == ["Acknowledged"] * 3
    assert told[1].ending is ConversationEnding.DONE
    assert tablet.behaviour.serialize() == doing


def test_offline_is_asleep_at_first() -> None:
    away = parse_behaviour("offline:5")
    assert not away.is_online(4.9)
    assert away.is_online(5)


def test_names_and_the_mix() -> None:
    assert {choose_behaviour("seed", index).name for index in range(600)} == set(BEHAVIOURS)
    assert [choose_behaviour("a", index).name for index in range(50)] == [
        choose_behaviour("a", index).name for index in range(50)
    ]
    assert sum(MIXED_CLASS.values()) == 101
    with pytest.raises(SimulatorError, match="not_now"):
        parse_behaviour("nonsense")
