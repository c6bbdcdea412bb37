"""The fields of requests that upload a roster file."""

from __future__ import annotations

from typing import Annotated

from fastapi import File, Form, UploadFile

Upload = Annotated[
    UploadFile, File(description="ONDE extraction, Cartable's own format, staff list (CSV or XLSX) or OneRoster (zip); 5 MB.")
]
Uai = Annotated[str | None, Form(max_length=20, description="Needed for ONDE files, which do not name their school.")]
