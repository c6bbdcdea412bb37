"""Opens a zip of OneRoster CSV files, version 1.1 or 1.2, and lists the records of the files that are read. What they mean is read in
`oneroster`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from enrollment.rosters.files.archive import list_names, unpack_zip
from enrollment.rosters.files.encodings import Encoding
from enrollment.rosters.files.errors import UnreadableRoster
from enrollment.rosters.files.tables import Table, read_csv

MAX_LINES, MAX_CELL = 30_000, 4000
#: The columns without which a file says nothing, by file. All other files of a set (`demographics.csv`, results) are never inflated.
_REQUIRED_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "manifest": (),
    "orgs": ("sourcedId",),
    "academicSessions": ("sourcedId",),
    "classes": ("sourcedId", "title"),
    "users": ("sourcedId", "givenName", "familyName"),
    "roles": ("sourcedId", "userSourcedId", "role"),
    "enrollments": ("sourcedId", "classSourcedId", "userSourcedId"),
}
_NAMES = {name.lower(): name for name in _REQUIRED_COLUMNS}
_REQUIRED_FILES = ("users", "enrollments", "classes")
#: A set may have these as deltas: they are read only to choose among what the other files list.
_OPTIONAL_WHOLE = {"manifest", "academicSessions"}
Record = dict[str, str]


@dataclass(frozen=True, slots=True)
class OneRosterFiles:
    """The active records of each file of a set, and its version. `guessed_encoding`: that of a file whose letters had to decide it."""

    version: str
    records: dict[str, list[Record]]
    guessed_encoding: Encoding | None


def is_oneroster(content: bytes) -> bool:
    """Return whether a zip is a set of OneRoster files, by the names of its entries. Raises `UnreadableRoster`."""
    names = {_read_name(name) for name in list_names(content)}
    return "users" in names or "manifest" in names


def read_files(content: bytes) -> OneRosterFiles:
    """Return the records of an archive. Raises `UnreadableRoster` with `oneroster_delta` (only bulk sets are read), `missing_<file>`,
    `missing_<column>`, `empty` when it lists nobody, `oneroster_version`, and as `unpack_zip` does.
    """
    archived = unpack_zip(content, lambda name: bool(_read_name(name)))
    files = {_read_name(name): data for name, data in archived.items()}
    if len(files) != len(archived):
        raise UnreadableRoster(why="zip_duplicate")
    version = _detect_version(files)
    for name in _REQUIRED_FILES:
        if name not in files:
            raise UnreadableRoster(why=f"missing_{name}")
    tables = {name: read_csv(data, MAX_LINES, MAX_CELL) for name, data in files.items() if name != "manifest"}
    records = {name: list(_list_records(name, table)) for name, table in tables.items()}
    if not records["users"]:
        raise UnreadableRoster(why="empty")  # read as a list of nobody, it would say that all pupils have left
    return OneRosterFiles(version, records, next((table.encoding for table in tables.values() if table.is_guess), None))


def _read_name(name: str) -> str:
    """Return `orgs` for `orgs.csv`, at the top or in one folder and in any case; empty for a file that is not read."""
    folder, _, last = name.rpartition("/")
    is_beside = "/" in folder or folder.startswith("__")
    return "" if is_beside or not last.lower().endswith(".csv") else _NAMES.get(last[:-4].lower(), "")


def _detect_version(files: dict[str, bytes]) -> str:
    lines = read_csv(files["manifest"]).lines if "manifest" in files else []
    manifest = {line[0].lower(): line[1].lower() for line in lines if len(line) > 1}
    if any(manifest.get(f"file.{name}".lower()) == "delta" for name in _REQUIRED_COLUMNS.keys() - _OPTIONAL_WHOLE):
        raise UnreadableRoster(why="oneroster_delta")
    version = manifest.get("oneroster.version", "").removeprefix("v") or ("1.2" if "roles" in files else "1.1")
    known = next((each for each in ("1.1", "1.2") if version == each or version.startswith(each + ".")), None)
    if known is None:
        raise UnreadableRoster(why="oneroster_version")
    return known


def _list_records(name: str, table: Table) -> Iterator[Record]:
    """Yield the active records, by the exact column names of the standard. Raises `UnreadableRoster` with `missing_<column>`."""
    header = table.lines[0] if table.lines else []
    if missing := [column for column in _REQUIRED_COLUMNS[name] if column not in header]:
        raise UnreadableRoster(why=f"missing_{missing[0]}")
    for line in table.lines[1:]:
        record = dict(zip(header, line, strict=False))
        if record.get("sourcedId") and record.get("status", "").lower() not in ("tobedeleted", "inactive"):
            yield record
