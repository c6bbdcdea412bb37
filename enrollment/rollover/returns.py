"""The return campaign of the leavers' tablets: days by school and class, the list of tablets, its progress, and which tablets may be
erased in bulk. The erasing itself is in `mdm.care.erasing`. See docs/domain/school-year.md#returns.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Invalid, NotFound
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import School, SchoolClass
from enrollment.rollover import service
from enrollment.rollover.errors import ReturnCampaignNotOpen, ReturnCampaignOpen, ReturnDaysMissing
from enrollment.rollover.models import ReturnCampaign, ReturnDay, ReturnTablet
from enrollment.rollover.returns_repository import ReturnRepository
from enrollment.rollover.rules import is_return_day
from enrollment.tablets.models import Tablet
from enrollment.tablets.rules import MISSING

#: A campaign opens so long before its first return day at the earliest.
OPENS_BEFORE = timedelta(weeks=6)


@dataclass(frozen=True, slots=True)
class TabletReturn:
    """One tablet to be returned. `is_out`: its loan is still open. `is_missing`: lost or stolen, so nobody expects it."""

    line: ReturnTablet
    tablet: Tablet
    is_out: bool

    @property
    def is_missing(self) -> bool:
        return self.tablet.state in MISSING


def plan_return_days(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, school_id: UUID, days: Sequence[tuple[UUID | None, date]]
) -> ReturnCampaign:
    """Replace the return days of one school; a day without a class is for the whole school.

    Raises `NotFound`, `Forbidden`, `Invalid` for a day out of season, `ReturnCampaignNotOpen` once the campaign is closed.
    """
    rollover = service.get_rollover(work, actor, rollover_id)
    school = require_in_town(work, School, school_id, rollover.town_id, field="school_id")
    actor.require_permission(Permission.LEAD, school.town_id, school.id)
    campaign = _get_or_create_campaign(work, rollover_id, rollover.town_id)
    if campaign.closed_at is not None:
        raise ReturnCampaignNotOpen
    for class_id, day in days:
        if not is_return_day(rollover.to_year, day):
            raise Invalid(field="day")
        school_class = require_in_town(work, SchoolClass, class_id, rollover.town_id, field="class_id")
        if school_class is not None and school_class.school_id != school_id:
            raise NotFound(field="class_id")
    audit.record_event(
        work, actor, "return.plan", "school", school_id, town_id=rollover.town_id, days=[day.isoformat() for _, day in days]
    )
    ReturnRepository(work.session).delete_days(campaign.id, [school_id])
    for class_id, day in dict(days).items():
        work.session.add(
            ReturnDay(town_id=rollover.town_id, campaign_id=campaign.id, school_id=school_id, class_id=class_id, day=day)
        )
    work.session.flush()
    return campaign


def open_campaign(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> ReturnCampaign:
    """Open the campaign, or add the tablets of new leavers to an open one.

    Raises `RolloverNotFound`, `Forbidden`, `ReauthenticationRequired`, `ReturnDaysMissing`, `ReturnCampaignOpen` once the campaign is closed.
    """
    rollover = service.get_rollover(work, actor, rollover_id)
    actor.require_permission(Permission.GOVERN, rollover.town_id)
    actor.require_reauthentication()
    campaign = _get_or_create_campaign(work, rollover_id, rollover.town_id)
    if campaign.closed_at is not None:
        raise ReturnCampaignOpen
    _check_calendar(work, campaign, rollover.town_id)
    audit.record_event(work, actor, "return.open", "return_campaign", campaign.id, town_id=rollover.town_id)
    if campaign.opened_at is None:
        campaign.opened_by, campaign.opened_at = actor.account_id, work.now
        work.session.flush()
    ReturnRepository(work.session).add_tablets_of_leavers(campaign, work.now)
    return campaign


def _check_calendar(work: UnitOfWork, campaign: ReturnCampaign, town_id: UUID) -> None:
    """Raise `ReturnDaysMissing` unless a return day is set and near: an open campaign is what allows erasing in bulk."""
    days = [row.day for row in ReturnRepository(work.session).list_days(campaign.id)]
    if not days or places.get_town_date(work, town_id) < min(days) - OPENS_BEFORE:
        raise ReturnDaysMissing(days=OPENS_BEFORE.days)


def close_campaign(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> ReturnCampaign:
    """Close the campaign, so that its tablets can no longer be erased in bulk. Tablets still out stay on the list.

    Raises `RolloverNotFound`, `Forbidden`, `ReturnCampaignNotOpen`.
    """
    rollover = service.get_rollover(work, actor, rollover_id)
    actor.require_permission(Permission.GOVERN, rollover.town_id)
    campaign = _get_or_create_campaign(work, rollover_id, rollover.town_id)
    if campaign.opened_at is None or campaign.closed_at is not None:
        raise ReturnCampaignNotOpen
    audit.record_event(work, actor, "return.close", "return_campaign", campaign.id, town_id=rollover.town_id)
    campaign.closed_by, campaign.closed_at = actor.account_id, work.now
    return campaign


def get_campaign(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> tuple[ReturnCampaign | None, Sequence[ReturnDay]]:
    """Return the campaign of a rollover, None before it is planned, and the days of the actor's schools. Raises `RolloverNotFound`."""
    rollover = service.get_rollover(work, actor, rollover_id)
    repository = ReturnRepository(work.session)
    campaign = repository.find_campaign(rollover.id)
    days = repository.list_days(campaign.id) if campaign else ()
    return campaign, [day for day in days if actor.has_permission(Permission.SEE, day.town_id, day.school_id)]


def list_tablet_returns(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> list[TabletReturn]:
    """Return the campaign's tablets in the actor's schools, returned or still out; tags, no names. Empty before the campaign is opened.

    Raises `RolloverNotFound`.
    """
    rollover = service.get_rollover(work, actor, rollover_id)
    repository = ReturnRepository(work.session)
    campaign = repository.find_campaign(rollover.id)
    return [TabletReturn(*row) for row in repository.list_tablets(actor, campaign.id)] if campaign else []


def list_tablet_returns_page(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, page: PageRequest = FIRST_PAGE
) -> Page[TabletReturn]:
    """Return one page of what `list_tablet_returns` returns. Raises `RolloverNotFound`."""
    rollover = service.get_rollover(work, actor, rollover_id)
    repository = ReturnRepository(work.session)
    campaign = repository.find_campaign(rollover.id)
    if campaign is None:
        return Page([])
    return repository.list_tablets_page(actor, campaign.id, page).map(lambda row: TabletReturn(*row))


def list_tablets_of_leavers(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, page: PageRequest = FIRST_PAGE
) -> Page[tuple[Tablet, UUID]]:
    """Return the tablets that leavers hold now, each with its school, whether a campaign is open or not. Raises `RolloverNotFound`."""
    rollover = service.get_rollover(work, actor, rollover_id)
    return ReturnRepository(work.session).list_tablets_of_leavers(actor, rollover.id, page)


def count_tablets_of_leavers(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> int:
    """Return how many tablets leavers hold at this moment. Raises `RolloverUnknown`."""
    rollover = service.get_rollover(work, actor, rollover_id)
    return ReturnRepository(work.session).count_tablets_of_leavers(actor, rollover.id)


def find_bulk_erasable_tablets(work: UnitOfWork, town_id: UUID, tablet_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the tablets that may be erased in bulk: returned tablets of an open campaign. Others are erased one by one or
    not at all.
    """
    returned = work.session.scalars(ReturnRepository(work.session).select_returned_tablets(town_id))
    return set(returned) & set(tablet_ids)


def _get_or_create_campaign(work: UnitOfWork, rollover_id: UUID, town_id: UUID) -> ReturnCampaign:
    locks.lock_town(work, town_id)
    campaign = ReturnRepository(work.session).find_campaign(rollover_id)
    if campaign is None:
        campaign = ReturnCampaign(town_id=town_id, rollover_id=rollover_id)
        work.session.add(campaign)
        work.session.flush()
    else:
        work.session.refresh(campaign)
    return campaign
