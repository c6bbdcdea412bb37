"""Limits guesses of invitation codes: by address, with an alarm when somebody reaches the limit. Never commits."""

from __future__ import annotations

from datetime import timedelta

import structlog

from cartable import throttle
from cartable.throttle import AttemptLimit
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.errors import TooManyWrongCodes

#: Codes that do not exist, from one address. A school shares an address, and people mistype; a code has 49 bits.
WRONG_CODE_LIMIT = AttemptLimit("invitation.wrong_code", 60, timedelta(hours=1))
log = structlog.get_logger()


def check_wrong_codes(work: UnitOfWork, address: str) -> None:
    """Raise `TooManyWrongCodes` if the address has tried too many codes that do not exist."""
    if throttle.get_attempts(work, WRONG_CODE_LIMIT, address) >= WRONG_CODE_LIMIT.attempts:
        raise TooManyWrongCodes


def record_wrong_code(work: UnitOfWork, address: str) -> None:
    """Count a code that does not exist. The one that reaches the limit is logged as an alarm."""
    if throttle.count_attempt(work, WRONG_CODE_LIMIT, address) == WRONG_CODE_LIMIT.attempts:
        log.error("alarm.invitation_codes_guessed", address=address, wrong_codes=WRONG_CODE_LIMIT.attempts)
