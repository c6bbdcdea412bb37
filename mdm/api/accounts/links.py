"""The endpoint by which a program opens a link of its owner: choosing a password without the console."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from mdm.accounts import links
from mdm.accounts.models import SessionKind
from mdm.api.accounts.accounts import AccessTokenOut, build_token_out
from mdm.api.clients import check_origin, get_sign_in_client
from mdm.api.deps import WorkDep

router = APIRouter(tags=["accounts"])


class LinkPasswordIn(BaseModel):
    """The token at the end of a link, and the password that its owner has chosen."""

    token: str = Field(max_length=200)
    password: str = Field(max_length=200, examples=["a long sentence of your own"])


@router.post("/account-links/password", response_model=AccessTokenOut)
def set_password_by_link(request: Request, body: LinkPasswordIn, work: WorkDep) -> AccessTokenOut:
    """Set the password of the account of a link, and sign in.

    A link works once, until its end; its refusals say what to do.
    """
    check_origin(request)
    signed_in = links.set_password(work, body.token, body.password, get_sign_in_client(request), SessionKind.API)
    return build_token_out(work, signed_in.token, must_change=False)
