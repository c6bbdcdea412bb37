"""Endpoints of the accounts of substitutes, whom the head of a school invites to sign in: for one class, until a day."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.paging import paginate
from mdm.accounts import substitutes
from mdm.accounts.models import Account, AccountRole
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["accounts"])


class SubstituteAccountIn(BaseModel):
    """Who replaces a teacher, and until when."""

    login: str = Field(min_length=2, max_length=200, examples=["lea.petit@valmont.example"])
    display_name: str = Field(min_length=1, max_length=200)
    ends_at: datetime
    email: str | None = Field(None, max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")
    language: str = Field("fr", max_length=16)


class InvitedSubstituteOut(BaseModel):
    """The link of a new account. Null for a person who has an account in the town already and signs in as before."""

    url: str | None
    expires_at: datetime | None
    mailed: bool = Field(description="Whether the link goes to the person by mail too.")


class SubstituteAccountOut(BaseModel):
    """A substitute at this time."""

    role_id: UUID
    account_id: UUID
    login: str
    display_name: str
    class_id: UUID | None
    ends_at: datetime | None


@router.post("/classes/{class_id}/substitute-accounts", status_code=201)
def create_substitute_account(class_id: UUID, body: SubstituteAccountIn, work: WorkDep, actor: ActorDep) -> InvitedSubstituteOut:
    """Create the account of a substitute of a class, for three months at most.

    The head of the school may. Who has worked for the town before keeps the account.
    """
    link = substitutes.invite_substitute(work, actor, class_id, **body.model_dump())
    if link is None:
        return InvitedSubstituteOut(url=None, expires_at=None, mailed=False)
    return InvitedSubstituteOut(url=link.url, expires_at=link.expires_at, mailed=link.mailed_to is not None)


@router.get("/schools/{school_id}/substitute-accounts")
def list_substitute_accounts(school_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[SubstituteAccountOut]:
    """List the substitutes of a school who can sign in at this time."""
    rows = sorted(substitutes.list_substitutes(work, actor, school_id), key=lambda row: row[0].id)
    return PageOut.of(paginate(rows, page, lambda row: (row[0].id,)), lambda row: _build_out(*row))


@router.post("/substitute-accounts/{role_id}/end")
def end_substitute_account(role_id: UUID, work: WorkDep, actor: ActorDep) -> SubstituteAccountOut:
    """End the work of a substitute now."""
    role = substitutes.end_substitution(work, actor, role_id)
    return _build_out(role, work.session.get_one(Account, role.account_id))


def _build_out(role: AccountRole, account: Account) -> SubstituteAccountOut:
    return SubstituteAccountOut(
        role_id=role.id, account_id=account.id, login=account.login, display_name=account.display_name, class_id=role.class_id,
        ends_at=role.ends_at,
    )  # fmt: skip
