"""What the operator does with accounts: makes a town of the own, and appoints the first administrator of another. Never commits.

The operator sees into no town. See docs/domain/roles.md#operator.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Conflict, NotFound
from cartable.i18n import DEFAULT_LANGUAGE, Message
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Town
from enrollment.places.towns import create_town
from mdm.accounts import links, roles
from mdm.accounts.links import NewLink
from mdm.accounts.models import Account
from mdm.accounts.passwords import NO_PASSWORD
from mdm.accounts.repository import AccountRepository

FIRST_LOGIN = "admin"


class TownHasAdministrator(Conflict):
    """The town has an administrator, who alone appoints others."""

    code = "town_has_administrator"
    message = Message("This town has an administrator already, who invites others.")


def create_own_town(work: UnitOfWork, actor: Actor, **facts: Any) -> Town:
    """Create a town whose administrator is the operator who creates it, and return it. Raises what `towns.create_town` raises."""
    town = create_town(work, actor, **facts)
    account = AccountRepository(work.session).get(actor.account_id) if actor.account_id is not None else None
    if account is None:
        raise NotFound
    audit.record_event(
        work, actor, "account.assign_role", "account", account.id, town_id=town.id, role=Role.TOWN_ADMIN.value, school_id=None
    )
    roles.add_role(work, actor, account, Role.TOWN_ADMIN, town.id, None, None)
    return town


def add_administrator_role(actor: Actor, town_id: UUID) -> Actor:
    """Return the actor with the role that `create_own_town` has just given, for further acts of the same request."""
    return replace(actor, role_assignments=(*actor.role_assignments, RoleAssignment(Role.TOWN_ADMIN, town_id)))


def appoint_administrator(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    *,
    login: str,
    display_name: str,
    email: str | None = None,
    language: str = DEFAULT_LANGUAGE.code,
) -> NewLink:
    """Create the first administrator of a town and return the link to pass on.

    Only the operator may, and only while the town has no administrator: otherwise whoever makes towns could enter each of them.
    Raises `Forbidden`, `NotFound`, `TownHasAdministrator`, `LoginTaken`.
    """
    actor.require_operator()
    locks.lock_town(work, town_id)
    if work.session.get(Town, town_id) is None:
        raise NotFound
    if AccountRepository(work.session).has_administrator(town_id, work.now) and not actor.everywhere:
        raise TownHasAdministrator
    # The operator has no right in the town; this one act is allowed, and stands under the operator's name in the audit trail.
    appointing = replace(actor, everywhere=True)
    return links.invite(
        work, appointing, login=login, display_name=display_name, role=Role.TOWN_ADMIN, town_id=town_id, email=email,
        language=language,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TownAdministration:
    """A town as the operator sees it: its name, whether it is administered, and who has a link that was not used yet.

    Names of people who have signed in are the town's own matter.
    """

    town: Town
    is_administered: bool
    invited: tuple[Account, ...]


def list_towns(work: UnitOfWork, actor: Actor) -> list[TownAdministration]:
    """List all towns with who administers them. Raises `Forbidden`."""
    actor.require_operator()
    by_town: dict[UUID | None, list[Account]] = defaultdict(list)
    for town_id, account in AccountRepository(work.session).list_administrators(work.now):
        by_town[town_id].append(account)
    return [
        TownAdministration(
            town,
            any(_has_signed_in(account) for account in by_town[town.id]),
            tuple(account for account in by_town[town.id] if not _has_signed_in(account)),
        )
        for town in places.list_towns(work, actor)
    ]


def renew_administrator_link(work: UnitOfWork, actor: Actor, town_id: UUID, account_id: UUID) -> NewLink:
    """Return a new link for the first administrator of a town, who has not used the former one.

    Raises `Forbidden`, `NotFound`, and `TownHasAdministrator` once an administrator of the town has signed in.
    """
    actor.require_operator()
    actor.require_reauthentication()
    locks.lock_town(work, town_id)
    administrators = [account for _, account in AccountRepository(work.session).list_administrators(work.now, town_id)]
    if any(_has_signed_in(account) for account in administrators):
        raise TownHasAdministrator
    account = next((each for each in administrators if each.id == account_id), None)
    if account is None:
        raise NotFound
    return links.renew_invitation(work, replace(actor, everywhere=True), account, town_id)


def _has_signed_in(account: Account) -> bool:
    """Return whether the person has chosen a password, or was given one."""
    return account.password_changed_at is not None or account.password_hash != NO_PASSWORD


def ensure_first_account(work: UnitOfWork, demonstration_town_id: UUID | None) -> NewLink | None:
    """Return a link for the first account of a server, until its owner has chosen a password; then None.

    At the first call the account is created: it makes towns, and administers the demonstration town if there is one.
    """
    repository = AccountRepository(work.session)
    account = repository.get_by_login(FIRST_LOGIN)
    if account is None:
        if repository.count_accounts():
            return None
        link = links.invite_operator(work, FIRST_LOGIN, "Administration")
        if demonstration_town_id is not None:
            roles.add_role(work, SYSTEM, link.account, Role.TOWN_ADMIN, demonstration_town_id, None, None)
        return link
    if account.password_changed_at is not None or not account.active:
        return None
    return links.create_link_for_login(work, FIRST_LOGIN)
