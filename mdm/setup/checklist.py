"""What a town still has to do before its first tablets are lent, and the tour of a demonstration town. Computed from facts, never ticked.

See docs/domain/schools.md#towns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from mdm.push.certificates import get_certificate_health
from mdm.setup.repository import SetupRepository

#: A backup that is older protects nobody.
BACKUP_IS_FRESH = timedelta(days=8)


class SetupStep(StrEnum):
    """What is to be done on the first days of a town, in the order in which it is shown."""

    SCHOOLS = "schools"
    ROSTER = "roster"
    HOURS = "hours"
    BUNDLE = "bundle"
    FIRST_TABLET = "first_tablet"
    COLLEAGUES = "colleagues"
    PUSH_CERTIFICATE = "push_certificate"
    APPLE_SCHOOL_MANAGER = "apple_school_manager"
    APPS_AND_BOOKS = "apps_and_books"
    BACKUP = "backup"


class TourAct(StrEnum):
    """The five acts of the tour through a demonstration town."""

    LOSE_AND_FIND = "lose_and_find"
    RETURN_AND_LEND = "return_and_lend"
    GIVE_AN_APP = "give_an_app"
    SWITCH_A_MODE = "switch_a_mode"
    IMPORT_A_ROSTER = "import_a_roster"


#: The audited acts of a person that prove each act of the tour; all of one set are needed.
_PROOFS: dict[TourAct, tuple[frozenset[str], ...]] = {
    TourAct.LOSE_AND_FIND: (frozenset({"tablet.mark_lost", "tablet.lift_lost"}), frozenset({"tablet.mark_lost", "tablet.found"})),
    TourAct.RETURN_AND_LEND: (frozenset({"loan.close", "loan.open"}),),
    TourAct.GIVE_AN_APP: (frozenset({"policy.publish"}),),
    TourAct.SWITCH_A_MODE: (frozenset({"session.start"}), frozenset({"override.write"}), frozenset({"timetable.write"})),
    TourAct.IMPORT_A_ROSTER: (frozenset({"roster.confirm"}),),
}


@dataclass(frozen=True, slots=True)
class Checklist:
    """A town, whether it is a demonstration, and its steps or acts, each with whether it is done."""

    town: Town
    is_tour: bool
    items: tuple[tuple[SetupStep | TourAct, bool], ...]

    @property
    def done(self) -> int:
        """How many items are done."""
        return sum(done for _, done in self.items)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == len(self.items)


def load_checklist(work: UnitOfWork, actor: Actor, town_id: UUID) -> Checklist:
    """Return the checklist of a town, in a constant number of queries. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    town = work.session.get_one(Town, town_id)
    if town.is_demonstration:
        return Checklist(town, True, _list_acts(work, town_id))
    facts = SetupRepository(work.session).load_facts(town_id, work.now, work.now - BACKUP_IS_FRESH)
    push = get_certificate_health(work)
    done = {**facts, SetupStep.PUSH_CERTIFICATE.value: push.installed and not push.simulated and (push.days_left or 0) > 0}
    return Checklist(town, False, tuple((step, done[step.value]) for step in SetupStep))


def _list_acts(work: UnitOfWork, town_id: UUID) -> tuple[tuple[TourAct, bool], ...]:
    actions = frozenset().union(*(proof for proofs in _PROOFS.values() for proof in proofs))
    recorded_actions = SetupRepository(work.session).list_actions_of_people(town_id, actions)
    return tuple((act, any(proof <= recorded_actions for proof in proofs)) for act, proofs in _PROOFS.items())
