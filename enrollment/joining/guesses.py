"""Limits guesses of invitation codes: by address, with an alarm when somebody reaches the limit. Never commits."""

from __future__ import annotations

from datetime import timedelta

from cartable import throttle
from cartable.alarms import AlarmKind, raise_alarm
from cartable.client_address import coarsen_address
from cartable.throttle import AttemptLimit
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.errors import TooManyWrongCodes

#: Codes that do not exist, from one address. A school shares an address, and people mistype; a code has 49 bits.
WRONG_CODE_LIMIT = AttemptLimit("invitation.wrong_code", 60, timedelta(hours=1))
#: A person learns of guesses once in this time, however many addresses take part.
REPEAT_AFTER = timedelta(minutes=10)


def check_wrong_codes(work: UnitOfWork, address: str) -> None:
    """Raise `TooManyWrongCodes` if the address has tried too many codes that do not exist."""
    if throttle.get_attempts(work, WRONG_CODE_LIMIT, address) >= WRONG_CODE_LIMIT.attempts:
        raise TooManyWrongCodes


def record_wrong_code(work: UnitOfWork, address: str) -> None:
    """Count a code that does not exist. The one that reaches the limit raises an alarm."""
    if throttle.count_attempt(work, WRONG_CODE_LIMIT, address) == WRONG_CODE_LIMIT.attempts:
        network, count = coarsen_address(address), WRONG_CODE_LIMIT.attempts
        raise_alarm(work, None, AlarmKind.INVITATION_CODES_GUESSED, repeat_after=REPEAT_AFTER, network=network, wrong_codes=count)
