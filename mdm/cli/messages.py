"""The catalogues of what people read: collects the texts of the code, templates and data files, updates the catalogues, finds faults.

`python -m mdm.cli.messages` updates every language; `python -m mdm.cli.messages pt_BR` also begins a new one. The files with
texts are listed under `tool.babel` in pyproject.toml, so `pybabel extract` collects the same.
"""

from __future__ import annotations

import ast
import json
import string
import sys
import tomllib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as Entry
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from cartable.i18n import CATALOGUE_FILE, CATALOGUES

ROOT = Path(__file__).resolve().parents[2]
Extracted = tuple[int, str, str | tuple[str, ...], list[str]]
#: The functions of `Language` that take literal texts, and how many texts they take.
_FUNCTIONS = {"_": 1, "gettext": 1, "ngettext": 2, "pgettext": 2}
_KEYWORDS: Mapping[str, Any] = {
    "gettext": None, "_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "npgettext": ((1, "c"), 2, 3),
}  # fmt: skip

_HEADER = """\
msgid ""
msgstr ""
"Project-Id-Version: Cartable\\n"
"Language: {code}\\n"
"Plural-Forms: {plurals}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def main(arguments: list[str]) -> int:
    """Update every catalogue, and begin those of the languages named. Returns an exit code."""
    template = collect_texts()
    languages = {file.parents[1].name for file in CATALOGUES.glob(f"*/{CATALOGUE_FILE}")} | set(arguments)
    for code in sorted(languages):
        catalogue = update(CATALOGUES, code, template)
        waiting = sum(1 for problem in find_problems(template, catalogue))
        print(f"{code}: {len(catalogue)} texts, {waiting} for a translator")
    return 0


def collect_texts(root: Path = ROOT) -> Catalog:
    """Return a catalogue of every text that people read, without translations. Locations name files, without lines."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["babel"]["mappings"]
    template = Catalog(fuzzy=False)
    texts_in_files = extract_from_dir(
        root,
        method_map=[(mapping["pattern"], mapping["method"]) for mapping in settings],
        options_map={mapping["pattern"]: mapping for mapping in settings},
        keywords=_KEYWORDS,
    )
    for file, _, texts, _, context in sorted(texts_in_files, key=str):
        template.add(texts, locations=[(file, 0)], context=context)
    return template


def update(folder: Path, code: str, template: Catalog) -> Catalog:
    """Write a language's catalogue with the texts of `template`. Translations stay, former texts go, and a new text that resembles a former
    one keeps its translation marked fuzzy: a translator reviews it, until then English is shown.
    """
    file = folder / code / CATALOGUE_FILE
    catalogue = Catalog(locale=code, fuzzy=False)
    if file.exists():
        with file.open("rb") as source:
            catalogue = read_po(source, locale=code)
    catalogue.update(template)
    catalogue.obsolete.clear()
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, catalogue)
    return catalogue


def write(file: Path, catalogue: Catalog) -> None:
    """Write a catalogue in the order of its texts, so that a change of one text changes one place. Its header has no dates."""
    body = BytesIO()
    write_po(body, catalogue, width=0, sort_output=True, include_lineno=False, omit_header=True)
    file.write_bytes(_HEADER.format(code=catalogue.locale_identifier, plurals=catalogue.plural_forms).encode() + body.getvalue())


def find_problems(template: Catalog, catalogue: Catalog) -> Iterator[str]:
    """Yield what is wrong with a catalogue: missing, fuzzy and stale texts, and translations whose placeholders differ."""
    for entry in template:
        translated = catalogue.get(entry.id, entry.context) if entry.id else None
        if not entry.id:
            continue
        name = f"{entry.context}: {_get_first_form(entry)}" if entry.context else _get_first_form(entry)
        if translated is None or not _list_forms(translated.string) or not all(_list_forms(translated.string)):
            yield f"missing: {name}"
        elif translated.fuzzy:
            yield f"fuzzy: {name}"
        elif translated.pluralizable != entry.pluralizable:
            yield f"plural forms differ: {name}"
        elif not _has_same_placeholders(translated):
            yield f"placeholders differ: {name}"
    for entry in [*catalogue, *catalogue.obsolete.values()]:
        if entry.id and template.get(entry.id, entry.context) is None:
            yield f"stale: {_get_first_form(entry)}"


def check_catalogues(template: Catalog, folder: Path = CATALOGUES) -> list[str]:
    """Return the faults of every catalogue, each with its language."""
    faults = []
    for file in sorted(folder.glob(f"*/{CATALOGUE_FILE}")):
        code = file.parents[1].name
        with file.open("rb") as source:
            catalogue = read_po(source, locale=code)
        faults += [f"{code}: {problem}" for problem in find_problems(template, catalogue)]
    return faults


def _get_first_form(entry: Entry) -> str:
    return _list_forms(entry.id)[0]


def _list_forms(texts: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts or ())


def _has_same_placeholders(entry: Entry) -> bool:
    """Return whether every translation names what the text names. A form for one thing may leave out its `{count}`."""
    sources = [list_placeholders(text) for text in _list_forms(entry.id)]
    allowed, needed = set().union(*sources), set.intersection(*sources) - {"count"}
    if not entry.pluralizable:
        needed = sources[0]
    return all(needed <= list_placeholders(text) <= allowed for text in _list_forms(entry.string))


def list_placeholders(text: str) -> set[str]:
    """Return the names in braces. A text that is no template has none."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return set()


def extract_python(fileobj: BinaryIO, keywords: object, comment_tags: object, options: object) -> Iterator[Extracted]:  # noqa: ARG001 - Babel's protocol
    """Yield the literal texts of `Message(...)` and of the functions of `Language` in a Python file. A Babel extractor."""
    for node in ast.walk(ast.parse(fileobj.read())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
        texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if name == "Message" and texts:
            named = {each.arg: str(each.value.value) for each in node.keywords if isinstance(each.value, ast.Constant)}
            yield _message(node.lineno, texts[0], named.get("plural"), named.get("context"))
        elif name in _FUNCTIONS and len(texts) >= _FUNCTIONS[name]:
            yield node.lineno, name, tuple(texts[: _FUNCTIONS[name]]), []


def _message(line: int, text: str, plural: str | None, context: str | None) -> Extracted:
    function = ("n" if plural else "") + ("p" if context else "") + "gettext"
    return line, function, tuple(each for each in (context, text, plural) if each), []


def extract_json(
    fileobj: BinaryIO,
    keywords: object,  # noqa: ARG001 - Babel's protocol
    comment_tags: object,  # noqa: ARG001
    options: Mapping[str, Any],
) -> Iterator[Extracted]:
    """Yield the texts of a data file: every string below a key named in the option `keys`. A Babel extractor."""
    yield from _texts_below(json.load(fileobj), frozenset(options["keys"]), inside=False)


def _texts_below(value: Any, keys: frozenset[str], *, inside: bool) -> Iterator[Extracted]:
    if isinstance(value, str) and inside:
        yield _message(1, value, None, None)
    elif isinstance(value, list):
        for each in value:
            yield from _texts_below(each, keys, inside=inside)
    elif isinstance(value, dict) and inside and value.keys() == {"text", "context"}:
        yield _message(1, value["text"], None, value["context"])
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts_below(each, keys, inside=inside or key in keys)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
