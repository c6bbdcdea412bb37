"""Responses that a browser saves as a file, and the formats of reports."""

from __future__ import annotations

from enum import StrEnum

from fastapi.responses import Response


class ReportFormat(StrEnum):
    """File formats of the report."""

    CSV = "csv"
    XLSX = "xlsx"


MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def build_attachment(content: bytes, name: str, media_type: str) -> Response:
    """Return a response that the browser saves as a file."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
