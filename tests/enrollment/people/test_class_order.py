"""Classes are listed from nursery school up, however their labels write the grade."""

from __future__ import annotations

import pytest

from enrollment.people.class_order import MAX_LENGTH, compute_class_order


def test_nursery_school_first_then_cp_before_ce1() -> None:
    grades = ["CM2 B", "CE1 A", "CP A", "GS", "CE2 A", "CM1 A", "TPS", "MS", "PS"]
    assert sorted(grades, key=compute_class_order) == ["TPS", "PS", "MS", "GS", "CP A", "CE1 A", "CE2 A", "CM1 A", "CM2 B"]


def test_a_class_of_two_grades_is_between_them_and_numbers_count() -> None:
    labels = ["CP 10", "CE1 A", "CP/CE1", "CP 2", "GS-CP", "CP"]
    assert sorted(labels, key=compute_class_order) == ["GS-CP", "CP", "CP 2", "CP 10", "CP/CE1", "CE1 A"]


@pytest.mark.parametrize(
    ("label", "rank"),
    [
        ("Toute petite section B", "0"), ("Petite section", "1"), ("PS2", "1"), ("MSB", "2"), ("Grande Section 2", "3"), ("Classe de CP", "4"),
        ("cours préparatoire", "4"), ("CE 1", "5"), ("Ce1/Ce2 b", "5"), ("CE2A", "6"), ("Mme Noël – CM 2", "8"),
        ("Les loups", "9"), ("Classe 4711", "9"), ("ULIS école", "9"), ("TEMPS LIBRE", "9"), ("", "9"),
    ],
)  # fmt: skip
def test_the_grade_is_read_from_the_label(label: str, rank: str) -> None:
    assert compute_class_order(label).split()[0] == rank


def test_a_long_label_fits_the_column() -> None:
    assert len(compute_class_order("CP 1 " * 100)) == MAX_LENGTH
