"""The state of one tablet: enrollment, profiles, apps, settings. No network; `commands` changes it as commands ask."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from simulator.clock import TabletClock
from simulator.errors import InvalidProfile
from simulator.hardware import OFFERED_SYSTEMS, Hardware
from simulator.identity import Identity
from simulator.profile import ConfigurationProfile, MdmSettings
from simulator.store import AppStore


class SimulatedAppState(StrEnum):
    """The values of a managed app's Status that a simulated tablet reports."""

    INSTALLING = "Installing"
    MANAGED = "Managed"
    UNINSTALLED = "ManagedButUninstalled"
    FAILED = "Failed"


class DeferredAction(StrEnum):
    """What a tablet does after it has sent a command result."""

    ERASE = "erase"
    RESTART = "restart"
    SHUT_DOWN = "shut down"
    LEAVE = "leave management"
    NEW_IDENTITY = "use the new identity"
    DECLARATIONS = "synchronise declarations"


@dataclass
class SimulatedApp:
    """One app. `installed_at` is when its installation ends, by the tablet's clock."""

    identifier: str
    version: str = "1.0"
    managed: bool = True
    installed_at: datetime | None = None
    will_fail: bool = False
    removed_by_user: bool = False
    #: Whether a declaration requires it: the system lets nobody remove it.
    is_required: bool = False
    management_flags: int = 0
    configuration: dict[str, Any] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)

    def get_state(self, now: datetime) -> SimulatedAppState:
        """Return the state of the installation at an instant."""
        if self.removed_by_user:
            return SimulatedAppState.UNINSTALLED
        if self.installed_at is not None and now < self.installed_at:
            return SimulatedAppState.INSTALLING
        return SimulatedAppState.FAILED if self.will_fail else SimulatedAppState.MANAGED


@dataclass
class LostMode:
    """The texts on the screen of a tablet in lost mode, and whether its sound plays."""

    message: str = ""
    phone_number: str = ""
    footnote: str = ""
    sounding: bool = False


@dataclass
class InstalledProfile:
    """A profile on the tablet. `managed` is false for one that a person installed.

    While `held_by_declaration` is true, commands cannot change or remove it. From `installed_at` a profile counts the time
    after which it removes itself.
    """

    profile: ConfigurationProfile
    managed: bool = True
    held_by_declaration: bool = False
    installed_at: datetime | None = None


@dataclass
class MdmEnrollment:
    """The MDM enrollment: the MDM profile, its settings, and the identity obtained with it.

    `next_identity` and `next_profile` are those of an update of the MDM profile, until the tablet uses them.
    """

    mdm_settings: MdmSettings
    identity: Identity
    profile: ConfigurationProfile
    next_identity: Identity | None = None
    next_profile: ConfigurationProfile | None = None
    unlock_token_sent: bool = False

    @property
    def roots(self) -> frozenset[bytes]:
        return self.profile.roots


@dataclass
class DeviceState:
    """The state of one tablet. `reset_to_factory` resets everything that an erase deletes."""

    hardware: Hardware
    clock: TabletClock = field(default_factory=TabletClock)
    store: AppStore = field(default_factory=AppStore)
    supervised: bool = True
    opens_signed_profiles: bool = True
    """False for clients that read plain property lists only."""
    name: str = "iPad"
    has_passcode: bool = True
    unlocked: bool = True
    powered: bool = True
    erased: bool = False
    enrollment: MdmEnrollment | None = None
    lost_mode: LostMode | None = None
    awaiting_configuration: bool = False
    position: tuple[float, float] = (48.8566, 2.3522)
    battery: float = 0.8
    push_token: bytes = b""
    push_magic: str = ""
    unlock_token: bytes = b""
    bypass_code: str | None = None
    profiles: dict[str, InstalledProfile] = field(default_factory=dict)
    apps: dict[str, SimulatedApp] = field(default_factory=dict)
    books: dict[str, dict[str, Any]] = field(default_factory=dict)
    provisioning_profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    declarations: dict[str, Any] = field(default_factory=dict)
    networks_in_range: frozenset[str] = frozenset()
    """Wi-Fi networks around the tablet, of those that profiles name. It also has one that no profile names."""
    working_proxies: frozenset[str] = frozenset()
    wifi: str | None = None
    """The Wi-Fi network that it is on; None for one without a name that rules know."""
    dns_switched_off: bool = False
    """A person has switched encrypted DNS off in Settings; without effect where rules prohibit it."""
    odd_status_items: dict[str, Any] = field(default_factory=dict)
    """Status items that are reported beside or instead of the true ones, whatever is subscribed."""
    offered_systems: dict[str, str] = field(default_factory=lambda: dict(OFFERED_SYSTEMS))
    """The versions of the system that the maker offers for it, with their builds."""
    return_to_service: bytes | None = None
    deferred_actions: list[DeferredAction] = field(default_factory=list)

    def reset_to_factory(self) -> None:
        """Erase the tablet. Supervision stays, because a tablet of an organisation keeps it."""
        self.name, self.has_passcode, self.unlocked, self.erased = "iPad", False, True, True
        self.lost_mode, self.bypass_code = None, None
        for contents in (self.books, self.provisioning_profiles, self.settings, self.apps, self.profiles):
            contents.clear()
        self.remove_mdm_profile()

    def remove_mdm_profile(self) -> None:
        """Remove the MDM profile and everything that management installed, as an iPad does when it leaves management."""
        self.enrollment = None
        self.awaiting_configuration = False
        self.push_token, self.push_magic, self.unlock_token = b"", "", b""
        self.profiles = {key: installed for key, installed in self.profiles.items() if not installed.managed}
        self.apps = {key: app for key, app in self.apps.items() if not app.managed or not app.management_flags & 1}
        self.declarations.clear()
        self.deferred_actions.clear()

    def check_readable(self, profile: ConfigurationProfile) -> None:
        """Raise `InvalidProfile` for a signed profile on a client that cannot open CMS."""
        if profile.signers and not self.opens_signed_profiles:
            raise InvalidProfile("the profile is signed, and this client reads plain property lists only")

    def renew_push_address(self) -> None:
        """Make a new push token and push magic, and the secrets that a tablet sends at enrollment."""
        self.push_token = os.urandom(32)
        self.push_magic = os.urandom(16).hex().upper()
        self.unlock_token = os.urandom(64)
        self.bypass_code = os.urandom(13).hex().upper()

    def install_app(self, identifier: str, *, flags: int = 0, version: str = "1.0") -> SimulatedApp:
        """Start the installation of an app, or the update of an installed one."""
        app = self.apps.setdefault(identifier, SimulatedApp(identifier, version))
        app.managed, app.removed_by_user, app.is_required, app.management_flags, app.version = True, False, False, flags, version
        app.installed_at = self.clock.now() + timedelta(seconds=self.store.install_seconds)
        app.will_fail = identifier in self.store.failing_apps
        return app

    def uninstall_app(self, identifier: str) -> None:
        """Delete an app by hand, as a child does. A managed one stays managed, and one that a declaration requires stays."""
        app = self.apps[identifier]
        if app.is_required:
            return
        if app.managed:
            app.removed_by_user = True
        else:
            del self.apps[identifier]

    def restart(self) -> None:
        """Boot: a tablet with a passcode is locked until somebody enters it."""
        self.powered = True
        self.unlocked = not self.has_passcode

    @property
    def installed_payloads(self) -> list[dict[str, Any]]:
        """All payloads of all installed profiles."""
        return [payload for installed in self.profiles.values() for payload in installed.profile.payloads]

    @property
    def dns_settings(self) -> list[dict[str, Any]]:
        """The encrypted DNS settings in force: those of profiles, and those of active declarations."""
        installed = [each for each in self.installed_payloads if each["PayloadType"] == "com.apple.dnsSettings.managed"]
        return [*installed, *(each["dns"] for each in self.declarations.get("applied", {}).values() if "dns" in each)]
