"""Style sheets, scripts and icons of the console, at addresses that change with their content, so that browsers keep them."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

_FOLDER = Path(__file__).parent / "assets"
_MOUNT = "/console/assets"
_KEPT, _ASKED_AGAIN = "public, max-age=31536000, immutable", "no-cache"


@cache
def _compute_version() -> str:
    """Return what stands for the content of all files. One for all, because a script names others by their place beside it."""
    content = sha256()
    for file in sorted(_FOLDER.iterdir()):
        content.update(file.name.encode() + b"\0" + file.read_bytes())
    return content.hexdigest()[:12]


def build_asset_url(name: str) -> str:
    """Return the address of a file for a page."""
    return f"{_MOUNT}/{_compute_version()}/{name}"


class VersionedFiles(StaticFiles):
    """Serves the files at their addresses. An address of another version gives today's file, for a page that was opened before an update."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file; only the address of its present version may be kept without asking."""
        version, separator, name = path.partition("/")
        response = await super().get_response(name if separator else path, scope)
        response.headers["Cache-Control"] = _KEPT if version == _compute_version() else _ASKED_AGAIN
        return response


assets = VersionedFiles(directory=_FOLDER)
