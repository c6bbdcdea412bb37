"""All SQL of push tokens: where the tablets of enrollments are woken, when they were, and which tokens APNs refuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from mdm.devices.models import DeviceEnrollment, EnrollmentState, PushTarget
from mdm.devices.repository import upsert_row_of_enrollment


class PushTargetRepository:
    """Reads and writes push tokens."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def save_push_token(self, enrollment_id: int, token: bytes, magic: str, topic: str, now: datetime) -> None:
        """Insert or replace the push token of an enrollment, and clear a former failure."""
        upsert_row_of_enrollment(
            self.session,
            PushTarget,
            {
                "enrollment_id": enrollment_id, "token": token, "magic": magic, "topic": topic, "updated_at": now,
                "invalid_since": None, "invalid_reason": None,
            },
        )  # fmt: skip

    def delete_push_targets(self, enrollment_ids: Sequence[int]) -> None:
        self.session.execute(delete(PushTarget).where(PushTarget.enrollment_id.in_(enrollment_ids)))

    def list_valid_targets(self, enrollment_ids: Sequence[int]) -> Sequence[PushTarget]:
        """Return the push targets of these enrollments, without those whose token is invalid."""
        return self.session.scalars(
            select(PushTarget)
            .where(PushTarget.enrollment_id.in_(enrollment_ids), PushTarget.invalid_since.is_(None))
            .order_by(PushTarget.enrollment_id)
        ).all()

    def mark_pushed(self, enrollment_ids: Sequence[int], now: datetime) -> None:
        """Store when these enrollments were pushed. Rows are locked in one order: two threads may push at once."""
        locked = (
            select(PushTarget.enrollment_id)
            .where(PushTarget.enrollment_id.in_(enrollment_ids))
            .order_by(PushTarget.enrollment_id)
            .with_for_update()
        )
        self.session.execute(
            update(PushTarget)
            .where(PushTarget.enrollment_id.in_(locked))
            .values(pushed_at=now)
            .execution_options(synchronize_session=False)
        )

    def mark_token_invalid(self, enrollment_id: int, token_updated_at: datetime, reason: str, now: datetime) -> None:
        """Stop pushing to a token, unless the tablet has sent a new one meanwhile."""
        self.session.execute(
            update(PushTarget)
            .where(PushTarget.enrollment_id == enrollment_id, PushTarget.updated_at <= token_updated_at)
            .values(invalid_since=now, invalid_reason=reason[:64])
        )

    def revive_push_tokens(self, since: datetime) -> list[int]:
        """Let pushes go again to the tokens that were refused from `since` on. Returns their enrollments."""
        return list(
            self.session.scalars(
                update(PushTarget)
                .where(PushTarget.invalid_since >= since)
                .values(invalid_since=None, invalid_reason=None)
                .returning(PushTarget.enrollment_id)
                .execution_options(synchronize_session=False)
            )
        )

    def count_invalid_push_tokens(self) -> int:
        """Return how many enrolled tablets cannot be woken because APNs refuses their tokens."""
        statement = (
            select(func.count())
            .select_from(PushTarget)
            .join(DeviceEnrollment, DeviceEnrollment.id == PushTarget.enrollment_id)
            .where(PushTarget.invalid_since.is_not(None), DeviceEnrollment.state == EnrollmentState.ENROLLED)
        )
        return self.session.scalar(statement) or 0
