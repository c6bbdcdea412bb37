"""Pure rules of declarations: what a tablet's report proves about the declarations that its manifest named. No database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mdm.devices.manifests import ManifestContents
from mdm.protocol import ddm
from profiles.render.declarations import PROPERTIES_IDENTIFIER, build_set_items
from profiles.schedule.modes import Mode

#: The last report of each kind: rows as `mdm.protocol.ddm` parses them. A kind that was never reported is absent.
ReportedDeclarations = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class DeclarationCheck:
    """Declarations of a manifest, sorted by what the tablet reports of them. Declarations that are as they should be are in no list.

    `invalid` are the rows that could not be applied. `pending` are the identifiers in progress: of unknown validity, or not active
    although the mode wants them. `missing` are those that the tablet does not list in this version, although it lists their kind.
    """

    invalid: tuple[Mapping[str, Any], ...]
    pending: tuple[str, ...]
    missing: tuple[str, ...]
    #: Whether every activation that the mode wants, and every configuration that it names, is active and valid, and the rest is there.
    is_confirmed: bool

    @property
    def troubled(self) -> tuple[str, ...]:
        """The identifiers of everything that is not as it should be."""
        return (*(str(row["identifier"]) for row in self.invalid), *self.pending, *self.missing)

    def describe(self) -> str:
        """Return what is wrong, for people to read."""
        parts = [ddm.describe_reasons(row) for row in self.invalid]
        parts += [f"not on the tablet: {', '.join(self.missing)}"] if self.missing else []
        parts += [f"still in progress: {', '.join(self.pending)}"] if self.pending else []
        return "; ".join(parts)[:300]


def check_declarations(contents: ManifestContents, reported: ReportedDeclarations) -> DeclarationCheck:
    """Compare the declarations of a manifest with what the tablet reports, in the mode that the manifest names.

    Declarations that the mode does not use must be on the tablet, but may be of unknown validity: it has not applied them yet.
    """
    rows_by_kind = {kind: _index_rows(rows) for kind, rows in reported.items()}
    invalid: list[Mapping[str, Any]] = []
    pending: list[str] = []
    missing: list[str] = []
    is_confirmed = True
    for item in contents.items:
        identifier = str(item["Identifier"])
        rows = rows_by_kind.get(ddm.MANIFEST_KEYS[item["Kind"]].lower())
        row = rows.get((identifier, str(item["ServerToken"]))) if rows is not None else None
        is_effective = identifier in contents.effective_identifiers
        if row is None:
            is_confirmed = False
            if rows is not None:
                missing.append(identifier)
        elif row["valid"] == "invalid":
            invalid.append(row)
            is_confirmed = is_confirmed and not is_effective and identifier != PROPERTIES_IDENTIFIER
        elif is_effective and not (row["active"] and row["valid"] == "valid"):
            pending.append(identifier)
            is_confirmed = False
    return DeclarationCheck(tuple(invalid), tuple(pending), tuple(missing), is_confirmed)


def find_named_mode(repairs: Mapping[str, int], reported: ReportedDeclarations) -> Mode | None:
    """Return the mode whose properties the tablet lists, whether it has applied them or not; None when it lists none."""
    tokens = {row["server-token"] for row in reported.get("management", ()) if row["identifier"] == PROPERTIES_IDENTIFIER}
    attempt = repairs.get(PROPERTIES_IDENTIFIER, 0)
    return next((mode for mode in Mode if _compute_properties_token(mode, attempt) in tokens), None)


@lru_cache(maxsize=128)
def _compute_properties_token(mode: Mode, attempt: int) -> str:
    [properties] = build_set_items((), mode, {PROPERTIES_IDENTIFIER: attempt})
    return str(properties["ServerToken"])


def _index_rows(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return rows by identifier and server token; of equal ones the first."""
    indexed: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        indexed.setdefault((row["identifier"], row["server-token"]), row)
    return indexed
