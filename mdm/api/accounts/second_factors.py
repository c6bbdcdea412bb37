"""Endpoints of the caller's own second factors. A passkey is made in the console, because only a browser can make one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.errors import ReauthenticationRequired
from mdm.accounts import second_factors, sessions
from mdm.accounts.sessions import Authentication
from mdm.api.deps import AuthenticationDep, EnrollingDep, WorkDep

router = APIRouter(tags=["accounts"])


class PasskeyOut(BaseModel):
    """A passkey of the caller."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None


class SecondFactorsOut(BaseModel):
    """The caller's second factors."""

    totp_since: datetime | None = Field(description="Since when codes of an app count; null: they do not.")
    passkeys: list[PasskeyOut]
    recovery_codes: int = Field(description="How many recovery codes are left. Make new ones before there is none.")


class TotpSetupOut(BaseModel):
    """The secret for an app, as text to type and as the address of a QR code. It counts once a code has confirmed it."""

    secret: str
    uri: str


class TotpCodeIn(BaseModel):
    """A code of the app."""

    code: str = Field(max_length=40)


class RecoveryCodesOut(BaseModel):
    """Recovery codes: each stands in once for a lost second factor. They are shown only here."""

    recovery_codes: list[str]


@router.get("/me/second-factors", response_model=SecondFactorsOut)
def get_second_factors(work: WorkDep, authentication: EnrollingDep) -> SecondFactorsOut:
    """Get the caller's own second factors."""
    overview = second_factors.get_overview(work, authentication.account)
    return SecondFactorsOut(
        totp_since=overview.totp_since,
        passkeys=[PasskeyOut(**{name: getattr(row, name) for name in PasskeyOut.model_fields}) for row in overview.passkeys],
        recovery_codes=overview.recovery_codes,
    )


@router.post("/me/totp", response_model=TotpSetupOut, status_code=201)
def create_totp(work: WorkDep, authentication: EnrollingDep) -> TotpSetupOut:
    """Create the secret for an app that computes one-time codes.

    It counts only once `POST /me/totp/confirm` has confirmed it.
    """
    _require_fresh_password(work, authentication)
    setup = second_factors.begin_totp(work, authentication.account)
    return TotpSetupOut(secret=setup.secret, uri=setup.uri)


@router.post("/me/totp/confirm", response_model=RecoveryCodesOut)
def confirm_totp(body: TotpCodeIn, work: WorkDep, authentication: EnrollingDep) -> RecoveryCodesOut:
    """Confirm the app by one of its codes.

    The answer has recovery codes, unless the account has some already.
    """
    _require_fresh_password(work, authentication)
    return RecoveryCodesOut(
        recovery_codes=second_factors.confirm_totp(work, authentication.account, authentication.session, body.code)
    )


@router.delete("/me/totp", status_code=204)
def delete_totp(work: WorkDep, authentication: AuthenticationDep) -> None:
    """Delete the caller's own app."""
    _require_fresh_password(work, authentication)
    second_factors.remove_totp(work, authentication.account, authentication.actor.role_assignments)


@router.delete("/me/passkeys/{passkey_id}", status_code=204)
def delete_passkey(passkey_id: UUID, work: WorkDep, authentication: AuthenticationDep) -> None:
    """Delete one of the caller's own passkeys."""
    _require_fresh_password(work, authentication)
    second_factors.remove_passkey(work, authentication.account, authentication.actor.role_assignments, passkey_id)


@router.post("/me/recovery-codes", response_model=RecoveryCodesOut, status_code=201)
def create_recovery_codes(work: WorkDep, authentication: AuthenticationDep) -> RecoveryCodesOut:
    """Create new recovery codes.

    The former ones are void.
    """
    _require_fresh_password(work, authentication)
    return RecoveryCodesOut(recovery_codes=second_factors.replace_recovery_codes(work, authentication.account))


def _require_fresh_password(work: WorkDep, authentication: Authentication) -> None:
    """Raise `ReauthenticationRequired` unless the session may change second factors."""
    if not sessions.may_change_factors(work, authentication):
        raise ReauthenticationRequired
