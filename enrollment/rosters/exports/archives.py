"""Writes CSV files and zip archives for other systems; equal content gives equal bytes. Cells are not escaped: an export with a cell that
would run in a spreadsheet is refused before.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence

Rows = Sequence[Sequence[str]]


def write_csv(header: Sequence[str], rows: Rows, *, line_end: str) -> bytes:
    """Return a CSV file: UTF-8 without BOM, separated by commas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=line_end)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive of the files, by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()
