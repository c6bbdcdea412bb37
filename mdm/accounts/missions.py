"""Missions: on which days a technician shared by several towns works in one of them (schools.md section 13). Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.scope import Actor, Permission, Role, RoleAssignment
from cartable.unit_of_work import UnitOfWork
from mdm.accounts.errors import TooLong
from mdm.accounts.models import Account, Mission
from mdm.accounts.repository import AccountRepository

LONGEST_DAYS = 31


def give(work: UnitOfWork, actor: Actor, town_id: UUID, login: str, first_day: date, last_day: date, reason: str) -> Mission:
    """Call a shared technician into a town for some days. Raises `NotFound` (no such technician), `Invalid`, `TooLong`.

    Who is something else in another town is not found: no town learns who works for the next one.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    repository = AccountRepository(work.session)
    account = repository.by_login(login.strip().lower())
    if account is None or not account.active:
        raise NotFound(field="login")
    if any(grant.role is not Role.TECHNICIAN and grant.town_id != town_id for grant in repository.grants(account.id, work.now)):
        raise NotFound(field="login")
    if last_day < first_day or last_day < work.now.date() - timedelta(days=1):
        raise Invalid(field="last_day")
    if (last_day - first_day).days >= LONGEST_DAYS:
        raise TooLong(field="last_day", maximum=LONGEST_DAYS)
    mission = Mission(
        town_id=town_id, account_id=account.id, first_day=first_day, last_day=last_day, reason=reason,
        given_by=actor.account_id, given_at=work.now,
    )  # fmt: skip
    work.session.add(mission)
    work.session.flush()
    audit.record_event(
        work,
        actor,
        "mission.give",
        "account",
        account.id,
        town_id=town_id,
        first=first_day.isoformat(),
        last=last_day.isoformat(),
    )
    return mission


def end(work: UnitOfWork, actor: Actor, mission_id: UUID) -> Mission:
    """End a mission at once, tokens or not. Raises `NotFound`."""
    mission = AccountRepository(work.session).mission(mission_id)
    if mission is None or not actor.has_permission(Permission.GOVERN, mission.town_id):
        raise NotFound
    if mission.ended_at is None:
        audit.record_event(work, actor, "mission.end", "account", mission.account_id, town_id=mission.town_id)
        mission.ended_at = work.now
    return mission


def listed(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Row[Mission, Account]]:
    """The missions of a town that are not over."""
    actor.require_permission(Permission.GOVERN, town_id)
    return AccountRepository(work.session).missions_of_town(town_id, work.now.date())


def join(work: UnitOfWork, actor: Actor) -> Actor:
    """Give the actor the towns of today's missions, by each town's own calendar day, and note each day's visit: in the town's
    trail and in the operator's.
    """
    if actor.account_id is None:
        return actor
    grants = list(actor.role_assignments)
    for mission, zone in AccountRepository(work.session).missions_around(actor.account_id, work.now.date()):
        today = work.now.astimezone(ZoneInfo(zone)).date()
        if not mission.first_day <= today <= mission.last_day:
            continue
        if mission.visited_on != today:
            for town_id in (mission.town_id, None):
                audit.record_event(
                    work, actor, "mission.visit", "town", mission.town_id, town_id=town_id, mission_id=str(mission.id)
                )
            mission.visited_on = today
        grants.append(RoleAssignment(Role.TECHNICIAN, mission.town_id))
    return replace(actor, role_assignments=tuple(grants))
