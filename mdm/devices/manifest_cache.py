"""Sets of declarations and the contents of manifests, kept in memory: a set is stored under the hash of its content and never changes."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from mdm.devices.manifests import EMPTY_CONTENTS, ManifestContents, build_manifest_contents
from mdm.devices.models import Manifest
from mdm.devices.repository import DeviceRepository

#: A set takes about 30 kB in memory, a manifest of it 12 kB; a town has some tens of sets, of which two or three modes are in use at once.
MAX_SETS = 1024
MAX_MANIFESTS = 4096


class ManifestCache:
    """Sets of declarations and the contents of manifests, limited in number. Used by one thread."""

    def __init__(self) -> None:
        self._sets: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()
        self._contents: OrderedDict[tuple[str, str, str], ManifestContents] = OrderedDict()

    def load_sets(self, session: Session, manifests: Iterable[Manifest | None]) -> None:
        """Load the sets of these manifests that are not in memory yet, with one query."""
        hashes = {manifest.set_sha256 for manifest in manifests if manifest is not None}
        missing = sorted(hashes - self._sets.keys())
        if missing:
            self._sets.update(DeviceRepository(session).load_declaration_items(missing))
        for sha256 in hashes & self._sets.keys():
            self._sets.move_to_end(sha256)
        while len(self._sets) > max(MAX_SETS, len(hashes)):
            self._sets.popitem(last=False)

    def get_contents(self, manifest: Manifest | None) -> ManifestContents:
        """Return the contents of a manifest whose set was loaded. A set that the database does not have contains nothing."""
        if manifest is None:
            return EMPTY_CONTENTS
        key = (manifest.set_sha256, manifest.mode.value, json.dumps(manifest.repairs, sort_keys=True) if manifest.repairs else "")
        contents = self._contents.get(key)
        if contents is not None:
            self._contents.move_to_end(key)
            return contents
        contents = build_manifest_contents(self._sets.get(manifest.set_sha256, ()), manifest)
        if manifest.set_sha256 in self._sets:
            self._contents[key] = contents
            if len(self._contents) > MAX_MANIFESTS:
                self._contents.popitem(last=False)
        return contents
