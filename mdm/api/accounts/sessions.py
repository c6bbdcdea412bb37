"""Endpoints of sessions: the caller's own, and those of a town's accounts when one was stolen."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from mdm.accounts import administration, sessions
from mdm.accounts.models import AccountSession, SessionKind
from mdm.accounts.second_factors import FactorProof
from mdm.api.clients import get_sign_in_client
from mdm.api.deps import ActorDep, AuthenticationDep, WorkDep
from mdm.api.errors import answer_refusal
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["accounts"])


class SessionOut(BaseModel):
    """One sign-in of the caller."""

    id: UUID
    kind: SessionKind
    network: str = Field(description="The network from which the person signed in: a coarse part of the address.")
    program: str = Field(description="The browser, or the library of a program.")
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool = Field(description="Whether this request uses it.")


class ConfirmationIn(BaseModel):
    """The caller's own password, and the code of the second factor of an account that has one."""

    password: str = Field("", max_length=200)
    code: str = Field("", max_length=40, description="The code of the app, or a recovery code.")


class ReauthenticationOut(BaseModel):
    """Until when the password counts that was given once more."""

    until: datetime


class EndedSessionsOut(BaseModel):
    """How many sessions were ended."""

    ended: int


@router.get("/sessions")
def list_sessions(work: WorkDep, authentication: AuthenticationDep, page: PageParams) -> PageOut[SessionOut]:
    """List the caller's own sessions, newest first."""
    return PageOut.of(
        sessions.list_own_sessions(work, authentication.account, page),
        lambda session: _build_session_out(session, authentication.session.id),
    )


@router.delete("/sessions/current", status_code=204)
def end_current_session(work: WorkDep, authentication: AuthenticationDep) -> None:
    """End the session of this request.

    Its token is void at once.
    """
    sessions.end_session(work, authentication.account, authentication.session.id)


@router.post("/sessions/current/confirm", response_model=ReauthenticationOut)
def confirm_session(request: Request, body: ConfirmationIn, work: WorkDep, authentication: AuthenticationDep) -> object:
    """Confirm by the password, and the second factor, that the caller is still the owner of the session.

    What cannot be taken back, and what concerns accounts, keys or a whole town, is refused with `reauthentication_required` unless
    this was done in the last ten minutes. Five wrong passwords end the session.
    """
    refusal = sessions.reauthenticate(
        work,
        authentication.account,
        authentication.session,
        body.password,
        FactorProof(code=body.code),
        get_sign_in_client(request),
    )
    if refusal is not None:
        return answer_refusal(request, refusal)
    return ReauthenticationOut(until=work.now + sessions.REAUTHENTICATION_LIFETIME)


@router.delete("/sessions/{session_id}", status_code=204)
def end_session(session_id: UUID, work: WorkDep, authentication: AuthenticationDep) -> None:
    """End one of the caller's own sessions."""
    sessions.end_session(work, authentication.account, session_id)


@router.delete("/sessions", response_model=EndedSessionsOut)
def end_all_sessions(work: WorkDep, authentication: AuthenticationDep) -> EndedSessionsOut:
    """End all of the caller's own sessions, this one included."""
    return EndedSessionsOut(ended=sessions.end_all_sessions(work, authentication.account))


@router.delete("/accounts/{account_id}/sessions", response_model=EndedSessionsOut)
def end_account_sessions(account_id: UUID, town_id: UUID, work: WorkDep, actor: ActorDep) -> EndedSessionsOut:
    """End all sessions of an account of the town, such as when one was stolen."""
    return EndedSessionsOut(ended=administration.end_account_sessions(work, actor, account_id, town_id))


def _build_session_out(session: AccountSession, current_id: UUID) -> SessionOut:
    values = {name: getattr(session, name) for name in SessionOut.model_fields if name != "is_current"}
    return SessionOut(is_current=session.id == current_id, **values)
