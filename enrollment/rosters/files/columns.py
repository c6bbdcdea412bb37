"""Matches the columns of a file with the fields that are read. Column names are data (`aliases.json`); a person may override them.

See docs/domain/rosters.md#forbidden-columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from enrollment.people.text import strip_accents
from enrollment.rosters.files.errors import UnreadableRoster


class FileKind(StrEnum):
    """Whom a file lists."""

    PUPILS = "pupils"
    GUARDIANS = "guardians"
    STAFF = "staff"


#: A column overridden with this is ignored, even when its name is known.
IGNORE = "-"
#: A file of this kind cannot be read without these fields.
REQUIRED_FIELDS = {
    FileKind.PUPILS: ("last_name", "first_name", "grade"),
    FileKind.GUARDIANS: ("last_name", "first_name", "child_last_name", "child_first_name"),
    FileKind.STAFF: ("last_name", "first_name"),
}
CHILD_FIELDS = ("child_last_name", "child_usage_name", "child_first_name", "child_class")
#: Normalised header → field, set by a person.
ColumnOverrides = Mapping[str, str]


@cache
def _load_aliases() -> dict[str, dict[str, list[str]] | list[str]]:
    aliases: dict[str, dict[str, list[str]] | list[str]] = json.loads((Path(__file__).parent / "aliases.json").read_text("utf-8"))
    return aliases


def get_field_aliases(kind: FileKind) -> dict[str, list[str]]:
    """Return the fields of a kind of file, each with the column names under which it is known."""
    aliases = _load_aliases()[kind.value]
    assert isinstance(aliases, dict)
    return aliases


@cache
def _fields_by_alias(kind: FileKind) -> dict[str, str]:
    return {alias: name for name, names in get_field_aliases(kind).items() for alias in names}


def make_header_key(text: str) -> str:
    """Return the form by which headers are compared: lower case, no accents, spaces, stars or apostrophes."""
    return re.sub(r"[\s*'’\ufeff]", "", strip_accents(text.lower()))


def is_forbidden_column(title: str) -> bool:
    """Return whether the content of a column is never kept of a child, whatever a person maps it to."""
    key = make_header_key(title)
    return any(key.startswith(start) for start in _load_aliases()["forbidden"]) and all(
        key not in _fields_by_alias(kind) for kind in FileKind
    )


class ColumnStatus(StrEnum):
    """How a column is treated."""

    KEPT = "kept"
    FORBIDDEN = "forbidden"
    LEFT_OUT = "left_out"  # known, and not needed
    UNKNOWN = "unknown"  # a person may say what it is


def get_column_status(title: str, field_name: str | None) -> ColumnStatus:
    """Return how a column of this title is treated. `field_name`: the field it was matched with, if any."""
    if field_name is not None:
        return ColumnStatus.KEPT
    if is_forbidden_column(title):
        return ColumnStatus.FORBIDDEN
    return ColumnStatus.LEFT_OUT if make_header_key(title) in _load_aliases()["known"] else ColumnStatus.UNKNOWN


def describe_columns(
    header: Sequence[str], kind: FileKind, overrides: ColumnOverrides
) -> list[tuple[str, str | None, ColumnStatus]]:
    """Return each column with its field and status, for the screen on which a person maps unknown columns."""
    names = _match_fields(header, kind, overrides)
    return [(title[:60], name, get_column_status(title, name)) for title, name in zip(header, names, strict=True) if title]


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """The position of each field in a line. `child_blocks`: the positions of a guardian's children, repeated to the right."""

    index_by_field: dict[str, int]
    ignored: list[str] = field(default_factory=list)
    child_blocks: tuple[dict[str, int], ...] = ()
    #: Cells from one child to the next beyond the header; 0 when the header leaves no room for more children.
    child_stride: int = 0

    def read_cells(self, line: Sequence[str]) -> dict[str, str]:
        """Return the cells of a line by field; cells of other columns are not read."""
        return {name: line[at] for name, at in self.index_by_field.items() if at < len(line)}

    def read_children(self, line: Sequence[str]) -> list[dict[str, str]]:
        """Return the children of a guardian's line, which may be longer or shorter than the header."""
        children = [self._read_child(line, block, 0) for block in self.child_blocks]
        if self.child_stride:
            last, shift = self.child_blocks[-1], self.child_stride
            while min(last.values()) + shift < len(line):
                children.append(self._read_child(line, last, shift))
                shift += self.child_stride
        return [child for child in children if any(child.values())]

    @staticmethod
    def _read_child(line: Sequence[str], block: dict[str, int], shift: int) -> dict[str, str]:
        return {name: line[at + shift] for name, at in block.items() if at + shift < len(line)}


def count_known_columns(header: Sequence[str], overrides_by_kind: Mapping[FileKind, ColumnOverrides]) -> int:
    """Return how many columns would be known if this line were the header."""
    return max(
        sum(1 for name in _match_fields(header, kind, overrides_by_kind.get(kind, {})) if name is not None) for kind in FileKind
    )


def detect_file_kind(header: Sequence[str], overrides: ColumnOverrides | None = None) -> FileKind:
    """Return whom a file lists, by its header alone: all files of ONDE have the same name."""
    guardians, staff = set(_match_fields(header, FileKind.GUARDIANS, {})), set(_match_fields(header, FileKind.STAFF, {}))
    pupils = set(_match_fields(header, FileKind.PUPILS, overrides or {}))
    if {"last_name", "usage_name"} & guardians:
        return FileKind.GUARDIANS
    if "grade" not in pupils and {"last_name", "first_name"} <= staff and {"email", "kind"} & staff:
        return FileKind.STAFF
    return FileKind.PUPILS


def _match_fields(header: Sequence[str], kind: FileKind, overrides: ColumnOverrides) -> list[str | None]:
    """Return the field of each column, or None."""
    fields: list[str | None] = []
    for title in header:
        key = make_header_key(title)
        name = overrides.get(key) or _fields_by_alias(kind).get(key)
        fields.append(None if name == IGNORE or (key in overrides and is_forbidden_column(title)) else name)
    return fields


def match_columns(header: Sequence[str], kind: FileKind, overrides: ColumnOverrides | None = None) -> ColumnLayout:
    """Return the layout of a file by its header. Raises `UnreadableRoster` with `missing_<field>` or `duplicate_column`.

    Of two different names for one field the first counts. The same name twice is an error, except for a guardian's children.
    """
    index_by_field: dict[str, int] = {}
    blocks: list[dict[str, int]] = []
    ignored: list[str] = []
    for index, (title, name) in enumerate(zip(header, _match_fields(header, kind, overrides or {}), strict=True)):
        if name in CHILD_FIELDS and kind is FileKind.GUARDIANS:
            if not blocks or name in blocks[-1]:
                blocks.append({})
            blocks[-1][name] = index
        elif name is not None and name not in index_by_field:
            index_by_field[name] = index
        elif name is not None and make_header_key(header[index_by_field[name]]) == make_header_key(title):
            raise UnreadableRoster(why="duplicate_column")
        elif title:
            ignored.append(title[:60])
    matched = {*index_by_field, *(blocks[0] if blocks else ())}
    missing = [name for name in REQUIRED_FIELDS[kind] if name not in matched]
    if kind is FileKind.GUARDIANS and "usage_name" in matched:
        missing = [name for name in missing if name != "last_name"]
    if missing:
        raise UnreadableRoster(why=f"missing_{missing[0]}")
    return ColumnLayout(index_by_field, ignored, tuple(blocks), _find_child_stride(header, blocks))


def _find_child_stride(header: Sequence[str], blocks: list[dict[str, int]]) -> int:
    """Return the distance from one child to the next: known from two blocks, or from one that ends the header."""
    if len(blocks) > 1:
        return min(blocks[-1].values()) - min(blocks[-2].values())
    end = max((index for index, title in enumerate(header) if title), default=0)
    if blocks and max(blocks[0].values()) == end and end - min(blocks[0].values()) + 1 == len(blocks[0]):
        return len(blocks[0])
    return 0
