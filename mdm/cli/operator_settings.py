"""Writes `docs/operator/settings.md`, the list of the server's settings, from `cartable/settings.py`. `mdm.cli.checks` calls it."""

from __future__ import annotations

import textwrap
from enum import Enum
from pathlib import Path

from pydantic.fields import FieldInfo

from cartable.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs/operator/settings.md"
_HEAD = """\
# Settings

Environment variables, or lines of a file `.env` in the folder in which the server is started. An unknown name has no effect and is told at the start; a value that is not
acceptable stops the server at its start with a sentence that names it. Secrets (the master key, private keys) are files, never variables.

This page is made from `cartable/settings.py` by `make openapi`: change it there.

| variable | default | what it does |
|---|---|---|
"""


def render_page() -> str:
    """Return the page: a line per setting with its variable, its default and its description."""
    prefix = Settings.model_config.get("env_prefix", "")
    rows = [
        f"| `{prefix}{name.upper()}` | {_describe_default(field)} | {_escape(field.description or '')} |"
        for name, field in Settings.model_fields.items()
    ]
    return textwrap.dedent(_HEAD) + "\n".join(rows) + "\n"


def _describe_default(field: FieldInfo) -> str:
    value = field.default
    if value in (None, "", ()):
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
