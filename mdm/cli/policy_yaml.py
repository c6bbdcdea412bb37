"""The syntax of a policy file: entries as YAML with comments, and back. A file that is no such file is refused with its line.

Anchors, aliases and tags are refused before anything is built from them: a few lines of aliases can stand for gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from io import StringIO
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    TagToken,
)

from cartable.i18n import Language
from profiles.catalog.composites import list_authorable_fields
from profiles.effective.policy_files import PolicyEntry, PresetReference
from profiles.policy.errors import BadPolicyFile
from profiles.policy.kinds import ALL_MODES, AppUse, PlaceKind, PresetKind

FORMAT = "cartable-policy-1"
MAX_BYTES, MAX_DEPTH = 2_000_000, 30
_OPENING = (BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken)
_CLOSING = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)
_TOP_KEYS = frozenset({"format", "town", "presets", "documents", "hours", "exceptions", "exams"})
_PRESET_KEYS = frozenset({"kind", "name", "values"})
_DOCUMENT_KEYS = frozenset({"place", "target", "values", "locks", "presets"})
_USE_KEYS = frozenset({"preset", "mode", "use"})
Member = TypeVar("Member", bound=StrEnum)


def write_policy(town: str, entries: Iterable[PolicyEntry], language: Language, *, hours: Mapping[str, Any] | None = None) -> str:
    """Return the file of a town's entries, and of its hours as `hours_yaml` builds them. Comments name the places and settings in a
    language.
    """
    document = CommentedMap({"format": FORMAT, "town": town, "presets": CommentedSeq(), "documents": CommentedSeq()})
    document.yaml_set_start_comment("`cartable policy plan FILE` shows what this file would change; secrets are hidden and stay.")
    for entry in entries:
        row = _build_preset(entry) if entry.is_preset else _build_document(entry)
        row["values"] = _build_values(entry.values, language)
        if entry.locks:
            row["locks"] = {mode: sorted(keys) for mode, keys in entry.locks.items()}
        if entry.presets:
            row["presets"] = [_build_use(use) for use in entry.presets]
        document["presets" if entry.is_preset else "documents"].append(row)
    document.update(hours or {})
    stream = StringIO()
    _build_yaml().dump(document, stream)
    return stream.getvalue()


def _build_yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 130
    yaml.allow_unicode = True
    return yaml


def _build_preset(entry: PolicyEntry) -> CommentedMap:
    return CommentedMap({"kind": entry.name[0].value, "name": entry.name[1]})


def _build_document(entry: PolicyEntry) -> CommentedMap:
    row = CommentedMap({"place": entry.name[0].value})
    if entry.name[1]:
        row["target"] = entry.name[1]
        label = "".join(character for character in entry.label if character.isprintable()).strip()
        if label:  # a character that YAML does not allow would make the whole file unreadable
            row.yaml_add_eol_comment(label, "target")
    return row


def _build_values(values: Mapping[str, Mapping[str, Any]], language: Language) -> CommentedMap:
    fields = list_authorable_fields()
    built = CommentedMap()
    for mode, part in values.items():
        built[mode] = rows = CommentedMap(part)
        for key, value in part.items():
            if key in fields and not isinstance(value, Mapping | list):
                rows.yaml_add_eol_comment(fields[key].label.translate(language), key)
    return built


def _build_use(use: PresetReference) -> CommentedMap:
    row = CommentedMap({"preset": f"{use.preset[0].value}/{use.preset[1]}", "mode": use.mode})
    if use.use is not None:
        row["use"] = use.use.value
    return row


def read_policy(data: bytes) -> tuple[str, list[PolicyEntry]]:
    """Return the short name of the town that a file names, and its entries. Raises `BadPolicyFile` with the line."""
    top = load_document(data)
    rows = [(_read_preset, row) for row in read_rows(top, "presets")]
    rows += [(_read_document, row) for row in read_rows(top, "documents")]
    return read_text(top, "town"), [read(row) for read, row in rows]


def load_document(data: bytes) -> CommentedMap:
    """Return the top of a file of this format. Raises `BadPolicyFile` with the line."""
    text = _decode(data)
    try:
        _check_tokens(text)
        document = _build_yaml().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadPolicyFile(line=mark.line + 1 if mark is not None else 1, why=str(error.problem or "not YAML")) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise BadPolicyFile(line=1, why="not YAML") from error
    top = read_map(document, 1, _TOP_KEYS)
    if top.get("format") != FORMAT:
        raise BadPolicyFile(line=1, why=f"format is not {FORMAT}")
    return top


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise BadPolicyFile(line=1, why=f"more than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadPolicyFile(line=data[: error.start].count(b"\n") + 1, why="not UTF-8") from error


def _check_tokens(text: str) -> None:
    depth = 0
    for token in _build_yaml().scan(text):
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        line = token.start_mark.line + 1
        if isinstance(token, AliasToken | AnchorToken | TagToken):
            raise BadPolicyFile(line=line, why="anchors, aliases and tags are not read")
        if depth > MAX_DEPTH:
            raise BadPolicyFile(line=line, why="too many levels")


def get_line(node: Any, default: int = 1) -> int:
    """Return the line of a node in its file."""
    return node.lc.line + 1 if isinstance(node, CommentedMap | CommentedSeq) and node.lc.line is not None else default


def read_map(node: Any, line: int, known: Iterable[str] | None = None) -> CommentedMap:
    """Return a node that is a mapping, with keys among the known ones. Raises `BadPolicyFile`."""
    if not isinstance(node, CommentedMap):
        raise BadPolicyFile(line=line, why="not a mapping")
    for key in node:
        if not isinstance(key, str) or (known is not None and key not in known):
            raise BadPolicyFile(line=node.lc.key(key)[0] + 1, why=f"unknown key {key!s:.40}")
    return node


def read_part(node: CommentedMap, key: str) -> CommentedMap:
    """Return the mapping under a key; an empty one where there is none. Raises `BadPolicyFile`."""
    return read_map(node[key], node.lc.key(key)[0] + 1) if key in node else CommentedMap()


def read_rows(node: CommentedMap, key: str) -> list[Any]:
    """Return the mappings in the list under a key; none where there is no list. Raises `BadPolicyFile`."""
    rows = node.get(key)
    if rows is None:
        return []
    if not isinstance(rows, CommentedSeq):
        raise BadPolicyFile(line=node.lc.key(key)[0] + 1, why=f"{key} is not a list")
    return [read_map(row, rows.lc.item(index)[0] + 1) for index, row in enumerate(rows)]


def read_text(node: CommentedMap, key: str, default: str | None = None) -> str:
    """Return the text under a key. Raises `BadPolicyFile`."""
    value = node.get(key, default)
    if not isinstance(value, str):
        raise BadPolicyFile(line=get_line(node), why=f"{key} is not a text")
    return str(value)


def read_member(node: CommentedMap, key: str, members: type[Member]) -> Member:
    """Return the member of an enumeration under a key. Raises `BadPolicyFile`."""
    try:
        return members(read_text(node, key))
    except ValueError as error:
        raise BadPolicyFile(line=get_line(node), why=f"{key} is none of {', '.join(members)}") from error


def _read_preset(row: CommentedMap) -> PolicyEntry:
    read_map(row, get_line(row), _PRESET_KEYS)
    name = (read_member(row, "kind", PresetKind), read_text(row, "name"))
    return PolicyEntry(name, _read_values(row), line=get_line(row))


def _read_document(row: CommentedMap) -> PolicyEntry:
    read_map(row, get_line(row), _DOCUMENT_KEYS)
    name = (read_member(row, "place", PlaceKind), read_text(row, "target", ""))
    locks = read_part(row, "locks")
    uses = tuple(_read_use(use) for use in read_rows(row, "presets"))
    return PolicyEntry(name, _read_values(row), to_plain(locks), uses, line=get_line(row))


def _read_values(row: CommentedMap) -> dict[str, Any]:
    values = read_part(row, "values")
    for mode in values:
        read_map(values[mode], values.lc.key(mode)[0] + 1)
    return dict(to_plain(values))


def _read_use(row: CommentedMap) -> PresetReference:
    read_map(row, get_line(row), _USE_KEYS)
    kind, _, name = read_text(row, "preset").partition("/")
    if kind not in set(PresetKind) or not name:
        raise BadPolicyFile(line=get_line(row), why="preset is not kind/name")
    use = read_member(row, "use", AppUse) if row.get("use") is not None else None
    return PresetReference((PresetKind(kind), name), read_text(row, "mode", ALL_MODES), use)


def to_plain(node: Any, line: int = 1) -> Any:
    """Return a node of a file as plain data. Raises `BadPolicyFile` for a value that policy does not know, such as a date."""
    if isinstance(node, CommentedMap):
        read_map(node, get_line(node, line))
        return {str(key): to_plain(value, node.lc.key(key)[0] + 1) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [to_plain(value, node.lc.item(index)[0] + 1) for index, value in enumerate(node)]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    if node is None:
        return None
    raise BadPolicyFile(line=line, why="neither text, number, true or false: put it into quotation marks")
