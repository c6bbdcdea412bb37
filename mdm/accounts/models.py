"""Tables of accounts, their links, sign-ins, second factors, their roles in towns and schools, and missions of shared technicians."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedBytes, SealedText, TownOwned, UtcDateTime
from cartable.i18n import DEFAULT_LANGUAGE
from cartable.ids import new_id
from cartable.scope import Role


class Account(Base):
    """A person who signs in. `confirmed_by` is the administrator who has vouched for the account as it was at `confirmed_at`.

    Until somebody has chosen a password, `password_hash` is `passwords.NO_PASSWORD`, which no password matches. `language` is the one in
    which the person is written to.
    """

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    login: Mapped[str] = mapped_column(String(200), unique=True)
    display_name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(SealedText("account.email"))
    language: Mapped[str] = mapped_column(String(16), default=DEFAULT_LANGUAGE.code)
    password_hash: Mapped[str] = mapped_column(String(200))
    must_change_password: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)
    enabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_by: Mapped[UUID | None]
    password_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    factors_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SessionKind(StrEnum):
    """Where the token of a session is valid: a token of one kind is refused by the other."""

    CONSOLE = "console"  # the cookie of a browser
    API = "api"  # a bearer token of a program


class AccountSession(Base):
    """One sign-in. Only the keyed hash of its token is stored.

    `network` is a coarse part of the address, for its owner to recognise; `address_hash` recognises a later sign-in from the same address.
    `second_factor_at` is when the second factor was first proved in it; `passkey_challenge` waits for the answer of a passkey.
    """

    __tablename__ = "account_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    kind: Mapped[SessionKind] = mapped_column(EnumText(SessionKind))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    network: Mapped[str] = mapped_column(String(50))
    address_hash: Mapped[str] = mapped_column(String(64))
    program: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reauthenticated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    wrong_passwords: Mapped[int] = mapped_column(SmallInteger, default=0)
    second_factor_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    passkey_challenge: Mapped[str | None] = mapped_column(String(100))
    passkey_challenge_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (Index("ix_account_session_account", "account_id", "address_hash"),)


class TotpFactor(Base):
    """The secret that an account shares with an app on a telephone. It counts once a first code has confirmed it.

    `last_step` is the time step of the last accepted code: neither it nor an earlier one is accepted again.
    """

    __tablename__ = "totp_factor"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes] = mapped_column(SealedBytes("totp_factor.secret"))
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Passkey(Base):
    """A passkey of an account: a key pair in a telephone, a computer or a stick, of which only the public key is here."""

    __tablename__ = "passkey"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RecoveryCode(Base):
    """A code that stands in once for a second factor that is lost. Only its keyed hash is stored."""

    __tablename__ = "recovery_code"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccountRole(Base):
    """A role of an account in a town, in one school or in one class, with an optional end. Without a town: a role of the operator."""

    __tablename__ = "role_assignment"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    role: Mapped[Role] = mapped_column(EnumText(Role))
    town_id: Mapped[UUID | None] = mapped_column(ForeignKey("town.id"))
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"))
    provider_id: Mapped[UUID | None]
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    granted_by: Mapped[UUID | None]
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (Index("ix_role_assignment_town", "town_id", "account_id"),)


class ServiceToken(TownOwned, Base):
    """A token of a program, with some permissions of a role. It acts for the account that made it, and never longer than that may.

    Only its keyed hash is stored.
    """

    __tablename__ = "service_token"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[Role] = mapped_column(EnumText(Role))
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    permissions: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LinkPurpose(StrEnum):
    """What a link is for."""

    INVITATION = "invitation"  # the first password of a new account
    PASSWORD_RESET = "password_reset"  # noqa: S105 - another password, when the former one is lost


class AccountLink(Base):
    """A link by which a person chooses a password. It works once, until `expires_at`; a newer one of the account replaces it.

    Only the keyed hash of its token is stored. `mail_url` is the link itself, sealed, until it has been mailed to its owner.
    """

    __tablename__ = "account_link"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[LinkPurpose] = mapped_column(EnumText(LinkPurpose))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    replaced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    mail_url: Mapped[str | None] = mapped_column(SealedText("account_link.mail_url"))
    mailed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    mail_error: Mapped[str | None] = mapped_column(String(200))


class Mission(TownOwned, Base):
    """Days on which a shared technician works in a town; on other days the town is not visible to them.

    `visited_on` is the last day whose visit was recorded in the audit trails of both sides.
    """

    __tablename__ = "mission"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    first_day: Mapped[date]
    last_day: Mapped[date]
    reason: Mapped[str] = mapped_column(String(200))
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    visited_on: Mapped[date | None]
