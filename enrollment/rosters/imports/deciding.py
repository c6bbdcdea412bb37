"""Records a person's decision about a line that could not be matched: whom it is about. Never commits."""

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
    """Record whom a line is about: one of its candidates, or with None a new person. `number`: its position in the report, from 0.

    Raises `ImportNotFound`, `ImportFinished`, `NotFound`, `LineAlreadyDecided`, `NotACandidate`.
    """
    row = get_import_for_update(work, actor, import_id)
    if row.state is not ImportState.PREVIEWED or row.plan is None:
        raise ImportFinished
    plan = json.loads(row.plan)
    if not 0 <= number < len(plan["changes"]):
        raise NotFound(field="number")
    change: dict[str, Any] = plan["changes"][number]
    former_kind = change["kind"]
    if former_kind not in {kind.value for kind in UNDECIDED_KINDS}:
        raise LineAlreadyDecided
    if target_id is not None and str(target_id) not in change["candidates"]:
        raise NotACandidate
    if target_id is not None and any(c["target_id"] == str(target_id) for c in plan["changes"] if c is not change):
        raise LineAlreadyDecided
    change["kind"], why = _classify_decided_line(work, plan["year"], change, target_id)
    change["target_id"] = str(target_id) if target_id else None
    change["why"] = ["decided_by_hand", *why]
    row.plan, row.counts = json.dumps(plan, ensure_ascii=False), _update_counts(row.counts, change, former_kind)
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
    school_ids = [UUID(change["school_id"])]
    class_index = ClassIndex(
        repository.list_classes_of_schools(school_ids, year), repository.get_group_keys_by_pupil(school_ids, year)
    )
    kind, why = compare_pupil(pupil, change["row"], MatchHashes(**change["hashes"]), change["class_key"], class_index)
    if str(pupil.school_id) != change["school_id"]:
        return ChangeKind.MOVED_CLASS.value, ("other_school", *why)
    return kind.value, why


def _update_counts(counts: dict[str, Any], change: dict[str, Any], former_kind: str) -> dict[str, Any]:
    deltas = Counter({former_kind: -1, change["kind"]: 1})
    subject_counts = {**counts["by_subject"][change["subject"]]}
    for kind, delta in deltas.items():
        subject_counts[kind] += delta
    return {
        **counts,
        **{kind: counts[kind] + delta for kind, delta in deltas.items()},
        "by_subject": {**counts["by_subject"], change["subject"]: subject_counts},
    }
