"""A class as the desk shows it: each child with agreement and tablet, for handover and for a return campaign."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from cartable.errors import NotFound
from cartable.i18n import Language, Message
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people import naming
from enrollment.places.models import School, Town
from enrollment.tablets import desk
from enrollment.tablets.labels import STATES
from enrollment.tablets.models import AgreementState, Loan, Tablet, TabletState
from enrollment.tablets.rules import IN_PUPIL_HANDS
from mdm.console.tablets.desk_messages import AGREEMENTS


def load_class_table(work: UnitOfWork, actor: Actor, town: Town, class_id: UUID, language: Language) -> dict[str, Any]:
    """Return the class with its rows in the order of the list, and its progress. The reading is audited. Raises `NotFound`, `Forbidden`."""
    school_class, rows = desk.list_class_loans(work, actor, class_id)
    if school_class.town_id != town.id:
        raise NotFound
    back = desk.list_returned_tablets(work, actor, class_id)
    short = naming.build_short_names([pupil for pupil, _, _ in rows])
    full = naming.build_full_names([pupil for pupil, _, _ in rows])
    shown = []
    for pupil, loan, tablet in rows:
        agreement = _agreement_state(loan, take_home=pupil.take_home)
        shown.append(
            {
                "id": pupil.id, "name": short[pupil.id], "full": full[pupil.id], "level": pupil.grade.value,
                "agreement": agreement, "agreement_label": AGREEMENTS[agreement].translate(language),
                **_describe_tablet(loan, tablet, language), **_describe_return(back.get(pupil.id), loan, town, language),
            }
        )  # fmt: skip
    return {
        "id": class_id, "label": school_class.label, "school": work.session.get_one(School, school_class.school_id).name,
        "rows": shown, "all": len(shown), "done": sum(row["held"] for row in shown),
        "returned": sum(row["back"] for row in shown), "to_return": sum(row["held"] or row["back"] for row in shown),
    }  # fmt: skip


def make_time_formatter(town: Town) -> Callable[[datetime], str]:
    """Return a function that formats instants as the town's local time."""
    zone = ZoneInfo(town.time_zone)
    return lambda at: at.astimezone(zone).strftime("%H:%M")


def _agreement_state(loan: Loan | None, *, take_home: bool) -> str:
    """Return the state of the loan agreement; a refusal of the family goes before everything."""
    if not take_home or (loan is not None and loan.agreement is AgreementState.REFUSED):
        return "stays"
    return "signed" if loan is not None and loan.agreement is AgreementState.SIGNED else "pending"


def _describe_tablet(loan: Loan | None, tablet: Tablet | None, language: Language) -> dict[str, Any]:
    if loan is None or tablet is None:
        return {"held": False, "tag": "", "serial": "", "state": language.gettext("not yet")}
    held = loan.handed_over_at is not None or tablet.state in IN_PUPIL_HANDS
    state = (
        Message("to hand over")
        if not held
        else Message("handed over")
        if tablet.state is TabletState.HANDED_OVER
        else STATES[tablet.state]
    )
    return {"held": held, "tag": tablet.tag, "serial": tablet.serial, "state": state.translate(language)}


def _describe_return(
    returned: tuple[Tablet, datetime] | None, loan: Loan | None, town: Town, language: Language
) -> dict[str, Any]:
    """Return whether the tablet is back. A return counts only for a pupil who holds no other tablet."""
    if returned is None or loan is not None:
        return {
            "back": False,
            "return_label": language.gettext("to be given back") if loan else language.gettext("no tablet"),
            "back_tag": "",
        }
    tablet, at = returned
    day = at.astimezone(ZoneInfo(town.time_zone)).strftime("%d/%m")
    return {"back": True, "return_label": language.gettext("given back on {day}", day=day), "back_tag": tablet.tag}
