"""All SQL of data-protection sheets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from profiles.apps.data_sheets.models import AppVerdict, DataProtectionSheet
from profiles.apps.models import App


class DataSheetRepository:
    """Reads data-protection sheets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_sheet(self, app_id: UUID) -> DataProtectionSheet | None:
        return self.session.get(DataProtectionSheet, app_id, populate_existing=True)

    def get_verdicts(self, town_id: UUID) -> dict[UUID, AppVerdict | None]:
        """Return the verdict of every sheet of a town, by app."""
        statement = select(DataProtectionSheet.app_id, DataProtectionSheet.verdict)
        rows = self.session.execute(statement.where(DataProtectionSheet.town_id == town_id))
        return {row.app_id: row.verdict for row in rows}

    def find_app(self, app_id: UUID) -> App | None:
        return self.session.get(App, app_id)

    def list_sheets(self, town_id: UUID) -> Sequence[Row[App, DataProtectionSheet | None]]:
        """Return every app of a town with its sheet, by name."""
        statement = (
            select(App, DataProtectionSheet)
            .outerjoin(DataProtectionSheet, DataProtectionSheet.app_id == App.id)
            .where(App.town_id == town_id)
            .order_by(App.name, App.id)
        )
        return self.session.execute(statement).all()

    def find_refused_app(self, town_id: UUID, identifiers: Collection[str]) -> App | None:
        """Return the first by name of those of a town's apps with these bundle identifiers that are refused."""
        statement = (
            select(App)
            .join(DataProtectionSheet, DataProtectionSheet.app_id == App.id)
            .where(
                App.town_id == town_id,
                App.bundle_identifier.in_(identifiers),
                DataProtectionSheet.verdict == AppVerdict.REFUSED,
            )
            .order_by(App.name, App.id)
        )
        return self.session.scalars(statement).first() if identifiers else None
