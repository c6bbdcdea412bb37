"""What the forms of the desk do: calls of services, with the result or the error as a message. An error undoes its action only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, Field

from cartable.errors import DomainError, Invalid
from cartable.i18n import DEFAULT_LANGUAGE, Language
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import desk, inventory
from enrollment.tablets.custody import HandoverForm
from enrollment.tablets.incidents import IncidentReport as Told
from enrollment.tablets.labels import ACCESSORIES, STATES
from enrollment.tablets.models import AccessoryKind, BreakageCause, Condition, TabletState
from mdm.console.labels import LABEL_AND_VALUE
from mdm.console.tablets.desk_messages import ADVICE, DONE, ERASE_FIRST

E = TypeVar("E", bound=StrEnum)
MAX_SCAN_LENGTH = 200


class DeskPage(StrEnum):
    """The pages of the desk."""

    BENCH = "bench"
    HANDOVER = "handover"
    SWAP = "swap"
    RETURN = "return"
    BREAKAGE = "breakage"
    STORE = "store"


class ScanForm(BaseModel):
    """The fields of the scan forms. All are text: a wrong value is answered with a message, and the page stays."""

    csrf: str = ""
    request_id: str = ""
    class_id: str = ""
    scan: str = ""
    tag: str = ""
    second: str = ""
    pupil_id: str = ""
    agreement: str = ""
    signed_by: str = ""
    signed_on: str = ""
    condition: str = Condition.GOOD.value
    cause: str = BreakageCause.OTHER.value
    state: str = TabletState.STORAGE.value
    account: str = ""
    accessory: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DeskOutcome:
    """The result of a form, for a person and for the script."""

    good: bool
    title: str
    advice: str = ""
    code: str = ""
    status: int = 200
    answer: dict[str, Any] | None = None


def wants_json(request: Request) -> bool:
    """Return whether the page's script asks, and not the browser itself."""
    return "application/json" in request.headers.get("accept", "")


def carry_out(work: UnitOfWork, actor: Actor, town_id: UUID, act: DeskPage, form: ScanForm, language: Language) -> DeskOutcome:
    """Carry out a form in a savepoint, so that the rest of the page can be shown in the same transaction after an error."""
    try:
        with work.session.begin_nested():
            answer = _ACTIONS[act](work, actor, town_id, _parse_uuid(form.request_id, "request_id"), form)
    except DomainError as refusal:
        return describe_error(refusal, language)
    advice = ERASE_FIRST.translate(language) if answer.get("needs_wipe") else ""
    return DeskOutcome(good=True, title=describe_result(answer, language), advice=advice, answer=answer)


def describe_error(refusal: DomainError, language: Language) -> DeskOutcome:
    """Return the message of an error, with advice."""
    details = {name: _translate_state(value, language) for name, value in refusal.details.items()}
    advice = ADVICE.get(refusal.code)
    return DeskOutcome(
        good=False, title=refusal.message.translate(language, **details), advice=advice.translate(language) if advice else "",
        code=refusal.code, status=refusal.status,
    )  # fmt: skip


def describe_result(answer: dict[str, Any], language: Language) -> str:
    """Return what was done in one line, without a child's name."""
    act, tag, other = answer["act"], answer.get("tag", ""), ""
    if act == "bench" and answer.get("needs_wipe"):
        act = "bench_wipe"
    elif act == "bench" and answer["again"]:
        act = "bench_again"
    if act == "swap":
        tag, other = (tablet["tag"] for tablet in answer["tablets"])
    lost = ", ".join(ACCESSORIES[AccessoryKind(kind)].translate(language) for kind in answer.get("lost", ()))
    if lost:
        act = "return_lost"
    if act == "store":
        other = STATES[TabletState(answer["state"])].translate(language)
    if answer.get("loaner"):
        act, other = "breakage_loaner", answer["loaner"]["tag"]
    return DONE[act].translate(language, tag=tag, other=other, lost=lost)


def _translate_state(value: object, language: Language) -> object:
    return STATES[TabletState(value)].translate(language) if isinstance(value, str) and value in {*TabletState} else value


def _prepare(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, form: ScanForm) -> dict[str, Any]:
    return desk.prepare_by_scan(
        work, actor, town_id, request_id, form.scan[:MAX_SCAN_LENGTH], form.tag[:MAX_SCAN_LENGTH].strip() or None
    )


def _hand_over(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, form: ScanForm) -> dict[str, Any]:
    signed = form.agreement in ("signed_now", "was_signed")
    who = form.signed_by.strip()[:120] or DEFAULT_LANGUAGE.gettext("see the signed sheet")
    handover = HandoverForm(
        _parse_choice(Condition, form.condition, "condition"),
        _parse_accessories(form),
        who if signed else None,
        _parse_signed_on(work, form.signed_on) if form.agreement == "was_signed" else None,
        stays_at_school=form.agreement == "stays",
    )
    pupil_id = _parse_uuid(form.pupil_id, "pupil_id")
    return desk.hand_over_by_scan(work, actor, town_id, request_id, form.scan[:MAX_SCAN_LENGTH], pupil_id, handover)


def _swap(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, form: ScanForm) -> dict[str, Any]:
    return desk.swap_by_scan(work, actor, town_id, request_id, form.scan[:MAX_SCAN_LENGTH], form.second[:MAX_SCAN_LENGTH])


def _take_back(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, form: ScanForm) -> dict[str, Any]:
    condition = _parse_choice(Condition, form.condition, "condition")
    return desk.take_back_by_scan(
        work, actor, town_id, request_id, form.scan[:MAX_SCAN_LENGTH], condition, _parse_accessories(form)
    )


def _report_breakage(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, form: ScanForm) -> dict[str, Any]:
    account = form.account.strip()[:1000]
    report = Told(
        account if len(account) > 2 else DEFAULT_LANGUAGE.gettext("Reported at the desk."),
        _parse_choice(BreakageCause, form.cause, "cause"),
    )
    return desk.report_breakage_by_scan(
        work, actor, town_id, request_id, form.scan[:MAX_SCAN_LENGTH], report, form.second[:MAX_SCAN_LENGTH].strip() or None
    )


def _store(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, form: ScanForm) -> dict[str, Any]:
    return desk.store_by_scan(
        work, actor, town_id, request_id, form.scan[:MAX_SCAN_LENGTH], _parse_choice(TabletState, form.state, "state")
    )


_ACTIONS = {
    DeskPage.BENCH: _prepare, DeskPage.HANDOVER: _hand_over, DeskPage.SWAP: _swap, DeskPage.RETURN: _take_back, DeskPage.BREAKAGE: _report_breakage,
    DeskPage.STORE: _store,
}  # fmt: skip


def create_order(work: UnitOfWork, actor: Actor, town_id: UUID, reference: str, serials: str, language: Language) -> DeskOutcome:
    """Enter a purchase order, one serial number per line."""
    serial_numbers = [line.strip() for line in serials.splitlines() if line.strip()]
    try:
        with work.session.begin_nested():
            tablets = inventory.register_purchase_order(work, actor, town_id, serial_numbers, reference)
    except DomainError as refusal:
        return describe_error(refusal, language)
    return DeskOutcome(good=True, title=LABEL_AND_VALUE.translate(language, label=reference, value=len(tablets)))


def _parse_accessories(form: ScanForm) -> tuple[AccessoryKind, ...]:
    return tuple(_parse_choice(AccessoryKind, kind, "accessory") for kind in sorted(set(form.accessory[:10])))


def _parse_choice(kind: type[E], text: str, field: str) -> E:
    if text not in {*kind}:
        raise Invalid(field=field)
    return kind(text)


def _parse_uuid(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid(field=field) from error


def _parse_signed_on(work: UnitOfWork, text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(field="signed_on") from error
    if not date(2000, 1, 1) <= day <= work.now.date():
        raise Invalid(field="signed_on")
    return day
