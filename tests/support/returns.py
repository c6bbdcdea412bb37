"""Return campaigns for tests, at any time of the year."""

from __future__ import annotations

from sqlalchemy import select

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from enrollment.rollover import returns
from enrollment.rollover.models import ReturnCampaign, ReturnDay, Rollover
from enrollment.rollover.returns_repository import ReturnRepository


def set_return_day(work: UnitOfWork, rollover: Rollover) -> None:
    """Set today as the return day of one school, as if the season were there."""
    school = work.session.scalars(select(School).where(School.town_id == rollover.town_id).order_by(School.id)).first()
    assert school is not None
    campaign = ReturnRepository(work.session).find_campaign(rollover.id)
    if campaign is None:
        campaign = ReturnCampaign(town_id=rollover.town_id, rollover_id=rollover.id)
        work.session.add(campaign)
    work.session.flush()
    work.session.add(
        ReturnDay(town_id=rollover.town_id, campaign_id=campaign.id, school_id=school.id, class_id=None, day=work.now.date())
    )
    work.session.flush()


def open_return_campaign(work: UnitOfWork, actor: Actor, rollover: Rollover) -> ReturnCampaign:
    """Open the return campaign of a rollover with today as a return day."""
    set_return_day(work, rollover)
    return returns.open_campaign(work, actor, rollover.id)
