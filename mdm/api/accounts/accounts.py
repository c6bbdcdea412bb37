"""Endpoints of sign-in: a token for login and password, the own password, who is signed in."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from cartable.errors import DomainError
from cartable.scope import Role
from mdm.accounts import service
from mdm.accounts.second_factors import FactorProof
from mdm.api.clients import check_origin, get_sign_in_client, set_device_cookie
from mdm.api.deps import ActorDep, NewcomerDep, WorkDep
from mdm.api.errors import answer_refusal

router = APIRouter(tags=["accounts"])


class Credentials(BaseModel):
    """Login and password."""

    login: str = Field(max_length=200, examples=["admin"])
    password: str = Field(max_length=200, examples=["a long sentence of your own"])
    code: str = Field(
        "", max_length=40, description="The code of the app, or a recovery code, of an account with a second factor."
    )


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
    """A role in a town, one of its schools or one of its classes; without a town a role of the operator."""

    role: Role
    town_id: UUID | None
    school_id: UUID | None
    class_id: UUID | None


class CurrentAccountOut(BaseModel):
    """The account that is signed in, with its roles."""

    name: str
    role_assignments: list[RoleAssignmentOut]


@router.post("/tokens", response_model=AccessTokenOut)
def create_token(request: Request, response: Response, body: Credentials, work: WorkDep) -> AccessTokenOut | JSONResponse:
    """Sign in with login and password, and the code of a second factor, and receive a token.

    After five failures further ones of this client are refused for some minutes. A program that keeps cookies, or has signed in
    from its address before, is not concerned by the failures of others.
    """
    check_origin(request)
    outcome = service.sign_in(work, body.login, body.password, get_sign_in_client(request), proof=FactorProof(code=body.code))
    if isinstance(outcome, DomainError):
        return answer_refusal(request, outcome)
    set_device_cookie(response, outcome.device_cookie)
    return build_token_out(work, outcome.token, must_change=outcome.account.must_change_password)


@router.post("/password", response_model=AccessTokenOut)
def change_password(
    request: Request, body: PasswordChangeIn, work: WorkDep, authentication: NewcomerDep
) -> AccessTokenOut | JSONResponse:
    """Change one's own password.

    Every session of the account ends; the answer has the token of a new one.
    """
    outcome = service.change_password(
        work, authentication.account, authentication.session, body.current, body.new, get_sign_in_client(request)
    )
    if isinstance(outcome, DomainError):
        return answer_refusal(request, outcome)
    return build_token_out(work, outcome, must_change=False)


@router.get("/me", response_model=CurrentAccountOut)
def get_current_account(actor: ActorDep) -> CurrentAccountOut:
    """Get the name and the roles of the account that is signed in."""
    roles = [RoleAssignmentOut.model_validate(assignment, from_attributes=True) for assignment in actor.role_assignments]
    return CurrentAccountOut(name=actor.name, role_assignments=roles)


def build_token_out(work: WorkDep, token: str, *, must_change: bool) -> AccessTokenOut:
    """Return a token of the API as a response."""
    seconds = work.settings.token_minutes * 60
    return AccessTokenOut(access_token=token, expires_in_seconds=seconds, must_change_password=must_change)
