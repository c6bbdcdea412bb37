"""SQL of the scheduled verification of the audit trail: how far each chain is verified and anchored."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from mdm.privacy.models import AuditCheckpoint


class CheckpointRepository:
    """Reads and creates checkpoints."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def load_checkpoints(self, chains: Collection[str]) -> dict[str, AuditCheckpoint]:
        """Return the checkpoint of each of these chains; a chain without one gets it."""
        rows = self.session.scalars(select(AuditCheckpoint).where(AuditCheckpoint.chain.in_(chains)))
        checkpoints = {row.chain: row for row in rows}
        for chain in sorted(set(chains) - checkpoints.keys()):
            checkpoints[chain] = AuditCheckpoint(chain=chain, sequence=0, link="", seal="", anchored_sequence=0)
            self.session.add(checkpoints[chain])
        return checkpoints

    def list_faulty(self) -> Sequence[AuditCheckpoint]:
        """Return the checkpoints of the chains in which something is wrong."""
        statement = select(AuditCheckpoint).where(AuditCheckpoint.fault_kind.is_not(None)).order_by(AuditCheckpoint.chain)
        return self.session.scalars(statement).all()
