"""Removes a child's identity from the database, and keeps what must stay consistent: the loan history and the audit trail.

The row stays without a name while other rows reference it; then retention deletes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil, PupilState
from enrollment.rosters.imports.repository import ImportRepository
from mdm.care.lost_mode.models import LostCase
from mdm.privacy.repository import PrivacyRepository
from mdm.privacy.retention_repository import RetentionRepository


def erase_identities(work: UnitOfWork, town_id: UUID, pupils: Sequence[Pupil]) -> dict[str, int]:
    """Erase these pupils of one town and what was written about them. Returns the numbers of what was removed."""
    retention = RetentionRepository(work.session)
    ids = [pupil.id for pupil in pupils]
    cases = {case.id: case for pupil_id in ids for case in PrivacyRepository(work.session).list_cases_during_loans(pupil_id)}
    for pupil in pupils:
        pupil.last_name, pupil.first_name, pupil.usage_name = "", "", None
        pupil.name_hash, pupil.usage_name_hash, pupil.ine_hash, pupil.birth_hash = "", None, None, None
        pupil.class_id, pupil.take_home, pupil.state = None, True, PupilState.ERASED
    work.session.flush()
    texts, positions = clear_cases(work, list(cases.values()))
    invitations = retention.revoke_invitations(ids, work.now)
    links = retention.unlink_guardians(ids)
    retention.clear_loans(ids)
    dependents = retention.delete_dependents(ids)
    # Import plans of today, and their undo data, may contain their names.
    import_plans = ImportRepository(work.session).clear_plans(work.now + timedelta(seconds=1), town_id) if ids else 0
    return {
        "identities": len(ids),
        "guardian_links": links,
        "invitations": invitations,
        **dependents,
        "lost_texts": texts,
        "positions": positions,
        "import_plans": import_plans,
    }


def clear_cases(work: UnitOfWork, cases: Sequence[LostCase]) -> tuple[int, int]:
    """Clear the texts and positions of cases and their position requests. Returns how many texts and how many positions it cleared."""
    texts = positions = 0
    for case in cases:
        texts += bool(case.reason) + bool(case.lift_reason)
        case.reason, case.lift_reason = "", None
    for request in PrivacyRepository(work.session).list_position_requests([case.id for case in cases]):
        texts += bool(request.reason)
        positions += request.position is not None
        request.reason, request.position = "", None
    work.session.flush()
    return texts, positions
