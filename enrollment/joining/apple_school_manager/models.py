"""Tables of organisations in Apple School Manager: their key and the devices that they own."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime


class KeyKind(StrEnum):
    """The API of a key. The scope of its access tokens is `school.api` or `business.api`."""

    SCHOOL = "school"
    BUSINESS = "business"


class OrganisationKey(TownOwned, Base):
    """A town's key for the API; the private key is sealed. `generation` counts synchronisations, `synced_at` is the end of the last complete one."""

    __tablename__ = "organisation_key"

    town_id: Mapped[UUID] = mapped_column(ForeignKey("town.id"), primary_key=True)
    kind: Mapped[KeyKind] = mapped_column(EnumText(KeyKind))
    client_id: Mapped[str] = mapped_column(String(120))
    key_id: Mapped[str] = mapped_column(String(120))
    private_key: Mapped[str] = mapped_column(SealedText("organisation_key.private_key"))
    generation: Mapped[int] = mapped_column(default=0)
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(200))
    needs_new_key: Mapped[bool] = mapped_column(default=False)


class OrganisationDevice(TownOwned, Base):
    """A device that the organisation owns. `server_name`: the MDM server of its assignment, as of synchronisation `server_generation`."""

    __tablename__ = "organisation_device"

    town_id: Mapped[UUID] = mapped_column(ForeignKey("town.id"), primary_key=True)
    serial: Mapped[str] = mapped_column(String(64), primary_key=True)
    model: Mapped[str | None] = mapped_column(String(80))
    family: Mapped[str | None] = mapped_column(String(40))
    server_name: Mapped[str | None] = mapped_column(String(160))
    server_generation: Mapped[int]
    generation: Mapped[int]
