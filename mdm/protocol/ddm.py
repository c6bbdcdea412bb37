"""Documents of declarative management (docs/domain/declarations.md): builds tokens and manifests, parses status reports. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cartable.storable import make_storable
from mdm.protocol.errors import BadMessage

#: Declaration kind in the path of a fetch → key in the manifest.
MANIFEST_KEYS = {
    "activation": "Activations",
    "configuration": "Configurations",
    "asset": "Assets",
    "management": "Management",
}
MAX_STATUS = 2 * 2**20
#: Deeper nested reports are refused.
MAX_DEPTH = 14


def compute_declarations_token(items: Iterable[Mapping[str, Any]]) -> str:
    """Return the token of a set of declarations. It must be equal in tokens and manifest, or the tablet synchronises for ever."""
    pairs = sorted([str(item["Identifier"]), str(item["ServerToken"])] for item in items)
    return hashlib.sha256(_encode_json(pairs)).hexdigest()


def build_tokens(items: Sequence[Mapping[str, Any]], at: datetime) -> bytes:
    """Return the response to `tokens` for these declarations."""
    return build_tokens_response(compute_declarations_token(items), at)


def build_tokens_response(declarations_token: str, at: datetime) -> bytes:
    """Return the response to `tokens`. The timestamp has whole seconds and `Z`."""
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _encode_json({"SyncTokens": {"Timestamp": stamp, "DeclarationsToken": declarations_token}})


def build_manifest(items: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the response to `declaration-items`: four arrays, none of them absent. Each of `items` has its `Kind`."""
    entries: dict[str, list[dict[str, Any]]] = {manifest_key: [] for manifest_key in MANIFEST_KEYS.values()}
    for item in items:
        entries[MANIFEST_KEYS[item["Kind"]]].append({"Identifier": item["Identifier"], "ServerToken": item["ServerToken"]})
    return _encode_json({"Declarations": entries, "DeclarationsToken": compute_declarations_token(items)})


def render_declaration(items: Iterable[Mapping[str, Any]], kind: str, identifier: str) -> bytes | None:
    """Return one declaration as JSON; None when it is not among `items`."""
    for item in items:
        if (item["Kind"], item["Identifier"]) == (kind, identifier):
            return _encode_json({key: value for key, value in item.items() if key != "Kind"})
    return None


@dataclass(frozen=True, slots=True)
class ParsedStatusReport:
    """A parsed status report. `declarations` has complete rows of each kind that it contains; `items` are incremental unless `full`."""

    items: Mapping[str, Any]
    declarations: Mapping[str, list[dict[str, Any]]] | None
    errors: list[dict[str, Any]]
    full: bool


def parse_status_report(body: bytes) -> ParsedStatusReport:
    """Return the parsed status report, unknown items included. Raises `BadMessage`."""
    if len(body) > MAX_STATUS:
        raise BadMessage("status report too large")
    document = _load_json(body)
    if _measure_depth(document) > MAX_DEPTH:
        raise BadMessage("status report nested too deeply")
    document = make_storable(document)
    items = document.get("StatusItems") if isinstance(document, dict) else None
    if not isinstance(items, dict):
        raise BadMessage("status report without StatusItems")
    management = items.get("management")
    declarations = management.get("declarations") if isinstance(management, dict) else None
    errors = document.get("Errors")
    return ParsedStatusReport(
        items=items,
        declarations=_parse_declarations(declarations) if isinstance(declarations, dict) else None,
        errors=[e for e in errors if isinstance(e, dict)][:100] if isinstance(errors, list) else [],
        full=document.get("FullReport") is True,
    )


def _load_json(body: bytes) -> Any:
    """Return the JSON document; bytes that are no UTF-8, control characters and endless numbers are no obstacle."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise BadMessage("status report nested too deeply") from error
    except ValueError:
        pass
    try:
        return json.loads(body.decode("utf-8", errors="replace"), strict=False, parse_int=_parse_integer)
    except (ValueError, RecursionError) as error:
        raise BadMessage("status report is no JSON") from error


def _parse_integer(text: str) -> int | float:
    """Return the number; one of more digits than a column holds becomes infinite, and is left out with the others."""
    return int(text) if len(text) < 20 else float("inf")


def merge_status_items(current: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Return `current` after an incremental report: objects merge by key, arrays merge by the `identifier` of their rows."""
    merged = dict(current)
    for key, value in update.items():
        current_value = merged.get(key)
        if isinstance(value, dict) and isinstance(current_value, dict):
            merged[key] = merge_status_items(current_value, value)
        elif _is_keyed_list(value) and (current_value is None or isinstance(current_value, list)):
            merged[key] = _merge_rows(current_value or [], value)
        else:
            merged[key] = value
    return merged


def list_managed_apps(items: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the status item `app.managed.list` that name an app; an empty list when there is none."""
    value: Any = items
    for name in ("app", "managed", "list"):
        value = value.get(name) if isinstance(value, dict) else None
    return [row for row in value if _is_row(row)] if isinstance(value, list) else []


def describe_reasons(row: Mapping[str, Any]) -> str:
    """Return the identifier of a reported declaration with the tablet's reasons, for people to read."""
    reasons = "; ".join(_describe_reason(reason) for reason in row.get("reasons", []))
    return f"{row['identifier']}: {reasons or 'no reason'}"[:300]


def _describe_reason(reason: Mapping[str, Any]) -> str:
    code, description = str(reason.get("code") or "no code"), reason.get("description")
    details = reason.get("details")
    parts = [code, *([str(description)] if description and description != code else [])]
    if isinstance(details, dict):
        parts += [f"{name} {value}" for name, value in details.items() if isinstance(value, str | int | float)]
    return ", ".join(parts)


def _parse_declarations(reported: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the kinds that a report carries; a kind that it does not carry is absent, which says nothing about it."""
    rows_by_kind = _fold_keys(reported)
    kinds = [key.lower() for key in MANIFEST_KEYS.values()]
    return {kind: _parse_rows(rows_by_kind[kind]) for kind in kinds if isinstance(rows_by_kind.get(kind), list)}


def _parse_rows(rows: Iterable[Any]) -> list[dict[str, Any]]:
    parsed = (_parse_row(_fold_keys(row)) for row in rows if isinstance(row, dict))
    return [row for row in parsed if row is not None]


def _parse_row(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a reported declaration with its keys in one spelling; None without an identifier. `valid` is `unknown` unless it is known."""
    if not isinstance(row.get("identifier"), str):
        return None
    valid, reasons = str(row.get("valid", "")).lower(), row.get("reasons")
    return {
        "identifier": row["identifier"],
        "server-token": str(row.get("servertoken", "")),
        "active": row.get("active") is True,
        "valid": valid if valid in ("valid", "invalid") else "unknown",
        "reasons": [_fold_keys(reason) for reason in reasons if isinstance(reason, dict)] if isinstance(reasons, list) else [],
    }


def _fold_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dictionary with keys in lower case and without separators: systems write `Code` or `code`, `server-token` or `ServerToken`."""
    return {str(key).lower().replace("-", "").replace("_", ""): value for key, value in values.items()}


def _is_keyed_list(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(row, dict) and "identifier" in row for row in value)


def _is_row(row: object) -> bool:
    """Return whether this is a row of a list whose primary key can be used."""
    return isinstance(row, dict) and isinstance(row.get("identifier"), str)


def _merge_rows(current: list[Any], update: list[dict[str, Any]]) -> list[Any]:
    rows = {row["identifier"]: row for row in current if _is_row(row)}
    for row in filter(_is_row, update):
        if row.get("_removed") is True:
            rows.pop(row["identifier"], None)
        else:
            rows[row["identifier"]] = {**rows.get(row["identifier"], {}), **row}
    return list(rows.values())


def _measure_depth(value: object) -> int:
    """Return how deep `value` is nested; it stops counting one above `MAX_DEPTH`."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        children: list[object] = []
        for parent in level:
            children += parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ()
        level = [child for child in children if isinstance(child, dict | list)]
        depth += 1
    return depth


def _encode_json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
