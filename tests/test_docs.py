"""What documentation and comments point to exists: links, anchors, files, decisions, requirements, commands, words of the glossary."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from cartable.settings import Settings
from mdm.cli.main import COMMANDS
from mdm.cli.operator_settings import PAGE as SETTINGS_PAGE
from mdm.cli.operator_settings import render_page

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("bench/*.md")),
    *sorted(ROOT.glob("migrations/*.md")),
]
GLOSSARY = ROOT / "docs" / "developer" / "glossary.md"
DECISIONS = ROOT / "docs" / "adr"
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_MAKE = re.compile(r"`make ([a-z-]+)|^make ([a-z-]+)", re.MULTILINE)
_CARTABLE = re.compile(r"(?:`|^)cartable ([a-z][a-z-]*)", re.MULTILINE)
_PLACE = re.compile(r"`((?:cartable|enrollment|profiles|mdm|simulator|migrations|tests|deploy|bench|docs)/[A-Za-z0-9_./-]*)`")
#: Names of code inside backticks: with an underscore, in camel case, or a method of a class. Names of Apple's files and keys are none.
_CODE_NAME = re.compile(
    r"(?<![\w/.-])([A-Za-z]+(?:_[A-Za-z0-9]+)+|[A-Z][a-z]+(?:[A-Z][a-z]+)+|[A-Z][A-Za-z]+\.[a-z_]+)(?![\w/-])"
)
#: An operation of the API as pages name it: `PUT /schools/{id}/successor`.
_OPERATION = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (?:/api/v1)?(/[a-z][^`\s?]*)")
#: A path below docs, with an anchor if there is one. A path that an f-string completes is not one.
_DOCS_PATH = re.compile(r"(?<![\w/])(docs/[\w./-]*[\w/-])(?:#([\w-]+))?(?![\w/{-]|\.\{)")
#: A page that is named by its file alone. Only pages of the root may be.
_PAGE_NAME = re.compile(r"(?<![\w./-])([\w-]+\.md)\b")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SUFFIXES = {".py", ".html", ".json", ".md", ".js", ".css", ".typ", ".toml", ".ini", ".sh", ".mako"}


@cache
def list_text_files() -> tuple[tuple[str, str], ...]:
    """Return the name and text of each file of the repository in which a person may have cited something."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.decode().splitlines()]
    cited = [path for path in paths if path.is_file() and (path.suffix in _SUFFIXES or path.name in {"Makefile", "Dockerfile"})]
    return tuple((str(path.relative_to(ROOT)), path.read_text("utf-8")) for path in cited if path != Path(__file__))


@cache
def list_anchors(page: Path) -> set[str]:
    """Return the anchors of a page, as forges make them of its headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def list_decisions() -> dict[str, Path]:
    return {page.name[:4]: page for page in sorted(DECISIONS.glob("[0-9]*.md"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        address, _, anchor = link.partition("#")
        target = (page.parent / address).resolve() if address else page
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in list_anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_every_place_in_the_code_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*?##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {one or other for one, other in _MAKE.findall(text)} <= targets
    assert set(_CARTABLE.findall(text)) <= set(COMMANDS)
    for place in _PLACE.findall(text):
        assert (ROOT / place).exists(), place


def test_every_citation_of_a_page_is_of_a_page_and_an_anchor_that_exist() -> None:
    missing = [
        f"{name}: {path}#{anchor}" if anchor else f"{name}: {path}"
        for name, text in list_text_files()
        for path, anchor in _DOCS_PATH.findall(text)
        if not (ROOT / path).exists() or (anchor and anchor not in list_anchors(ROOT / path))
    ]
    assert not missing


def test_code_cites_no_page_by_its_file_name_alone() -> None:
    """Such a citation is of a page that a reader cannot find: the form is `docs/domain/<page>.md#<anchor>`."""
    bare = [
        f"{name}: {page}"
        for name, text in list_text_files()
        if not name.endswith(".md")
        for page in _PAGE_NAME.findall(text)
        if not (ROOT / page).exists()
    ]
    assert not bare


def test_every_decision_that_is_cited_exists_and_numbers_have_no_holes() -> None:
    decisions = list_decisions()
    assert [page.name[:4] for page in sorted(DECISIONS.glob("[0-9]*.md"))] == [f"{n:04d}" for n in range(1, len(decisions) + 1)]
    cited = [(name, number) for name, text in list_text_files() for number in re.findall(r"\bADRs? (\d+)", text)]
    assert [(name, number) for name, number in cited if number not in decisions] == []


def test_the_index_of_decisions_names_each_with_its_title_and_status() -> None:
    index = (DECISIONS / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d{4}) \| \[(.+)\]\((.+)\) \| (.+) \|$", index, re.MULTILINE)
    expected = []
    for number, page in list_decisions().items():
        text = page.read_text("utf-8")
        title, status = re.match(r"# (\d{4})\. (.+)\n", text), re.search(r"^Status: ([^\n;]+)", text, re.MULTILINE)
        assert title is not None, page.name
        assert title[1] == number, page.name
        assert status is not None, page.name
        expected.append((number, title[2], page.name, status[1]))
    assert rows == expected


def test_every_privacy_requirement_that_is_cited_is_explained() -> None:
    anchors = list_anchors(ROOT / "docs" / "domain" / "privacy.md")
    cited = {(name, number) for name, text in list_text_files() for number in re.findall(r"\bPRIV-(\d{2})\b", text)}
    assert {(name, number) for name, number in cited if f"priv-{number}" not in anchors} == set()


def test_the_page_of_settings_is_made_of_the_settings() -> None:
    page = SETTINGS_PAGE.read_text("utf-8")
    assert page == render_page(), "run `make openapi`"
    assert set(re.findall(r"`CARTABLE_([A-Z0-9_]+)`", page)) >= {name.upper() for name in Settings.model_fields}


def list_glossary_rows() -> list[list[str]]:
    lines = [line for line in GLOSSARY.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("| term ")]


def test_the_glossary_is_alphabetical_and_complete_in_its_columns() -> None:
    rows = list_glossary_rows()
    assert all(len(row) == 4 and row[0] and row[1] for row in rows), [row for row in rows if len(row) != 4]
    terms = [row[0].lower() for row in rows]
    assert [(one, other) for one, other in pairwise(terms) if one >= other] == []


def test_every_name_of_the_glossary_is_used_in_the_code() -> None:
    code = [text for name, text in list_text_files() if name.endswith((".py", ".json")) and not name.startswith("tests/")]
    names = {name for row in list_glossary_rows() for name in re.findall(r"`([A-Za-z_]+)`", " ".join(row))}
    assert names - {word for text in code for word in _WORD.findall(text)} == set()


@cache
def list_words_of_the_code() -> set[str]:
    """Return every word of the code, and the environment variables of the settings."""
    code = [text for name, text in list_text_files() if not name.endswith(".md")]
    variables = {f"CARTABLE_{name.upper()}" for name in Settings.model_fields}
    names = {Path(name).stem for name, _ in list_text_files()}
    return variables | names | {word for text in code for word in _WORD.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_name_of_code_is_a_name_of_today(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    names = {name for code in re.findall(r"`([^`\n]+)`", text) for name in _CODE_NAME.findall(code)}
    assert {name for name in names if not set(name.split(".")) <= list_words_of_the_code()} == set()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent.name != "domain"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_operation_of_the_api_exists(page: Path) -> None:
    """Pages of the domain name Apple's operations, not ours."""
    for method, path in _OPERATION.findall(page.read_text("utf-8")):
        if "…" not in path:
            assert f"{method} /api/v1{_blank_parameters(path)}" in list_operations(), path


@cache
def list_operations() -> set[str]:
    """Return method and path of each operation of the API, without the names of its parameters."""
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["paths"]
    return {f"{method.upper()} {_blank_parameters(path)}" for path, methods in paths.items() for method in methods}


def _blank_parameters(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_every_picture_is_shown_somewhere_and_small() -> None:
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in _LINK.findall(page.read_text("utf-8"))
        if link.endswith(".png")
    }
    pictures = set((ROOT / "docs" / "pictures").glob("*.png"))
    assert pictures == shown
    assert all(picture.stat().st_size < 300_000 for picture in pictures)


def test_the_tests_that_pages_name_exist() -> None:
    """A page that says what holds a promise names tests: they must not be renamed or removed without it."""
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    defined = {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text("utf-8"))}
    assert named <= defined, sorted(named - defined)


def test_guides_for_people_lead_to_pages_and_not_to_calls_that_write() -> None:
    guides = [page for folder in ("admin", "head", "helpdesk", "technician") for page in (ROOT / "docs" / folder).rglob("*.md")]
    writing = {
        f"{page.relative_to(ROOT)}: {method} {path}"
        for page in guides
        for method, path in re.findall(r"`(POST|PUT|PATCH|DELETE) ([^`\s]+)", page.read_text("utf-8"))
    }
    assert writing == set(), "a clerk does it on a page: name the page"
