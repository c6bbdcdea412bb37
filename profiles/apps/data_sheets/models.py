"""The table of data-protection sheets, one at most for each app of a town."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime


class LegalBasis(StrEnum):
    """On which ground of the GDPR the app may process data (article 6)."""

    PUBLIC_TASK = "public_task"
    LEGAL_OBLIGATION = "legal_obligation"
    CONSENT = "consent"
    CONTRACT = "contract"
    NO_PERSONAL_DATA = "no_personal_data"


class AppVerdict(StrEnum):
    """What the data protection officer has decided about an app."""

    ALLOWED = "allowed"
    ALLOWED_WITH_CONDITIONS = "allowed_with_conditions"
    REFUSED = "refused"


class DataProtectionSheet(TownOwned, Base):
    """What an app does with personal data. Without `verdict` nobody has decided yet, or the facts have changed since.

    `uses_gar`: the app gets pupils through the Gestionnaire d'accès aux ressources, so the publisher learns no names.
    """

    __tablename__ = "data_protection_sheet"

    app_id: Mapped[UUID] = mapped_column(ForeignKey("app.id", ondelete="CASCADE"), primary_key=True)
    publisher: Mapped[str] = mapped_column(String(160))
    purpose: Mapped[str] = mapped_column(String(500))
    data_categories: Mapped[str] = mapped_column(String(500))
    hosting_country: Mapped[str] = mapped_column(String(80))
    legal_basis: Mapped[LegalBasis] = mapped_column(EnumText(LegalBasis))
    retention: Mapped[str] = mapped_column(String(300))
    uses_gar: Mapped[bool] = mapped_column(default=False)
    agreement_signed_on: Mapped[date | None]
    agreement_reference: Mapped[str | None] = mapped_column(String(200))
    verdict: Mapped[AppVerdict | None] = mapped_column(EnumText(AppVerdict))
    conditions: Mapped[str | None] = mapped_column(String(500))
    reviewed_on: Mapped[date | None]
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
