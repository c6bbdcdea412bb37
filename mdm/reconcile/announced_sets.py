"""Which sets of declarations are announced to tablets, and whether what is announced is what is desired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cartable.unit_of_work import UnitOfWork
from mdm.devices.manifests import ManifestContents, build_manifest_contents
from mdm.devices.models import DeclarativeState, Manifest
from mdm.devices.repository import DeviceRepository
from profiles.effective.compile import DesiredState
from profiles.schedule.modes import Mode


class AnnouncedSets:
    """The sets of declarations of some tablets. What is computed from them is computed once for all tablets with equal manifests."""

    def __init__(self, items_by_set: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self._items_by_set = items_by_set
        self._contents: dict[tuple[str, Mode], ManifestContents] = {}

    def build_contents(self, manifest: Manifest) -> ManifestContents:
        """Return what a manifest contains. A set that the database does not have contains nothing."""
        key = (manifest.set_sha256, manifest.mode)
        if manifest.repairs or key not in self._contents:
            contents = build_manifest_contents(self._items_by_set.get(manifest.set_sha256, ()), manifest)
            if manifest.repairs:  # the tablet's own
                return contents
            self._contents[key] = contents
        return self._contents[key]

    def covers(self, state: DeclarativeState, desired: DesiredState) -> bool:
        """Return whether the desired set is announced, in the desired mode or in another that applies the same of it.

        Such a tablet need not learn of the change of mode: its declarations are as they should be.
        """
        announced = state.announced
        if announced is None or announced.set_sha256 != desired.declaration_set:
            return False
        return self.apply_the_same(announced, replace(announced, mode=desired.mode))

    def apply_the_same(self, announced: Manifest, desired: Manifest) -> bool:
        """Return whether two manifests of one set are in the same mode, or in modes that apply the same of it."""
        if announced.mode is desired.mode:
            return True
        contents = [self.build_contents(replace(each, repairs={})) for each in (announced, desired)]
        return contents[0].effective_identifiers == contents[1].effective_identifiers


def load_announced_sets(work: UnitOfWork, states: Iterable[DeclarativeState], desired: Iterable[DesiredState]) -> AnnouncedSets:
    """Return the sets that are announced or desired, with one query."""
    hashes = {state.set_sha256 for state in states} | {each.declaration_set for each in desired}
    return AnnouncedSets(
        DeviceRepository(work.session).load_declaration_items(sorted(sha256 for sha256 in hashes if sha256 is not None))
    )
