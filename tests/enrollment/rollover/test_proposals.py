"""*Décision de passage* of a roster: a proposal on the passage, below what heads tick and what the new lists tell."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from cartable.clock import ManualClock
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, SchoolClass
from enrollment.rollover import applying, service
from enrollment.rollover.models import RolloverDecision, RolloverLine
from enrollment.rollover.repository import RolloverRepository
from enrollment.rosters.imports import service as imports
from tests.enrollment.rollover.school_year import SEPTEMBER, RolloverTown, pupil_line, school_day, set_clock

PUPILS = [
    ("RESTE", 1, "CE1"),
    ("SAUTE", 2, "CE1"),
    ("PASSE", 3, "CP"),
    ("PART", 4, "CM2"),
    ("RESTE6", 5, "CM2"),
    ("LOIN", 6, "CM1"),
    ("MUET", 7, "CE2"),
]
DECISION_TEXTS = {"RESTE": "Maintien", "SAUTE": "Saut de classe", "PASSE": "Passage en CE1", "PART": "Passage en 6e", "RESTE6": "Redoublement",
        "LOIN": "Raccourcissement", "MUET": "voir l'équipe éducative"}  # fmt: skip
USUAL = {
    "RESTE": "promoted",
    "SAUTE": "promoted",
    "PASSE": "promoted",
    "PART": "leaver",
    "RESTE6": "leaver",
    "LOIN": "promoted",
    "MUET": "promoted",
}
FILE = {**USUAL, "RESTE": "retained", "SAUTE": "skipping", "RESTE6": "retained", "LOIN": "leaver"}
PLAIN = [pupil_line(name, number, grade, grade, grade) for name, number, grade in PUPILS]


def _lines(decision_texts: dict[str, str] = DECISION_TEXTS) -> list[str]:
    return [pupil_line(name, number, grade, grade, grade, decision_texts.get(name, "")) for name, number, grade in PUPILS]


def _start_town(runtime: Runtime, clock: ManualClock, *, begun: bool = True) -> RolloverTown:
    set_clock(clock, school_day(5, 20))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        town.import_roster(*PLAIN)
        if begun:
            town.preview_rollover()
        return town


def _get_lines_by_name(work: UnitOfWork) -> dict[str, RolloverLine]:
    work.session.flush()
    work.session.expire_all()
    names = {row.id: row.last_name for row in work.session.scalars(select(Pupil))}
    return {names[line.pupil_id]: line for line in work.session.scalars(select(RolloverLine))}


def _get_decisions(work: UnitOfWork) -> dict[str, str]:
    return {name: line.decision.value for name, line in _get_lines_by_name(work).items()}


def _list_lines(work: UnitOfWork) -> set[tuple[Any, ...]]:
    return {
        tuple(getattr(line, name) for name in RolloverLine.__table__.columns.keys())  # noqa: SIM118 - not a dict
        for line in _get_lines_by_name(work).values()
    }


def test_a_file_proposes_decisions_and_is_undone_completely(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_town(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        before = _list_lines(work)
        made = town.preview_roster(*_lines())
        assert (made.counts["unchanged"], made.counts["renamed"]) == (len(PUPILS), 0)
        reasons = {each["row"]["last_name"]: each["why"] for each in imports.list_lines(work, town.admin, made.id)}
        assert reasons == {
            "RESTE": ["rollover_retained"], "SAUTE": ["rollover_skipping"], "PASSE": [], "PART": [], "RESTE6": ["rollover_retained"],
            "LOIN": ["rollover_leaver"], "MUET": ["rollover_decision_unknown"],
        }  # fmt: skip
        assert _list_lines(work) == before, "nothing is written before the confirmation"
        assert "éducative" not in str(made.plan)
        imports.confirm_import(work, town.admin, made.id)
        assert _get_decisions(work) == FILE
        held = _get_lines_by_name(work)
        assert (held["RESTE"].grade_after, held["SAUTE"].grade_after, held["RESTE6"].grade_after) == (
            Grade.CE1,
            Grade.CM1,
            Grade.CM2,
        )
        assert (held["PART"].proposed_decision, held["MUET"].proposed_decision) == (RolloverDecision.PROMOTED, None)
        after = _list_lines(work)
        town.preview_rollover()
        assert _list_lines(work) == after, "a later preview keeps what the file proposed"
        again = town.preview_roster(*_lines())
        assert [each["why"] for each in imports.list_lines(work, town.admin, again.id)] == [[]] * 6 + [
            ["rollover_decision_unknown"]
        ]
        imports.confirm_import(work, town.admin, again.id)
        assert _list_lines(work) == after, "the same file twice changes nothing"
        imports.undo_import(work, town.admin, again.id)
        assert _list_lines(work) == after
        town.import_roster(*PLAIN)
        assert _list_lines(work) == after, "an empty cell takes nothing back"
    set_clock(clock, school_day(5, 21))
    with runtime.open_unit_of_work() as work:
        last = town.bind(work).import_roster(*_lines({"RESTE": "Passage"}))
        assert _get_decisions(work) == {**FILE, "RESTE": "promoted"}, "a decision that was corrected"
        imports.undo_import(work, town.admin, last.id)
        assert _get_decisions(work) == FILE


def test_undoing_the_import_withdraws_its_proposals(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_town(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        before = _list_lines(work)
        made = town.import_roster(*_lines())
        rollover = town.preview_rollover()
        ticked = _get_lines_by_name(work)["SAUTE"].pupil_id
        service.record_decision(work, town.create_head(), rollover.id, [ticked], RolloverDecision.SKIPPING)
        imports.undo_import(work, town.admin, made.id)
        assert _get_decisions(work) == {**USUAL, "SAUTE": "skipping"}, "what a head has agreed with meanwhile stays"
        assert {line for line in _list_lines(work) if ticked not in line} == {line for line in before if ticked not in line}
        assert _get_lines_by_name(work)["SAUTE"].proposed_decision is None


def test_the_first_unusual_decision_creates_the_missing_rollover(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_town(runtime, clock, begun=False)
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        town.import_roster(*_lines({"PASSE": "Passage", "PART": "Passage"}))
        assert RolloverRepository(work.session).find_latest(town.town.id) is None, (
            "everybody passes: the preview says so by itself"
        )
        moved = [pupil_line(name, number, grade, "neuve", "99", DECISION_TEXTS[name]) for name, number, grade in PUPILS]
        made = town.import_roster(*moved, pupil_line("NOUVEAU", 8, "CE2", "neuve", "99", "Maintien"))
        assert _get_decisions(work) == {**FILE, "NOUVEAU": "retained"}
        imports.undo_import(work, town.admin, made.id)
        assert _get_decisions(work) == USUAL
        assert {line.proposed_decision for line in _get_lines_by_name(work).values()} == {None}
        labels = set(work.session.scalars(select(SchoolClass.label).where(SchoolClass.school_id == town.school.id)))
        assert "neuve" not in labels, "no class is kept for the sake of a draft"


def test_heads_and_rosters_of_the_incoming_year_override_proposals(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_town(runtime, clock)
    with runtime.open_unit_of_work() as work:
        rollover = town.bind(work).preview_rollover()
        service.record_decision(
            work, town.create_head(), rollover.id, [_get_lines_by_name(work)["RESTE"].pupil_id], RolloverDecision.PROMOTED
        )
        town.import_roster(*_lines())
        assert _get_decisions(work) == {**FILE, "RESTE": "promoted"}, "ticked before the file"
        service.record_decision(
            work, town.create_head(), rollover.id, [_get_lines_by_name(work)["RESTE6"].pupil_id], RolloverDecision.LEAVER
        )
        town.preview_rollover()
        assert _get_decisions(work)["RESTE6"] == "leaver", "ticked after it"
    set_clock(clock, school_day(8, 26))
    with runtime.open_unit_of_work() as work:
        town.bind(work).import_roster(
            pupil_line("SAUTE", 2, "CE2", "CE2", "12", "Maintien"), pupil_line("RESTE", 1, "CE2", "CE2", "12")
        )
        held = _get_lines_by_name(work)
        assert (held["SAUTE"].decision, held["SAUTE"].decided_by_roster, held["SAUTE"].grade_after) == (
            RolloverDecision.PROMOTED,
            True,
            Grade.CE2,
        )
        assert held["SAUTE"].proposed_decision is RolloverDecision.SKIPPING, (
            "a decision in a list of the coming year is not of this passage"
        )
        town.import_roster(*_lines(), year="2026-2027")
        assert _get_decisions(work)["SAUTE"] == "promoted", "the old file again, after the new list"
    set_clock(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        held_one = RolloverRepository(work.session).find_by_from_year(town.town.id, "2026-2027")
        assert held_one is not None
        town.bind(work).apply(held_one)
        work.session.expire_all()
        rows = work.session.scalars(select(Pupil))
        levels = {row.last_name: row.grade.value for row in rows if row.state is PupilState.ACTIVE}
        assert levels == {"RESTE": "CE2", "SAUTE": "CE2", "PASSE": "CE1", "MUET": "CM1"}
        lines = _list_lines(work)
        town.import_roster(*[pupil_line(name, number, grade, "", "", "Maintien") for name, number, grade in PUPILS[:3]])
        assert _list_lines(work) == lines, "while this passage is open no file begins the next one"
        applying.close_rollover(work, town.admin, held_one.id)
        held = _get_lines_by_name(work)
        assert {line.proposed_decision for line in held.values()} == {None}, "not stored after the passage"
        assert held["RESTE6"].decision is RolloverDecision.LEAVER


def test_the_decision_follows_a_corrected_grade(runtime: Runtime, clock: ManualClock) -> None:
    town = _start_town(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town.bind(work).import_roster(pupil_line("LOIN", 6, "CE1", "CE1", "CE1", "Raccourcissement"), only_classes=True)
        held = _get_lines_by_name(work)["LOIN"]
        assert (held.decision, held.grade_before, held.grade_after) == (RolloverDecision.SKIPPING, Grade.CE1, Grade.CM1)
