"""The data dictionary and the retention table are complete, and contain nothing that does not exist."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Column, ForeignKey, MetaData, Table, Uuid

from cartable.database import SealedText
from cartable.i18n import ENGLISH, FRENCH
from mdm.privacy import dictionary
from mdm.privacy.purges import PURGES
from mdm.privacy.rules import compute_departure_cutoff, find_rule, load_rules, resolve_days
from mdm.tables import metadata


def test_every_personal_field_has_an_entry() -> None:
    assert dictionary.find_missing_entries(metadata) == []


def test_field_without_an_entry_is_reported() -> None:
    copy = MetaData()
    for each in metadata.sorted_tables:
        each.to_metadata(copy)
    copy.tables["guardian"].append_column(Column("address", SealedText("guardian.address")))
    Table("diary", copy, Column("id", Uuid, primary_key=True), Column("pupil_id", Uuid, ForeignKey("pupil.id")))
    Table("letters", copy, Column("id", Uuid, primary_key=True), Column("words", SealedText("letters.words")))
    assert sorted(dictionary.find_missing_entries(copy)) == ["diary", "guardian.address", "letters"]


def test_every_entry_has_a_retention_rule_or_a_term() -> None:
    rules = {each.id for each in load_rules()}
    for entry in dictionary.list_entries():
        assert (entry.retention in rules) != (entry.until is not None and entry.retention is None), entry
        assert entry.recipients


def test_every_retention_rule_has_a_purge() -> None:
    assert [each.id for each in load_rules()] == list(PURGES)
    for each in load_rules():
        assert each.shortest <= each.days <= each.longest
        assert each.requirement.startswith("PRIV-")
        assert each.what.translate(FRENCH) != each.what.translate(ENGLISH)
    assert resolve_days({"loan": 30})["loan"] == 30
    assert find_rule("nothing") is None


def test_departure_cutoff_is_two_months_after_the_school_year() -> None:
    assert compute_departure_cutoff(date(2027, 10, 31), 61) == date(2026, 9, 1), "31 October: not yet"
    assert compute_departure_cutoff(date(2027, 11, 1), 61) == date(2027, 9, 1), "all who left before September"
    assert compute_departure_cutoff(date(2027, 3, 1), 0) == date(2026, 9, 1)
