"""All SQL of restores: the orders that expire, and the towns that are stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from enrollment.places.models import Town
from mdm.care.erasing.models import BulkErase
from mdm.channel.models import Readoption
from mdm.protocol.commands.registry import COMMANDS
from mdm.queue.models import OPEN_STATES, CommandBody, CommandState, EndReason, Lane, QueuedCommand

_REQUEST_TYPES = sorted(name for name, command in COMMANDS.items() if command.expires_after_restore)


class RestoreRepository:
    """Ends what waited in a restored database."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_town_ids(self) -> Sequence[UUID]:
        return self.session.scalars(select(Town.id).order_by(Town.id)).all()

    def has_readoption_since(self, instant: datetime | None) -> bool:
        """Return whether a tablet has shown a lost certificate that was issued after an instant, or any."""
        statement = select(Readoption.id)
        if instant is not None:
            statement = statement.where(Readoption.issued_at > instant)
        return self.session.scalar(statement.limit(1)) is not None

    def expire_commands(self, now: datetime) -> int:
        """Expire the open commands that take something away, and return how many.

        A sent erase stays: it is never sent twice, and when the tablet comes back, it is known that it was erased.
        """
        bodies = select(CommandBody.id).where(CommandBody.request_type.in_(_REQUEST_TYPES))
        statement = (
            update(QueuedCommand)
            .where(
                QueuedCommand.state.in_(OPEN_STATES),
                QueuedCommand.body_id.in_(bodies),
                (QueuedCommand.state != CommandState.SENT) | (QueuedCommand.lane != Lane.FINAL),
            )
            .values(state=CommandState.EXPIRED, finished_at=now, state_reason=EndReason.RESTORED.value)
            .execution_options(synchronize_session=False)
        )
        return int(self.session.execute(statement).rowcount)  # type: ignore[attr-defined]

    def cancel_bulk_erases(self, now: datetime) -> int:
        """Cancel the bulk erases that were not sent, and return how many."""
        statement = (
            update(BulkErase)
            .where(BulkErase.sent_at.is_(None), BulkErase.cancelled_at.is_(None))
            .values(cancelled_at=now)
            .execution_options(synchronize_session=False)
        )
        return int(self.session.execute(statement).rowcount)  # type: ignore[attr-defined]
