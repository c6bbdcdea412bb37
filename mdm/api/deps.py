"""What endpoints ask for: the unit of work, and who is calling. The transaction ends before the response is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cartable.scope import Actor
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.accounts import service as accounts
from mdm.accounts.errors import NotSignedIn
from mdm.accounts.models import Account

_bearer = HTTPBearer(auto_error=False, description="The token of `POST /api/v1/sign-in`.")


def runtime_of(request: Request) -> Runtime:
    """The runtime that the composition root gave to the application."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def _work(request: Request) -> Iterator[UnitOfWork]:
    with runtime_of(request).open_unit_of_work() as work:
        yield work


#: One transaction per request. `scope="function"`: committed when the endpoint returns, before the response goes out.
WorkDep = Annotated[UnitOfWork, Depends(_work, scope="function")]
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _actor(work: WorkDep, credentials: _Credentials) -> Actor:
    if credentials is None:
        raise NotSignedIn
    return accounts.actor_of(work, credentials.credentials)[0]


def _account(work: WorkDep, credentials: _Credentials) -> Account:
    """The account itself, even while it holds a one-time password: only to choose another."""
    if credentials is None:
        raise NotSignedIn
    return accounts.actor_of(work, credentials.credentials, even_with_one_time_password=True)[1]


ActorDep = Annotated[Actor, Depends(_actor, scope="function")]
AccountDep = Annotated[Account, Depends(_account, scope="function")]
