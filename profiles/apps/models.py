"""Tables of apps: the town's catalogue, licences, and the content tokens of Apps and Books."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class App(TownOwned, Base):
    """An approved app: exactly one of a store id or a manifest URL says where it comes from; neither: built in."""

    __tablename__ = "app"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120))
    bundle_identifier: Mapped[str] = mapped_column(String(155))
    app_store_id: Mapped[int | None] = mapped_column(BigInteger)
    manifest_url: Mapped[str | None] = mapped_column(String(500))
    #: The managed configuration, as `configuration.dump_entries` writes it: it may contain keys of licences.
    configuration: Mapped[str | None] = mapped_column(SealedText("app.configuration"))
    __table_args__ = (UniqueConstraint("town_id", "bundle_identifier"),)


class LicencePool(TownOwned, Base):
    """How many device licences of an app one account of Apps and Books owns; an app without a pool is not counted.

    `token_id` is the content token of the account; without one a person has written the number. `held_elsewhere` counts the
    licences that the account has given to serial numbers and people whom the town does not know. `problem` is the last refusal.
    """

    __tablename__ = "licence_pool"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    app_id: Mapped[UUID] = mapped_column(ForeignKey("app.id", ondelete="CASCADE"), index=True)
    token_id: Mapped[UUID | None] = mapped_column(ForeignKey("licence_token.id", ondelete="CASCADE"), index=True)
    total: Mapped[int]
    held_elsewhere: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str | None] = mapped_column(String(200))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (
        UniqueConstraint("app_id", "token_id"),
        Index(
            "uq_licence_pool_without_token",
            "app_id",
            unique=True,
            sqlite_where=token_id.is_(None),
            postgresql_where=token_id.is_(None),
        ),
    )


class LicenceState(StrEnum):
    """Life of one licence on one tablet."""

    RESERVED = "reserved"
    ASSIGNED = "assigned"
    IN_GRACE = "in_grace"


class Licence(TownOwned, Base):
    """A licence of a pool for a tablet. After release it is in grace for 30 days: the app may still open there, while the
    number is the account's again.
    """

    __tablename__ = "licence"

    pool_id: Mapped[UUID] = mapped_column(ForeignKey("licence_pool.id", ondelete="CASCADE"), primary_key=True)
    tablet_id: Mapped[UUID] = mapped_column(ForeignKey("tablet.id", ondelete="CASCADE"), primary_key=True, index=True)
    state: Mapped[LicenceState] = mapped_column(EnumText(LicenceState))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Whether the licence service has taken it back.
    returned: Mapped[bool] = mapped_column(default=False)


class TokenProblem(StrEnum):
    """Why the licences of a content token are not in step with Apple's."""

    CLAIMED_ELSEWHERE = "claimed_elsewhere"  # another MDM server has used the account last: nothing is written
    OTHER_ACCOUNT = "other_account"  # renewed with a token of another account
    DUPLICATE_ACCOUNT = "duplicate_account"  # another token of the town is for the same account
    REFUSED = "refused"  # expired, revoked: a person must bring a new one
    UNAVAILABLE = "unavailable"  # the service is away or overloaded; tried again
    FAILED = "failed"  # a request was refused for a reason of its own


class LicenceToken(TownOwned, Base):
    """A content token for one account of Apps and Books, sealed. A town has one for all schools, or several with their schools.

    `read_at`: when the account's licences were first read, before that the token serves no tablet. `claimed_by_id` and
    `claimed_by_name` name the other server that has claimed the account; `takeover_of` is the one from which a person has decided
    to take it over. `skipped_rows` counts what could not be read in Apple's last lists.
    """

    __tablename__ = "licence_token"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    content: Mapped[str] = mapped_column(SealedText("licence_token.content"))
    location: Mapped[str] = mapped_column(String(160))
    location_uid: Mapped[str | None] = mapped_column(String(100))
    is_town_wide: Mapped[bool]
    expires: Mapped[datetime] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    compared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[TokenProblem | None] = mapped_column(EnumText(TokenProblem))
    problem_detail: Mapped[str | None] = mapped_column(String(200))
    claimed_by_id: Mapped[str | None] = mapped_column(String(100))
    claimed_by_name: Mapped[str | None] = mapped_column(String(100))
    takeover_of: Mapped[str | None] = mapped_column(String(100))
    skipped_rows: Mapped[int] = mapped_column(default=0)
    __table_args__ = (
        Index(
            "uq_licence_token_town_wide",
            "town_id",
            unique=True,
            sqlite_where=text("is_town_wide"),
            postgresql_where=text("is_town_wide"),
        ),
    )


class LicenceTokenSchool(TownOwned, Base):
    """A school whose tablets take their licences from a content token; each school has one at most."""

    __tablename__ = "licence_token_school"

    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id", ondelete="CASCADE"), primary_key=True)
    token_id: Mapped[UUID] = mapped_column(ForeignKey("licence_token.id", ondelete="CASCADE"), index=True)
