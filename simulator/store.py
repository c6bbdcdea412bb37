"""The App Store as a tablet sees it: bundle identifiers by store number, and apps that cannot be installed. No licences."""

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
class InstallRefusal:
    """How InstallApplication is refused: with Status Error, maybe a RejectionReason, and the errors, outermost first.

    Each error is its domain, code and description.
    """

    rejection_reason: str | None = None
    errors: tuple[tuple[str, int, str], ...] = ()


#: The error that tablets send with each RejectionReason.
_REJECTION_CODES = {
    "AppAlreadyInstalled": (12025, "The app is already installed."),
    "AppAlreadyQueued": (12026, "The app is already scheduled for management."),
    "AppStoreDisabled": (12031, "App installation is disabled."),
    "CouldNotVerifyAppID": (12023, "The store identifier of the app could not be validated."),
    "NotAnApp": (12027, "This is not an app."),
}


def refuse_with(rejection_reason: str) -> InstallRefusal:
    """Return the refusal that a tablet sends with this RejectionReason."""
    code, text = _REJECTION_CODES.get(rejection_reason, (12010, "The app could not be installed."))
    return InstallRefusal(rejection_reason, (("MCMDMErrorDomain", code, text),))


LICENCE_NOT_FOUND = InstallRefusal(
    "Other",
    (
        ("MDMErrorDomain", 12064, "Could not retrieve license for the app."),
        ("DeviceManagement.error", 2605, "Could not retrieve license."),
    ),
)
ALREADY_PROMPTING = InstallRefusal(None, (("DeviceManagement.error", 1407, "The user is already being prompted."),))


@dataclass(frozen=True)
class AppStore:
    """Knows the apps of the store and how their installation ends.

    `bundle_ids` adds to the store numbers known here; any other number gets the identifier `store.app.<number>`.
    `rejection_reasons` maps a bundle identifier to the RejectionReason of its installation. The apps in `failing_apps` are
    accepted, and their installation then fails. An installation takes `install_seconds`. `refusals` are full answers to
    InstallApplication, by bundle identifier. `reported_statuses` maps a bundle identifier to the Status that
    ManagedApplicationList reports instead of the true one, such as a prompt that nobody answers or that a child declines.
    """

    bundle_ids: Mapping[int, str] = field(default_factory=dict)
    rejection_reasons: Mapping[str, str] = field(default_factory=dict)
    refusals: Mapping[str, InstallRefusal] = field(default_factory=dict)
    reported_statuses: Mapping[str, str] = field(default_factory=dict)
    failing_apps: frozenset[str] = frozenset()
    install_seconds: float = 3.0

    def get_bundle_id(self, store_id: int) -> str:
        """Return the bundle identifier of a store number."""
        return self.bundle_ids.get(store_id) or _KNOWN.get(store_id) or f"store.app.{store_id}"
