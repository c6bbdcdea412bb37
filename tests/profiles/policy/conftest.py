"""One unit of work and one town for each test of policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cartable.unit_of_work import Runtime, UnitOfWork
from tests.profiles.policy.places import PolicyTown


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


@pytest.fixture
def town(work: UnitOfWork) -> PolicyTown:
    return PolicyTown(work)
