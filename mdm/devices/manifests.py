"""What the manifest of a tablet contains: its declarations, their bytes, and which of them apply in its mode. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mdm.devices.models import Manifest
from mdm.protocol import ddm
from profiles.render.declarations import build_set_items, select_effective_identifiers
from profiles.schedule.modes import Mode


@dataclass(frozen=True, slots=True)
class ManifestContents:
    """The declarations that a manifest names, and which of them apply in its mode. `mode` is None for a manifest without any."""

    mode: Mode | None
    items: Sequence[Mapping[str, Any]]
    effective_identifiers: frozenset[str]
    #: The responses to `declaration-items`, and the token that it shares with the response to `tokens`.
    document: bytes
    token: str

    def render_declaration(self, kind: str, identifier: str) -> bytes | None:
        """Return one declaration as JSON; None when the manifest does not name it."""
        return ddm.render_declaration(self.items, kind, identifier)


def build_manifest_contents(shared: Iterable[Mapping[str, Any]], manifest: Manifest) -> ManifestContents:
    """Return what a manifest contains, given the shared declarations of its set."""
    items = build_set_items(shared, manifest.mode, manifest.repairs)
    return ManifestContents(
        mode=manifest.mode,
        items=items,
        effective_identifiers=frozenset(select_effective_identifiers(items, manifest.mode)),
        document=ddm.build_manifest(items),
        token=ddm.compute_declarations_token(items),
    )


#: What a tablet gets to which no set is announced: valid documents without declarations.
EMPTY_CONTENTS = ManifestContents(None, (), frozenset(), ddm.build_manifest([]), ddm.compute_declarations_token([]))
