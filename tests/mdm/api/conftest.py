"""Tests of the API run on one database each day, but where they are marked otherwise."""

from __future__ import annotations

import pytest

from tests.support import databases


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the database of each test: they go through the API."""
    databases.choose_database(metafunc)
