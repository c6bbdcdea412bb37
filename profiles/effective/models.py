"""Tables of the desired state: compiled profiles under their hash. `last_used_at` is renewed once a day while they are wanted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, TownOwned, UtcDateTime


class RenderedProfile(TownOwned, Base):
    """A compiled, signed configuration profile, stored once under the SHA-256 of its plain content."""

    __tablename__ = "rendered_profile"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    identifier: Mapped[str] = mapped_column(String(155))
    uuid: Mapped[str] = mapped_column(String(36))
    plain: Mapped[bytes] = mapped_column(LargeBinary)
    signed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class DeclarationSet(TownOwned, Base):
    """The declarations that tablets of one situation share, stored once under their hash. The mode is not among them.

    `items` are the documents with their kind; `profiles` are the rendered profiles that they name.
    """

    __tablename__ = "declaration_set"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    items: Mapped[list[Any]]
    profiles: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
