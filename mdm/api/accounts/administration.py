"""Endpoints by which administrators see and change the accounts of their town: invitations, roles, links, switching off."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from cartable.scope import Role
from mdm.accounts import administration, links, roles, service, trust
from mdm.accounts.administration import AccountSummary
from mdm.accounts.links import NewLink
from mdm.accounts.models import Account, AccountRole, LinkPurpose
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["accounts"])


class RoleIn(BaseModel):
    """A role in a town, in one of its schools or in one class."""

    role: Role
    town_id: UUID
    school_id: UUID | None = None
    class_id: UUID | None = Field(None, description="The class of a teacher or substitute, which is of `school_id`.")
    ends_at: AwareDatetime | None = Field(None, description="When the role ends; give one to people who come for a time.")


class AccountIn(RoleIn):
    """A new account; its password must be changed at the first sign-in."""

    login: str = Field(min_length=2, max_length=200, examples=["helpdesk@valmont.example"])
    display_name: str = Field(min_length=1, max_length=200, examples=["Assistance"])
    password: str = Field(max_length=200, examples=["a first password to be changed"])


class AccountInvitationIn(RoleIn):
    """A person who is invited, with a first role."""

    login: str = Field(min_length=2, max_length=200, examples=["helpdesk@valmont.example"])
    display_name: str = Field(min_length=1, max_length=200, examples=["Assistance"])
    email: str | None = Field(
        None, max_length=200, pattern=r"^[^@\s]+@[^@\s]+$", description="Where notices are sent, if they are chosen."
    )
    language: str = Field("fr", max_length=16, description="The language in which the person is written to.")


class AccountLinkOut(BaseModel):
    """A link by which a person chooses a password. It is shown only here: pass it on."""

    account_id: UUID
    url: str
    purpose: LinkPurpose
    expires_at: datetime


class AccountRoleOut(BaseModel):
    """A role that an account has."""

    id: UUID
    role: Role
    town_id: UUID | None
    school_id: UUID | None
    class_id: UUID | None
    ends_at: datetime | None


class AccountOut(BaseModel):
    """An account of a town."""

    id: UUID
    login: str
    display_name: str
    active: bool
    roles: list[AccountRoleOut]
    has_second_factor: bool
    link_expires_at: datetime | None = Field(description="Until when its open link can be used; null without one.")
    trusted_from: datetime | None = Field(
        description="From when on the account counts as one of two people, because it, its role or its password is new; null: already now."
    )


@router.post("/accounts", response_model=AccountOut, status_code=201)
def create_account(body: AccountIn, work: WorkDep, actor: ActorDep) -> AccountOut:
    """Create an account with one role in a town and a first password.

    For a person, prefer an invitation: then nobody but the owner ever knows the password.
    """
    account = service.create_account(work, actor, **body.model_dump())
    return _get_account_out(work, actor, account, body.town_id)


@router.post("/account-invitations", response_model=AccountLinkOut, status_code=201)
def create_account_invitation(body: AccountInvitationIn, work: WorkDep, actor: ActorDep) -> AccountLinkOut:
    """Create an account for a colleague and a link by which its owner chooses a password.

    The link works once, for seven days. Only roles whose rights the caller holds can be given.
    """
    return _build_link_out(links.invite(work, actor, **body.model_dump()))


@router.get("/accounts")
def list_accounts(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[AccountOut]:
    """List the accounts of a town.

    These are the accounts with a role in it and those that were switched off, by name.
    """
    return PageOut.of(administration.list_accounts(work, actor, town_id, page), _build_account_out)


@router.get("/accounts/{account_id}", response_model=AccountOut)
def get_account(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """Get one account of a town."""
    return _build_account_out(administration.get_account(work, actor, account_id, town_id))


@router.post("/accounts/{account_id}/links", response_model=AccountLinkOut, status_code=201)
def create_account_link(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountLinkOut:
    """Create a new link by which the owner of an account chooses a password.

    Earlier links are void. An account that has a password loses it, and all its sessions end. Second factors stay.
    """
    return _build_link_out(links.create_link(work, actor, account_id, town_id))


@router.post("/accounts/{account_id}/roles", response_model=AccountOut, status_code=201)
def assign_role(account_id: UUID, body: RoleIn, work: WorkDep, actor: ActorDep) -> AccountOut:
    """Assign a further role to an account of the town.

    An equal role is replaced, so that its end can be changed.
    """
    roles.assign_role(work, actor, account_id, **body.model_dump())
    return _build_account_out(administration.get_account(work, actor, account_id, body.town_id))


@router.delete("/accounts/{account_id}/roles/{role_id}", response_model=AccountOut)
def revoke_role(account_id: UUID, role_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """End one role of an account."""
    return _get_account_out(work, actor, roles.revoke_role(work, actor, account_id, role_id, town_id), town_id)


@router.post("/accounts/{account_id}/disable", response_model=AccountOut)
def disable_account(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """Disable an account.

    Its sessions end at once. Its roles stay, for when it is enabled again.
    """
    return _get_account_out(work, actor, administration.disable_account(work, actor, account_id, town_id), town_id)


@router.post("/accounts/{account_id}/enable", response_model=AccountOut)
def enable_account(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """Enable an account again.

    For a day it does not count as one of two people.
    """
    return _get_account_out(work, actor, administration.enable_account(work, actor, account_id, town_id), town_id)


@router.delete("/accounts/{account_id}/second-factors", response_model=AccountOut)
def delete_account_second_factors(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """Delete the second factors of an account whose owner has lost them.

    Its sessions end. For a day the account does not count as one of two people.
    """
    return _get_account_out(work, actor, administration.reset_second_factors(work, actor, account_id, town_id), town_id)


@router.post("/accounts/{account_id}/confirm", response_model=AccountOut)
def confirm_account(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """Confirm that a new account, role or password is right, so that the account counts as one of two people at once.

    Not for the own account, and not by who has created it.
    """
    return _get_account_out(work, actor, trust.confirm_account(work, actor, account_id, town_id), town_id)


@router.delete("/accounts/{account_id}", response_model=AccountOut)
def revoke_account(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """End the roles of an account in a town.

    Without any role left, the account is switched off at once.
    """
    return _get_account_out(work, actor, roles.revoke_roles(work, actor, account_id, town_id), town_id)


def _get_account_out(work: WorkDep, actor: ActorDep, account: Account, town_id: UUID) -> AccountOut:
    return _build_account_out(administration.get_account(work, actor, account.id, town_id))


def _build_account_out(row: AccountSummary) -> AccountOut:
    return AccountOut(
        id=row.account.id,
        login=row.account.login,
        display_name=row.account.display_name,
        active=row.account.active,
        roles=[_build_role_out(role) for role in row.roles],
        has_second_factor=row.has_second_factor,
        link_expires_at=row.link.expires_at if row.link else None,
        trusted_from=row.trusted_from,
    )


def _build_role_out(role: AccountRole) -> AccountRoleOut:
    return AccountRoleOut(**{name: getattr(role, name) for name in AccountRoleOut.model_fields})


def _build_link_out(link: NewLink) -> AccountLinkOut:
    return AccountLinkOut(account_id=link.account.id, url=link.url, purpose=link.purpose, expires_at=link.expires_at)
