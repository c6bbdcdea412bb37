"""Custody acts that helpdesk does too, and those with orders to the tablet behind them. The rest is in `enrollment.tablets`."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from enrollment.tablets import incidents, pairs
from enrollment.tablets.incidents import Account
from enrollment.tablets.models import Incident, PairAct, PairRequest
from mdm.care.ordering import hold
from mdm.kit.scope import Actor, Permission
from mdm.kit.work import Work


def report_breakage(work: Work, actor: Actor, tablet_id: UUID, account: Account) -> Incident:
    """Report a tablet broken; the helpdesk takes the call. Raises `WrongState`."""
    return incidents.break_(work, actor, hold(work, actor, tablet_id, Permission.CARE), account)


def report_theft(work: Work, actor: Actor, tablet_id: UUID, receipt_number: str, receipt_on: date) -> Incident:
    """A lost tablet was stolen. It stays in lost mode. Raises `WrongState`."""
    return incidents.stolen(work, actor, hold(work, actor, tablet_id, Permission.CARE), receipt_number, receipt_on)


def ask_pair(work: Work, actor: Actor, tablet_id: UUID, act: PairAct, reason: str) -> PairRequest:
    """Ask for an act of two people. Raises `Forbidden`."""
    return pairs.ask(work, actor, hold(work, actor, tablet_id, Permission.CARE), act, reason)
