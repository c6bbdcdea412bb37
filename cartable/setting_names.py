"""Names of environment variables that look like settings and are none. Reads no value."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

from cartable.settings import Settings

_PREFIX = "CARTABLE_"
#: Variables of the build, the tests and the checks, which are no settings of the server.
_OTHERS = frozenset({"VENV", "TEST_POSTGRES", "APPLE_SCHEMA", "PICTURES", "MACHINE_RUNS", "INTEROP"})


def list_unknown_settings(environment: Mapping[str, str], env_file: Path = Path(".env")) -> list[tuple[str, str | None]]:
    """Return the unknown `CARTABLE_…` variables of the environment and the file, each with the most similar setting or None."""
    names = {*environment, *(dotenv_values(env_file) if env_file.is_file() else {})}
    known = {name.upper() for name in Settings.model_fields}
    unknown = []
    for name in sorted(names):
        short = name.upper().removeprefix(_PREFIX)
        if name.upper().startswith(_PREFIX) and short not in known | _OTHERS:
            similar = get_close_matches(short, known, n=1)
            unknown.append((name, _PREFIX + similar[0] if similar else None))
    return unknown
