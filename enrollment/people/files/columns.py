"""Which column of a file is which field. The names are data (`aliases.json`); a school may add its own by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from enrollment.people.files.cells import plain
from enrollment.people.files.errors import UnreadableRoster


class FileKind(StrEnum):
    """Of whom a file speaks."""

    PUPILS = "pupils"
    GUARDIANS = "guardians"
    STAFF = "staff"


#: A column mapped by hand to this is left out, even where its name is known.
IGNORE = "-"
#: Without these a file of this kind says nothing.
REQUIRED = {
    FileKind.PUPILS: ("last_name", "first_name", "level"),
    FileKind.GUARDIANS: ("last_name", "first_name", "child_last_name", "child_first_name"),
    FileKind.STAFF: ("last_name", "first_name"),
}
CHILD = ("child_last_name", "child_usage_name", "child_first_name", "child_class")
#: Normalised header → field, written by hand for one school.
ByHand = Mapping[str, str]


@cache
def _listed() -> dict[str, dict[str, list[str]] | list[str]]:
    listed: dict[str, dict[str, list[str]] | list[str]] = json.loads((Path(__file__).parent / "aliases.json").read_text("utf-8"))
    return listed


def fields_of(kind: FileKind) -> dict[str, list[str]]:
    """The fields that a file of this kind may fill, each with the column names it goes by."""
    found = _listed()[kind.value]
    assert isinstance(found, dict)
    return found


@cache
def _aliases(kind: FileKind) -> dict[str, str]:
    return {alias: name for name, names in fields_of(kind).items() for alias in names}


def header_key(text: str) -> str:
    """A header as it is matched: lower case, no accents, spaces, stars or apostrophes."""
    return re.sub(r"[\s*'’\ufeff]", "", plain(text.lower()))


def is_forbidden(title: str) -> bool:
    """Whether a column holds what is never kept (schools.md sections 7.1 and 14), whatever a mapping says."""
    key = header_key(title)
    return any(key.startswith(start) for start in _listed()["forbidden"]) and all(key not in _aliases(kind) for kind in FileKind)


class Standing(StrEnum):
    """What becomes of a column."""

    KEPT = "kept"
    FORBIDDEN = "forbidden"
    LEFT_OUT = "left_out"  # known, and not needed
    UNKNOWN = "unknown"  # a person may say what it is


def standing(title: str, field_name: str | None) -> Standing:
    """What becomes of a column with this title, read as `field_name` or not at all."""
    if field_name is not None:
        return Standing.KEPT
    if is_forbidden(title):
        return Standing.FORBIDDEN
    return Standing.LEFT_OUT if header_key(title) in _listed()["known"] else Standing.UNKNOWN


def columns_told(header: Sequence[str], kind: FileKind, by_hand: ByHand) -> list[tuple[str, str | None, Standing]]:
    """Each column with the field it is read as, for the screen on which a person maps the others."""
    names = _names(header, kind, by_hand)
    return [(title[:60], name, standing(title, name)) for title, name in zip(header, names, strict=True) if title]


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each kept field stands in a line. `blocks` are the children of a guardian, repeated to the right."""

    at: dict[str, int]
    ignored: list[str] = field(default_factory=list)
    blocks: tuple[dict[str, int], ...] = ()
    #: Cells between two children beyond the header, 0 when the header has one child only.
    stride: int = 0

    def cells(self, line: Sequence[str]) -> dict[str, str]:
        """The kept cells of a line; what lies outside the known columns is not looked at."""
        return {name: line[at] for name, at in self.at.items() if at < len(line)}

    def children(self, line: Sequence[str]) -> list[dict[str, str]]:
        """The children of a guardian's line, which may be longer or shorter than the header."""
        found = [self._child(line, block, 0) for block in self.blocks]
        if self.stride:
            last, shift = self.blocks[-1], self.stride
            while min(last.values()) + shift < len(line):
                found.append(self._child(line, last, shift))
                shift += self.stride
        return [child for child in found if any(child.values())]

    @staticmethod
    def _child(line: Sequence[str], block: dict[str, int], shift: int) -> dict[str, str]:
        return {name: line[at + shift] for name, at in block.items() if at + shift < len(line)}


def recognised(header: Sequence[str], hands: Mapping[FileKind, ByHand]) -> int:
    """How many columns of a line would be known if it were the header."""
    return max(sum(1 for name in _names(header, kind, hands.get(kind, {})) if name is not None) for kind in FileKind)


def kind_of(header: Sequence[str], by_hand: ByHand | None = None) -> FileKind:
    """Of whom a file speaks, by its header alone: every file of ONDE has the same name."""
    guardians, staff = set(_names(header, FileKind.GUARDIANS, {})), set(_names(header, FileKind.STAFF, {}))
    pupils = set(_names(header, FileKind.PUPILS, by_hand or {}))
    if {"last_name", "usage_name"} & guardians:
        return FileKind.GUARDIANS
    if "level" not in pupils and {"last_name", "first_name"} <= staff and {"email", "kind"} & staff:
        return FileKind.STAFF
    return FileKind.PUPILS


def _names(header: Sequence[str], kind: FileKind, by_hand: ByHand) -> list[str | None]:
    """The field of each column, or None."""
    found = []
    for title in header:
        key = header_key(title)
        name = by_hand.get(key) or _aliases(kind).get(key)
        found.append(None if name == IGNORE or (key in by_hand and is_forbidden(title)) else name)
    return found


def columns_of(header: Sequence[str], kind: FileKind, by_hand: ByHand | None = None) -> Columns:
    """Find the fields of a file. Raises `UnreadableRoster` with `missing_<field>` or `duplicate_column`.

    Of two different names for one field the first counts. The same name twice is a fault, except for a guardian's children.
    """
    at: dict[str, int] = {}
    blocks: list[dict[str, int]] = []
    ignored: list[str] = []
    for index, (title, name) in enumerate(zip(header, _names(header, kind, by_hand or {}), strict=True)):
        if name in CHILD and kind is FileKind.GUARDIANS:
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
    missing = [name for name in REQUIRED[kind] if name not in known]
    if kind is FileKind.GUARDIANS and "usage_name" in known:
        missing = [name for name in missing if name != "last_name"]
    if missing:
        raise UnreadableRoster(why=f"missing_{missing[0]}")
    return Columns(at, ignored, tuple(blocks), _stride(header, blocks))


def _stride(header: Sequence[str], blocks: list[dict[str, int]]) -> int:
    """How far the next child stands to the right: told by two blocks, or by one that ends the header."""
    if len(blocks) > 1:
        return min(blocks[-1].values()) - min(blocks[-2].values())
    end = max((index for index, title in enumerate(header) if title), default=0)
    if blocks and max(blocks[0].values()) == end and end - min(blocks[0].values()) + 1 == len(blocks[0]):
        return len(blocks[0])
    return 0
