"""Files that must be refused, each with the stable code that says why."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable

from tests.enrollment.rosters.corpus.build import (
    GUARDIAN,
    HISTORICAL,
    archive_of,
    build_csv,
    build_oneroster,
    build_workbook,
    historical_line,
)
from tests.enrollment.rosters.corpus.good import ORDINARY, PEOPLE


def _bomb(name: str) -> bytes:
    return archive_of({name: b"0" * (200 * 2**20)})


def _far_cell() -> bytes:
    content = archive_of({})
    del content
    part = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1048576">'
        '<c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c></row></sheetData></worksheet>'
    )
    return _replaced(build_workbook([["a"]]), "xl/worksheets/sheet1.xml", part.encode())


def _replaced(content: bytes, name: str, part: bytes) -> bytes:
    import io

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive_of({each: part if each == name else archive.read(each) for each in archive.namelist()})


def _encrypted_zip() -> bytes:
    """The first bit of the flags says that entries are encrypted, in the local header and in the directory."""
    content = bytearray(build_oneroster("0929001J"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            flags = struct.unpack_from("<H", content, at + offset)[0]
            struct.pack_into("<H", content, at + offset, flags | 1)
            at = content.find(signature, at + 4)
    return bytes(content)


#: What a workbook with a password, or one of before 2007, begins with.
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4096
MIXED = HISTORICAL.encode() + b"\r\n" + historical_line("ÉTIENNE", "Zoé").encode("cp1252")
TWICE_DECODED = build_csv(HISTORICAL, *PEOPLE, encoding="utf-8").decode("cp1252", "replace").encode()

BAD: list[tuple[str, bytes | Callable[[], bytes], str]] = [
    ("empty", b"", "empty"),
    ("only spaces", b" \r\n \r\n;;;\r\n", "empty"),
    ("header of something else", b"Article;Prix\r\nStylo;2\r\n", "missing_last_name"),
    ("no level anywhere", build_csv("Nom;Prénom;Classe", "MARTIN;Zoé;CE1 A"), "missing_grade"),
    ("guardians without children", build_csv(GUARDIAN, "MME;;MARTIN;Nadia;;;;;;;;"), "missing_child_last_name"),
    ("the same header twice", build_csv("Nom;Prénom;Niveau;Nom", "MARTIN;Zoé;CE1;X"), "duplicate_column"),
    ("two encodings in one file", MIXED, "encoding_suspect"),
    ("decoded wrongly before", TWICE_DECODED, "encoding_suspect"),
    ("replacement signs", build_csv(HISTORICAL, historical_line("\ufffdTIENNE", "Zoé"), encoding="utf-8"), "encoding_suspect"),
    ("5 001 lines", build_csv("Nom;Prénom;Niveau", *["A;B;CE1"] * 5001), "too_many_lines"),
    ("six megabytes", ORDINARY + b" " * (6 * 2**20), "too_large"),
    ("a cell of a megabyte and an open quote", b'Nom;Pr\xe9nom;Niveau\r\n"' + b"x" * 2**20, "bad_csv"),
    ("a quotation mark before a name", build_csv(HISTORICAL, PEOPLE[0], '"' + PEOPLE[1], *PEOPLE[2:]), "open_quote"),
    ("quotation marks before two names", build_csv(HISTORICAL, '"' + PEOPLE[0], *PEOPLE[1:4], '"' + PEOPLE[4], PEOPLE[5]), "open_quote"),
    ("a quotation mark in the last cells", build_csv(HISTORICAL, *PEOPLE).rstrip().replace(b";102;", b';"102;'), "open_quote"),
    ("a bomb of a workbook", lambda: archive_of({"xl/workbook.xml": b"", "xl/sharedStrings.xml": b"0" * (200 * 2**20)}), "zip_too_large"),
    ("a bomb of a roster", lambda: _bomb("users.csv"), "zip_too_large"),
    ("a cell in the last corner", _far_cell, "too_many_lines"),
    ("an archive in an archive", lambda: archive_of({"liste.zip": archive_of({"CSVExtraction.csv": ORDINARY})}), "zip_without_list"),
    ("two lists in an archive", lambda: archive_of({"A.csv": ORDINARY, "ecole/B.CSV": ORDINARY}), "zip_several_lists"),
    ("a bomb of a list", lambda: _bomb("liste.csv"), "zip_too_large"),
    ("an archive named as a list in an archive", lambda: archive_of({"a.csv": archive_of({"b.csv": ORDINARY})}), "bad_xlsx"),
    ("a spreadsheet of LibreOffice", lambda: archive_of(
        {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<office:document-content/>"}
    ), "open_document"),
    ("a path out of the archive", lambda: archive_of({"../../etc/users.csv": b"x"}), "zip_unsafe_name"),
    ("a path of another system", lambda: archive_of({"..\\users.csv": b"x", "users.csv": b"y"}), "zip_unsafe_name"),
    ("too many entries", lambda: archive_of({f"{n}.csv": b"" for n in range(600)} | {"users.csv": b""}), "zip_too_large"),
    ("an encrypted archive", _encrypted_zip, "zip_encrypted"),
    ("a workbook with a password", COMPOUND, "locked_or_old_workbook"),
    ("half an archive", lambda: build_oneroster("0929001J")[:900], "bad_zip"),
    ("entities in a workbook", lambda: _replaced(
        build_workbook([["a"]]), "xl/worksheets/sheet1.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><worksheet>&b;</worksheet>',
    ), "bad_xlsx"),
    ("a delta", lambda: build_oneroster(
        "0929001J", manifest="propertyName,value\noneroster.version,1.2\nfile.users,delta\nfile.enrollments,delta\n",
    ), "oneroster_delta"),
    ("a future version", lambda: build_oneroster("0929001J", manifest="propertyName,value\noneroster.version,2.0\n"), "oneroster_version"),
    ("no users", lambda: build_oneroster("0929001J", users=None), "missing_users"),
    ("no enrolments", lambda: build_oneroster("0929001J", enrollments=None), "missing_enrollments"),
    ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "binary"),
    ("a page", b"<!DOCTYPE html><html><body>Session expir\xc3\xa9e</body></html>", "missing_last_name"),
]  # fmt: skip
