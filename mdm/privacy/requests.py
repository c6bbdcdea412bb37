"""The desk of people's rights: a request is received, due in a month, perhaps extended, answered (PRIV-09). Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Invalid
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.privacy.errors import PupilUnknown, RequestAnswered, RequestExtended, RequestUnknown
from mdm.privacy.models import PrivacyRequest, RequestKind, RequestOutcome
from mdm.privacy.repository import PrivacyRepository
from mdm.privacy.rules import months_after

#: GDPR, article 12.3: a month, and two more when it is said within the first why.
TERM_MONTHS, MORE_MONTHS = 1, 2


def receive(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    kind: RequestKind,
    asked_by: str,
    note: str = "",
    *,
    subject_id: UUID | None = None,
    received_on: date | None = None,
) -> PrivacyRequest:
    """Enter a request; the month runs from the day on which it came. Raises `Forbidden`, `PupilUnknown`, `Invalid`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    today = work.now.date()
    came = received_on or today
    if came > today:
        raise Invalid(field="received_on")
    if subject_id is not None:
        pupil = PrivacyRepository(work.session).pupil(actor, subject_id)
        if pupil is None or pupil.town_id != town_id:
            raise PupilUnknown
    row = PrivacyRequest(
        town_id=town_id, kind=kind, subject_id=subject_id, asked_by=asked_by, note=note, received_on=came,
        due_on=months_after(came, TERM_MONTHS), opened_by=actor.account_id,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    audit.record_event(work, actor, "privacy.request", "privacy_request", row.id, town_id=town_id, kind=kind.value)
    return row


def extend(work: UnitOfWork, actor: Actor, request_id: UUID, because: str) -> PrivacyRequest:
    """Give it two more months; the person is told why within the first. Once. Raises `RequestUnknown`, `RequestAnswered`,
    `RequestExtended`.
    """
    row = _open(work, actor, request_id)
    if row.extended_because is not None or work.now.date() > row.due_on:
        raise RequestExtended
    audit.record_event(work, actor, "privacy.extend", "privacy_request", row.id, town_id=row.town_id)
    row.extended_because, row.due_on = because, months_after(row.received_on, TERM_MONTHS + MORE_MONTHS)
    work.session.flush()
    return row


def answer(work: UnitOfWork, actor: Actor, request_id: UUID, outcome: RequestOutcome, words: str) -> PrivacyRequest:
    """Note what was answered. Raises `RequestUnknown`, `RequestAnswered`."""
    row = _open(work, actor, request_id)
    audit.record_event(work, actor, "privacy.answer", "privacy_request", row.id, town_id=row.town_id, outcome=outcome.value)
    row.outcome, row.answer, row.answered_on = outcome, words, work.now.date()
    work.session.flush()
    return row


def listed(
    work: UnitOfWork, actor: Actor, town_id: UUID, *, only_open: bool = False, limit: int = 200
) -> Sequence[PrivacyRequest]:
    """The requests of a town: open ones first, the most urgent at the top. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    return PrivacyRepository(work.session).requests(actor, town_id, only_open=only_open, limit=limit)


def _open(work: UnitOfWork, actor: Actor, request_id: UUID) -> PrivacyRequest:
    row = PrivacyRepository(work.session).request(actor, request_id)
    if row is None:
        raise RequestUnknown
    locks.lock_town(work, row.town_id)
    work.session.refresh(row)
    if row.answered_on is not None:
        raise RequestAnswered
    return row
