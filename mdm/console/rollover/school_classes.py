"""Pages of the school year for one school: its head ticks pupils class by class, makes next year's classes, plans returns."""

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
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.places.repository import PlaceRepository
from enrollment.rollover import returns, service
from enrollment.rollover.models import ReturnDay, Rollover, RolloverDecision, RolloverLine, RolloverState
from enrollment.rollover.repository import RolloverGroup, RolloverRepository
from enrollment.rollover.rules import SELECTABLE_DECISIONS
from mdm.api.deps import WorkDep
from mdm.console.frame import FieldsDep, PageRoute, check_csrf, format_day, get_language, render_page, require_sign_in
from mdm.console.rollover.labels import DECISIONS

router = APIRouter(prefix="/year/schools", include_in_schema=False, route_class=PageRoute)
#: The address of the pupils of a school who have no class.
NO_CLASS = "none"
_SELECTABLE = [each for each in RolloverDecision if each in SELECTABLE_DECISIONS]
CsrfField = Annotated[str, Form(max_length=200)]


@router.get("/{school_id}")
def show_school(request: Request, work: WorkDep, school_id: UUID, done: str = "") -> Response:
    """One school: its classes to tick, next year's classes, return days, what its head has finished."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    place, rollover = _load_school(work, actor, school_id)
    groups = [each for each in service.count_groups(work, actor, rollover) if school_id in (each.school_id, each.school_after)]
    repository = RolloverRepository(work.session)
    ending = repository.get_classes({each.class_id for each in groups if each.class_id and each.school_id == school_id})
    coming = repository.list_classes_of_schools([school_id], rollover.to_year)
    said = repository.get_school_progress(rollover.id).get(school_id)
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
        ticked=language.gettext("yes, on {day}", day=format_day(said.decisions_completed_at))
        if said and said.decisions_completed_at
        else "",
        listed=language.gettext("yes, on {day}", day=format_day(said.lists_confirmed_at))
        if said and said.lists_confirmed_at
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
    """Make a class of next year, empty."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.create_class(work, actor, _load_school(work, actor, school_id)[1].id, school_id, label, [])
    return _redirect_saved(school_id)


@router.post("/{school_id}/done")
def mark_done(
    request: Request, work: WorkDep, school_id: UUID, csrf: CsrfField, lists: Annotated[bool, Form()] = False
) -> Response:
    """The head has ticked everybody, or the new lists are right."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.mark_school_done(work, actor, _load_school(work, actor, school_id)[1].id, school_id, lists=lists)
    return _redirect_saved(school_id)


@router.post("/{school_id}/days")
def plan_return_days(request: Request, work: WorkDep, school_id: UUID, said: FieldsDep) -> Response:
    """The return days of the school and its classes; an empty day is none."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, said.get("csrf", ""))
    days: list[tuple[UUID | None, date]] = []
    try:
        for name, value in said.items():
            if name.startswith("day_") and value:
                key = name.removeprefix("day_")
                days.append((None if key == NO_CLASS else UUID(key), date.fromisoformat(value)))
    except ValueError as error:
        raise Invalid(field="day") from error
    returns.plan_return_days(work, actor, _load_school(work, actor, school_id)[1].id, school_id, days)
    return _redirect_saved(school_id)


@router.get("/{school_id}/classes/{class_id}")
def show_class(request: Request, work: WorkDep, school_id: UUID, class_id: str, done: str = "") -> Response:
    """The pupils of a class that ends, each with what becomes of them. Reading it is audited."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    place, rollover = _load_school(work, actor, school_id)
    chosen = _parse_class_id(class_id)
    rows = service.list_lines_of_class(work, actor, rollover.id, school_id, chosen)
    repository = RolloverRepository(work.session)
    held = repository.get_classes([chosen]).get(chosen) if chosen else None
    coming = _list_destinations(work, actor, rollover, place, [line for line, _ in rows])
    return render_page(
        request,
        "rollover/school_class.html",
        notice=language.gettext("Saved.") if done == "saved" else "",
        school=place,
        class_id=class_id,
        title=held.label if held else language.gettext("Without a class"),
        coming=coming,
        open=rollover.state is not RolloverState.CLOSED,
        said=[(each.value, DECISIONS[each].translate(language)) for each in _SELECTABLE],
        rows=[_describe_pupil(line, pupil, language) for line, pupil in rows],
    )


@router.post("/{school_id}/classes/{class_id}")
def save_decisions(request: Request, work: WorkDep, school_id: UUID, class_id: str, said: FieldsDep) -> Response:
    """Note what has changed on the page: lots and classes."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, said.get("csrf", ""))
    place, rollover = _load_school(work, actor, school_id)
    rows = service.list_lines_of_class(work, actor, rollover.id, school_id, _parse_class_id(class_id))
    lots: dict[RolloverDecision, list[UUID]] = {}
    placed: dict[UUID, list[UUID]] = {}
    coming = {each.id: each for each in _list_destinations(work, actor, rollover, place, [line for line, _ in rows])}
    for line, _ in rows:
        lot, target = said.get(f"lot_{line.pupil_id}", ""), said.get(f"class_{line.pupil_id}", "")
        if lot in {each.value for each in SELECTABLE_DECISIONS} and lot != line.decision.value:
            lots.setdefault(RolloverDecision(lot), []).append(line.pupil_id)
        wanted = next((each for each in coming if str(each) == target), None)
        if wanted is not None and wanted != line.class_after and lot != RolloverDecision.LEAVER:
            placed.setdefault(wanted, []).append(line.pupil_id)
    for decision, pupil_ids in lots.items():
        service.record_decision(work, actor, rollover.id, pupil_ids, decision)
    for wanted, pupil_ids in placed.items():
        into = coming[wanted]
        service.create_class(work, actor, rollover.id, into.school_id, into.label, pupil_ids)
    return RedirectResponse(f"/year/schools/{school_id}/classes/{class_id}?done=saved", status_code=303)


def _load_school(work: UnitOfWork, actor: Actor, school_id: UUID) -> tuple[School, Rollover]:
    """A school whose pupils one may speak of, and the passage of its town. Raises `NotFound`."""
    found = PlaceRepository(work.session).find_school(actor, school_id)
    if found is None or not actor.has_permission(Permission.LEAD, found.town_id, found.id):
        raise NotFound
    rollover = service.find_current_rollover(work, actor, found.town_id)
    if rollover is None:
        raise NotFound
    return found, rollover


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
    """The classes that end, with how many pupils have which lot."""
    of: dict[UUID | None, Counter[str]] = {}
    levels: dict[UUID | None, set[Grade]] = {}
    for group in groups:
        if group.school_id == school_id and group.decision is not RolloverDecision.ARRIVED:
            counts = of.setdefault(group.class_id, Counter())
            counts["pupils"] += group.pupils
            counts["ticked"] += group.decided
            counts[group.decision.value] += group.pupils
            levels.setdefault(group.class_id, set()).add(group.grade)
    rows = [
        {"id": key or NO_CLASS, "label": classes[key].label if key else language.gettext("Without a class"), "counts": counts,
         "levels": _format_grades(levels[key])}
        for key, counts in of.items()
    ]  # fmt: skip
    first = {key or NO_CLASS: min(each.rank for each in held) for key, held in levels.items()}
    return sorted(rows, key=lambda row: (row["id"] == NO_CLASS, first[row["id"]], str(row["label"]), str(row["id"])))


def _format_grades(levels: Iterable[Grade]) -> str:
    return ", ".join(level.value for level in sorted(levels, key=lambda each: each.rank))


def _describe_next_class(each: SchoolClass, groups: Iterable[RolloverGroup]) -> dict[str, Any]:
    inside: Counter[Grade] = Counter()
    for group in groups:
        if group.class_after == each.id and group.decision is not RolloverDecision.LEAVER:
            inside[group.grade_after] += group.pupils
    levels = ", ".join(f"{level.value} {inside[level]}" for level in sorted(inside, key=lambda one: one.rank))
    return {"label": each.label, "pupils": sum(inside.values()), "levels": levels or "–"}


def _format_unplaced(groups: Iterable[RolloverGroup], school_id: UUID) -> str:
    waiting: Counter[Grade] = Counter()
    for group in groups:
        stays = group.decision not in (RolloverDecision.LEAVER, RolloverDecision.ABSENT)
        if group.school_after == school_id and group.class_after is None and stays:
            waiting[group.grade_after] += group.pupils
    return ", ".join(f"{level.value} {waiting[level]}" for level in sorted(waiting, key=lambda one: one.rank))


def _classes_with_leavers(groups: Iterable[RolloverGroup], classes: Mapping[UUID, SchoolClass]) -> list[SchoolClass]:
    """The classes in which somebody leaves."""
    ids = {group.class_id for group in groups if group.decision is RolloverDecision.LEAVER}
    return [each for key, each in classes.items() if key in ids]


def _describe_return_days(days: Sequence[ReturnDay], classes: Iterable[SchoolClass], language: Language) -> list[dict[str, str]]:
    held = {each.class_id: each.day.isoformat() for each in days}
    rows = [{"key": NO_CLASS, "label": language.gettext("The whole school"), "day": held.get(None, "")}]
    for each in sorted(classes, key=lambda one: (one.label, str(one.id))):
        rows.append({"key": str(each.id), "label": each.label, "day": held.get(each.id, "")})
    return rows


def _list_destinations(
    work: UnitOfWork, actor: Actor, rollover: Rollover, place: School, lines: Sequence[RolloverLine]
) -> list[SchoolClass]:
    """The classes that pupils may be placed in: of their school and of the one that it becomes, where one may speak for it."""
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
        "decision": line.decision.value, "words": DECISIONS[line.decision].translate(language), "ulis": line.ulis, "by": by,
        "applied": line.applied_at is not None, "class_after": line.class_after,
        "leaves": line.decision is RolloverDecision.LEAVER, "lot_of": language.gettext("What happens to {name}?", name=name), "class_of": language.gettext("Class of {name} next year", name=name),
    }  # fmt: skip
