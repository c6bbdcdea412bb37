"""The data dictionary and the retention table say everything, and only what is there."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Column, ForeignKey, MetaData, Table, Uuid

from cartable.database import SealedText
from mdm.privacy import dictionary
from mdm.privacy.purges import PURGES
from mdm.privacy.rules import chosen, left_before, rule, table
from mdm.tables import metadata


def test_every_personal_field_has_an_entry() -> None:
    assert dictionary.missing(metadata) == []


def test_a_field_without_an_entry_is_named() -> None:
    copy = MetaData()
    for each in metadata.sorted_tables:
        each.to_metadata(copy)
    copy.tables["guardian"].append_column(Column("address", SealedText("guardian.address")))
    Table("diary", copy, Column("id", Uuid, primary_key=True), Column("pupil_id", Uuid, ForeignKey("pupil.id")))
    Table("letters", copy, Column("id", Uuid, primary_key=True), Column("words", SealedText("letters.words")))
    assert sorted(dictionary.missing(copy)) == ["diary", "guardian.address", "letters"]


def test_every_entry_ends_by_a_rule_or_says_when() -> None:
    rules = {each.id for each in table()}
    for entry in dictionary.entries():
        assert (entry.retention in rules) != (entry.until is not None and entry.retention is None), entry
        assert entry.recipients


def test_every_rule_is_carried_out_and_nothing_else_is() -> None:
    assert [each.id for each in table()] == list(PURGES)
    for each in table():
        assert each.shortest <= each.days <= each.longest
        assert each.requirement.startswith("PRIV-")
        assert each.what.fr != each.what.en
    assert chosen({"loan": 30})["loan"] == 30
    assert rule("nothing") is None


def test_who_left_in_a_school_year_is_due_two_months_after_its_end() -> None:
    assert left_before(date(2027, 10, 31), 61) == date(2026, 9, 1), "31 October: not yet"
    assert left_before(date(2027, 11, 1), 61) == date(2027, 9, 1), "all who left before September"
    assert left_before(date(2027, 3, 1), 0) == date(2026, 9, 1)
