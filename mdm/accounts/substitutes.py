"""Accounts of substitutes, whom the head of a school invites by herself: for one class, until a day. Never commits.

See docs/domain/roles.md#substitutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.i18n import DEFAULT_LANGUAGE
from cartable.scope import Actor, Permission, Role
from cartable.unit_of_work import UnitOfWork
from enrollment.people.repository import PeopleRepository
from enrollment.people.rules import MAX_SUBSTITUTE_DURATION
from enrollment.places.models import SchoolClass
from mdm.accounts import links, roles
from mdm.accounts.errors import AccountDisabled, LoginTaken, OwnAccount, SubstitutionTooLong
from mdm.accounts.links import NewLink
from mdm.accounts.models import Account, AccountRole
from mdm.accounts.repository import AccountRepository


def invite_substitute(
    work: UnitOfWork,
    actor: Actor,
    class_id: UUID,
    *,
    login: str,
    display_name: str,
    ends_at: datetime,
    email: str | None = None,
    language: str = DEFAULT_LANGUAGE.code,
) -> NewLink | None:
    """Let somebody replace the teacher of a class until an instant. Returns the link of a new account.

    Whoever has worked for the town before keeps the account and the password: then None. Raises `NotFound` (class), `Forbidden`,
    `ReauthenticationRequired`, `SubstitutionTooLong`, `Invalid`, `OwnAccount`, `AccountDisabled`, and `LoginTaken` for an account of another town.
    """
    school_class = _require_class(work, actor, class_id)
    if ends_at - work.now > MAX_SUBSTITUTE_DURATION + timedelta(days=1):
        raise SubstitutionTooLong(field="last_day", maximum=MAX_SUBSTITUTE_DURATION.days)
    repository = AccountRepository(work.session)
    account = repository.get_by_login(login.strip().lower())
    if account is None:
        return links.invite_to_class(
            work, actor, school_class, login=login, display_name=display_name, ends_at=ends_at, email=email, language=language
        )
    if not repository.has_role_ever(account.id, school_class.town_id):
        raise LoginTaken
    _add_role(work, actor, account, school_class, ends_at)
    return None


def _add_role(work: UnitOfWork, actor: Actor, account: Account, school_class: SchoolClass, ends_at: datetime) -> None:
    """Give a known account the role, in place of an equal one."""
    place = (Role.SUBSTITUTE, school_class.town_id, school_class.school_id, ends_at, school_class.id)
    roles.check_role_and_place(work, actor, *place)
    if account.id == actor.account_id:
        raise OwnAccount
    if not account.active:
        raise AccountDisabled
    audit.record_event(
        work, actor, "account.assign_role", "account", account.id, town_id=school_class.town_id, role=Role.SUBSTITUTE.value,
        school_id=str(school_class.school_id),
    )  # fmt: skip
    for row in AccountRepository(work.session).list_roles(account.id, work.now):
        if (row.role, row.class_id) == (Role.SUBSTITUTE, school_class.id):
            row.ends_at = work.now
    roles.add_role(work, actor, account, *place)


def list_substitutes(work: UnitOfWork, actor: Actor, school_id: UUID) -> Sequence[tuple[AccountRole, Account]]:
    """List the substitutes of a school, each role with its account, by the end. Raises `NotFound`."""
    rows = AccountRepository(work.session).list_substitutes(school_id, work.now)
    return [(role, account) for role, account in rows if _may_name(actor, role)]


def end_substitution(work: UnitOfWork, actor: Actor, role_id: UUID) -> AccountRole:
    """End the role of a substitute now, and return it. Raises `NotFound`, `ReauthenticationRequired`."""
    role, account = _require_substitute(work, actor, role_id)
    actor.require_reauthentication()
    audit.record_event(
        work, actor, "account.revoke_role", "account", account.id, town_id=role.town_id, role=Role.SUBSTITUTE.value
    )
    role.ends_at = work.now
    work.session.flush()
    return role


def renew_link(work: UnitOfWork, actor: Actor, role_id: UUID) -> NewLink:
    """Return a new link for a substitute who has not used the former one. Raises `NotFound`, and what `links.renew_invitation` raises."""
    role, account = _require_substitute(work, actor, role_id)
    assert role.town_id is not None
    return links.renew_invitation(work, actor, account, role.town_id)


def _require_substitute(work: UnitOfWork, actor: Actor, role_id: UUID) -> tuple[AccountRole, Account]:
    row = AccountRepository(work.session).get_substitute(role_id, work.now)
    if row is None or not _may_name(actor, row[0]):
        raise NotFound
    return row[0], row[1]


def _require_class(work: UnitOfWork, actor: Actor, class_id: UUID) -> SchoolClass:
    school_class = PeopleRepository(work.session).find_class(actor, class_id)
    if school_class is None:
        raise NotFound(field="class_id")
    actor.require_permission(Permission.LEAD, school_class.town_id, school_class.school_id)
    return school_class


def _may_name(actor: Actor, role: AccountRole) -> bool:
    return role.town_id is not None and actor.has_permission(Permission.LEAD, role.town_id, role.school_id)
