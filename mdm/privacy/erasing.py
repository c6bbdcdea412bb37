"""Taking a child's identity out of the database so that what must stay, the loan's history and the audit trail, stays sound.

The row remains as a nameless number while something points at it; then retention deletes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.people.imports.repository import ImportRepository
from enrollment.people.models import Pupil, PupilState
from mdm.care.models import LostCase
from mdm.privacy.repository import PrivacyRepository


def erase_identities(work: UnitOfWork, town_id: UUID, pupils: Sequence[Pupil]) -> dict[str, int]:
    """Erase these pupils of one town, and what was written about them. Returns what was removed, in numbers."""
    repository = PrivacyRepository(work.session)
    ids = [pupil.id for pupil in pupils]
    cases = {case.id: case for pupil_id in ids for case in repository.cases_during_loans(pupil_id)}
    for pupil in pupils:
        pupil.last_name, pupil.first_name, pupil.usage_name = "", "", None
        pupil.name_hash, pupil.usage_name_hash, pupil.ine_hash, pupil.birth_hash = "", None, None, None
        pupil.class_id, pupil.take_home, pupil.state = None, True, PupilState.ERASED
    work.session.flush()
    texts, positions = blank_cases(work, list(cases.values()))
    invitations = repository.end_invitations(ids, work.now)
    links = repository.unlink_guardians(ids)
    repository.blank_loans(ids)
    parts = repository.delete_parts(ids)
    # A plan of today, or what undoes it, may name them.
    plans = ImportRepository(work.session).forget_plans(work.now + timedelta(seconds=1), town_id) if ids else 0
    return {
        "identities": len(ids),
        "guardian_links": links,
        "invitations": invitations,
        **parts,
        "lost_texts": texts,
        "positions": positions,
        "import_plans": plans,
    }


def blank_cases(work: UnitOfWork, cases: Sequence[LostCase]) -> tuple[int, int]:
    """Erase what was written in cases and their position requests. Returns how many texts and positions there were."""
    texts = positions = 0
    for case in cases:
        texts += bool(case.reason) + bool(case.lift_reason)
        case.reason, case.lift_reason = "", None
    for request in PrivacyRepository(work.session).requests_of([case.id for case in cases]):
        texts += bool(request.reason)
        positions += request.position is not None
        request.reason, request.position = "", None
    work.session.flush()
    return texts, positions
