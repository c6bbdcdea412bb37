"""A home screen as people type it, one line per app: `# dock`, `# page` and `## Name of a folder` begin its parts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: The setting that is typed so, and not as JSON.
HOME_SCREEN = "home_screen"
_DOCK, _PAGE, _FOLDER = "# dock", "# page", "## "


class NotAHomeScreen(ValueError):
    """A line stands where none of its kind may."""


def format_home_screen(layout: Mapping[str, Any]) -> str:
    """Return the lines of a layout."""
    return "\n".join(_list_lines(layout))


def _list_lines(layout: Mapping[str, Any]) -> Iterator[str]:
    if layout.get("dock"):
        yield _DOCK
        yield from layout["dock"]
    for page in layout.get("pages", ()):
        yield _PAGE
        yield from page.get("apps", ())
        yield from page.get("links", ())
        for folder in page.get("folders", ()):
            yield f"{_FOLDER}{folder['name']}"
            yield from folder["apps"]


def parse_home_screen(text: str, identifiers: Mapping[str, str]) -> dict[str, Any]:
    """Return the layout of a text. An app is its identifier, or a name among `identifiers`. Raises `NotAHomeScreen` with the line."""
    dock: list[str] = []
    pages: list[dict[str, Any]] = []
    apps: list[str] | None = None
    for line in _clean(text.splitlines()):
        if line.casefold() == _DOCK:
            apps = dock
        elif line.casefold() == _PAGE:
            apps = []
            pages.append({"apps": apps})
        elif line.startswith(_FOLDER):
            if not pages:
                raise NotAHomeScreen(line)
            apps = []
            pages[-1].setdefault("folders", []).append({"name": line[len(_FOLDER) :].strip(), "apps": apps})
        elif apps is None:
            raise NotAHomeScreen(line)
        elif line.startswith(("https://", "http://")):
            if not pages or apps is not pages[-1]["apps"]:
                raise NotAHomeScreen(line)
            pages[-1].setdefault("links", []).append(line)
        else:
            apps.append(identifiers.get(line.casefold(), line))
    return {**({"dock": dock} if dock else {}), "pages": [_without_empty(page) for page in pages]}


def _clean(lines: Sequence[str]) -> Iterator[str]:
    return (line.strip() for line in lines if line.strip())


def _without_empty(page: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in page.items() if value}
