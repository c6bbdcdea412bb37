"""What is proved by absence: no table for what must not be kept, nothing of third parties in a page, and a page for the officer that names
files which exist (schools.md section 14).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mdm.tables import metadata

ROOT = Path(__file__).resolve().parents[2]
#: Words of columns that would hold where a child was on a network, what was browsed, read, heard or called.
UNWANTED = re.compile(
    r"(^|_)(ip|peer|remote_addr|user_agent|visited|history|browsing|keystroke|microphone|contacts|screenshot|mac)(_|$)"
)
#: Days of schools' visitors, not of children: a mission's visit.
ALLOWED = {"mission.visited_on"}


def test_no_column_keeps_a_network_address_or_a_history() -> None:
    """PRIV-03, PRIV-04, PRIV-05, PRIV-20."""
    named = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if UNWANTED.search(column.name)
    }
    assert named - ALLOWED == set()


def test_nobody_sends_what_would_look_at_a_screen_or_at_media() -> None:
    """PRIV-03, PRIV-20: the wire knows these commands; no service asks for one."""
    chapters = [path for place in ("mdm", "enrollment", "profiles") for path in (ROOT / place).rglob("*.py")]
    senders = [path for path in chapters if not {"protocol", "simulator"} & set(path.relative_to(ROOT).parts)]
    asked = re.compile(r"RequestMirroring|ManagedMediaList|InstallMedia")
    assert len(senders) > 200
    assert [path for path in senders if asked.search(path.read_text("utf-8"))] == []


def test_pages_load_nothing_from_elsewhere() -> None:
    """PRIV-16."""
    pages = [
        path
        for place in ("mdm/console", "enrollment/joining")
        for path in (ROOT / place).rglob("*")
        if path.suffix in {".html", ".css", ".js", ".jinja"}
    ]
    assert pages
    loaded = re.compile(r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//|@import|url\(\s*["']?(?:https?:)?//""", re.IGNORECASE)
    assert [path for path in pages if loaded.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_officers_page_speaks_of_every_requirement_and_of_files_that_exist(language: str) -> None:
    page = (ROOT / f"docs/admin/privacy.{language}.md").read_text("utf-8")
    assert [f"PRIV-{number:02d}" in page for number in range(1, 21)] == [True] * 20
    named = set(re.findall(r"`((?:tests|mdm|enrollment)/[\w./]+)`", page))
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_both_pages_say_the_same_gaps() -> None:
    gaps = [
        re.findall(
            r"^\| (PRIV-\d\d).*\*(?:gap|manque)\*", (ROOT / f"docs/admin/privacy.{each}.md").read_text("utf-8"), re.MULTILINE
        )
        for each in ("fr", "en")
    ]
    assert gaps[0] == gaps[1]
