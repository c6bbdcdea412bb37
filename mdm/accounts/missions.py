"""Missions: the days on which a technician shared by several towns works in one of them. Never commits.

See docs/domain/roles.md#missions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission, Role, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from mdm.accounts.errors import MissionTooLong
from mdm.accounts.models import Account, Mission
from mdm.accounts.repository import AccountRepository

MAX_DAYS = 31


def create_mission(
    work: UnitOfWork, actor: Actor, town_id: UUID, login: str, first_day: date, last_day: date, reason: str
) -> Mission:
    """Create a mission of a shared technician in a town. Raises `NotFound` (no such technician), `Invalid`, `MissionTooLong`.

    An account with another role in another town counts as not found, so that no town learns who works for another one.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    repository = AccountRepository(work.session)
    account = repository.get_by_login(login.strip().lower())
    if account is None or not account.active:
        raise NotFound(field="login")
    if any(row.role is not Role.TECHNICIAN and row.town_id != town_id for row in repository.list_roles(account.id, work.now)):
        raise NotFound(field="login")
    if last_day < first_day or last_day < work.now.date() - timedelta(days=1):
        raise Invalid(field="last_day")
    if (last_day - first_day).days >= MAX_DAYS:
        raise MissionTooLong(field="last_day", maximum=MAX_DAYS)
    mission = Mission(
        town_id=town_id, account_id=account.id, first_day=first_day, last_day=last_day, reason=reason,
        created_by=actor.account_id, created_at=work.now,
    )  # fmt: skip
    work.session.add(mission)
    work.session.flush()
    audit.record_event(
        work,
        actor,
        "mission.create",
        "account",
        account.id,
        town_id=town_id,
        first=first_day.isoformat(),
        last=last_day.isoformat(),
    )
    return mission


def end_mission(work: UnitOfWork, actor: Actor, mission_id: UUID) -> Mission:
    """End a mission at once; tokens issued before lose the town too. Raises `NotFound`."""
    mission = AccountRepository(work.session).get_mission(mission_id)
    if mission is None or not actor.has_permission(Permission.GOVERN, mission.town_id):
        raise NotFound
    if mission.ended_at is None:
        audit.record_event(work, actor, "mission.end", "account", mission.account_id, town_id=mission.town_id)
        mission.ended_at = work.now
    return mission


def list_missions(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest = FIRST_PAGE) -> Page[tuple[Mission, Account]]:
    """List the missions of a town that have not ended. Raises `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    return AccountRepository(work.session).list_missions_of_town(town_id, work.now.date(), page)


def add_mission_roles(work: UnitOfWork, actor: Actor) -> Actor:
    """Return the actor with the technician role in the towns of today's missions, by the calendar day of each town.

    The first use of a day is recorded in the audit trails of the town and of the operator.
    """
    if actor.account_id is None:
        return actor
    role_assignments = list(actor.role_assignments)
    for mission, zone in AccountRepository(work.session).list_missions_around(actor.account_id, work.now.date()):
        today = work.now.astimezone(ZoneInfo(zone)).date()
        if not mission.first_day <= today <= mission.last_day:
            continue
        if mission.visited_on != today:
            for town_id in (mission.town_id, None):
                audit.record_event(
                    work, actor, "mission.visit", "town", mission.town_id, town_id=town_id, mission_id=str(mission.id)
                )
            mission.visited_on = today
        role_assignments.append(RoleAssignment(Role.TECHNICIAN, mission.town_id))
    return replace(actor, role_assignments=tuple(role_assignments))
