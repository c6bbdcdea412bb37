"""Requirements proved by absence: no column for data that must not be kept, nothing of third parties in pages, and documentation for the
data protection officer that names existing files.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mdm.tables import metadata

ROOT = Path(__file__).resolve().parents[3]
#: Column names for network addresses, browsing, media or contacts of a child.
UNWANTED = re.compile(
    r"(^|_)(ip|peer|remote_addr|user_agent|visited|history|browsing|keystroke|microphone|contacts|screenshot|mac)(_|$)"
)
#: Days on which a technician visited a town.
ALLOWED = {"mission.visited_on"}


def test_no_column_stores_a_network_address_or_a_history() -> None:
    """PRIV-03, PRIV-04, PRIV-05, PRIV-20."""
    named = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if UNWANTED.search(column.name)
    }
    assert named - ALLOWED == set()


def test_no_command_that_reads_the_screen_or_media_is_sent() -> None:
    """PRIV-03, PRIV-20: the protocol package has these commands; no service uses them."""
    chapters = [path for place in ("mdm", "enrollment", "profiles") for path in (ROOT / place).rglob("*.py")]
    senders = [path for path in chapters if not {"protocol", "simulator"} & set(path.relative_to(ROOT).parts)]
    unwanted_commands = re.compile(r"RequestMirroring|ManagedMediaList|InstallMedia")
    assert len(senders) > 200
    assert [path for path in senders if unwanted_commands.search(path.read_text("utf-8"))] == []


def test_pages_load_nothing_from_third_parties() -> None:
    """PRIV-16."""
    pages = [
        path
        for place in ("mdm/console", "enrollment/joining")
        for path in (ROOT / place).rglob("*")
        if path.suffix in {".html", ".css", ".js", ".jinja"}
    ]
    assert pages
    # A link that a person may follow loads nothing.
    loaded = re.compile(
        r"""(?:src|action)\s*=\s*["']?(?:https?:)?//|<link[^>]*href\s*=\s*["']?(?:https?:)?//|@import|url\(\s*["']?(?:https?:)?//""",
        re.IGNORECASE,
    )
    assert [path for path in pages if loaded.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("language", ["fr", "en"])
def test_documentation_covers_every_requirement_and_names_existing_files(language: str) -> None:
    page = (ROOT / f"docs/admin/privacy.{language}.md").read_text("utf-8")
    assert [f"PRIV-{number:02d}" in page for number in range(1, 21)] == [True] * 20
    named = set(re.findall(r"`((?:tests|mdm|enrollment)/[\w./]+)`", page))
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_both_languages_document_the_same_gaps() -> None:
    gaps = [
        re.findall(
            r"^\| (PRIV-\d\d).*\*(?:gap|manque)\*", (ROOT / f"docs/admin/privacy.{each}.md").read_text("utf-8"), re.MULTILINE
        )
        for each in ("fr", "en")
    ]
    assert gaps[0] == gaps[1]
