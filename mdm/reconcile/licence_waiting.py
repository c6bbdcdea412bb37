"""How many tablets wait for a licence of each app, and from which account they would get it."""

from __future__ import annotations

from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps.licence_repository import LicenceRepository


def count_waiting_tablets(work: UnitOfWork, actor: Actor, town_id: UUID) -> dict[tuple[UUID, UUID | None], dict[str, int]]:
    """Return the numbers by grade, for each app and content token; `-` stands for tablets without a grade.

    A tablet counts with the account of its school, also when the town's own would serve it too.
    """
    tokens = LicenceRepository(work.session).load_serving_tokens([town_id])[town_id]
    waiting: dict[tuple[UUID, UUID | None], dict[str, int]] = {}
    for (app_id, school_id, grade), count in ReconcileRepository(work.session).count_waiting_for_licence(actor, town_id).items():
        by_grade = waiting.setdefault((app_id, tokens.list_sources(school_id)[0]), {})
        name = str(grade or "-")
        by_grade[name] = by_grade.get(name, 0) + count
    return waiting
