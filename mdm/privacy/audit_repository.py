"""SQL of the scheduled verification of the audit trail: how far each chain is verified and anchored."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from cartable.database import get_insert
from mdm.privacy.models import AuditCheckpoint


class CheckpointRepository:
    """Reads and creates checkpoints."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def load_checkpoints(self, chains: Collection[str]) -> dict[str, AuditCheckpoint]:
        """Return the checkpoint of each of these chains; a chain without one gets it."""
        checkpoints = self._select_checkpoints(chains)
        missing = sorted(set(chains) - checkpoints.keys())
        if not missing:
            return checkpoints
        # Another process may create the same ones at this moment: anchors, verification and retention run side by side.
        rows = [{"chain": chain, "sequence": 0, "link": "", "seal": "", "anchored_sequence": 0} for chain in missing]
        insert = get_insert(self.session.get_bind().dialect.name)
        self.session.execute(insert(AuditCheckpoint).values(rows).on_conflict_do_nothing(index_elements=["chain"]))
        return checkpoints | self._select_checkpoints(missing)

    def _select_checkpoints(self, chains: Collection[str]) -> dict[str, AuditCheckpoint]:
        rows = self.session.scalars(select(AuditCheckpoint).where(AuditCheckpoint.chain.in_(chains)))
        return {row.chain: row for row in rows}

    def list_faulty(self) -> Sequence[AuditCheckpoint]:
        """Return the checkpoints of the chains in which something is wrong."""
        statement = select(AuditCheckpoint).where(AuditCheckpoint.fault_kind.is_not(None)).order_by(AuditCheckpoint.chain)
        return self.session.scalars(statement).all()
