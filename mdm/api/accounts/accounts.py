"""Endpoints of sign-in and accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, Field

from cartable.errors import DomainError
from cartable.scope import Role
from mdm.accounts import service, trust
from mdm.accounts.models import Account
from mdm.api.clients import check_origin, get_sign_in_client, set_device_cookie
from mdm.api.deps import ActorDep, NewcomerDep, WorkDep
from mdm.api.errors import answer_refusal
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["accounts"])


class Credentials(BaseModel):
    """Login and password."""

    login: str = Field(max_length=200, examples=["admin"])
    password: str = Field(max_length=200, examples=["a long sentence of your own"])


class AccessTokenOut(BaseModel):
    """A token for the `Authorization: Bearer` header."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of the scheme
    expires_in_seconds: int
    must_change_password: bool


class PasswordChangeIn(BaseModel):
    """The current password and the new one."""

    current: str = Field(max_length=200)
    new: str = Field(max_length=200, examples=["a long sentence of your own"])


class RoleAssignmentOut(BaseModel):
    """A role in a town or one of its schools."""

    role: Role
    town_id: UUID
    school_id: UUID | None


class CurrentAccountOut(BaseModel):
    """The account that is signed in, with its roles."""

    name: str
    role_assignments: list[RoleAssignmentOut]


class AccountIn(BaseModel):
    """A new account; its password must be changed at the first sign-in."""

    login: str = Field(min_length=2, max_length=200, examples=["helpdesk@valmont.example"])
    display_name: str = Field(min_length=1, max_length=200, examples=["Assistance"])
    password: str = Field(max_length=200, examples=["a first password to be changed"])
    role: Role
    town_id: UUID
    school_id: UUID | None = None
    ends_at: AwareDatetime | None = Field(None, description="When the role ends; give one to people who come for a time.")


class AccountOut(BaseModel):
    """An account of a town."""

    id: UUID
    login: str
    display_name: str
    active: bool
    trusted_from: datetime | None = Field(
        description="From when on the account counts as one of two people, because it, its role or its password is new; null: already now."
    )


@router.post("/tokens", response_model=AccessTokenOut)
def create_token(request: Request, response: Response, body: Credentials, work: WorkDep) -> AccessTokenOut | JSONResponse:
    """Sign in with login and password and receive a token.

    After five failures further ones of this client are refused for some minutes. A program that keeps cookies, or has signed in
    from its address before, is not concerned by the failures of others.
    """
    check_origin(request)
    outcome = service.sign_in(work, body.login, body.password, get_sign_in_client(request))
    if isinstance(outcome, DomainError):
        return answer_refusal(request, outcome)
    set_device_cookie(response, outcome.device_cookie)
    return _build_token_out(work, outcome.token, must_change=outcome.account.must_change_password)


@router.post("/password", response_model=AccessTokenOut)
def change_password(request: Request, body: PasswordChangeIn, work: WorkDep, who: NewcomerDep) -> AccessTokenOut | JSONResponse:
    """Change one's own password.

    Every session of the account ends; the answer has the token of a new one.
    """
    outcome = service.change_password(work, who.account, who.session, body.current, body.new, get_sign_in_client(request))
    if isinstance(outcome, DomainError):
        return answer_refusal(request, outcome)
    return _build_token_out(work, outcome, must_change=False)


@router.get("/me", response_model=CurrentAccountOut)
def get_current_account(actor: ActorDep) -> CurrentAccountOut:
    """Get the name and the roles of the account that is signed in."""
    roles = [
        RoleAssignmentOut(role=assignment.role, town_id=assignment.town_id, school_id=assignment.school_id)
        for assignment in actor.role_assignments
    ]
    return CurrentAccountOut(name=actor.name, role_assignments=roles)


@router.post("/accounts", response_model=AccountOut, status_code=201)
def create_account(body: AccountIn, work: WorkDep, actor: ActorDep) -> Any:
    """Create an account with one role in a town."""
    return _build_account_out(work, service.create_account(work, actor, **body.model_dump()))


@router.get("/accounts")
def list_accounts(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[AccountOut]:
    """List the accounts of a town.

    These are the accounts with a role in it, the oldest first.
    """
    return PageOut.of(service.list_accounts(work, actor, town_id, page), lambda account: _build_account_out(work, account))


@router.post("/accounts/{account_id}/confirm", response_model=AccountOut)
def confirm_account(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """Confirm that a new account, role or password is right, so that the account counts as one of two people at once.

    Not for the own account, and not by who has created it.
    """
    return _build_account_out(work, trust.confirm_account(work, actor, account_id, town_id))


@router.delete("/accounts/{account_id}", response_model=AccountOut)
def revoke_account(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """End the roles of an account in a town.

    Without any role left, the account is switched off at once.
    """
    return _build_account_out(work, service.revoke_roles(work, actor, account_id, town_id))


def _build_account_out(work: WorkDep, account: Account) -> AccountOut:
    return AccountOut(
        id=account.id,
        login=account.login,
        display_name=account.display_name,
        active=account.active,
        trusted_from=trust.get_trusted_from(work, account),
    )


def _build_token_out(work: WorkDep, token: str, *, must_change: bool) -> AccessTokenOut:
    seconds = work.settings.token_minutes * 60
    return AccessTokenOut(access_token=token, expires_in_seconds=seconds, must_change_password=must_change)
