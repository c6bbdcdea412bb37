"""Custody acts that helpdesk does too, and those with orders to the tablet behind them. The rest is in `enrollment.tablets`."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import approvals, incidents, inventory, lookup
from enrollment.tablets.incidents import Account
from enrollment.tablets.models import Incident, PairAct, PairRequest, Tablet
from mdm.care.command_helpers import hold
from mdm.channel.authenticate import retire as retire_channels


def report_breakage(work: UnitOfWork, actor: Actor, tablet_id: UUID, account: Account) -> Incident:
    """Report a tablet broken; the helpdesk takes the call. Raises `WrongState`."""
    return incidents.break_(work, actor, hold(work, actor, tablet_id, Permission.CARE), account)


def report_theft(work: UnitOfWork, actor: Actor, tablet_id: UUID, receipt_number: str, receipt_on: date) -> Incident:
    """A lost tablet was stolen. It stays in lost mode. Raises `WrongState`."""
    return incidents.stolen(work, actor, hold(work, actor, tablet_id, Permission.CARE), receipt_number, receipt_on)


def ask_pair(work: UnitOfWork, actor: Actor, tablet_id: UUID, act: PairAct, reason: str) -> PairRequest:
    """Ask for an act of two people. Raises `Forbidden`."""
    return approvals.ask(work, actor, hold(work, actor, tablet_id, Permission.CARE), act, reason)


def dispose(work: UnitOfWork, actor: Actor, tablet_id: UUID, *, wipe_proof: str, waste_slip: str) -> Tablet:
    """The end of a tablet: its papers, and the word at its next contact, should there be one, that it is managed no more.

    Raises what `preparing.dispose` raises.
    """
    tablet = inventory.dispose(work, actor, lookup.held(work, actor, tablet_id), wipe_proof=wipe_proof, waste_slip=waste_slip)
    retire_channels(work, tablet.id)
    return tablet
