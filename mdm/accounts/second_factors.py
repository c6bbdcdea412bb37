"""Second factors: who must have one, setting up TOTP, recovery codes, checking what a person gives. Passkeys are in `passkeys`.

Never commits. See docs/domain/roles.md#second-factors.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from cartable import audit, throttle
from cartable.alarms import AlarmKind, raise_alarm
from cartable.errors import NotFound
from cartable.scope import PERMISSIONS, SYSTEM, Permission, RoleAssignment
from cartable.settings import SecondFactorPolicy
from cartable.throttle import AttemptLimit
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import passkeys, totp
from mdm.accounts.errors import (
    LastSecondFactor,
    NoSecondFactor,
    PasskeyRefused,
    SecondFactorRequired,
    TooManyAttempts,
    WrongSecondFactor,
)
from mdm.accounts.factor_repository import FactorRepository
from mdm.accounts.models import Account, AccountSession, Passkey, RecoveryCode, TotpFactor
from mdm.accounts.repository import AccountRepository
from mdm.accounts.sign_in_limits import SignInClient, read_device_cookie

#: Rights that ask for a second factor.
GUARDED_PERMISSIONS = frozenset({Permission.DESTROY, Permission.GOVERN, Permission.OPERATE})
#: Wrong second factors of one account from one known browser, or from all others together.
FACTOR_LIMIT = AttemptLimit("second_factor", 10, timedelta(minutes=15))
RECOVERY_CODES = 10
_RECOVERY_BYTES = 6


class FactorProof(NamedTuple):
    """What a person gives as second factor: a code of the app or a recovery code, or the answer of a passkey as JSON."""

    code: str = ""
    passkey: str = ""


NO_PROOF = FactorProof()


@dataclass(frozen=True, slots=True)
class FactorOverview:
    """The second factors of an account. A TOTP secret that no code has confirmed is left out."""

    totp_since: datetime | None
    passkeys: Sequence[Passkey]
    recovery_codes: int

    @property
    def count(self) -> int:
        """How many factors count."""
        return len(self.passkeys) + (self.totp_since is not None)


class TotpSetup(NamedTuple):
    """The secret that a person gives to an app: as text to type, and as the address in a QR code."""

    secret: str
    uri: str


def must_have_factor(work: UnitOfWork, roles: Iterable[RoleAssignment]) -> bool:
    """Return whether the holder of these roles must have a second factor: who may erase or govern in a town that is no demonstration.

    The operator must have one as soon as there is such a town.
    """
    if work.settings.second_factor is SecondFactorPolicy.OFFERED:
        return False
    town_ids = {role.town_id for role in roles if PERMISSIONS[role.role] & GUARDED_PERMISSIONS}
    if not town_ids:
        return False
    in_towns = None if None in town_ids else {town_id for town_id in town_ids if town_id is not None}
    return FactorRepository(work.session).has_real_town(in_towns)


def get_overview(work: UnitOfWork, account: Account) -> FactorOverview:
    """Return the second factors of an account."""
    repository = FactorRepository(work.session)
    row = repository.get_totp(account.id)
    since = row.confirmed_at if row is not None else None
    return FactorOverview(since, repository.list_passkeys(account.id), repository.count_open_recovery_codes(account.id))


def begin_totp(work: UnitOfWork, account: Account) -> TotpSetup:
    """Return the secret for an app. It stays the same until a code confirms it; a factor that counts already is not touched.

    Raises `LastSecondFactor` when the account has a TOTP factor: it is removed first, after another one was added.
    """
    repository = FactorRepository(work.session)
    row = repository.get_totp(account.id)
    if row is not None and row.confirmed_at is not None:
        raise LastSecondFactor
    if row is None:
        row = TotpFactor(account_id=account.id, secret=secrets.token_bytes(totp.SECRET_BYTES), last_step=0, created_at=work.now)
        work.session.add(row)
        work.session.flush()
    return TotpSetup(totp.spell_secret(row.secret), totp.build_uri(row.secret, account.login, work.settings.organisation))


def confirm_totp(work: UnitOfWork, account: Account, session: AccountSession, code: str) -> list[str]:
    """Let the secret of `begin_totp` count, because the app computes its codes. Returns the recovery codes, if they are the first.

    The session counts as one in which the second factor was given. Raises `NoSecondFactor`, `WrongSecondFactor`.
    """
    row = FactorRepository(work.session).get_totp(account.id)
    if row is None or row.confirmed_at is not None:
        raise NoSecondFactor
    step = totp.find_step(row.secret, _normalise(code), work.now, row.last_step)
    if step is None:
        raise WrongSecondFactor
    audit.record_event(work, SYSTEM, "account.add_totp", "account", account.id, town_id=None)
    row.confirmed_at, row.last_step = work.now, step
    return note_added_factor(work, account, session)


def note_added_factor(work: UnitOfWork, account: Account, session: AccountSession) -> list[str]:
    """Note that a factor was added in this session. Returns the recovery codes, if they are the first."""
    account.factors_changed_at = session.second_factor_at = work.now
    work.session.flush()
    if FactorRepository(work.session).count_open_recovery_codes(account.id):
        return []
    return replace_recovery_codes(work, account)


def replace_recovery_codes(work: UnitOfWork, account: Account) -> list[str]:
    """Make new recovery codes and return them; they are shown only here, and the former ones are void. Raises `NoSecondFactor`."""
    if not get_overview(work, account).count:
        raise NoSecondFactor
    audit.record_event(work, SYSTEM, "account.make_recovery_codes", "account", account.id, town_id=None)
    repository = FactorRepository(work.session)
    repository.delete_recovery_codes(account.id)
    codes = [_spell_recovery_code(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    work.session.add_all(
        RecoveryCode(account_id=account.id, code_hash=_hash_recovery_code(work, account, code)) for code in codes
    )
    work.session.flush()
    return codes


def remove_totp(work: UnitOfWork, account: Account, roles: Iterable[RoleAssignment]) -> None:
    """Remove the TOTP factor. Raises `NotFound`, and `LastSecondFactor` when the account must have one."""
    row = FactorRepository(work.session).get_totp(account.id)
    if row is None:
        raise NotFound
    _check_removable(work, account, roles)
    audit.record_event(work, SYSTEM, "account.remove_totp", "account", account.id, town_id=None)
    _delete(work, account, row)


def remove_passkey(work: UnitOfWork, account: Account, roles: Iterable[RoleAssignment], passkey_id: UUID) -> None:
    """Remove a passkey. Raises `NotFound`, and `LastSecondFactor` when the account must have a second factor."""
    row = FactorRepository(work.session).get_passkey(account.id, passkey_id)
    if row is None:
        raise NotFound
    _check_removable(work, account, roles)
    audit.record_event(work, SYSTEM, "account.remove_passkey", "account", account.id, town_id=None)
    _delete(work, account, row)


def _check_removable(work: UnitOfWork, account: Account, roles: Iterable[RoleAssignment]) -> None:
    """Raise `LastSecondFactor` when the account must have a second factor, and has one only."""
    if get_overview(work, account).count <= 1 and must_have_factor(work, roles):
        raise LastSecondFactor


def _delete(work: UnitOfWork, account: Account, row: TotpFactor | Passkey) -> None:
    """Delete a factor; with the last one, the recovery codes too."""
    work.session.delete(row)
    work.session.flush()
    account.factors_changed_at = work.now
    if not get_overview(work, account).count:
        FactorRepository(work.session).delete_recovery_codes(account.id)


def delete_factors(work: UnitOfWork, account: Account) -> None:
    """Delete every second factor of an account. Callers audit it and end the sessions."""
    FactorRepository(work.session).delete_all(account.id)
    account.factors_changed_at = work.now


def check_proof(
    work: UnitOfWork, account: Account, session: AccountSession | None, proof: FactorProof, client: SignInClient
) -> SecondFactorRequired | WrongSecondFactor | PasskeyRefused | TooManyAttempts | None:
    """Check a second factor. Returns the error, because the count of failures must be committed.

    Wrong ones are counted per account: for each browser that is known to it, and for all others together. Nobody who fails on purpose
    locks the owner out of a known browser.
    """
    if not proof.code and not proof.passkey:
        return SecondFactorRequired()
    key = (str(account.id), read_device_cookie(work, account.id, client.device_cookie) or "")
    if throttle.count_attempt(work, FACTOR_LIMIT, *key) > FACTOR_LIMIT.attempts:
        _raise_alarm(work, account)
        return TooManyAttempts()
    if proof.passkey:
        is_right = session is not None and passkeys.verify_assertion(work, account, session, proof.passkey)
    else:
        is_right = _use_code(work, account, proof.code)
    if not is_right:
        audit.record_event(work, SYSTEM, "account.wrong_second_factor", "account", account.id, town_id=None)
        return PasskeyRefused() if proof.passkey else WrongSecondFactor()
    throttle.reset_attempts(work, FACTOR_LIMIT, *key)
    return None


def _use_code(work: UnitOfWork, account: Account, code: str) -> bool:
    """Return whether a code of the app, or a recovery code, is right. Either is accepted once."""
    repository = FactorRepository(work.session)
    code = _normalise(code)
    if len(code) != totp.DIGITS:
        is_right = repository.use_recovery_code(account.id, _hash_recovery_code(work, account, code), work.now)
        if is_right:
            audit.record_event(work, SYSTEM, "account.use_recovery_code", "account", account.id, town_id=None)
        return is_right
    row = repository.get_totp(account.id)
    if row is None or row.confirmed_at is None:
        return False
    step = totp.find_step(row.secret, code, work.now, row.last_step)
    return step is not None and repository.accept_step(account.id, step)


def _raise_alarm(work: UnitOfWork, account: Account) -> None:
    roles = AccountRepository(work.session).list_roles(account.id, work.now)
    for town_id in {role.town_id for role in roles} or {None}:
        raise_alarm(work, town_id, AlarmKind.SECOND_FACTOR_GUESSED, repeat_after=timedelta(hours=1), account_id=str(account.id))


def _normalise(code: str) -> str:
    """Return a code without what people type between its characters."""
    return "".join(character for character in code[:40].upper() if character.isascii() and character.isalnum())


def _spell_recovery_code(code: bytes) -> str:
    text = b32encode(code).decode().rstrip("=")
    return f"{text[:5]}-{text[5:]}"


def _hash_recovery_code(work: UnitOfWork, account: Account, code: str) -> str:
    return work.keyring.keyed_hash(f"{account.id}/{_normalise(code)}", "recovery_code")
