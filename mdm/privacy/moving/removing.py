"""Removes a town that lives on another server now. Opens units of work of its own: the decision is recorded before anything is deleted.

Of the town's audit trail numbers and links stay, so that it can still be verified that nothing else was removed.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from cartable import audit, locks
from cartable.audit import AuditEvent
from cartable.audit_moving import strip_chain
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from mdm.privacy.moving.errors import TownMoveRefused
from mdm.privacy.moving.exporting import EXPORTED
from mdm.privacy.moving.repository import TownMoveRepository


def require_removable(work: UnitOfWork, town: Town, proof: str | None) -> int:
    """Return how many tablets are enrolled in a town that may be removed. Raises `TownMoveRefused`.

    With enrolled tablets it needs the proof of the newest export, and no tablet may have enrolled or renewed its identity since: the
    archive would not know it.
    """
    repository = TownMoveRepository(work.session)
    enrolled = repository.count_enrolled(town.id)
    if not enrolled and proof is None:
        return 0
    exported_at = _find_export(work, town.id, proof or "")
    if exported_at is None:
        raise TownMoveRefused(
            f"{enrolled} tablets are enrolled. Export the town with --for-server, import it on its new server, and give the proof"
            " that the export printed."
        )
    if repository.has_issued_since(town.id, exported_at):
        raise TownMoveRefused(
            "a tablet has enrolled or renewed its identity since that export, and the new server does not know it: export again,"
            " remove the town there, and import the new archive."
        )
    return enrolled


def remove_town(runtime: Runtime, town: Town, proof: str | None) -> dict[str, int]:
    """Delete every row of a town and return their number by table. Raises `TownMoveRefused`."""
    with runtime.open_unit_of_work() as work:
        enrolled = require_removable(work, town, proof)
        audit.record_event(
            work, SYSTEM, "town.remove", "town", town.id, town_id=None, slug=town.slug, enrolled=enrolled, proof=proof
        )
    with runtime.open_unit_of_work() as work:
        locks.lock_town(work, town.id)
        require_removable(work, town, proof)
        stripped = strip_chain(work, town.id)
        return TownMoveRepository(work.session).delete_town(town.id) | {AuditEvent.__tablename__: stripped}


def _find_export(work: UnitOfWork, town_id: UUID, proof: str) -> datetime | None:
    """Return when the newest archive of a town was written, if this is its proof."""
    event = TownMoveRepository(work.session).get_last_event(EXPORTED, town_id)
    if event is None or event.details["proof"] != proof:
        return None
    return datetime.fromisoformat(event.details["exported_at"])
