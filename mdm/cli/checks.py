"""Checks that `make check` runs: migrations match the tables, every personal field is in the data dictionary, the committed API
description and the page of settings match the code, and every text for people is translated.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from cartable.crypto import Keyring
from cartable.database import make_engine, use_keyring
from cartable.embedded_postgres import PostgresServer, find_binaries
from cartable.migrate import check, downgrade, upgrade
from mdm.cli import messages, operator_settings

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = ROOT / "docs" / "openapi.json"


def main(arguments: list[str]) -> int:
    """Run the checks; `--write` writes the API description and the page of settings instead of comparing them. Returns an exit code."""
    use_keyring(Keyring(bytes(32)))
    if "--write" in arguments:
        for page, text in render_pages().items():
            page.write_text(text)
            print(f"wrote {page.relative_to(ROOT)}")
        return 0
    check_migrations()
    from mdm.privacy.dictionary import find_missing_entries
    from mdm.tables import metadata

    if missing := find_missing_entries(metadata):
        print(f"mdm/privacy/dictionary.json has no entry for: {', '.join(missing)}", file=sys.stderr)
        return 1
    if stale := [page for page, text in render_pages().items() if not page.exists() or page.read_text() != text]:
        print(f"{stale[0].relative_to(ROOT)} is out of date: run `make openapi`", file=sys.stderr)
        return 1
    if faults := messages.check_catalogues(messages.collect_texts()):
        print("cartable/locale is out of date: run `make messages`, then translate", *faults, sep="\n", file=sys.stderr)
        return 1
    print("migrations, data dictionary, API description, page of settings and message catalogues: good")
    return 0


def render_pages() -> dict[Path, str]:
    """Return the text of each file that is made from the code."""
    return {DESCRIPTION: render_api_description(), operator_settings.PAGE: operator_settings.render_page()}


def check_migrations() -> None:
    """Migrate up, down and up again on both databases, then compare with the tables in code. Raises on a difference."""
    with tempfile.TemporaryDirectory() as folder:
        _round_trip(f"sqlite:///{folder}/check.db")
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL was not found: run `make setup`")
    server = PostgresServer(binaries)
    try:
        _round_trip(server.create_database("checked"))
    finally:
        server.stop()


def _round_trip(url: str) -> None:
    engine = make_engine(url)
    try:
        upgrade(engine)
        downgrade(engine, "base")
        upgrade(engine)
        check(engine)
    finally:
        engine.dispose()


def render_api_description() -> str:
    """Return the OpenAPI document of the REST API as it is committed."""
    from mdm.web import describe_api

    return json.dumps(describe_api(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
