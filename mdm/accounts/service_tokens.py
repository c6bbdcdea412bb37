"""Service tokens: for programs, with some permissions of a role and an end. Never commits.

A token acts for the account that made it. It may never more than that account may today, never what asks for the password once more, and is
never one of two people.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.ids import new_id
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import PERMISSIONS, Actor, Permission, Role, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import roles
from mdm.accounts.errors import NotSignedIn, TokenTooLong, TokenTooStrong
from mdm.accounts.models import Account, ServiceToken
from mdm.accounts.repository import AccountRepository
from mdm.accounts.sessions import LAST_USED_PRECISION, authenticate_token

PREFIX = "ctk_"
MAX_DAYS = 400
#: What asks for a person.
FORBIDDEN_PERMISSIONS = frozenset({Permission.DESTROY, Permission.GOVERN, Permission.OPERATE})
#: From when on a token counts as one of two people.
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class NewServiceToken(NamedTuple):
    """A service token and its text, which is known only here."""

    row: ServiceToken
    token: str


def create_service_token(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    *,
    name: str,
    role: Role,
    permissions: Collection[Permission],
    expires_at: datetime,
    school_id: UUID | None = None,
) -> NewServiceToken:
    """Create a service token with some permissions of a role in a town or school.

    Raises what `roles.check_new_role` raises, `TokenTooStrong`, `TokenTooLong`.
    """
    roles.check_new_role(work, actor, role, town_id, school_id, expires_at)
    if not permissions or not set(permissions) <= PERMISSIONS[role] - FORBIDDEN_PERMISSIONS:
        raise TokenTooStrong(field="permissions")
    if expires_at > work.now + timedelta(days=MAX_DAYS):
        raise TokenTooLong(field="expires_at", maximum=MAX_DAYS)
    if actor.account_id is None:
        raise NotFound
    token_id, token = new_id(), PREFIX + secrets.token_urlsafe(32)
    audit.record_event(work, actor, "service_token.create", "service_token", token_id, town_id=town_id, role=role.value)
    row = ServiceToken(
        id=token_id, town_id=town_id, account_id=actor.account_id, name=name.strip(), token_hash=_hash_token(work, token), role=role,
        school_id=school_id, permissions=sorted(permission.value for permission in set(permissions)), created_at=work.now,
        expires_at=expires_at,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return NewServiceToken(row, token)


def list_service_tokens(
    work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE
) -> Page[tuple[ServiceToken, Account]]:
    """List the service tokens of a town that nobody has revoked, with the accounts that they act for. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    return AccountRepository(work.session).list_service_tokens(town_id, page)


def revoke_service_token(work: UnitOfWork, actor: Actor, token_id: UUID) -> ServiceToken:
    """Void a service token at once, and return it. Raises `NotFound`."""
    row = work.session.get(ServiceToken, token_id)
    if row is None or not actor.has_permission(Permission.GOVERN, row.town_id):
        raise NotFound
    if row.revoked_at is None:
        audit.record_event(work, actor, "service_token.revoke", "service_token", row.id, town_id=row.town_id)
        row.revoked_at = work.now
    return row


def authenticate_program(work: UnitOfWork, token: str) -> Actor:
    """Return who calls the API: the program of a service token, or the person of a session. Raises what `authenticate_token` raises."""
    if not token.startswith(PREFIX):
        return authenticate_token(work, token).actor
    repository = AccountRepository(work.session)
    token_and_account = repository.get_service_token(_hash_token(work, token), work.now)
    if token_and_account is None:
        raise NotSignedIn
    row, account = token_and_account
    role_assignments = tuple(
        RoleAssignment(role.role, role.town_id, role.school_id, role.class_id)
        for role in repository.list_roles(account.id, work.now)
    )
    if not roles.may_grant(Actor(account.id, account.display_name, role_assignments), row.role, row.town_id, row.school_id):
        raise NotSignedIn
    if row.last_used_at is None or work.now - row.last_used_at >= LAST_USED_PRECISION:
        row.last_used_at = work.now
    only = frozenset(Permission(value) for value in row.permissions)
    return Actor(
        account.id,
        f"{row.name} ({account.display_name})"[:200],
        (RoleAssignment(row.role, row.town_id, row.school_id, only=only),),
        reauthenticated=False,
        trusted_from=_NEVER,
    )


def _hash_token(work: UnitOfWork, token: str) -> str:
    return work.keyring.keyed_hash(token[:200], "service_token")
