"""SQL of compiled profiles and sets of declarations that no tablet needs any more, and their deletion in batches."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from mdm.devices.models import DeclarativeState
from mdm.reconcile.models import TabletProfile
from profiles.effective.models import DeclarationSet, RenderedProfile


class UnusedCompiledRepository:
    """Deletes what was compiled, was not wanted for a while, and is referred to by no tablet.

    A worker that compiles the same again meanwhile renews `last_used_at` first, so that one of the two waits for the other.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def delete_unused_sets(self, before: datetime, limit: int) -> int:
        """Delete sets of declarations that were last used before an instant. Returns how many."""
        is_needed = exists().where(
            or_(DeclarativeState.set_sha256 == DeclarationSet.sha256, DeclarativeState.served_set_sha256 == DeclarationSet.sha256)
        )
        statement = select(DeclarationSet.sha256).where(DeclarationSet.last_used_at < before, ~is_needed)
        due = list(self.session.scalars(statement.order_by(DeclarationSet.last_used_at).limit(limit)))
        self.session.execute(delete(DeclarationSet).where(DeclarationSet.sha256.in_(due), DeclarationSet.last_used_at < before))
        return len(due)

    def delete_unused_profiles(self, before: datetime, limit: int) -> int:
        """Delete profiles that were last used before an instant and that no set of declarations of their town names. Returns how many."""
        is_needed = exists().where(TabletProfile.desired_sha256 == RenderedProfile.sha256)
        rows = self.session.execute(
            select(RenderedProfile.sha256, RenderedProfile.town_id)
            .where(RenderedProfile.last_used_at < before, ~is_needed)
            .order_by(RenderedProfile.last_used_at)
            .limit(limit)
        ).all()
        named = self.session.scalars(
            select(DeclarationSet.profiles).where(DeclarationSet.town_id.in_({row.town_id for row in rows}))
        )
        declared = {sha256 for profiles in named for sha256 in profiles}
        due = [row.sha256 for row in rows if row.sha256 not in declared]
        self.session.execute(
            delete(RenderedProfile).where(RenderedProfile.sha256.in_(due), RenderedProfile.last_used_at < before)
        )
        return len(due)
