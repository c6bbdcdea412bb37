"""Dependencies of endpoints: the unit of work and the caller with the session. The transaction ends before the response is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cartable.scope import Actor
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.accounts.errors import NotSignedIn
from mdm.accounts.service_tokens import authenticate_program
from mdm.accounts.sessions import Authentication, SignInStep, authenticate_token

_bearer = HTTPBearer(auto_error=False, description="The token of `POST /api/v1/tokens`.")


def get_runtime(request: Request) -> Runtime:
    """Return the runtime that the composition root gave to the application."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def _open_work(request: Request) -> Iterator[UnitOfWork]:
    with get_runtime(request).open_unit_of_work() as work:
        yield work


#: One transaction per request. `scope="function"`: committed when the endpoint returns, before the response goes out.
WorkDep = Annotated[UnitOfWork, Depends(_open_work, scope="function")]
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _authenticate_first(request: Request, credentials: _Credentials) -> Actor:
    if credentials is None:
        raise NotSignedIn
    with get_runtime(request).open_unit_of_work() as work:
        return authenticate_program(work, credentials.credentials)


#: For endpoints that take long before they need the database, or read it page by page: they open their units of work themselves. The
#: caller is known from a transaction of its own, which has ended when the endpoint begins.
RuntimeDep = Annotated[Runtime, Depends(get_runtime)]
EarlyActorDep = Annotated[Actor, Depends(_authenticate_first)]


def _authenticate(work: WorkDep, credentials: _Credentials) -> Authentication:
    if credentials is None:
        raise NotSignedIn
    return authenticate_token(work, credentials.credentials)


def _authenticate_newcomer(work: WorkDep, credentials: _Credentials) -> Authentication:
    """Return who is signed in. They may still have the one-time password, which they can then only change."""
    if credentials is None:
        raise NotSignedIn
    return authenticate_token(work, credentials.credentials, allowed={SignInStep.PASSWORD_CHANGE})


def _authenticate_enrolling(work: WorkDep, credentials: _Credentials) -> Authentication:
    """Return who is signed in. They may still lack the second factor that they need, which they can then only set up."""
    if credentials is None:
        raise NotSignedIn
    return authenticate_token(work, credentials.credentials, allowed={SignInStep.SECOND_FACTOR_ENROLLMENT})


AuthenticationDep = Annotated[Authentication, Depends(_authenticate, scope="function")]
NewcomerDep = Annotated[Authentication, Depends(_authenticate_newcomer, scope="function")]
EnrollingDep = Annotated[Authentication, Depends(_authenticate_enrolling, scope="function")]


def _get_actor(work: WorkDep, credentials: _Credentials) -> Actor:
    """Return who calls: a person's session, or a service token."""
    if credentials is None:
        raise NotSignedIn
    return authenticate_program(work, credentials.credentials)


ActorDep = Annotated[Actor, Depends(_get_actor, scope="function")]
