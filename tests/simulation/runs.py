"""Runs seeds, each on a database of its own, and shrinks those that fail. A row of `seeds.txt` is a seed that failed once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from cartable.crypto import Keyring
from cartable.database import use_keyring
from cartable.settings import SecondFactorPolicy, Settings
from tests.simulation.simulation import Outcome, Simulation
from tests.simulation.steps import DEFAULT_LENGTH, Step, draw_steps
from tests.support import databases

KEYRING = Keyring(b"only for simulations, 32 bytes long")
SEEDS = Path(__file__).parent / "seeds.txt"
#: Runs that shrinking one failing seed may take.
SHRINKING_RUNS = 60


@dataclass(frozen=True, slots=True)
class Case:
    """What to run: a seed, how many steps it draws, and which of them are kept; all when `kept` is empty."""

    seed: int
    length: int = DEFAULT_LENGTH
    kept: tuple[int, ...] = ()

    @property
    def steps(self) -> list[Step]:
        return [step for step in draw_steps(self.seed, self.length) if not self.kept or step.number in self.kept]

    @property
    def command(self) -> str:
        """The command that runs it again and prints its trace."""
        kept = f" --keep {','.join(map(str, self.kept))}" if self.kept else ""
        return f"python -m tests.simulation {self.seed} --steps {self.length}{kept}"


def read_cases(path: Path = SEEDS) -> list[Case]:
    """Return the cases of a file: in each row the seed, the number of steps, the kept steps with commas, and a comment after #."""
    cases = []
    for line in path.read_text().splitlines():
        seed, length, kept, *_ = [*line.partition("#")[0].split(), "", "", ""]
        if seed:
            cases.append(Case(int(seed), int(length), tuple(int(number) for number in kept.split(",") if number)))
    return cases


def run_case(case: Case, *, postgres: bool = False) -> Outcome:
    """Run one case on an empty database, in memory as far as the machine has such a folder."""
    use_keyring(KEYRING)
    with _open_folder() as folder, _open_engine(folder, postgres=postgres) as engine:
        settings = Settings(
            _env_file=None, data_dir=folder / "data", public_url="https://mdm.test:8443", second_factor=SecondFactorPolicy.OFFERED
        )
        return Simulation(case.seed, case.steps, engine, settings, KEYRING).run()


def has_violation(case: Case) -> bool:
    """Return whether a case fails on SQLite."""
    return run_case(case).violation is not None


def shrink_case(case: Case, fails: Callable[[Case], bool] = has_violation) -> Case:
    """Return a case that fails too, with as few steps as a limited number of runs finds. Larger parts are left out first."""
    kept = [step.number for step in case.steps]
    size, runs = max(1, len(kept) // 2), 0
    while runs < SHRINKING_RUNS:
        start = 0
        while start < len(kept) and runs < SHRINKING_RUNS:
            shorter = kept[:start] + kept[start + size :]
            runs += 1
            if shorter and fails(Case(case.seed, case.length, tuple(shorter))):
                kept = shorter
            else:
                start += size
        if size == 1:
            break
        size = max(1, size // 2)
    return Case(case.seed, case.length, tuple(kept))


@contextmanager
def _open_folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="cartable-simulation-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _open_engine(folder: Path, *, postgres: bool) -> Iterator[Engine]:
    if postgres:
        yield databases.empty_postgres_engine()
        return
    engine = databases.create_sqlite_engine(folder)
    try:
        yield engine
    finally:
        engine.dispose()
