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
from enrollment.rosters.errors import ImportFinished, LineAlreadyDecided, NotACandidate
from enrollment.rosters.imports.changes import UNDECIDED_KINDS, ChangeKind, ClassIndex, MatchHashes, Subject
from enrollment.rosters.imports.matching import compare_pupil
from enrollment.rosters.imports.repository import ImportRepository
from enrollment.rosters.imports.service import get_import_for_update
from enrollment.rosters.models import ImportState, RosterImport


def decide_line(work: UnitOfWork, actor: Actor, import_id: UUID, number: int, target_id: UUID | None) -> RosterImport:
    """Say whom line `number` (its place in the report, from 0) speaks of: one of its candidates, or with None somebody new.

    Raises `ImportOver`, `NotFound`, `LineDecided`, `NotACandidate`.
    """
    row = get_import_for_update(work, actor, import_id)
    if row.state is not ImportState.PREVIEWED or row.plan is None:
        raise ImportFinished
    plan = json.loads(row.plan)
    if not 0 <= number < len(plan["changes"]):
        raise NotFound(field="number")
    change: dict[str, Any] = plan["changes"][number]
    before = change["kind"]
    if before not in {kind.value for kind in UNDECIDED_KINDS}:
        raise LineAlreadyDecided
    if target_id is not None and str(target_id) not in change["candidates"]:
        raise NotACandidate
    if target_id is not None and any(c["target_id"] == str(target_id) for c in plan["changes"] if c is not change):
        raise LineAlreadyDecided
    change["kind"], why = _classify_decided_line(work, plan["year"], change, target_id)
    change["target_id"] = str(target_id) if target_id else None
    change["why"] = ["decided_by_hand", *why]
    row.plan, row.counts = json.dumps(plan, ensure_ascii=False), _update_counts(row.counts, change, before)
    audit.record_event(
        work, actor, "roster.decide", "roster_import", row.id, town_id=row.town_id, number=number, kind=change["kind"]
    )
    return row


def _classify_decided_line(
    work: UnitOfWork, year: str, change: dict[str, Any], target_id: UUID | None
) -> tuple[str, tuple[str, ...]]:
    if target_id is None:
        return ChangeKind.NEW.value, ()
    if change["subject"] != Subject.PUPIL.value:
        return ChangeKind.RENAMED.value, ()
    repository = ImportRepository(work.session)
    pupil = repository.get_pupils([target_id])[target_id]
    schools = [UUID(change["school_id"])]
    keys = ClassIndex(repository.list_classes_of_schools(schools, year), repository.get_group_keys_by_pupil(schools, year))
    kind, why = compare_pupil(pupil, change["row"], MatchHashes(**change["hashes"]), change["class_key"], keys)
    if str(pupil.school_id) != change["school_id"]:
        return ChangeKind.MOVED_CLASS.value, ("other_school", *why)
    return kind.value, why


def _update_counts(counts: dict[str, Any], change: dict[str, Any], before: str) -> dict[str, Any]:
    moved = Counter({before: -1, change["kind"]: 1})
    of = {**counts["by_subject"][change["subject"]]}
    for kind, by in moved.items():
        of[kind] += by
    return {
        **counts,
        **{kind: counts[kind] + by for kind, by in moved.items()},
        "by_subject": {**counts["by_subject"], change["subject"]: of},
    }
