"""Documents of declarative management (declarative.md sections 2 and 9): tokens, manifest, status reports. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mdm.protocol.errors import BadMessage

#: Kinds in the path of a fetch, and in the manifest.
PLURALS = {
    "activation": "Activations",
    "configuration": "Configurations",
    "asset": "Assets",
    "management": "Management",
}
MAX_STATUS = 2 * 2**20
#: What a report may nest; deeper ones are not ours to walk.
MAX_DEPTH = 12


def declarations_token(items: Iterable[Mapping[str, Any]]) -> str:
    """One token for a set: the same in both documents, or the tablet loops."""
    pairs = sorted([str(item["Identifier"]), str(item["ServerToken"])] for item in items)
    return hashlib.sha256(_dump(pairs)).hexdigest()


def tokens(items: Sequence[Mapping[str, Any]], at: datetime) -> bytes:
    """The answer to `tokens`. The timestamp has whole seconds and `Z`."""
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _dump({"SyncTokens": {"Timestamp": stamp, "DeclarationsToken": declarations_token(items)}})


def manifest(items: Sequence[Mapping[str, Any]]) -> bytes:
    """The answer to `declaration-items`: four arrays, none of them absent. `items` carry their `Kind`."""
    kinds: dict[str, list[dict[str, Any]]] = {plural: [] for plural in PLURALS.values()}
    for item in items:
        kinds[PLURALS[item["Kind"]]].append({"Identifier": item["Identifier"], "ServerToken": item["ServerToken"]})
    return _dump({"Declarations": kinds, "DeclarationsToken": declarations_token(items)})


def one(items: Iterable[Mapping[str, Any]], kind: str, identifier: str) -> bytes | None:
    """One declaration; None when it is not in the set."""
    for item in items:
        if (item["Kind"], item["Identifier"]) == (kind, identifier):
            return _dump({key: value for key, value in item.items() if key != "Kind"})
    return None


@dataclass(frozen=True, slots=True)
class Report:
    """A status report, read. `declarations` is complete when present; items are incremental unless `full`."""

    items: Mapping[str, Any]
    declarations: Mapping[str, list[dict[str, Any]]] | None
    errors: list[dict[str, Any]]
    full: bool


def read_report(body: bytes) -> Report:
    """Read a status report. Unknown items are kept. Raises `BadMessage`."""
    if len(body) > MAX_STATUS:
        raise BadMessage("status report too large")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadMessage("status report is no JSON") from error
    items = document.get("StatusItems") if isinstance(document, dict) else None
    if not isinstance(items, dict) or _depth(items) > MAX_DEPTH:
        raise BadMessage("status report without StatusItems")
    management = items.get("management")
    said = management.get("declarations") if isinstance(management, dict) else None
    errors = document.get("Errors")
    return Report(
        items=items,
        declarations=_rows(said) if isinstance(said, dict) else None,
        errors=[e for e in errors if isinstance(e, dict)][:100] if isinstance(errors, list) else [],
        full=document.get("FullReport") is True,
    )


def merged(known: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, Any]:
    """What is known after an incremental report: objects item by item, arrays row by row of `identifier`."""
    result = dict(known)
    for key, value in news.items():
        before = result.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            result[key] = merged(before, value)
        elif _is_table(value) and (before is None or isinstance(before, list)):
            result[key] = _merged_rows(before or [], value)
        else:
            result[key] = value
    return result


def active_identifiers(declarations: Mapping[str, list[dict[str, Any]]], kind: str) -> dict[str, str]:
    """Identifier to server token of what a tablet says is active and valid."""
    rows = declarations.get(PLURALS[kind].lower(), [])
    return {
        row["identifier"]: str(row.get("server-token", ""))
        for row in rows
        if row.get("active") is True and row.get("valid") == "valid"
    }


def invalid(declarations: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What a tablet could not apply, with its reasons."""
    return [row for rows in declarations.values() for row in rows if row.get("valid") == "invalid"]


def reason_of(row: Mapping[str, Any]) -> str:
    """The codes that a tablet gives for one declaration."""
    reasons = row.get("reasons")
    codes = [str(r.get("code")) for r in reasons if isinstance(r, dict)] if isinstance(reasons, list) else []
    return f"{row.get('identifier')}: {', '.join(codes) or 'no reason'}"[:200]


def _rows(said: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {
        plural.lower(): [
            row for row in said.get(plural.lower(), []) if isinstance(row, dict) and isinstance(row.get("identifier"), str)
        ]
        for plural in PLURALS.values()
        if isinstance(said.get(plural.lower(), []), list)
    }


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) and "identifier" in row for row in value)


def _merged_rows(before: list[Any], news: list[dict[str, Any]]) -> list[Any]:
    rows = {row["identifier"]: row for row in before if isinstance(row, dict) and "identifier" in row}
    for row in news:
        if row.get("_removed") is True:
            rows.pop(row["identifier"], None)
        else:
            rows[row["identifier"]] = {**rows.get(row["identifier"], {}), **row}
    return list(rows.values())


def _depth(value: object) -> int:
    level, layer = 0, [value]
    while layer and level <= MAX_DEPTH:
        inner: list[object] = []
        for each in layer:
            inner += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        layer = [each for each in inner if isinstance(each, dict | list)]
        level += 1
    return level


def _dump(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
