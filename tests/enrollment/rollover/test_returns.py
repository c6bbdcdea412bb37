"""The return of the leavers' tablets: planned, opened, followed, closed; and what an act in bulk may wipe."""

from __future__ import annotations

from datetime import date

import pytest

from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, NotFound
from cartable.unit_of_work import Runtime
from enrollment.places.models import Grade
from enrollment.rollover import drafting, returns, service
from enrollment.rollover.errors import ReturnCampaignNotOpen, ReturnCampaignOpen, ReturnDaysMissing, RolloverOutOfSeason
from enrollment.rollover.models import RolloverDecision
from enrollment.tablets import custody
from enrollment.tablets.models import Condition, Loan, Tablet, TabletState
from tests.enrollment.rollover.school_year import RolloverTown, school_day, set_clock


def test_a_campaign_from_its_days_to_its_end(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, school_day(6, 1))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        cm2 = town.world.create_class(town.school, "CM2")
        held = [town.with_tablet(cm2, Grade.CM2) for _ in range(3)]
        moving, his = town.with_tablet(town.world.create_class(town.other, "CE1"), Grade.CE1)
        rollover, head = town.preview_rollover(), town.create_head()
        returns.plan_return_days(
            work, head, rollover.id, town.school.id, [(cm2.id, date(2027, 6, 24)), (None, date(2027, 6, 25))]
        )
        returns.plan_return_days(work, head, rollover.id, town.school.id, [(cm2.id, date(2027, 6, 28))])
        with pytest.raises(Forbidden):
            returns.plan_return_days(work, head, rollover.id, town.other.id, [(None, date(2027, 6, 24))])
        with pytest.raises(NotFound):
            returns.plan_return_days(work, town.admin, rollover.id, town.other.id, [(cm2.id, date(2027, 6, 24))])
        assert [each.day for each in returns.get_campaign(work, head, rollover.id)[1]] == [date(2027, 6, 28)]
        assert returns.list_tablet_returns(work, head, rollover.id) == []
        with pytest.raises(Forbidden):
            returns.open_campaign(work, head, rollover.id)
        with pytest.raises(ReturnCampaignNotOpen):
            returns.close_campaign(work, town.admin, rollover.id)
        returns.open_campaign(work, town.admin, rollover.id)
        service.record_decision(work, town.admin, rollover.id, [moving.id], RolloverDecision.LEAVER)
        returns.open_campaign(work, town.admin, rollover.id)
        assert len(returns.list_tablet_returns(work, town.admin, rollover.id)) == 4, "who joins the leavers joins the list"
        assert {each.tablet.id for each in returns.list_tablet_returns(work, head, rollover.id)} == {
            tablet.id for _, tablet in held
        }
        ids = [tablet.id for _, tablet in held] + [his.id]
        assert returns.find_bulk_erasable_tablets(work, town.town.id, ids) == set()
    set_clock(clock, school_day(6, 28))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        first, second = (work.session.get_one(Tablet, tablet.id) for _, tablet in held[:2])
        custody.take_back(work, town.admin, first, Condition.GOOD, ())
        second.state = TabletState.LOST
        work.session.flush()
        returns_by_tablet = {
            each.tablet.id: (each.is_out, each.is_missing) for each in returns.list_tablet_returns(work, town.admin, rollover.id)
        }
        assert returns_by_tablet == {ids[0]: (False, False), ids[1]: (True, True), ids[2]: (True, False), ids[3]: (True, False)}
        stock = town.world.create_tablet(town.town)
        assert returns.find_bulk_erasable_tablets(work, town.town.id, [*ids, stock.id]) == {ids[0]}
        work.session.add(Loan(town_id=town.town.id, tablet_id=first.id, pupil_id=held[0][0].id, opened_at=work.now))
        work.session.flush()
        assert returns.find_bulk_erasable_tablets(work, town.town.id, ids) == set(), "lent again: another child's"
        assert not next(e for e in returns.list_tablet_returns(work, town.admin, rollover.id) if e.tablet.id == ids[0]).is_out
        custody.close_loan(work, town.admin, work.session.query(Loan).filter_by(tablet_id=first.id, closed_at=None).one(), "back")
        elsewhere = RolloverTown(work)
        assert returns.find_bulk_erasable_tablets(work, elsewhere.town.id, ids) == set()
        returns.close_campaign(work, town.admin, rollover.id)
        assert returns.find_bulk_erasable_tablets(work, town.town.id, ids) == set(), "outside a campaign nothing is wiped in bulk"
        with pytest.raises(ReturnCampaignOpen):
            returns.open_campaign(work, town.admin, rollover.id)
        with pytest.raises(ReturnCampaignNotOpen):
            returns.plan_return_days(work, town.admin, rollover.id, town.school.id, [])


def test_a_campaign_needs_its_calendar_and_its_season(runtime: Runtime, clock: ManualClock) -> None:
    """An open campaign is what allows erasing in bulk: nobody opens one in November."""
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        rollover = town.preview_rollover()
        with pytest.raises(ReturnDaysMissing):
            returns.open_campaign(work, town.admin, rollover.id)
        for day in (work.now.date(), date(2027, 4, 30), date(2028, 6, 24)):
            with pytest.raises(Invalid):
                returns.plan_return_days(work, town.admin, rollover.id, town.school.id, [(None, day)])
        returns.plan_return_days(work, town.admin, rollover.id, town.school.id, [(None, date(2027, 6, 24))])
        with pytest.raises(ReturnDaysMissing):
            returns.open_campaign(work, town.admin, rollover.id)
    set_clock(clock, school_day(5, 14))
    with runtime.open_unit_of_work() as work:
        assert returns.open_campaign(work, town.admin, rollover.id).opened_at == work.now


def test_a_rollover_of_a_past_or_distant_year_is_not_drafted(runtime: Runtime) -> None:
    """One of last year would be in force at once."""
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        for year in ("2024-2025", "2025-2026", "2027-2028"):
            with pytest.raises(RolloverOutOfSeason):
                drafting.preview_rollover(work, town.admin, town.town.id, year)
        assert drafting.preview_rollover(work, town.admin, town.town.id, "2026-2027").to_year == "2027-2028"
