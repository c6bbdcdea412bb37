"""Links by which a person chooses the own password: invitations, and resets by an administrator. Never commits.

Whoever makes a link passes it on; no password is ever shown to anybody but its owner. See docs/domain/roles.md#accounts.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.i18n import DEFAULT_LANGUAGE, find_language
from cartable.ids import new_id
from cartable.outbox import JobLane, Topic
from cartable.scope import SYSTEM, Actor, Role
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import SchoolClass
from mdm.accounts import roles, second_factors, sessions
from mdm.accounts.errors import AccountDisabled, LinkExpired, LinkReplaced, LinkUnknown, LinkUsed, LoginTaken, OwnAccount
from mdm.accounts.link_repository import LinkRepository
from mdm.accounts.models import Account, AccountLink, LinkPurpose, SessionKind
from mdm.accounts.passwords import NO_PASSWORD, hash_password
from mdm.accounts.repository import AccountRepository
from mdm.accounts.sessions import SignedIn
from mdm.accounts.sign_in_limits import SignInClient

LIFETIMES = {LinkPurpose.INVITATION: timedelta(days=7), LinkPurpose.PASSWORD_RESET: timedelta(days=1)}
#: How long a link is kept after its end, so that who opens it late reads why it does not work.
KEPT_AFTER_END = timedelta(days=30)
_PREFIX = "ctl_"


class NewLink(NamedTuple):
    """A link that was just made. Its `url` contains the token and is known only here; `mailed_to` is where it is sent too."""

    account: Account
    url: str
    purpose: LinkPurpose
    expires_at: datetime
    mailed_to: str | None


def invite(
    work: UnitOfWork,
    actor: Actor,
    *,
    login: str,
    display_name: str,
    role: Role,
    town_id: UUID,
    school_id: UUID | None = None,
    class_id: UUID | None = None,
    ends_at: datetime | None = None,
    email: str | None = None,
    language: str = DEFAULT_LANGUAGE.code,
) -> NewLink:
    """Create an account with a role but without a password, and return the link by which its owner chooses one.

    Raises `LoginTaken`, and what `roles.check_new_role` raises.
    """
    roles.check_new_role(work, actor, role, town_id, school_id, ends_at, class_id)
    account = _add_account(work, actor, login, display_name, role, town_id, email=email, language=language)
    roles.add_role(work, actor, account, role, town_id, school_id, ends_at, class_id)
    return _create_link(work, actor, account, LinkPurpose.INVITATION)


def invite_to_class(
    work: UnitOfWork,
    actor: Actor,
    school_class: SchoolClass,
    *,
    login: str,
    display_name: str,
    ends_at: datetime,
    email: str | None = None,
    language: str = DEFAULT_LANGUAGE.code,
) -> NewLink:
    """Create the account of a substitute of a class, and return its link. Who may is checked in `substitutes`.

    Raises `LoginTaken`, and what `roles.check_role_and_place` raises.
    """
    place = (Role.SUBSTITUTE, school_class.town_id, school_class.school_id, ends_at, school_class.id)
    roles.check_role_and_place(work, actor, *place)
    account = _add_account(
        work, actor, login, display_name, Role.SUBSTITUTE, school_class.town_id, email=email, language=language
    )
    roles.add_role(work, actor, account, *place)
    return _create_link(work, actor, account, LinkPurpose.INVITATION)


def renew_invitation(work: UnitOfWork, actor: Actor, account: Account, town_id: UUID) -> NewLink:
    """Return a new link for an account whose owner has not chosen a password yet. Raises `AccountDisabled`, `LinkUsed`, as
    `roles.require_authority_over` does.
    """
    actor.require_reauthentication()
    if not account.active:
        raise AccountDisabled
    if account.password_hash != NO_PASSWORD or account.password_changed_at is not None:
        raise LinkUsed
    roles.require_authority_over(work, actor, account)
    return _renew_link(work, actor, account, town_id)


def invite_operator(work: UnitOfWork, login: str, display_name: str) -> NewLink:
    """Create an account of the operator, who makes towns, and return its link. For the command line. Raises `LoginTaken`."""
    account = _add_account(work, SYSTEM, login, display_name, Role.OPERATOR, None)
    roles.add_role(work, SYSTEM, account, Role.OPERATOR, None, None, None)
    return _create_link(work, SYSTEM, account, LinkPurpose.INVITATION)


def invite_shared_technician(
    work: UnitOfWork,
    actor: Actor,
    *,
    login: str,
    display_name: str,
    email: str | None = None,
    language: str = DEFAULT_LANGUAGE.code,
) -> NewLink:
    """Create the account of a technician without a town, whom towns call by missions, and return its link. Only the operator may.

    Raises `Forbidden`, `ReauthenticationRequired`, `LoginTaken`, `Invalid`.
    """
    actor.require_operator()
    actor.require_reauthentication()
    account = _add_account(work, actor, login, display_name, Role.TECHNICIAN, None, email=email, language=language)
    return _create_link(work, actor, account, LinkPurpose.INVITATION)


def _add_account(
    work: UnitOfWork,
    actor: Actor,
    login: str,
    display_name: str,
    role: Role,
    town_id: UUID | None,
    *,
    email: str | None = None,
    language: str = DEFAULT_LANGUAGE.code,
) -> Account:
    """Store an account without a password and return it. Raises `LoginTaken`, `Invalid`."""
    if find_language(language) is None:
        raise Invalid(field="language")
    login = login.strip().lower()
    if AccountRepository(work.session).get_by_login(login) is not None:
        raise LoginTaken
    account_id = new_id()
    audit.record_event(work, actor, "account.invite", "account", account_id, town_id=town_id, role=role.value)
    account = Account(
        id=account_id, login=login, display_name=display_name.strip(), email=(email or "").strip() or None, language=language,
        password_hash=NO_PASSWORD, must_change_password=False, active=True, created_by=actor.account_id, created_at=work.now,
    )  # fmt: skip
    work.session.add(account)
    work.session.flush()
    return account


def create_link(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> NewLink:
    """Return a new link for an account of the town; its earlier links are void.

    For an account with a password this is a reset: the password is void and every session ends. Second factors stay.
    Raises `NotFound`, `Forbidden`, `ReauthenticationRequired`, `OwnAccount`, `AccountBeyondOwnRights`, `AccountDisabled`.
    """
    account = roles.require_account_of_town(work, actor, account_id, town_id)
    actor.require_reauthentication()
    if account.id == actor.account_id:
        raise OwnAccount
    if not account.active:
        raise AccountDisabled
    roles.require_authority_over(work, actor, account)
    return _renew_link(work, actor, account, town_id)


def create_link_for_login(work: UnitOfWork, login: str, *, reset_second_factors: bool = False) -> NewLink:
    """Return a new link for an account, whose second factors are deleted on request. For the command line.

    Raises `NotFound`, `AccountDisabled`.
    """
    account = AccountRepository(work.session).get_by_login(login.strip().lower())
    if account is None:
        raise NotFound
    if not account.active:
        raise AccountDisabled
    if reset_second_factors:
        audit.record_event(work, SYSTEM, "account.reset_second_factors", "account", account.id, town_id=None)
        second_factors.delete_factors(work, account)
    return _renew_link(work, SYSTEM, account, None)


def _renew_link(work: UnitOfWork, actor: Actor, account: Account, town_id: UUID | None) -> NewLink:
    LinkRepository(work.session).replace_open_links(account.id, work.now)
    if account.password_hash == NO_PASSWORD and account.password_changed_at is None:
        audit.record_event(work, actor, "account.invite_again", "account", account.id, town_id=town_id)
        return _create_link(work, actor, account, LinkPurpose.INVITATION)
    audit.record_event(work, actor, "account.reset_password", "account", account.id, town_id=town_id)
    account.password_hash, account.must_change_password, account.password_changed_at = NO_PASSWORD, False, work.now
    sessions.end_all_sessions(work, account)
    return _create_link(work, actor, account, LinkPurpose.PASSWORD_RESET)


def _create_link(work: UnitOfWork, actor: Actor, account: Account, purpose: LinkPurpose) -> NewLink:
    token = _PREFIX + secrets.token_urlsafe(32)
    expires_at, url = work.now + LIFETIMES[purpose], f"{work.settings.public_url}/welcome/{token}"
    # What the command line makes is printed for the operator, who passes it on.
    mailed_to = get_mail_address(account) if work.settings.smtp_host and actor.account_id is not None else None
    link = AccountLink(
        account_id=account.id, purpose=purpose, token_hash=_hash_token(work, token), created_by=actor.account_id,
        created_at=work.now, expires_at=expires_at, mail_url=url if mailed_to else None,
    )  # fmt: skip
    work.session.add(link)
    work.session.flush()
    if mailed_to:
        work.enqueue_job(Topic.ACCOUNT_LINK, link.id, lane=JobLane.URGENT)
    return NewLink(account, url, purpose, expires_at, mailed_to)


def get_mail_address(account: Account) -> str | None:
    """Return the mail address of an account: the one for notices, else a login that is one."""
    return account.email or (account.login if "@" in account.login.strip("@") else None)


def open_link(work: UnitOfWork, token: str) -> tuple[AccountLink, Account]:
    """Return a link that can be used now, with its account.

    Raises `LinkUnknown`, `LinkUsed`, `LinkReplaced`, `LinkExpired`, `AccountDisabled`.
    """
    row = LinkRepository(work.session).get_by_token(_hash_token(work, token))
    if row is None:
        raise LinkUnknown
    link, account = row
    if link.used_at is not None:
        raise LinkUsed
    if link.replaced_at is not None:
        raise LinkReplaced
    if link.expires_at <= work.now:
        raise LinkExpired(until=f"{link.expires_at:%d/%m/%Y %H:%M}")
    if not account.active:
        raise AccountDisabled
    return link, account


def set_password(work: UnitOfWork, token: str, password: str, client: SignInClient, kind: SessionKind) -> SignedIn:
    """Set the password of the account of a link, end its sessions, and sign the person in.

    Raises what `open_link` raises, and `WeakPassword`. Of two people who use one link at the same time, one gets `LinkUsed`.
    """
    link, account = open_link(work, token)
    password_hash = hash_password(password)
    if not LinkRepository(work.session).mark_used(link.id, work.now):
        raise LinkUsed
    audit.record_event(work, SYSTEM, "account.set_password", "account", account.id, town_id=None, purpose=link.purpose.value)
    account.password_hash, account.must_change_password, account.password_changed_at = password_hash, False, work.now
    sessions.end_all_sessions(work, account)
    has_factor = bool(second_factors.get_overview(work, account).count)
    return sessions.sign_in_account(work, account, kind, client, has_factor=has_factor)


def purge_links(work: UnitOfWork) -> None:
    """Delete links that ended long ago."""
    LinkRepository(work.session).delete_expired_before(work.now - KEPT_AFTER_END)


def _hash_token(work: UnitOfWork, token: str) -> str:
    return work.keyring.keyed_hash(token[:200], "account_link.token")
