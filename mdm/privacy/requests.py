"""Privacy requests of people: received, due within a month, extended once, answered (PRIV-09). Never commits."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Invalid
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.privacy.errors import PrivacyRequestAnswered, PrivacyRequestExtended, PrivacyRequestNotFound, PupilRecordNotFound
from mdm.privacy.models import PrivacyRequest, RequestKind, RequestOutcome
from mdm.privacy.repository import PrivacyRepository
from mdm.privacy.rules import add_months

#: GDPR, article 12.3: one month, and two more if the person learns the reason within the first.
TERM_MONTHS, EXTENSION_MONTHS = 1, 2


def receive_request(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    kind: RequestKind,
    requester: str,
    note: str = "",
    *,
    subject_id: UUID | None = None,
    received_on: date | None = None,
) -> PrivacyRequest:
    """Record a request; its term starts on the day of receipt. Raises `Forbidden`, `PupilRecordNotFound`, `Invalid`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    today = work.now.date()
    received = received_on or today
    if received > today:
        raise Invalid(field="received_on")
    if subject_id is not None:
        pupil = PrivacyRepository(work.session).get_pupil(actor, subject_id)
        if pupil is None or pupil.town_id != town_id:
            raise PupilRecordNotFound
    row = PrivacyRequest(
        town_id=town_id, kind=kind, subject_id=subject_id, requester=requester, note=note, received_on=received,
        due_on=add_months(received, TERM_MONTHS), opened_by=actor.account_id,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    audit.record_event(work, actor, "privacy.receive_request", "privacy_request", row.id, town_id=town_id, kind=kind.value)
    return row


def extend_request(work: UnitOfWork, actor: Actor, request_id: UUID, reason: str) -> PrivacyRequest:
    """Extend the term by two months, once. The person must be told the reason within the first month.

    Raises `PrivacyRequestNotFound`, `PrivacyRequestAnswered`, `PrivacyRequestExtended`.
    """
    row = _get_open_request(work, actor, request_id)
    if row.extension_reason is not None or work.now.date() > row.due_on:
        raise PrivacyRequestExtended
    audit.record_event(work, actor, "privacy.extend_request", "privacy_request", row.id, town_id=row.town_id)
    row.extension_reason, row.due_on = reason, add_months(row.received_on, TERM_MONTHS + EXTENSION_MONTHS)
    work.session.flush()
    return row


def answer_request(work: UnitOfWork, actor: Actor, request_id: UUID, outcome: RequestOutcome, text: str) -> PrivacyRequest:
    """Record the answer to a request. Raises `PrivacyRequestNotFound`, `PrivacyRequestAnswered`."""
    row = _get_open_request(work, actor, request_id)
    audit.record_event(
        work, actor, "privacy.answer_request", "privacy_request", row.id, town_id=row.town_id, outcome=outcome.value
    )
    row.outcome, row.answer, row.answered_on = outcome, text, work.now.date()
    work.session.flush()
    return row


def count_open_requests(work: UnitOfWork, actor: Actor, town_id: UUID) -> tuple[int, int]:
    """Return how many requests of a town the actor has to answer, and how many of them are late; none without the permission."""
    if not actor.has_permission(Permission.PRIVACY, town_id):
        return 0, 0
    return PrivacyRepository(work.session).count_open_requests(actor, town_id, work.now.date())


def list_requests(
    work: UnitOfWork, actor: Actor, town_id: UUID, *, only_open: bool = False, page: PageRequest = FIRST_PAGE
) -> Page[PrivacyRequest]:
    """List the requests of a town, open ones first, by due date. Raises `Forbidden`."""
    actor.require_permission(Permission.PRIVACY, town_id)
    return PrivacyRepository(work.session).list_requests(actor, town_id, only_open=only_open, page=page)


def _get_open_request(work: UnitOfWork, actor: Actor, request_id: UUID) -> PrivacyRequest:
    row = PrivacyRepository(work.session).get_request(actor, request_id)
    if row is None:
        raise PrivacyRequestNotFound
    locks.lock_town(work, row.town_id)
    work.session.refresh(row)
    if row.answered_on is not None:
        raise PrivacyRequestAnswered
    return row
