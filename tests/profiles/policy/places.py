"""A town with classes and tablets, for tests of policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from enrollment.places.models import Grade
from enrollment.tablets.models import Tablet
from profiles.effective.situation import build_situation, load_policy
from profiles.policy import documents
from profiles.policy.kinds import PlaceKind
from profiles.policy.models import PolicyDocument, PolicyVersion
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from tests.support.policy import publish_document
from tests.support.world import TownFactory


class PolicyTown:
    """A town with two classes of CE2 and one of CM2, two tablets on loan in each."""

    def __init__(self, work: UnitOfWork) -> None:
        world = TownFactory(work)
        self.town = world.create_town()
        self.school = world.create_school(self.town)
        self.classes = [world.create_class(self.school, label) for label in ("CE2 A", "CE2 B", "CM2 A")]
        self.tablets: list[list[Tablet]] = []
        for school_class, grade in zip(self.classes, (Grade.CE2, Grade.CE2, Grade.CM2), strict=True):
            pair = [world.create_tablet(self.town, school_id=self.school.id) for _ in range(2)]
            for tablet in pair:
                world.lend_tablet(tablet, world.create_pupil(school_class, grade))
            self.tablets.append(pair)

    def open(self, work: UnitOfWork, place: PlaceKind, target: str = "") -> PolicyDocument:
        """Return the document of a place."""
        return documents.open_document(work, SYSTEM, self.town.id, place, target)

    def publish(
        self,
        work: UnitOfWork,
        place: PlaceKind,
        target: str,
        values: Mapping[str, Any],
        locks: Sequence[str] = (),
    ) -> PolicyVersion:
        """Publish values for all modes, with locks for all modes."""
        return publish_document(work, self.town.id, place, target, {"all": values}, locks={"all": list(locks)} if locks else None)

    def pupil_of(self, work: UnitOfWork, tablet: Tablet) -> str:
        """Return the target of the pupil who has a tablet."""
        return str(load_facts(work, [tablet.id])[tablet.id].pupil_id)


def value_on(work: UnitOfWork, tablet: Tablet, key: str, mode: Mode | None = None) -> object:
    """Return the value of a setting on a tablet, in its mode now or in another; None where nobody sets it."""
    work.session.flush()
    facts = load_facts(work, [tablet.id])[tablet.id]
    now = evaluate_modes(work, [facts])[tablet.id]
    policy = load_policy(work, [facts])
    resolved = policy.get_settings(build_situation(facts, policy, now), mode or now.mode).get(key)
    return resolved.value if resolved is not None else None
