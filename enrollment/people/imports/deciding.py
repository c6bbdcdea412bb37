"""What a person decides about a line that the program cannot place: it is this one, it is a new one. Never commits."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people.errors import ImportOver, LineDecided, NotACandidate
from enrollment.people.imports.changes import UNDECIDED, ClassKeys, Diff, Hashes, Subject
from enrollment.people.imports.matching import judged
from enrollment.people.imports.repository import ImportRepository
from enrollment.people.imports.service import hold
from enrollment.people.models import ImportState, RosterImport


def decide(work: UnitOfWork, actor: Actor, import_id: UUID, number: int, target_id: UUID | None) -> RosterImport:
    """Say whom line `number` (its place in the report, from 0) speaks of: one of its candidates, or with None somebody new.

    Raises `ImportOver`, `NotFound`, `LineDecided`, `NotACandidate`.
    """
    row = hold(work, actor, import_id)
    if row.state is not ImportState.PREVIEWED or row.plan is None:
        raise ImportOver
    plan = json.loads(row.plan)
    if not 0 <= number < len(plan["changes"]):
        raise NotFound(field="number")
    change: dict[str, Any] = plan["changes"][number]
    before = change["kind"]
    if before not in {kind.value for kind in UNDECIDED}:
        raise LineDecided
    if target_id is not None and str(target_id) not in change["candidates"]:
        raise NotACandidate
    if target_id is not None and any(c["target_id"] == str(target_id) for c in plan["changes"] if c is not change):
        raise LineDecided
    change["kind"], why = _meaning(work, plan["year"], change, target_id)
    change["target_id"] = str(target_id) if target_id else None
    change["why"] = ["decided_by_hand", *why]
    row.plan, row.counts = json.dumps(plan, ensure_ascii=False), _recounted(row.counts, change, before)
    audit.record_event(
        work, actor, "roster.decide", "roster_import", row.id, town_id=row.town_id, number=number, kind=change["kind"]
    )
    return row


def _meaning(work: UnitOfWork, year: str, change: dict[str, Any], target_id: UUID | None) -> tuple[str, tuple[str, ...]]:
    if target_id is None:
        return Diff.NEW.value, ()
    if change["subject"] != Subject.PUPIL.value:
        return Diff.RENAMED.value, ()
    repository = ImportRepository(work.session)
    pupil = repository.pupils([target_id])[target_id]
    schools = [UUID(change["school_id"])]
    keys = ClassKeys(repository.classes_of_schools(schools, year), repository.group_keys(schools, year))
    kind, why = judged(pupil, change["row"], Hashes(**change["hashes"]), change["class_key"], keys)
    if str(pupil.school_id) != change["school_id"]:
        return Diff.MOVED_CLASS.value, ("other_school", *why)
    return kind.value, why


def _recounted(counts: dict[str, Any], change: dict[str, Any], before: str) -> dict[str, Any]:
    moved = Counter({before: -1, change["kind"]: 1})
    of = {**counts["by_subject"][change["subject"]]}
    for kind, by in moved.items():
        of[kind] += by
    return {
        **counts,
        **{kind: counts[kind] + by for kind, by in moved.items()},
        "by_subject": {**counts["by_subject"], change["subject"]: of},
    }
