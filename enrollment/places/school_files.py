"""Reads lists of schools: the ministry's directory as CSV, or lines with a school code and a name. Pure.

See docs/domain/schools.md#lists-of-schools.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from enrollment.places.errors import UnreadableSchoolList

_UAI_HEADERS = frozenset({"identifiant_de_l_etablissement", "numero_uai", "uai", "code_uai", "rne", "school_uai", "code"})
_NAME_HEADERS = frozenset({"nom_etablissement", "appellation_officielle", "denomination", "nom", "name", "ecole", "school_name"})
#: A line without a header: the code first, then what separates it from the name.
_PLAIN_LINE = re.compile(r"\s*([0-9][0-9A-Za-z ]{4,8}[0-9A-Za-z])\s*(?:[;,\t:–-]|\s|$)\s*(.*)")
_LONGEST_CELL = 1000


@dataclass(frozen=True, slots=True)
class SchoolLine:
    """A line of a list: its number in the file from 1, the code and the name as they are written. The name may be empty."""

    number: int
    uai: str
    name: str


def parse_schools(content: bytes) -> list[SchoolLine]:
    """Return the schools of a list, one for each line that is not empty. Raises `UnreadableSchoolList`.

    In a file with a header the columns are found by name, whatever their case and order; other columns are ignored.
    """
    text = _decode(content)
    lines = text.splitlines()
    header = next((line for line in lines if line.strip()), None)
    if header is None:
        raise UnreadableSchoolList
    separator = max(";,\t", key=header.count)
    columns = [_make_key(cell) for cell in header.split(separator)]
    uai_column = next((index for index, key in enumerate(columns) if key in _UAI_HEADERS), None)
    if uai_column is None:
        return _parse_plain(lines)
    name_column = next((index for index, key in enumerate(columns) if key in _NAME_HEADERS), None)
    return _parse_table(text, separator, uai_column, name_column)


def _parse_table(text: str, separator: str, uai_column: int, name_column: int | None) -> list[SchoolLine]:
    rows = csv.reader(text.splitlines(), delimiter=separator)
    schools = []
    try:
        for number, row in enumerate(rows, start=1):
            if number == 1 or not any(cell.strip() for cell in row):
                continue
            uai = row[uai_column] if uai_column < len(row) else ""
            name = row[name_column] if name_column is not None and name_column < len(row) else ""
            schools.append(SchoolLine(number, uai.strip()[:_LONGEST_CELL], name.strip()[:_LONGEST_CELL]))
    except csv.Error as error:
        raise UnreadableSchoolList from error
    return schools


def _parse_plain(lines: list[str]) -> list[SchoolLine]:
    schools = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = _PLAIN_LINE.fullmatch(line)
        uai, name = (match[1], match[2]) if match else (line, "")
        schools.append(SchoolLine(number, uai.strip()[:_LONGEST_CELL], name.strip().strip('"')[:_LONGEST_CELL]))
    if not any(re.match(r"\s*[0-9]", line) for line in lines):
        raise UnreadableSchoolList
    return schools


def _make_key(cell: str) -> str:
    return re.sub(r"\s+", "_", cell.strip().strip('"').lower())


def _decode(content: bytes) -> str:
    if b"\x00" in content:
        raise UnreadableSchoolList
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
