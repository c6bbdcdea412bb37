"""Pure rules of declarations: what a tablet's report proves about the declarations that its manifest named. No database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mdm.protocol import ddm
from profiles.render.declarations import PROPERTIES_IDENTIFIER, build_set_items, select_effective_identifiers
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


def check_declarations(items: Iterable[Mapping[str, Any]], mode: Mode, reported: ReportedDeclarations) -> DeclarationCheck:
    """Compare the declarations of a manifest with what the tablet reports, in the mode that the manifest names.

    Declarations that the mode does not use must be on the tablet, but may be of unknown validity: it has not applied them yet.
    """
    manifest = list(items)
    effective = select_effective_identifiers(manifest, mode)
    invalid: list[Mapping[str, Any]] = []
    pending: list[str] = []
    missing: list[str] = []
    is_confirmed = True
    for item in manifest:
        identifier = str(item["Identifier"])
        rows = reported.get(ddm.MANIFEST_KEYS[item["Kind"]].lower())
        row = _find_row(rows or (), identifier, str(item["ServerToken"]))
        is_effective = identifier in effective
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


def find_applied_mode(
    shared: Iterable[Mapping[str, Any]], repairs: Mapping[str, int] | None, reported: ReportedDeclarations
) -> Mode | None:
    """Return the mode whose properties the tablet lists and whose activations are active and valid; None when no mode is proved."""
    documents = list(shared)
    rows = reported.get("management", ())
    for mode in Mode:
        items = build_set_items(documents, mode, repairs)
        if _find_row(rows, PROPERTIES_IDENTIFIER, str(items[-1]["ServerToken"])) is not None:
            return mode if check_declarations(items, mode, reported).is_confirmed else None
    return None


def _find_row(rows: Iterable[Mapping[str, Any]], identifier: str, token: str) -> Mapping[str, Any] | None:
    return next((row for row in rows if (row["identifier"], row["server-token"]) == (identifier, token)), None)
