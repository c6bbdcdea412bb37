"""Names as short as tells the children of one list apart, and no shorter."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from enrollment.people.models import Pupil
from enrollment.people.naming import build_full_names, build_short_names
from enrollment.places.models import Grade


def _pupil(number: int, first: str, last: str, grade: Grade = Grade.CE1, usage: str | None = None) -> Pupil:
    return Pupil(id=UUID(int=number), first_name=first, last_name=last, usage_name=usage, grade=grade)


def test_first_name_and_initial_unless_two_look_alike() -> None:
    named = build_short_names(
        [
            _pupil(1, "Zoé", "El Hadj"), _pupil(2, "Martin", "Martin"), _pupil(3, "Martine", "Martin"), _pupil(4, "A", "Nguyen"),
            _pupil(5, "Élise", "Dupont"), _pupil(6, "Elise", "Durand"), _pupil(7, "", "Solo"), _pupil(8, "Lou", "Ancien", usage="Usage"),
        ]
    )  # fmt: skip
    assert list(named.values()) == ["Zoé E.", "Martin M.", "Martine M.", "A N.", "Solo", "Lou U.", "Élise Dupont", "Elise Durand"]


def test_homonyms_are_distinguished_by_grade_then_by_a_mark_that_is_no_datum() -> None:
    twins = [_pupil(0x1A, "Zoé", "Zéphyr"), _pupil(0x2B, "Zoé", "Zephyr", Grade.CE2), _pupil(0x3C, "Zoé", "ZÉPHYR", Grade.CE2)]
    assert set(build_full_names(twins).values()) == {"Zoé Zéphyr (CE1)", "Zoé Zephyr (CE2 · 2b)", "Zoé ZÉPHYR (CE2 · 3c)"}
    same_mark = [_pupil(0x11A, "Zoé", "Zéphyr"), _pupil(0x21A, "Zoé", "Zéphyr")]
    assert len(set(build_short_names(same_mark).values())) == 2


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.sampled_from(Grade)), max_size=30))
def test_nobody_of_a_list_looks_like_another(rows: list[tuple[str, str, Grade]]) -> None:
    pupils = [_pupil(number, *row) for number, row in enumerate(rows)]
    for named in (build_short_names(pupils), build_full_names(pupils)):
        assert set(named) == {pupil.id for pupil in pupils}
        assert len(set(named.values())) == len(pupils)
