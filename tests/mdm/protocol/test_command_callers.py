"""Each command of the catalogue is given by the module that the documentation names, or has a reason there why none gives it."""

from __future__ import annotations

import re
from pathlib import Path

from mdm.protocol.commands.registry import COMMANDS

ROOT = Path(__file__).parents[3]
PACKAGES = ("cartable", "enrollment", "mdm", "profiles")
CATALOGUE = ROOT / "mdm" / "protocol" / "commands"
#: Modules that name commands in words only.
_TALKS = {ROOT / "mdm" / "console" / "tablets" / "time_line.py"}


def _read_table() -> dict[str, str]:
    text = (ROOT / "docs/domain/commands.md").read_text("utf-8")
    table = text.partition("## Who gives each command")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))


def _find_callers(name: str) -> set[str]:
    word = re.compile(rf"\b{name}\(")
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if CATALOGUE not in path.parents and path not in _TALKS and word.search(path.read_text("utf-8"))
    }


def test_the_table_names_every_command_once() -> None:
    assert _read_table().keys() == COMMANDS.keys()


def test_each_command_is_given_by_the_module_that_is_named_or_by_none() -> None:
    for request_type, cell in _read_table().items():
        name = COMMANDS[request_type].__name__
        if cell.startswith("not given: "):
            constructed = {path for path in _find_callers(name) if not path.startswith("mdm/console/")}
            assert not constructed, request_type
        else:
            path = ROOT / cell.strip("`")
            assert re.search(rf"\b{name}\b", path.read_text("utf-8")), request_type
