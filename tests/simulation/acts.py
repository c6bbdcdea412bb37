"""What people do in a simulation, each act in one unit of work by the services that pages and API call."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import select

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Grade
from enrollment.safeguards import stop_switch
from enrollment.tablets import custody as loans
from enrollment.tablets import lookup
from enrollment.tablets.models import Condition
from mdm.care.commands import single
from mdm.care.commands.kinds import CommandKind
from mdm.care.erasing.service import erase_tablet
from mdm.care.lost_mode import service as lost_mode
from mdm.queue import service as queue
from mdm.queue.models import OPEN_STATES, QueuedCommand
from profiles.effective import bundles
from profiles.policy.kinds import PlaceKind
from profiles.policy.models import Preset
from profiles.schedule import sessions
from profiles.schedule.session_rules import SessionPreset
from tests.simulation.steps import StepKind
from tests.simulation.town import SimulatedTown
from tests.support.custody import mark_found
from tests.support.policy import publish_document

Act: TypeAlias = Callable[[UnitOfWork, SimulatedTown, int, random.Random], object]
_COMMANDS = (
    CommandKind.LOCK,
    CommandKind.RESTART,
    CommandKind.REFRESH,
    CommandKind.CLEAR_SCREEN_TIME,
    CommandKind.CLEAR_PASSCODE,
)
_SETTINGS = ("allowCamera", "allowScreenShot", "allowAirDrop")


def _mark_lost(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    return lost_mode.mark_lost(work, town.admin, town.tablet_ids[tablet], "left on the bus")


def _lift_lost(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    return lost_mode.request_lift(work, town.colleague, town.tablet_ids[tablet], "it is here", called_back=True)


def _mark_found(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    return mark_found(work, town.colleague, town.id, town.tags[tablet], Condition.GOOD)


def _erase(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> None:
    erase_tablet(work, town.admin, town.tablet_ids[tablet], "sold", "RET-1")


def _give_command(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> None:
    single.give_command(work, town.admin, town.tablet_ids[tablet], draw.choice(_COMMANDS))


def _cancel_command(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    ids = work.session.scalars(
        select(QueuedCommand.id).where(QueuedCommand.state.in_(OPEN_STATES)).order_by(QueuedCommand.id)
    ).all()
    return queue.cancel_command(work, SYSTEM, draw.choice(ids)) if ids else None


def _change_bundle(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    bundle = work.session.get_one(Preset, town.bundle_id)
    change = draw.choice((bundles.assign_bundle, bundles.unassign_bundle))
    return change(work, town.admin, bundle, PlaceKind.GRADE, Grade.CE2.value)


def _change_policy(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    values = {name: draw.random() < 0.5 for name in _SETTINGS}
    return publish_document(work, town.id, PlaceKind.CLASS, str(town.class_id), {"all": values})


def _start_session(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    preset = draw.choice((SessionPreset.FREE, SessionPreset.SCREENS_DOWN))
    return sessions.start_session(
        work, town.admin, town.id, town.school_id, town.class_id, minutes=30, preset=preset, apps=(), sites=()
    )


def _swap(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    numbers = sorted((tablet, (tablet + 1) % len(town.tablet_ids)))
    pair = [lookup.get_tablet_for_update(work, town.admin, town.tablet_ids[number]) for number in numbers]
    return loans.swap_tablets(work, town.admin, *pair, needs_confirmation=False)


def _stop_town(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    return stop_switch.stop(work, town.admin, town.id, "odd")


def _release_town(work: UnitOfWork, town: SimulatedTown, tablet: int, draw: random.Random) -> object:
    stop_switch.request_release(work, town.admin, town.id, "it was nothing")
    return stop_switch.approve_release(work, town.colleague, town.id)


ACTS: dict[StepKind, Act] = {
    StepKind.MARK_LOST: _mark_lost,
    StepKind.LIFT_LOST: _lift_lost,
    StepKind.MARK_FOUND: _mark_found,
    StepKind.ERASE: _erase,
    StepKind.GIVE_COMMAND: _give_command,
    StepKind.CANCEL_COMMAND: _cancel_command,
    StepKind.CHANGE_BUNDLE: _change_bundle,
    StepKind.CHANGE_POLICY: _change_policy,
    StepKind.START_SESSION: _start_session,
    StepKind.SWAP: _swap,
    StepKind.STOP_TOWN: _stop_town,
    StepKind.RELEASE_TOWN: _release_town,
}
