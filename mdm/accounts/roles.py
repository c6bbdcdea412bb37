"""Giving and ending roles. Nobody gives what they do not hold, nor takes over an account that may more than they may. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.alarms import AlarmKind, raise_alarm
from cartable.errors import Invalid, NotFound
from cartable.references import require_in_town
from cartable.scope import PERMISSIONS, SYSTEM, Actor, Permission, Role, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School, SchoolClass
from mdm.accounts import sessions
from mdm.accounts.errors import AccountBeyondOwnRights, OwnAccount, RoleBeyondOwnRights
from mdm.accounts.models import Account, AccountRole
from mdm.accounts.repository import AccountRepository
from mdm.accounts.role_rules import find_wrong_field

#: Longer than a request takes. Another one that ends a role meanwhile may have begun a moment after it.
LONGEST_REQUEST = timedelta(minutes=1)


def may_grant(actor: Actor, role: Role, town_id: UUID | None, school_id: UUID | None, class_id: UUID | None = None) -> bool:
    """Return whether the actor holds every right of a role in that town, school or class. Nobody in a town gives a role of the operator."""
    if town_id is None:
        return actor.everywhere
    return all(actor.has_permission(permission, town_id, school_id, class_id) for permission in PERMISSIONS[role])


def lock_accounts(work: UnitOfWork, actor: Actor, town_id: UUID) -> None:
    """Let only one request at a time change the accounts of a town, until the transaction ends.

    Raises `Forbidden` when the actor's own right to it has ended since the request began: of two administrators who remove each other
    at once one stays, and the town keeps an administrator.
    """
    locks.lock_town(work, town_id)
    repository = AccountRepository(work.session)
    account = repository.get(actor.account_id, refresh=True) if actor.account_id is not None else None
    if account is None or actor.everywhere:
        return  # the server itself has nothing that could end
    rows = repository.list_roles(account.id, work.now + LONGEST_REQUEST) if account.active else []
    current = tuple(RoleAssignment(row.role, row.town_id, row.school_id, row.class_id) for row in rows)
    replace(actor, role_assignments=current).require_permission(Permission.GOVERN, town_id)


def check_new_role(
    work: UnitOfWork,
    actor: Actor,
    role: Role,
    town_id: UUID,
    school_id: UUID | None,
    ends_at: datetime | None,
    class_id: UUID | None = None,
) -> None:
    """Check that the actor may give a role, and that it makes sense.

    Raises `Forbidden`, `ReauthenticationRequired`, `RoleBeyondOwnRights`, `NotFound` (school or class), and `Invalid` when the role does not
    suit the place (`role_rules`) or its end is past.
    """
    actor.require_permission(Permission.GOVERN, town_id, school_id)
    check_role_and_place(work, actor, role, town_id, school_id, ends_at, class_id)


def check_role_and_place(
    work: UnitOfWork,
    actor: Actor,
    role: Role,
    town_id: UUID,
    school_id: UUID | None,
    ends_at: datetime | None,
    class_id: UUID | None = None,
) -> None:
    """Check a new role as `check_new_role` does, but for the right to govern: a caller that gives one certain role has checked another."""
    actor.require_reauthentication()
    wrong_field = find_wrong_field(role, town_id, school_id, class_id, ends_at)
    if wrong_field is not None:
        raise Invalid(field=wrong_field)
    if class_id is not None:
        school_class = require_in_town(work, SchoolClass, class_id, town_id, field="class_id")
        if school_class.school_id != school_id:
            raise NotFound(field="class_id")
    require_in_town(work, School, school_id, town_id, field="school_id")
    if ends_at is not None and ends_at <= work.now:
        raise Invalid(field="ends_at")
    if not may_grant(actor, role, town_id, school_id, class_id):
        raise RoleBeyondOwnRights(role=role.value)


def add_role(
    work: UnitOfWork,
    actor: Actor,
    account: Account,
    role: Role,
    town_id: UUID | None,
    school_id: UUID | None,
    ends_at: datetime | None,
    class_id: UUID | None = None,
) -> AccountRole:
    """Store a role that `check_new_role` has let pass, and return it. A new administrator raises an alarm."""
    row = AccountRole(
        account_id=account.id, role=role, town_id=town_id, school_id=school_id, class_id=class_id, ends_at=ends_at,
        granted_by=actor.account_id, granted_at=work.now,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    if role in (Role.TOWN_ADMIN, Role.OPERATOR) and actor.account_id is not None:
        raise_alarm(work, town_id, AlarmKind.ADMINISTRATOR_CREATED, actor=actor, account=str(account.id))
    return row


def replace_provider_roles(
    work: UnitOfWork, account: Account, provider_id: UUID, town_id: UUID, mapped: Collection[tuple[Role, UUID | None]]
) -> None:
    """Let an account have exactly the roles of a town that an identity provider gives now. What people gave it stays."""
    locks.lock_town(work, town_id)  # a person may sign in twice at once
    kept = set()
    for row in AccountRepository(work.session).list_roles(account.id, work.now):
        if row.provider_id == provider_id and (row.role, row.school_id) in mapped:
            kept.add((row.role, row.school_id))
        elif row.provider_id == provider_id:
            audit.record_event(work, SYSTEM, "account.revoke_role", "account", account.id, town_id=town_id, role=row.role.value)
            row.ends_at = work.now
    for role, school_id in sorted(set(mapped) - kept, key=str):
        audit.record_event(work, SYSTEM, "account.assign_role", "account", account.id, town_id=town_id, role=role.value)
        add_role(work, SYSTEM, account, role, town_id, school_id, None).provider_id = provider_id
    work.session.flush()


def assign_role(
    work: UnitOfWork,
    actor: Actor,
    account_id: UUID,
    *,
    role: Role,
    town_id: UUID,
    school_id: UUID | None = None,
    class_id: UUID | None = None,
    ends_at: datetime | None = None,
) -> AccountRole:
    """Give a further role to an account of the town, and return it. An equal role is replaced, so that its end can be changed.

    Raises what `check_new_role` raises, `NotFound` (account) and `OwnAccount`: nobody extends the own rights.
    """
    check_new_role(work, actor, role, town_id, school_id, ends_at, class_id)
    lock_accounts(work, actor, town_id)
    account = require_account_of_town(work, actor, account_id, town_id)
    if account.id == actor.account_id:
        raise OwnAccount
    audit.record_event(
        work, actor, "account.assign_role", "account", account.id, town_id=town_id, role=role.value,
        school_id=str(school_id) if school_id else None,
    )  # fmt: skip
    for row in AccountRepository(work.session).list_roles(account.id, work.now):
        if (row.role, row.town_id, row.school_id, row.class_id) == (role, town_id, school_id, class_id):
            row.ends_at = work.now
    return add_role(work, actor, account, role, town_id, school_id, ends_at, class_id)


def revoke_role(work: UnitOfWork, actor: Actor, account_id: UUID, role_id: UUID, town_id: UUID) -> Account:
    """End one role of an account in a town. Raises `NotFound`, `OwnAccount`, `Forbidden`, `ReauthenticationRequired`."""
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    lock_accounts(work, actor, town_id)
    account = require_account_of_town(work, actor, account_id, town_id)
    if account.id == actor.account_id:
        raise OwnAccount
    roles = AccountRepository(work.session).list_roles(account.id, work.now)
    row = next((row for row in roles if row.id == role_id and row.town_id == town_id), None)
    if row is None:
        raise NotFound
    audit.record_event(work, actor, "account.revoke_role", "account", account.id, town_id=town_id, role=row.role.value)
    row.ends_at = work.now
    return account


def revoke_roles(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> Account:
    """End the roles of an account in a town. Without a role in any other town the account is disabled and its sessions end.

    Raises `NotFound`, `OwnAccount`, `Forbidden`, `ReauthenticationRequired`.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    lock_accounts(work, actor, town_id)
    repository = AccountRepository(work.session)
    account = repository.get(account_id)
    roles = repository.list_roles(account_id, work.now) if account else []
    if account is None or all(role.town_id != town_id for role in roles):
        raise NotFound
    if account.id == actor.account_id:
        raise OwnAccount
    audit.record_event(work, actor, "account.revoke_roles", "account", account.id, town_id=town_id)
    for role in roles:
        if role.town_id == town_id:
            role.ends_at = work.now
    if all(role.town_id == town_id for role in roles):
        account.active = False
        sessions.end_all_sessions(work, account)
    return account


def require_account_of_town(work: UnitOfWork, actor: Actor, account_id: UUID, town_id: UUID) -> Account:
    """Return an account that has, or has had, a role in a town that the actor governs. Raises `NotFound`, `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    repository = AccountRepository(work.session)
    account = repository.get(account_id)
    if account is None or not repository.has_role_ever(account_id, town_id):
        raise NotFound
    return account


def require_authority_over(work: UnitOfWork, actor: Actor, account: Account) -> None:
    """Raise `AccountBeyondOwnRights` unless the actor holds every right that the account has, in every town.

    Whoever resets a password or a second factor could sign in as that person: nobody may gain anything by it.
    """
    repository = AccountRepository(work.session)
    roles: Iterable[tuple[Role, UUID | None, UUID | None, UUID | None]] = [
        (row.role, row.town_id, row.school_id, row.class_id) for row in repository.list_roles(account.id, work.now)
    ]
    missions = repository.list_open_mission_towns(account.id, work.now.date() - timedelta(days=1))
    technician_roles = [(Role.TECHNICIAN, town_id, None, None) for town_id in missions]
    if not all(may_grant(actor, *place) for place in [*roles, *technician_roles]):
        raise AccountBeyondOwnRights
