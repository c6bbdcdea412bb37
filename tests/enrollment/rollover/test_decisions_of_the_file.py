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
from tests.enrollment.rollover.school_year import SEPTEMBER, Turning, child, day, to

PUPILS = [
    ("RESTE", 1, "CE1"),
    ("SAUTE", 2, "CE1"),
    ("PASSE", 3, "CP"),
    ("PART", 4, "CM2"),
    ("RESTE6", 5, "CM2"),
    ("LOIN", 6, "CM1"),
    ("MUET", 7, "CE2"),
]
SAID = {"RESTE": "Maintien", "SAUTE": "Saut de classe", "PASSE": "Passage en CE1", "PART": "Passage en 6e", "RESTE6": "Redoublement",
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
PLAIN = [child(name, number, level, level, level) for name, number, level in PUPILS]


def _lines(said: dict[str, str] = SAID) -> list[str]:
    return [child(name, number, level, level, level, said.get(name, "")) for name, number, level in PUPILS]


def _school(runtime: Runtime, clock: ManualClock, *, begun: bool = True) -> Turning:
    to(clock, day(5, 20))
    with runtime.open_unit_of_work() as work:
        town = Turning(work)
        town.bring(*PLAIN)
        if begun:
            town.begin()
        return town


def _held(work: UnitOfWork) -> dict[str, RolloverLine]:
    work.session.flush()
    work.session.expire_all()
    names = {row.id: row.last_name for row in work.session.scalars(select(Pupil))}
    return {names[line.pupil_id]: line for line in work.session.scalars(select(RolloverLine))}


def _lots(work: UnitOfWork) -> dict[str, str]:
    return {name: line.decision.value for name, line in _held(work).items()}


def _all(work: UnitOfWork) -> set[tuple[Any, ...]]:
    return {tuple(getattr(line, name) for name in RolloverLine.__table__.columns.keys()) for line in _held(work).values()}  # noqa: SIM118


def test_a_file_proposes_and_is_taken_back_whole(runtime: Runtime, clock: ManualClock) -> None:
    town = _school(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town.on(work)
        before = _all(work)
        made = town.previewed(*_lines())
        assert (made.counts["unchanged"], made.counts["renamed"]) == (len(PUPILS), 0)
        told = {each["row"]["last_name"]: each["why"] for each in imports.list_lines(work, town.admin, made.id)}
        assert told == {
            "RESTE": ["rollover_retained"], "SAUTE": ["rollover_skipping"], "PASSE": [], "PART": [], "RESTE6": ["rollover_retained"],
            "LOIN": ["rollover_leaver"], "MUET": ["rollover_decision_unknown"],
        }  # fmt: skip
        assert _all(work) == before, "nothing is written before the confirmation"
        assert "éducative" not in str(made.plan)
        imports.confirm_import(work, town.admin, made.id)
        assert _lots(work) == FILE
        held = _held(work)
        assert (held["RESTE"].grade_after, held["SAUTE"].grade_after, held["RESTE6"].grade_after) == (
            Grade.CE1,
            Grade.CM1,
            Grade.CM2,
        )
        assert (held["PART"].proposed_decision, held["MUET"].proposed_decision) == (RolloverDecision.PROMOTED, None)
        after = _all(work)
        town.begin()
        assert _all(work) == after, "a later preview keeps what the file proposed"
        again = town.previewed(*_lines())
        assert [each["why"] for each in imports.list_lines(work, town.admin, again.id)] == [[]] * 6 + [
            ["rollover_decision_unknown"]
        ]
        imports.confirm_import(work, town.admin, again.id)
        assert _all(work) == after, "the same file twice changes nothing"
        imports.undo_import(work, town.admin, again.id)
        assert _all(work) == after
        town.bring(*PLAIN)
        assert _all(work) == after, "an empty cell takes nothing back"
    to(clock, day(5, 21))
    with runtime.open_unit_of_work() as work:
        last = town.on(work).bring(*_lines({"RESTE": "Passage"}))
        assert _lots(work) == {**FILE, "RESTE": "promoted"}, "a decision that was corrected"
        imports.undo_import(work, town.admin, last.id)
        assert _lots(work) == FILE


def test_undoing_the_import_takes_its_proposals_back(runtime: Runtime, clock: ManualClock) -> None:
    town = _school(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town.on(work)
        before = _all(work)
        made = town.bring(*_lines())
        rollover = town.begin()
        ticked = _held(work)["SAUTE"].pupil_id
        service.record_decision(work, town.head(), rollover.id, [ticked], RolloverDecision.SKIPPING)
        imports.undo_import(work, town.admin, made.id)
        assert _lots(work) == {**USUAL, "SAUTE": "skipping"}, "what a head has agreed with meanwhile stays"
        assert {line for line in _all(work) if ticked not in line} == {line for line in before if ticked not in line}
        assert _held(work)["SAUTE"].proposed_decision is None


def test_without_a_preview_the_first_unusual_decision_begins_one(runtime: Runtime, clock: ManualClock) -> None:
    town = _school(runtime, clock, begun=False)
    with runtime.open_unit_of_work() as work:
        town.on(work)
        town.bring(*_lines({"PASSE": "Passage", "PART": "Passage"}))
        assert RolloverRepository(work.session).find_latest(town.town.id) is None, (
            "everybody passes: the preview says so by itself"
        )
        moved = [child(name, number, level, "neuve", "99", SAID[name]) for name, number, level in PUPILS]
        made = town.bring(*moved, child("NOUVEAU", 8, "CE2", "neuve", "99", "Maintien"))
        assert _lots(work) == {**FILE, "NOUVEAU": "retained"}
        imports.undo_import(work, town.admin, made.id)
        assert _lots(work) == USUAL
        assert {line.proposed_decision for line in _held(work).values()} == {None}
        labels = set(work.session.scalars(select(SchoolClass.label).where(SchoolClass.school_id == town.school.id)))
        assert "neuve" not in labels, "no class is kept for the sake of a draft"


def test_heads_and_the_lists_of_the_coming_year_say_more(runtime: Runtime, clock: ManualClock) -> None:
    town = _school(runtime, clock)
    with runtime.open_unit_of_work() as work:
        rollover = town.on(work).begin()
        service.record_decision(work, town.head(), rollover.id, [_held(work)["RESTE"].pupil_id], RolloverDecision.PROMOTED)
        town.bring(*_lines())
        assert _lots(work) == {**FILE, "RESTE": "promoted"}, "ticked before the file"
        service.record_decision(work, town.head(), rollover.id, [_held(work)["RESTE6"].pupil_id], RolloverDecision.LEAVER)
        town.begin()
        assert _lots(work)["RESTE6"] == "leaver", "ticked after it"
    to(clock, day(8, 26))
    with runtime.open_unit_of_work() as work:
        town.on(work).bring(child("SAUTE", 2, "CE2", "CE2", "12", "Maintien"), child("RESTE", 1, "CE2", "CE2", "12"))
        held = _held(work)
        assert (held["SAUTE"].decision, held["SAUTE"].decided_by_roster, held["SAUTE"].grade_after) == (
            RolloverDecision.PROMOTED,
            True,
            Grade.CE2,
        )
        assert held["SAUTE"].proposed_decision is RolloverDecision.SKIPPING, (
            "a decision in a list of the coming year is not of this passage"
        )
        town.bring(*_lines(), year="2026-2027")
        assert _lots(work)["SAUTE"] == "promoted", "the old file again, after the new list"
    to(clock, SEPTEMBER)
    with runtime.open_unit_of_work() as work:
        held_one = RolloverRepository(work.session).find_by_from_year(town.town.id, "2026-2027")
        assert held_one is not None
        town.on(work).apply(held_one)
        work.session.expire_all()
        rows = work.session.scalars(select(Pupil))
        levels = {row.last_name: row.grade.value for row in rows if row.state is PupilState.ACTIVE}
        assert levels == {"RESTE": "CE2", "SAUTE": "CE2", "PASSE": "CE1", "MUET": "CM1"}
        lines = _all(work)
        town.bring(*[child(name, number, level, "", "", "Maintien") for name, number, level in PUPILS[:3]])
        assert _all(work) == lines, "while this passage is open no file begins the next one"
        applying.close_rollover(work, town.admin, held_one.id)
        held = _held(work)
        assert {line.proposed_decision for line in held.values()} == {None}, "not stored after the passage"
        assert held["RESTE6"].decision is RolloverDecision.LEAVER


def test_the_decision_follows_a_level_that_is_corrected(runtime: Runtime, clock: ManualClock) -> None:
    town = _school(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town.on(work).bring(child("LOIN", 6, "CE1", "CE1", "CE1", "Raccourcissement"), only_classes=True)
        held = _held(work)["LOIN"]
        assert (held.decision, held.grade_before, held.grade_after) == (RolloverDecision.SKIPPING, Grade.CE1, Grade.CM1)
