"""Pages of the rollover for one school: its head decides on pupils class by class, creates next year's classes, plans returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import Invalid, NotFound
from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil
from enrollment.places import service as places
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.places.repository import PlaceRepository
from enrollment.rollover import returns, service
from enrollment.rollover.labels import DECISIONS
from enrollment.rollover.models import ReturnDay, Rollover, RolloverDecision, RolloverLine, RolloverState
from enrollment.rollover.repository import RolloverGroup, RolloverRepository
from enrollment.rollover.rules import SELECTABLE_DECISIONS
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField
from mdm.console.frame import FieldsDep, check_csrf, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day, show_times_in

router = APIRouter(prefix="/year/schools", include_in_schema=False, route_class=PageRoute)
#: The address of the pupils of a school who have no class.
NO_CLASS = "none"
_SELECTABLE = [each for each in RolloverDecision if each in SELECTABLE_DECISIONS]


@router.get("/{school_id}")
def show_school(request: Request, work: WorkDep, school_id: UUID, done: str = "") -> Response:
    """Show a school: its classes, next year's classes, return days, and what its head has finished."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    place, rollover = _load_school(work, actor, school_id)
    groups = [each for each in service.count_groups(work, actor, rollover) if school_id in (each.school_id, each.school_after)]
    repository = RolloverRepository(work.session)
    ending = repository.get_classes({each.class_id for each in groups if each.class_id and each.school_id == school_id})
    coming = repository.list_classes_of_schools([school_id], rollover.to_year)
    school_progress = repository.get_school_progress(rollover.id).get(school_id)
    _, days = returns.get_campaign(work, actor, rollover.id)
    progress = [each for each in returns.list_tablet_returns(work, actor, rollover.id) if each.line.school_id == school_id]
    return render_page(
        request,
        "rollover/school.html",
        notice=language.gettext("Saved.") if done == "saved" else "",
        school=place,
        rollover=rollover,
        open=rollover.state is not RolloverState.CLOSED,
        classes_now=language.gettext("Classes of {year}: tick", year=rollover.from_year),
        next_classes=language.gettext("Classes of {year}", year=rollover.to_year),
        classes=_describe_ending_classes(groups, ending, school_id, language),
        coming=[_describe_next_class(each, groups) for each in coming],
        unplaced=_format_unplaced(groups, school_id),
        ticked=language.gettext("yes, on {day}", day=format_day(school_progress.decisions_completed_at))
        if school_progress and school_progress.decisions_completed_at
        else "",
        listed=language.gettext("yes, on {day}", day=format_day(school_progress.lists_confirmed_at))
        if school_progress and school_progress.lists_confirmed_at
        else "",
        days=_describe_return_days(
            [each for each in days if each.school_id == school_id], _classes_with_leavers(groups, ending), language
        ),
        out=[{"tag": each.tablet.tag, "id": each.tablet.id, "lost": each.is_missing} for each in progress if each.is_out],
    )


@router.post("/{school_id}/classes")
def create_class(
    request: Request, work: WorkDep, school_id: UUID, csrf: CsrfField, label: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Create an empty class of next year."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.create_class(work, actor, _load_school(work, actor, school_id)[1].id, school_id, label, [])
    return _redirect_saved(school_id)


@router.post("/{school_id}/done")
def mark_done(
    request: Request, work: WorkDep, school_id: UUID, csrf: CsrfField, lists: Annotated[bool, Form()] = False
) -> Response:
    """Record that the head has finished the decisions, or that the new lists are right."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.mark_school_done(work, actor, _load_school(work, actor, school_id)[1].id, school_id, lists=lists)
    return _redirect_saved(school_id)


@router.post("/{school_id}/days")
def plan_return_days(request: Request, work: WorkDep, school_id: UUID, fields: FieldsDep) -> Response:
    """Store the return days of the school and its classes; an empty day removes one."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, fields.get("csrf", ""))
    days: list[tuple[UUID | None, date]] = []
    try:
        for name, value in fields.items():
            if name.startswith("day_") and value:
                key = name.removeprefix("day_")
                days.append((None if key == NO_CLASS else UUID(key), date.fromisoformat(value)))
    except ValueError as error:
        raise Invalid(field="day") from error
    returns.plan_return_days(work, actor, _load_school(work, actor, school_id)[1].id, school_id, days)
    return _redirect_saved(school_id)


@router.get("/{school_id}/classes/{class_id}")
def show_class(request: Request, work: WorkDep, school_id: UUID, class_id: str, done: str = "") -> Response:
    """Show the pupils of an ending class with their decisions. The reading is audited."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    place, rollover = _load_school(work, actor, school_id)
    chosen = _parse_class_id(class_id)
    rows = service.list_lines_of_class(work, actor, rollover.id, school_id, chosen)
    repository = RolloverRepository(work.session)
    school_class = repository.get_classes([chosen]).get(chosen) if chosen else None
    coming = _list_destinations(work, actor, rollover, place, [line for line, _ in rows])
    return render_page(
        request,
        "rollover/school_class.html",
        notice=language.gettext("Saved.") if done == "saved" else "",
        school=place,
        class_id=class_id,
        title=school_class.label if school_class else language.gettext("Without a class"),
        coming=coming,
        open=rollover.state is not RolloverState.CLOSED,
        decisions=[(each.value, DECISIONS[each].translate(language)) for each in _SELECTABLE],
        rows=[_describe_pupil(line, pupil, language) for line, pupil in rows],
    )


@router.post("/{school_id}/classes/{class_id}")
def save_decisions(request: Request, work: WorkDep, school_id: UUID, class_id: str, fields: FieldsDep) -> Response:
    """Store the decisions and classes that were changed on the page."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, fields.get("csrf", ""))
    place, rollover = _load_school(work, actor, school_id)
    rows = service.list_lines_of_class(work, actor, rollover.id, school_id, _parse_class_id(class_id))
    pupils_by_decision: dict[RolloverDecision, list[UUID]] = {}
    pupils_by_class: dict[UUID, list[UUID]] = {}
    coming = {each.id: each for each in _list_destinations(work, actor, rollover, place, [line for line, _ in rows])}
    for line, _ in rows:
        decision_text, target = fields.get(f"decision_{line.pupil_id}", ""), fields.get(f"class_{line.pupil_id}", "")
        if decision_text in {each.value for each in SELECTABLE_DECISIONS} and decision_text != line.decision.value:
            pupils_by_decision.setdefault(RolloverDecision(decision_text), []).append(line.pupil_id)
        new_class_id = next((each for each in coming if str(each) == target), None)
        if new_class_id is not None and new_class_id != line.class_after and decision_text != RolloverDecision.LEAVER:
            pupils_by_class.setdefault(new_class_id, []).append(line.pupil_id)
    for decision, pupil_ids in pupils_by_decision.items():
        service.record_decision(work, actor, rollover.id, pupil_ids, decision)
    for new_class_id, pupil_ids in pupils_by_class.items():
        into = coming[new_class_id]
        service.create_class(work, actor, rollover.id, into.school_id, into.label, pupil_ids)
    return RedirectResponse(f"/year/schools/{school_id}/classes/{class_id}?done=saved", status_code=303)


def _load_school(work: UnitOfWork, actor: Actor, school_id: UUID) -> tuple[School, Rollover]:
    """Return a school that the actor leads, and the rollover of its town. Raises `NotFound`."""
    school = PlaceRepository(work.session).find_school(actor, school_id)
    if school is None or not actor.has_permission(Permission.LEAD, school.town_id, school.id):
        raise NotFound
    rollover = service.find_current_rollover(work, actor, school.town_id)
    if rollover is None:
        raise NotFound
    show_times_in(places.get_school_zone(work, school))
    return school, rollover


def _parse_class_id(text: str) -> UUID | None:
    if text == NO_CLASS:
        return None
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound from error


def _redirect_saved(school_id: UUID) -> Response:
    return RedirectResponse(f"/year/schools/{school_id}?done=saved", status_code=303)


def _describe_ending_classes(
    groups: Iterable[RolloverGroup], classes: Mapping[UUID, SchoolClass], school_id: UUID, language: Language
) -> list[dict[str, Any]]:
    """Return the ending classes with the number of pupils per decision."""
    of: dict[UUID | None, Counter[str]] = {}
    levels: dict[UUID | None, set[Grade]] = {}
    for group in groups:
        if group.school_id == school_id and group.decision is not RolloverDecision.ARRIVED:
            counts = of.setdefault(group.class_id, Counter())
            counts["pupils"] += group.pupils
            counts["ticked"] += group.decided
            counts[group.decision.value] += group.pupils
            levels.setdefault(group.class_id, set()).add(group.grade)
    in_order = sorted(
        of,
        key=lambda each: (
            each is None,
            min(level.rank for level in levels[each]),
            classes[each].label_order if each else "",
            str(each),
        ),
    )
    return [
        {"id": key or NO_CLASS, "label": classes[key].label if key else language.gettext("Without a class"), "counts": of[key],
         "levels": _format_grades(levels[key])}
        for key in in_order
    ]  # fmt: skip


def _format_grades(levels: Iterable[Grade]) -> str:
    return ", ".join(level.value for level in sorted(levels, key=lambda each: each.rank))


def _describe_next_class(each: SchoolClass, groups: Iterable[RolloverGroup]) -> dict[str, Any]:
    inside: Counter[Grade] = Counter()
    for group in groups:
        if group.class_after == each.id and group.decision is not RolloverDecision.LEAVER:
            inside[group.grade_after] += group.pupils
    levels = ", ".join(f"{level.value} {inside[level]}" for level in sorted(inside, key=lambda grade: grade.rank))
    return {"label": each.label, "pupils": sum(inside.values()), "levels": levels or "–"}


def _format_unplaced(groups: Iterable[RolloverGroup], school_id: UUID) -> str:
    waiting: Counter[Grade] = Counter()
    for group in groups:
        stays = group.decision not in (RolloverDecision.LEAVER, RolloverDecision.ABSENT)
        if group.school_after == school_id and group.class_after is None and stays:
            waiting[group.grade_after] += group.pupils
    return ", ".join(f"{level.value} {waiting[level]}" for level in sorted(waiting, key=lambda grade: grade.rank))


def _classes_with_leavers(groups: Iterable[RolloverGroup], classes: Mapping[UUID, SchoolClass]) -> list[SchoolClass]:
    """Return the classes that somebody leaves."""
    ids = {group.class_id for group in groups if group.decision is RolloverDecision.LEAVER}
    return [each for key, each in classes.items() if key in ids]


def _describe_return_days(days: Sequence[ReturnDay], classes: Iterable[SchoolClass], language: Language) -> list[dict[str, str]]:
    day_by_class = {each.class_id: each.day.isoformat() for each in days}
    rows = [{"key": NO_CLASS, "label": language.gettext("The whole school"), "day": day_by_class.get(None, "")}]
    for each in sorted(classes, key=lambda school_class: (school_class.label_order, str(school_class.id))):
        rows.append({"key": str(each.id), "label": each.label, "day": day_by_class.get(each.id, "")})
    return rows


def _list_destinations(
    work: UnitOfWork, actor: Actor, rollover: Rollover, place: School, lines: Sequence[RolloverLine]
) -> list[SchoolClass]:
    """Return the classes pupils may be placed in: of their school and of the school they move to, where the actor leads it."""
    ids = {place.id, *(line.school_after for line in lines)}
    mine = [each for each in ids if actor.has_permission(Permission.LEAD, rollover.town_id, each)]
    return list(RolloverRepository(work.session).list_classes_of_schools(mine, rollover.to_year))


def _describe_pupil(line: RolloverLine, pupil: Pupil, language: Language) -> dict[str, Any]:
    name = f"{pupil.first_name} {pupil.usage_name or pupil.last_name}"
    by_file = (
        language.gettext("proposed by the file")
        if line.proposed_decision and line.decision is not RolloverDecision.ABSENT
        else ""
    )
    by = (
        language.gettext("from the roster")
        if line.decided_by_roster
        else language.gettext("ticked")
        if line.decided_by_head
        else by_file
    )
    return {
        "id": pupil.id, "name": name, "level": line.grade_before.value, "after": line.grade_after.value,
        "decision": line.decision.value, "decision_label": DECISIONS[line.decision].translate(language), "ulis": line.ulis, "by": by,
        "applied": line.applied_at is not None, "class_after": line.class_after,
        "leaves": line.decision is RolloverDecision.LEAVER, "decision_question": language.gettext("What happens to {name}?", name=name), "class_question": language.gettext("Class of {name} next year", name=name),
    }  # fmt: skip
