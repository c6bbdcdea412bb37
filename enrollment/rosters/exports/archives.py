"""CSV files in a zip for other systems, the same bytes for the same content. Nothing is changed on the way: what would run in a
spreadsheet was refused before.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence

Rows = Sequence[Sequence[str]]


def write_csv(header: Sequence[str], rows: Rows, *, line_end: str) -> bytes:
    """One file: UTF-8 without BOM, comma, no space after it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=line_end)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """The archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()
