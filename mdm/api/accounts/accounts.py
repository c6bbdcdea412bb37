"""Sign-in and accounts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, Field

from cartable.errors import DomainError
from cartable.i18n import preferred_language
from cartable.scope import Role
from mdm.accounts import service
from mdm.api.deps import AccountDep, ActorDep, WorkDep
from mdm.api.errors import problem

router = APIRouter(tags=["accounts"])


class SignIn(BaseModel):
    """Login and password."""

    login: str = Field(max_length=200, examples=["admin"])
    password: str = Field(max_length=200, examples=["a long sentence of your own"])


class Token(BaseModel):
    """A token for the `Authorization: Bearer` header."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of the scheme
    expires_in_seconds: int
    must_change_password: bool


class NewPassword(BaseModel):
    """The present password and the one to come."""

    current: str = Field(max_length=200)
    new: str = Field(max_length=200, examples=["a long sentence of your own"])


class GrantOut(BaseModel):
    """A role in a town or one of its schools."""

    role: Role
    town_id: UUID
    school_id: UUID | None


class Me(BaseModel):
    """Who is signed in."""

    name: str
    grants: list[GrantOut]


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


@router.post("/sign-in", response_model=Token, operation_id="sign_in")
def sign_in(request: Request, body: SignIn, work: WorkDep) -> Token | JSONResponse:
    """Exchange login and password for a token. Five failures lock the account for some minutes."""
    outcome = service.sign_in(work, body.login, body.password)
    if isinstance(outcome, DomainError):  # not raised: the counter of failures must be kept
        language = preferred_language(request.headers.get("accept-language"))
        return problem(outcome.status, outcome.code, outcome.message(language))
    account, token = outcome
    return _token(work, token, must_change=account.must_change_password)


@router.post("/password", response_model=Token, operation_id="change_password")
def change_password(body: NewPassword, work: WorkDep, account: AccountDep) -> Token:
    """Choose another password. Every other token of the account becomes void."""
    return _token(work, service.change_password(work, account, body.current, body.new), must_change=False)


@router.get("/me", response_model=Me, operation_id="me")
def me(actor: ActorDep) -> Me:
    """Who is signed in, and with which roles."""
    grants = [GrantOut(role=g.role, town_id=g.town_id, school_id=g.school_id) for g in actor.role_assignments]
    return Me(name=actor.name, grants=grants)


@router.post("/accounts", response_model=AccountOut, status_code=201, operation_id="create_account")
def create(body: AccountIn, work: WorkDep, actor: ActorDep) -> Any:
    """Create an account in one's own town."""
    return _out(service.create_account(work, actor, **body.model_dump()))


@router.get("/accounts", response_model=list[AccountOut], operation_id="list_accounts")
def listed(town_id: UUID, work: WorkDep, actor: ActorDep) -> list[AccountOut]:
    """The accounts with a role in a town."""
    return [_out(account) for account in service.accounts_of(work, actor, town_id)]


@router.delete("/accounts/{account_id}", response_model=AccountOut, operation_id="withdraw_account")
def withdraw(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> AccountOut:
    """End an account's roles in a town; without any role left it is switched off at once."""
    return _out(service.withdraw(work, actor, account_id, town_id))


def _out(account: Any) -> AccountOut:
    return AccountOut(id=account.id, login=account.login, display_name=account.display_name, active=account.active)


def _token(work: WorkDep, token: str, *, must_change: bool) -> Token:
    seconds = work.settings.token_minutes * 60
    return Token(access_token=token, expires_in_seconds=seconds, must_change_password=must_change)
