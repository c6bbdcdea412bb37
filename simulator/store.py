"""The App Store as a tablet sees it: which app a number is, and what cannot be installed. No licences, no accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_KNOWN = {
    361309726: "com.apple.Pages",
    895485086: "org.scratchjr.ipad",
    1450246545: "com.ode.one",
    361304891: "com.apple.Numbers",
    361285480: "com.apple.Keynote",
    408709785: "com.apple.mobilegarageband",
    377298193: "com.apple.iMovie",
    908519492: "com.apple.Playgrounds",
    1212699939: "com.apple.clips",
    1085319084: "com.apple.classroom",
    1355112526: "com.apple.schoolwork.ClassKitApp",
}


@dataclass(frozen=True)
class AppStore:
    """Answers look-ups.

    `names` adds to the numbers known here; a number known nowhere is `store.app.<number>`. `refused` maps a bundle
    identifier to the RejectionReason of its installation (commands.md section 4); the apps in `broken` are accepted
    and then end as Failed. An app takes `seconds` to install.
    """

    bundle_ids: Mapping[int, str] = field(default_factory=dict)
    rejection_reasons: Mapping[str, str] = field(default_factory=dict)
    failing_apps: frozenset[str] = frozenset()
    install_seconds: float = 3.0

    def get_bundle_id(self, store_id: int) -> str:
        """The bundle identifier behind a store number."""
        return self.bundle_ids.get(store_id) or _KNOWN.get(store_id) or f"store.app.{store_id}"
