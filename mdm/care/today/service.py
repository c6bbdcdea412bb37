"""What waits for a person in a place today, and how the tablets are. Never commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import Row

from cartable.certificates import read_certificates_pem
from cartable.expiry import get_warning_days
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import tls
from enrollment.identity.ca import get_issuing_authority
from enrollment.places.models import School, SchoolClass
from mdm.care.today.kinds import PERMISSIONS, UNCOUNTED, ExpiryKind, TodayScope, WaitingKind
from mdm.care.today.models import FleetDay
from mdm.care.today.repository import TodayRepository
from mdm.push.certificates import get_certificate_health
from mdm.reconcile.models import AppReason
from mdm.reconcile.renewals import count_ending_identities
from profiles.schedule.local_time import get_time_zone
from profiles.schedule.modes import Mode
from profiles.schedule.school_days import load_town_calendar

#: Without contact for so long a tablet is called silent.
SILENT_AFTER = timedelta(days=7)
#: A mode that is not proved after this time is drift: most tablets prove it within minutes, one that is off at its next contact.
DRIFT_AFTER = timedelta(hours=1)
#: The days of the picture of the fleet, and those that are kept.
SHOWN_DAYS, KEPT_DAYS = 60, 1100
#: Every tablet must renew under a new authority before the old one ends: that takes long.
_AUTHORITY_WARNING = timedelta(days=2 * 365)


@dataclass(frozen=True, slots=True)
class Expiry:
    """Something that ends, with its name where there are several."""

    kind: ExpiryKind
    name: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Today:
    """What waits in a place, as far as it concerns the actor: empty parts have nothing to show."""

    waiting: dict[WaitingKind, int]
    missing_apps: Sequence[Row[AppReason, int]]
    silent: Sequence[Row[School | None, SchoolClass | None, int]]
    unproved: Sequence[Row[Mode, int]]
    ending_identities: int
    expiries: Sequence[Expiry]
    days: Sequence[FleetDay]


def count_waiting(work: UnitOfWork, actor: Actor, scope: TodayScope) -> int:
    """Return how many things in a place need a decision of the actor, in at most one statement."""
    kinds = [kind for kind in _list_kinds(actor, scope) if kind not in UNCOUNTED]
    return sum(TodayRepository(work.session).count_waiting(actor, scope, kinds, work.now).values())


def load_today(work: UnitOfWork, actor: Actor, scope: TodayScope) -> Today:
    """Return what waits in a place. The number of statements does not depend on how much there is."""
    repository = TodayRepository(work.session)
    governs = actor.has_permission(Permission.GOVERN, scope.town_id)
    sees_town = actor.has_permission(Permission.SEE, scope.town_id) and scope.school_id is None
    return Today(
        waiting=repository.count_waiting(actor, scope, _list_kinds(actor, scope), work.now),
        missing_apps=repository.count_missing_apps(actor, scope),
        silent=repository.count_silent(actor, scope, work.now - SILENT_AFTER),
        unproved=repository.count_unproved_modes(actor, scope, work.now - DRIFT_AFTER),
        ending_identities=count_ending_identities(work, actor).ending if sees_town else 0,
        expiries=sorted(_list_expiries(work, scope), key=lambda each: each.ends_at) if governs else (),
        days=repository.list_days(scope.town_id, (work.now - timedelta(days=SHOWN_DAYS)).date()) if sees_town else (),
    )


def record_fleet_day(work: UnitOfWork) -> int:
    """Save the figures of today for every town, and delete those that are too old. Returns the number of towns."""
    repository = TodayRepository(work.session)
    repository.delete_days((work.now - timedelta(days=KEPT_DAYS)).date())
    return repository.save_day(work.now.date(), work.now - timedelta(days=1))


def _list_kinds(actor: Actor, scope: TodayScope) -> list[WaitingKind]:
    return [kind for kind in WaitingKind if actor.has_permission_somewhere(PERMISSIONS[kind], scope.town_id)]


def _list_expiries(work: UnitOfWork, scope: TodayScope) -> Iterator[Expiry]:
    """Yield what ends soon: certificates of the server, tokens and school holidays of the town."""
    ends = [
        (ExpiryKind.LICENCES if is_licence else ExpiryKind.ASSIGNMENT, name, ends_at)
        for is_licence, name, ends_at in TodayRepository(work.session).list_token_ends(scope.town_id)
    ]
    push = get_certificate_health(work)
    if push.not_after is not None and not push.simulated:
        ends.append((ExpiryKind.PUSH_CERTIFICATE, "", push.not_after))
    if work.settings.serve_tls:
        ends += [(ExpiryKind.TLS_CERTIFICATE, "", at) for at in _read_end(tls.get_server_files(work.settings)[0])]
    for kind, name, ends_at in ends:
        if get_warning_days(work.now, ends_at) is not None:
            yield Expiry(kind, name, ends_at)
    authority = get_issuing_authority(work)
    if authority is not None:
        ends_at = authority.certificate.not_valid_after_utc
        if ends_at < work.now + _AUTHORITY_WARNING:
            yield Expiry(ExpiryKind.DEVICE_AUTHORITY, "", ends_at)
    town, calendar = load_town_calendar(work, scope.town_id)
    zone = get_time_zone(town.time_zone) or UTC
    today = work.now.astimezone(zone).date()
    if calendar.needs_next_dates(today):
        yield Expiry(ExpiryKind.SCHOOL_HOLIDAYS, "", datetime.combine(calendar.known_until or today, time(), zone))


def _read_end(chain: Path) -> list[datetime]:
    """Return when a chain file's certificate ends; nothing for a file that is missing or unreadable, which the start reports."""
    try:
        return [read_certificates_pem(chain.read_bytes())[0].not_valid_after_utc]
    except (OSError, ValueError, IndexError):
        return []
