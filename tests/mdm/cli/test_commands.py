"""Every command names a function that exists: its module is imported only when the command runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mdm.cli import main

PLACES = re.findall(r'_import\("([^"]+)"\)', Path(main.__file__).read_text("utf-8"))


@pytest.mark.parametrize("place", PLACES)
def test_the_function_of_a_command_exists(place: str) -> None:
    assert callable(main.find_function(place))


def test_commands_without_a_function_of_their_own_are_found() -> None:
    assert "towns:run" in PLACES
