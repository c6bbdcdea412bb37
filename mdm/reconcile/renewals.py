"""Renewal of identity certificates: sends the enrollment profile until the tablet uses a new one, and says which tablets are about to go silent.

Only the pinned certificate counts, the one that the tablet connects with. A certificate that was issued and never used ends
nothing. Never commits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from cartable.outbox import Topic
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import service as identity
from enrollment.identity.models import IdentityProtocol
from enrollment.joining.profiles import IDENTIFIER as ENROLLMENT_PROFILE
from enrollment.joining.profiles import build_renewal_profile
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.profiles import InstallProfile
from mdm.push.service import get_active_topic
from mdm.queue import service as queue
from mdm.queue.results import CommandWithResult
from mdm.queue.service import DeliveryOptions
from mdm.reconcile.models import IdentityRenewal, RenewalProblem
from mdm.reconcile.renewal_repository import EndingIdentity, RenewalRepository

log = structlog.get_logger()
#: How long a renewal waits for the tablet. The next one follows when it has ended.
ORDER_LIFE = timedelta(days=1)
#: Waits after an answer that has led to no new certificate in use; the last one applies from then on.
RETRY_WAITS = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1))
#: A certificate that ends within this time is listed, counted and logged.
WARN_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class IdentityStatus:
    """The certificate that a tablet uses. `renewal`: what was ordered to replace it; None when nothing was."""

    expires_at: datetime
    renew_from: datetime
    attested: bool
    renewal: IdentityRenewal | None


def get_identity_status(work: UnitOfWork, enrollment: DeviceEnrollment) -> IdentityStatus | None:
    """Return the state of the enrollment's pinned certificate; None when it is not stored."""
    certificate = identity.get_certificate(work, enrollment.fingerprint)
    if certificate is None:
        return None
    renewal = RenewalRepository(work.session).get_renewal(enrollment.id, enrollment.fingerprint)
    return IdentityStatus(certificate.not_after, certificate.renew_from, certificate.attested, renewal)


def enqueue_due_renewals(work: UnitOfWork) -> None:
    """Enqueue a renewal job for each enrollment whose pinned certificate is due for it."""
    work.enqueue_job(Topic.RENEW_CERTIFICATE, *RenewalRepository(work.session).list_due_enrollments(work.now))


def renew_identity(work: UnitOfWork, enrollment_id: int) -> None:
    """Enqueue the enrollment profile with a new challenge, so that the tablet gets a new certificate. Replaces an unsent one."""
    channel = DeviceRepository(work.session).get_enrollment(enrollment_id)
    if channel is None or channel.state is not EnrollmentState.ENROLLED:
        return
    _record_attempt(work, channel)
    pinned = identity.get_certificate(work, channel.fingerprint)
    profile = build_renewal_profile(
        work,
        channel.tablet_id,
        channel.topic or get_active_topic(work),  # the tablet refuses a profile with another topic than the one it enrolled with
        udid=channel.udid,
        protocol=pinned.protocol if pinned is not None else IdentityProtocol.SCEP,
        valid_for=ORDER_LIFE + timedelta(minutes=work.settings.challenge_minutes),
    )
    command = InstallProfile(payload_data=profile, identifier=ENROLLMENT_PROFILE)
    timing = DeliveryOptions(deadline=work.now + ORDER_LIFE)
    queue.enqueue_command(work, SYSTEM, command, [channel.id], reason="certificate renewal", timing=timing)


def _record_attempt(work: UnitOfWork, channel: DeviceEnrollment) -> None:
    """Count the attempt, and store why the one before has had no success."""
    repository = RenewalRepository(work.session)
    row = repository.get_or_create_renewal_for_update(channel.id, channel.fingerprint, work.now)
    if row.fingerprint != channel.fingerprint:
        row.fingerprint, row.started_at, row.attempts = channel.fingerprint, work.now, 0
        row.problem = row.problem_detail = None
    elif row.attempts:
        row.problem = _find_problem(work, channel, row)
    row.attempts += 1
    row.ordered_at, row.next_at = work.now, work.now + ORDER_LIFE
    work.session.flush()


def _find_problem(work: UnitOfWork, channel: DeviceEnrollment, row: IdentityRenewal) -> RenewalProblem | None:
    """Return why the last attempt has had no success: the tablet goes on with the former certificate."""
    if row.problem is RenewalProblem.REFUSED:
        return row.problem
    if identity.has_issued_since(work, channel.tablet_id, row.started_at):
        return RenewalProblem.CERTIFICATE_NOT_USED
    last_seen_at = DeviceRepository(work.session).get_last_seen(channel.id)
    was_in_contact = last_seen_at is not None and last_seen_at > row.ordered_at
    return RenewalProblem.NOT_CARRIED_OUT if was_in_contact else row.problem


def record_renewal_result(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Store what the tablet answered to the enrollment profile, and when to try again if it goes on with the former certificate."""
    repository = RenewalRepository(work.session)
    channel = DeviceRepository(work.session).get_enrollment(outcome.enrollment_id)
    row = repository.get_renewal_for_update(outcome.enrollment_id)
    if channel is None or row is None or row.fingerprint != channel.fingerprint:
        return  # no renewal, or it has succeeded meanwhile
    refused = not outcome.succeeded
    if refused:
        row.problem, row.problem_detail = RenewalProblem.REFUSED, (outcome.error or "")[:200] or None
        log.warning("identity.renewal_refused", tablet=str(channel.tablet_id), attempts=row.attempts, error=row.problem_detail)
    elif row.problem is RenewalProblem.REFUSED:
        row.problem = row.problem_detail = None
    row.next_at = work.now + RETRY_WAITS[min(max(row.attempts, 1), len(RETRY_WAITS)) - 1]


def list_ending_identities(
    work: UnitOfWork,
    actor: Actor,
    *,
    within: timedelta = WARN_WITHIN,
    town_id: UUID | None = None,
    page: PageRequest = FIRST_PAGE,
) -> Page[EndingIdentity]:
    """Return the visible tablets that go silent within this time unless they renew, and those whose renewal fails.

    The first to end comes first; those that have ended already are included, because only a person can enroll them again.
    """
    return RenewalRepository(work.session).list_ending(actor, work.now + within, town_id, page)


@dataclass(frozen=True, slots=True)
class EndingIdentityCounts:
    """How many tablets are about to go silent, for how many of these the renewal fails, and when the first certificate ends."""

    ending: int
    failing: int
    first_end: datetime | None


def count_ending_identities(work: UnitOfWork, actor: Actor) -> EndingIdentityCounts:
    """Return the counts of the visible tablets that `list_ending_identities` returns."""
    rows = RenewalRepository(work.session).count_ending(actor, work.now + WARN_WITHIN)
    return EndingIdentityCounts(
        ending=sum(row[1] for row in rows),
        failing=sum(row[2] for row in rows),
        first_end=min((row[3] for row in rows), default=None),
    )


def warn_of_ending_identities(work: UnitOfWork) -> None:
    """Log one warning for each town with tablets that are about to go silent."""
    for town_id, ending, failing, first_end in RenewalRepository(work.session).count_ending(SYSTEM, work.now + WARN_WITHIN):
        log.warning("identity.ends_soon", town=str(town_id), tablets=ending, failing=failing, first_end=first_end.isoformat())
