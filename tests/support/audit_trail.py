"""Whether the audit trail of a town holds, for tests of acts that are audited."""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.audit_verification import ChainFault, verify_chain
from cartable.unit_of_work import UnitOfWork


def find_fault(work: UnitOfWork, town_id: UUID | None) -> ChainFault | None:
    """Return the first fault in the chains of a town, or of no town; None when they hold."""
    faults = (verify_chain(work, chain) for chain in audit.list_chain_keys(town_id))
    return next((fault for fault in faults if fault is not None), None)
