"""The return of the leavers' tablets: days by school and class, the list, how far it is, and whether an act in bulk may wipe.

A campaign is planned while the passage is, opened by who governs the town, and closed. Wiping itself is `mdm.care`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Row

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School, SchoolClass
from enrollment.rollover import service
from enrollment.rollover.errors import CampaignNotOpen, CampaignOpen
from enrollment.rollover.models import ReturnCampaign, ReturnDay, ReturnTablet
from enrollment.rollover.returns_repository import ReturnRepository
from enrollment.tablets.models import Tablet
from enrollment.tablets.rules import MISSING


@dataclass(frozen=True, slots=True)
class Progress:
    """One tablet that is to come back. `missing`: lost or stolen, so nobody waits for it at the table."""

    line: ReturnTablet
    tablet: Tablet
    out: bool

    @property
    def missing(self) -> bool:
        return self.tablet.state in MISSING


def plan(
    work: UnitOfWork, actor: Actor, rollover_id: UUID, school_id: UUID, days: Sequence[tuple[UUID | None, date]]
) -> ReturnCampaign:
    """Write the days of one school anew: of its classes or, without a class, of the whole. Raises `NotFound`, `CampaignNotOpen`."""
    rollover = service.get(work, actor, rollover_id)
    school = work.session.get(School, school_id)
    if school is None or school.town_id != rollover.town_id:
        raise NotFound(field="school_id")
    actor.require_permission(Permission.LEAD, school.town_id, school.id)
    campaign = _campaign(work, rollover_id, rollover.town_id)
    if campaign.closed_at is not None:
        raise CampaignNotOpen
    for class_id, _ in days:
        held = work.session.get(SchoolClass, class_id) if class_id else None
        if class_id is not None and (held is None or held.school_id != school_id):
            raise NotFound(field="class_id")
    audit.record_event(
        work, actor, "return.plan", "school", school_id, town_id=rollover.town_id, days=[day.isoformat() for _, day in days]
    )
    ReturnRepository(work.session).clear_days(campaign.id, [school_id])
    for class_id, day in dict(days).items():
        work.session.add(
            ReturnDay(town_id=rollover.town_id, campaign_id=campaign.id, school_id=school_id, class_id=class_id, day=day)
        )
    work.session.flush()
    return campaign


def open_(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> ReturnCampaign:
    """Open the campaign, or bring the list of an open one up to date with who leaves. Raises `CampaignOpen` once it is over."""
    rollover = service.get(work, actor, rollover_id)
    actor.require_permission(Permission.GOVERN, rollover.town_id)
    campaign = _campaign(work, rollover_id, rollover.town_id)
    if campaign.closed_at is not None:
        raise CampaignOpen
    audit.record_event(work, actor, "return.open", "return_campaign", campaign.id, town_id=rollover.town_id)
    if campaign.opened_at is None:
        campaign.opened_by, campaign.opened_at = actor.account_id, work.now
        work.session.flush()
    ReturnRepository(work.session).list_leavers(campaign, work.now)
    return campaign


def close(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> ReturnCampaign:
    """End the campaign: from now on no act in bulk may wipe. Tablets still out stay on the list. Raises `CampaignNotOpen`."""
    rollover = service.get(work, actor, rollover_id)
    actor.require_permission(Permission.GOVERN, rollover.town_id)
    campaign = _campaign(work, rollover_id, rollover.town_id)
    if campaign.opened_at is None or campaign.closed_at is not None:
        raise CampaignNotOpen
    audit.record_event(work, actor, "return.close", "return_campaign", campaign.id, town_id=rollover.town_id)
    campaign.closed_by, campaign.closed_at = actor.account_id, work.now
    return campaign


def of(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> tuple[ReturnCampaign | None, Sequence[ReturnDay]]:
    """The campaign of a passage and its days, as far as somebody planned them. Raises `RolloverUnknown`."""
    rollover = service.get(work, actor, rollover_id)
    repository = ReturnRepository(work.session)
    campaign = repository.campaign(rollover.id)
    days = repository.days(campaign.id) if campaign else ()
    return campaign, [day for day in days if actor.has_permission(Permission.SEE, day.town_id, day.school_id)]


def progress(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> list[Progress]:
    """What is back and what is still out, in the actor's schools: tags, no names. Empty before the campaign is opened."""
    rollover = service.get(work, actor, rollover_id)
    repository = ReturnRepository(work.session)
    campaign = repository.campaign(rollover.id)
    return [Progress(*row) for row in repository.listed(actor, campaign.id)] if campaign else []


def to_return(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> Sequence[Row[Tablet, UUID]]:
    """The tablets that leavers hold at this moment, campaign or not: tags and schools, no names. Raises `RolloverUnknown`."""
    rollover = service.get(work, actor, rollover_id)
    return ReturnRepository(work.session).leavers(actor, rollover.id)


def may_be_wiped_in_bulk(work: UnitOfWork, town_id: UUID, tablet_ids: Collection[UUID]) -> set[UUID]:
    """Those of the tablets that an act in bulk may wipe (schools.md section 20): of an open campaign, and back. Others are
    wiped one by one or not at all.
    """
    found = work.session.scalars(ReturnRepository(work.session).returned(town_id))
    return set(found) & set(tablet_ids)


def _campaign(work: UnitOfWork, rollover_id: UUID, town_id: UUID) -> ReturnCampaign:
    locks.lock_town(work, town_id)
    found = ReturnRepository(work.session).campaign(rollover_id)
    if found is None:
        found = ReturnCampaign(town_id=town_id, rollover_id=rollover_id)
        work.session.add(found)
        work.session.flush()
    else:
        work.session.refresh(found)
    return found
