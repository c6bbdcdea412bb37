"""Behaviours of tablets that refuse commands, cannot apply declarations, or report them otherwise than expected."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import Any, ClassVar

from simulator.behaviour_base import Behaviour
from simulator.commands.base import ErrorCode, build_error
from simulator.declarative_habits import DeclarationRows


class RefusesCommands(Behaviour):
    """Refuses the first `argument` commands of one request type with an error; 0 refuses all of them."""

    request_type: ClassVar[str]
    error_chain: ClassVar[tuple[dict[str, Any], ...]]

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 1 if argument is None else int(argument) or math.inf

    def refuse_command(self, arguments: dict[str, Any]) -> list[dict[str, Any]] | None:
        if arguments.get("RequestType") != self.request_type or self.remaining <= 0 or not self.concerns(arguments):
            return None
        self.remaining -= 1
        return list(self.error_chain)

    def concerns(self, arguments: dict[str, Any]) -> bool:
        """Return whether these arguments are among those that it refuses."""
        return True


class RefusesProfiles(RefusesCommands):
    """Cannot install configuration profiles for a moment; updates of the MDM profile go through."""

    name = "refuses_profiles"
    request_type = "InstallProfile"
    error_chain = (
        build_error(ErrorCode.INSTALLATION_FAILED, "Profile Installation Failed", "MCInstallationErrorDomain"),
        build_error(4010, "not now", "MCProfileErrorDomain"),
    )

    def concerns(self, arguments: dict[str, Any]) -> bool:
        return b"com.apple.mdm" not in arguments.get("Payload", b"")


class RefusesRemoval(RefusesCommands):
    """Cannot remove configuration profiles for a moment."""

    name = "refuses_removal"
    request_type = "RemoveProfile"
    error_chain = (build_error(ErrorCode.WRONG_STATE, "The profile is in use."),)


class RefusesLostMode(RefusesCommands):
    """Does not enter lost mode."""

    name = "refuses_lost_mode"
    request_type = "EnableLostMode"
    error_chain = (build_error(ErrorCode.UNKNOWN_COMMAND, "EnableLostMode is not a valid request type."),)


class RefusesApps(RefusesCommands):
    """Refuses to install apps, for another reason each time: no licence, a prompt that waits, gone from the store, no room."""

    name = "refuses_apps"
    request_type = "InstallApplication"
    error_chain = (
        build_error(12064, "Could not retrieve license for the app.", "MDMErrorDomain"),
        build_error(2605, "Could not retrieve license.", "DeviceManagement.error"),
    )
    #: The reasons after the first.
    other_chains: ClassVar[tuple[tuple[dict[str, Any], ...], ...]] = (
        (build_error(1407, "The user is already being prompted.", "DeviceManagement.error"),),
        (build_error(12023, "The app could not be validated.", "MCMDMErrorDomain"),),
        (
            build_error(12024, "The app could not be installed.", "MCMDMErrorDomain"),
            build_error(28, "No space left on device", "NSPOSIXErrorDomain"),
        ),
    )

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.chains = itertools.cycle((self.error_chain, *self.other_chains))

    def refuse_command(self, arguments: dict[str, Any]) -> list[dict[str, Any]] | None:
        return list(next(self.chains)) if super().refuse_command(arguments) is not None else None


class ReportsProgressFirst(Behaviour):
    """Reports what it applies as active and of unknown validity, in its first `argument` reports on declarations; 0: in all of them."""

    name = "in_progress"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 1 if argument is None else int(argument) or math.inf

    def alter_rows(self, rows: DeclarationRows) -> DeclarationRows:
        if self.remaining <= 0 or not rows["configurations"]:
            return rows
        self.remaining -= 1
        unknown = [{**row, "valid": "unknown"} if row["active"] else row for row in rows["configurations"]]
        return {**rows, "configurations": unknown}


class CannotApply(Behaviour):
    """Cannot apply declared profiles, the first `argument` times; 0: never. Writes the keys of its reasons in capitals, as some systems do."""

    name = "invalid"

    def __init__(self, argument: float | None = None) -> None:
        super().__init__(argument)
        self.remaining = 1 if argument is None else int(argument) or math.inf

    def refuse_configuration(self, document: dict[str, Any]) -> dict[str, Any] | None:
        if self.remaining <= 0 or document["Type"] != "com.apple.configuration.legacy":
            return None
        self.remaining -= 1
        details = {"Identifier": document["Identifier"]}
        return {"Code": "Error.ConfigurationCannotBeApplied", "Description": "cannot be applied", "Details": details}


class PartialReports(Behaviour):
    """Sends each kind of declarations in a report of its own, none of them full."""

    name = "partial_reports"

    def split_report(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        management = body["StatusItems"].get("management", {})
        rows = management.get("declarations", {})
        rest = {**management}
        rest.pop("declarations", None)
        first = {**body, "StatusItems": {**body["StatusItems"], "management": rest}, "FullReport": False}
        return [first] + [{"StatusItems": {"management": {"declarations": {kind: rows[kind]}}}, "Errors": []} for kind in rows]


class LateFetches(Behaviour):
    """Waits `argument` seconds between the manifest and the declarations that it names."""

    name = "late_fetches"

    async def wait_before_fetches(self) -> None:
        await asyncio.sleep(1 if self.argument is None else self.argument)
