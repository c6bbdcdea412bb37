"""Seeds of the simulation: those that failed once, a fixed range, and what makes a seed worth something: it repeats itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cartable.database import use_keyring
from tests.conftest import KEYRING
from tests.simulation.runs import Case, read_cases, run_case, shrink_case
from tests.simulation.steps import draw_steps

#: Always the same ones, so that a run of the tests depends on no luck; new seeds are tried by `make soak`.
FIXED_SEEDS = range(5003, 5005)


@pytest.fixture(autouse=True)
def keyring() -> Iterator[None]:
    yield
    use_keyring(KEYRING)


@pytest.mark.parametrize("case", read_cases(), ids=lambda case: str(case.seed))
def test_a_seed_that_failed_once(case: Case) -> None:
    assert run_case(case).violation is None, case.command


@pytest.mark.parametrize("seed", FIXED_SEEDS)
def test_a_seed_of_the_fixed_range(seed: int) -> None:
    case = Case(seed)
    assert run_case(case).violation is None, case.command


def test_a_seed_on_postgresql() -> None:
    case = Case(321, 40)
    assert run_case(case, postgres=True).violation is None


def test_the_same_seed_gives_the_same_trace() -> None:
    first, second = (run_case(Case(321, 40)) for _ in range(2))
    assert first.trace == second.trace
    assert first.exchanges > 40
    assert any("crash" in line for line in first.trace)


def test_a_failing_seed_is_shrunk_to_the_steps_that_matter() -> None:
    shrunk = shrink_case(Case(3, 64), lambda case: {5, 41} <= {step.number for step in case.steps})
    assert shrunk.kept == (5, 41)
    assert shrunk.command == "python -m tests.simulation 3 --steps 64 --keep 5,41"


def test_steps_that_are_left_out_change_nothing_of_the_others() -> None:
    step = draw_steps(11)[40]
    assert Case(11, kept=(40,)).steps == [step]
    assert step.create_draw(11).random() == draw_steps(11)[40].create_draw(11).random()
