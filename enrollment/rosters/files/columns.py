"""Which column of a file is which field. The names are data (`aliases.json`); a school may add its own by hand."""

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
    """Of whom a file speaks."""

    PUPILS = "pupils"
    GUARDIANS = "guardians"
    STAFF = "staff"


#: A column mapped by hand to this is left out, even where its name is known.
IGNORE = "-"
#: Without these a file of this kind says nothing.
REQUIRED_FIELDS = {
    FileKind.PUPILS: ("last_name", "first_name", "grade"),
    FileKind.GUARDIANS: ("last_name", "first_name", "child_last_name", "child_first_name"),
    FileKind.STAFF: ("last_name", "first_name"),
}
CHILD_FIELDS = ("child_last_name", "child_usage_name", "child_first_name", "child_class")
#: Normalised header → field, written by hand for one school.
ColumnOverrides = Mapping[str, str]


@cache
def _load_aliases() -> dict[str, dict[str, list[str]] | list[str]]:
    listed: dict[str, dict[str, list[str]] | list[str]] = json.loads((Path(__file__).parent / "aliases.json").read_text("utf-8"))
    return listed


def get_field_aliases(kind: FileKind) -> dict[str, list[str]]:
    """The fields that a file of this kind may fill, each with the column names it goes by."""
    found = _load_aliases()[kind.value]
    assert isinstance(found, dict)
    return found


@cache
def _fields_by_alias(kind: FileKind) -> dict[str, str]:
    return {alias: name for name, names in get_field_aliases(kind).items() for alias in names}


def header_key(text: str) -> str:
    """A header as it is matched: lower case, no accents, spaces, stars or apostrophes."""
    return re.sub(r"[\s*'’\ufeff]", "", strip_accents(text.lower()))


def is_forbidden_column(title: str) -> bool:
    """Whether a column holds what is never kept (schools.md sections 7.1 and 14), whatever a mapping says."""
    key = header_key(title)
    return any(key.startswith(start) for start in _load_aliases()["forbidden"]) and all(
        key not in _fields_by_alias(kind) for kind in FileKind
    )


class ColumnStatus(StrEnum):
    """What becomes of a column."""

    KEPT = "kept"
    FORBIDDEN = "forbidden"
    LEFT_OUT = "left_out"  # known, and not needed
    UNKNOWN = "unknown"  # a person may say what it is


def get_column_status(title: str, field_name: str | None) -> ColumnStatus:
    """What becomes of a column with this title, read as `field_name` or not at all."""
    if field_name is not None:
        return ColumnStatus.KEPT
    if is_forbidden_column(title):
        return ColumnStatus.FORBIDDEN
    return ColumnStatus.LEFT_OUT if header_key(title) in _load_aliases()["known"] else ColumnStatus.UNKNOWN


def describe_columns(
    header: Sequence[str], kind: FileKind, overrides: ColumnOverrides
) -> list[tuple[str, str | None, ColumnStatus]]:
    """Each column with the field it is read as, for the screen on which a person maps the others."""
    names = _match_fields(header, kind, overrides)
    return [(title[:60], name, get_column_status(title, name)) for title, name in zip(header, names, strict=True) if title]


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Where each kept field stands in a line. `blocks` are the children of a guardian, repeated to the right."""

    index_by_field: dict[str, int]
    ignored: list[str] = field(default_factory=list)
    child_blocks: tuple[dict[str, int], ...] = ()
    #: Cells between two children beyond the header, 0 when the header has one child only.
    child_stride: int = 0

    def read_cells(self, line: Sequence[str]) -> dict[str, str]:
        """The kept cells of a line; what lies outside the known columns is not looked at."""
        return {name: line[at] for name, at in self.index_by_field.items() if at < len(line)}

    def read_children(self, line: Sequence[str]) -> list[dict[str, str]]:
        """The children of a guardian's line, which may be longer or shorter than the header."""
        found = [self._read_child(line, block, 0) for block in self.child_blocks]
        if self.child_stride:
            last, shift = self.child_blocks[-1], self.child_stride
            while min(last.values()) + shift < len(line):
                found.append(self._read_child(line, last, shift))
                shift += self.child_stride
        return [child for child in found if any(child.values())]

    @staticmethod
    def _read_child(line: Sequence[str], block: dict[str, int], shift: int) -> dict[str, str]:
        return {name: line[at + shift] for name, at in block.items() if at + shift < len(line)}


def count_known_columns(header: Sequence[str], overrides_by_kind: Mapping[FileKind, ColumnOverrides]) -> int:
    """How many columns of a line would be known if it were the header."""
    return max(
        sum(1 for name in _match_fields(header, kind, overrides_by_kind.get(kind, {})) if name is not None) for kind in FileKind
    )


def detect_file_kind(header: Sequence[str], overrides: ColumnOverrides | None = None) -> FileKind:
    """Of whom a file speaks, by its header alone: every file of ONDE has the same name."""
    guardians, staff = set(_match_fields(header, FileKind.GUARDIANS, {})), set(_match_fields(header, FileKind.STAFF, {}))
    pupils = set(_match_fields(header, FileKind.PUPILS, overrides or {}))
    if {"last_name", "usage_name"} & guardians:
        return FileKind.GUARDIANS
    if "grade" not in pupils and {"last_name", "first_name"} <= staff and {"email", "kind"} & staff:
        return FileKind.STAFF
    return FileKind.PUPILS


def _match_fields(header: Sequence[str], kind: FileKind, overrides: ColumnOverrides) -> list[str | None]:
    """The field of each column, or None."""
    found = []
    for title in header:
        key = header_key(title)
        name = overrides.get(key) or _fields_by_alias(kind).get(key)
        found.append(None if name == IGNORE or (key in overrides and is_forbidden_column(title)) else name)
    return found


def match_columns(header: Sequence[str], kind: FileKind, overrides: ColumnOverrides | None = None) -> ColumnLayout:
    """Find the fields of a file. Raises `UnreadableRoster` with `missing_<field>` or `duplicate_column`.

    Of two different names for one field the first counts. The same name twice is a fault, except for a guardian's children.
    """
    at: dict[str, int] = {}
    blocks: list[dict[str, int]] = []
    ignored: list[str] = []
    for index, (title, name) in enumerate(zip(header, _match_fields(header, kind, overrides or {}), strict=True)):
        if name in CHILD_FIELDS and kind is FileKind.GUARDIANS:
            if not blocks or name in blocks[-1]:
                blocks.append({})
            blocks[-1][name] = index
        elif name is not None and name not in at:
            at[name] = index
        elif name is not None and header_key(header[at[name]]) == header_key(title):
            raise UnreadableRoster(why="duplicate_column")
        elif title:
            ignored.append(title[:60])
    known = {*at, *(blocks[0] if blocks else ())}
    missing = [name for name in REQUIRED_FIELDS[kind] if name not in known]
    if kind is FileKind.GUARDIANS and "usage_name" in known:
        missing = [name for name in missing if name != "last_name"]
    if missing:
        raise UnreadableRoster(why=f"missing_{missing[0]}")
    return ColumnLayout(at, ignored, tuple(blocks), _find_child_stride(header, blocks))


def _find_child_stride(header: Sequence[str], blocks: list[dict[str, int]]) -> int:
    """How far the next child stands to the right: told by two blocks, or by one that ends the header."""
    if len(blocks) > 1:
        return min(blocks[-1].values()) - min(blocks[-2].values())
    end = max((index for index, title in enumerate(header) if title), default=0)
    if blocks and max(blocks[0].values()) == end and end - min(blocks[0].values()) + 1 == len(blocks[0]):
        return len(blocks[0])
    return 0
