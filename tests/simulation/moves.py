"""What a tablet does in a simulation, by itself or in the hands of a child."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from simulator import SimulatedTablet
from tests.simulation.steps import StepKind

Move: TypeAlias = Callable[[SimulatedTablet, random.Random], Awaitable[None]]
#: How often a person enrolls a tablet that is enrolled already.
ENROLLED_TWICE = 0.1


async def _enrol(tablet: SimulatedTablet, draw: random.Random) -> None:
    if not tablet.is_enrolled or draw.random() < ENROLLED_TWICE:
        await tablet.enrol()


async def _poll(tablet: SimulatedTablet, draw: random.Random) -> None:
    if tablet.is_enrolled:
        await tablet.poll()


async def _report(tablet: SimulatedTablet, draw: random.Random) -> None:
    if tablet.is_enrolled:
        await tablet.report_declarations()


async def _restart(tablet: SimulatedTablet, draw: random.Random) -> None:
    await tablet.restart()


async def _unlock(tablet: SimulatedTablet, draw: random.Random) -> None:
    tablet.unlock()
    await _poll(tablet, draw)


async def _uninstall_app(tablet: SimulatedTablet, draw: random.Random) -> None:
    if tablet.apps:
        tablet.device.uninstall_app(draw.choice(sorted(tablet.apps)))


async def _remove_management(tablet: SimulatedTablet, draw: random.Random) -> None:
    if tablet.is_enrolled:
        await tablet.remove_management()


async def _erase_by_hand(tablet: SimulatedTablet, draw: random.Random) -> None:
    await tablet.erase()


MOVES: dict[StepKind, Move] = {
    StepKind.ENROL: _enrol,
    StepKind.POLL: _poll,
    StepKind.REPORT: _report,
    StepKind.RESTART: _restart,
    StepKind.UNLOCK: _unlock,
    StepKind.UNINSTALL_APP: _uninstall_app,
    StepKind.REMOVE_MANAGEMENT: _remove_management,
    StepKind.ERASE_BY_HAND: _erase_by_hand,
}
