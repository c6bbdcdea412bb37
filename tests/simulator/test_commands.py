"""Every command has a plausible result and changes the tablet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from simulator import AppStore, Hardware, SimulatedTablet
from simulator.commands import COMMANDS
from simulator.conversation import ConversationEnding
from tests.simulator.conftest import SimulatorRig
from tests.simulator.reference import RecordedTablet, build_payload, build_profile

Ask = Callable[..., Awaitable[dict[str, Any]]]
CURRENT = Hardware.from_seed("current").__class__(
    "SERIAL0001", "00008101-000000000000CAFE", "iPad13,19", "iPad", "MQ6J3NF/A", "26.1", "23B85", 64.0, "a", "b", cellular=True
)


def run_with_tablet(
    rig: SimulatorRig, story: Callable[[SimulatedTablet, Ask, RecordedTablet], Awaitable[None]], **options: Any
) -> None:
    async def run() -> None:
        async with rig.create_tablet(**options) as tablet:
            await tablet.enrol()
            recorded = rig.server.tablets[tablet.udid]

            async def ask(request_type: str, **arguments: Any) -> dict[str, Any]:
                rig.server.enqueue(tablet.udid, request_type, **arguments)
                await tablet.poll()
                return recorded.results[-1]

            await story(tablet, ask, recorded)

    asyncio.run(run())


def test_lost_mode_and_position(rig: SimulatorRig) -> None:
    async def story(tablet: SimulatedTablet, ask: Ask, _recorded: RecordedTablet) -> None:
        assert (await ask("DeviceLocation"))["Status"] == "Error"
        assert (await ask("PlayLostModeSound"))["Status"] == "Error"
        assert (await ask("DisableLostMode"))["Status"] == "Error"
        assert (await ask("EnableLostMode", Footnote="x"))["Status"] == "CommandFormatError"
        assert (await ask("EnableLostMode", Message="Perdue", PhoneNumber="01"))["Status"] == "Acknowledged"
        assert tablet.lost_mode is not None
        assert tablet.lost_mode.message == "Perdue"
        assert (await ask("DeviceLock", Message="x"))["MessageResult"] == "DeviceInLostMode"
        assert (await ask("DeviceInformation", Queries=["IsMDMLostModeEnabled"]))["QueryResponses"] == {
            "IsMDMLostModeEnabled": True
        }
        assert (await ask("DeviceLocation"))["Latitude"] == pytest.approx(48.8566)
        assert (await ask("DisableLostMode"))["Status"] == "Acknowledged"
        assert tablet.lost_mode is None

    run_with_tablet(rig, story)


def test_profiles_are_installed_and_removed(rig: SimulatorRig) -> None:
    async def story(tablet: SimulatedTablet, ask: Ask, _recorded: RecordedTablet) -> None:
        first = build_payload(
            "com.apple.applicationaccess", "floor.a", allowCamera=False, forceX=True, ratingApps=300, blockedAppBundleIDs=["a"]
        )
        second = build_payload(
            "com.apple.applicationaccess", "floor.b", allowCamera=True, ratingApps=100, blockedAppBundleIDs=["b"]
        )
        assert (await ask("InstallProfile", Payload=rig.server.sign_profile(build_profile("floor", first))))[
            "Status"
        ] == "Acknowledged"
        await ask("InstallProfile", Payload=build_profile("other", second))
        listed = (await ask("ProfileList", ManagedOnly=True))["ProfileList"]
        assert {one["PayloadIdentifier"] for one in listed} == {"ref.enrolment", "floor", "other"}
        assert [one["PayloadUUID"] for one in listed if one["PayloadIdentifier"] == "floor"] == [tablet.profiles["floor"].uuid]
        values = (await ask("Restrictions", ProfileRestrictions=True))["GlobalRestrictions"]
        assert values["restrictedBool"] == {"allowCamera": {"value": False}, "forceX": {"value": True}}
        assert values["restrictedValue"] == {"ratingApps": {"value": 100}}
        assert values["union"] == {"blockedAppBundleIDs": {"values": ["a", "b"]}}
        assert (await ask("InstallProfile", Payload=b"<plist>"))["ErrorChain"][0]["ErrorCode"] == 4001
        assert (await ask("RemoveProfile", Identifier="floor"))["Status"] == "Acknowledged"
        assert (await ask("RemoveProfile", Identifier="floor"))["Status"] == "Error"
        assert set(tablet.profiles) == {"ref.enrolment", "other"}

    run_with_tablet(rig, story)


def test_an_app_is_installed_after_some_time(rig: SimulatorRig) -> None:
    store = AppStore(
        {99: "fr.known"},
        rejection_reasons={"fr.no": "AppStoreDisabled"},
        failing_apps=frozenset({"fr.broken"}),
        install_seconds=3600,
    )

    async def story(tablet: SimulatedTablet, ask: Ask, _recorded: RecordedTablet) -> None:
        answer = await ask("InstallApplication", iTunesStoreID=99, Configuration={"a": 1}, ManagementFlags=1)
        assert (answer["Identifier"], answer["State"]) == ("fr.known", "Installing")
        assert (await ask("ManagedApplicationList"))["ManagedApplicationList"]["fr.known"]["Status"] == "Installing"
        tablet.device.apps["fr.known"].installed_at = None
        assert (await ask("ManagedApplicationList"))["ManagedApplicationList"]["fr.known"]["Status"] == "Managed"
        assert (await ask("InstallApplication", ManifestURL=f"{rig.url}/manifest"))["Identifier"] == "fr.ville.app"
        assert (await ask("InstallApplication", Identifier="fr.no"))["RejectionReason"] == "AppStoreDisabled"
        assert (await ask("InstallApplication", Identifier="a.b", iTunesStoreID=1))["Status"] == "CommandFormatError"
        await ask("InstallApplication", Identifier="fr.broken")
        tablet.device.apps["fr.broken"].installed_at = None
        assert (await ask("ManagedApplicationList"))["ManagedApplicationList"]["fr.broken"]["Status"] == "Failed"
        listed = (await ask("InstalledApplicationList", Items=["Installing"]))["InstalledApplicationList"]
        assert listed == [{"Identifier": "fr.known", "Installing": False}, {"Identifier": "fr.ville.app", "Installing": True}]
        configured = await ask("ManagedApplicationConfiguration", Identifiers=["fr.known"])
        assert configured["ApplicationConfigurations"] == [{"Identifier": "fr.known", "Configuration": {"a": 1}}]
        assert (await ask("RemoveApplication", Identifier="fr.known"))["Status"] == "Acknowledged"
        assert (await ask("RemoveApplication", Identifier="fr.known"))["Status"] == "Error"
        assert set(tablet.apps) == {"fr.ville.app"}

    run_with_tablet(rig, story, store=store)


def test_each_item_of_settings_has_its_own_status(rig: SimulatorRig) -> None:
    async def story(tablet: SimulatedTablet, ask: Ask, _recorded: RecordedTablet) -> None:
        items = [
            {"Item": "DeviceName", "DeviceName": "CE2-07"},
            {"Item": "TimeZone"},
            {"Item": "Nonsense"},
            {"Item": "SharedDeviceConfiguration"},
            {"Item": "OrganizationInfo", "OrganizationInfo": {"OrganizationName": "Ville"}},
            {"Item": "ApplicationConfiguration", "Identifier": "not.there"},
        ]
        rows = (await ask("Settings", Settings=items))["Settings"]
        expected = ["Acknowledged", "CommandFormatError", "Error", "Error", "Acknowledged", "Error"]
        assert [row["Status"] for row in rows] == expected
        assert tablet.device.name == "CE2-07"
        values = (await ask("DeviceInformation", Queries=["OrganizationInfo"]))["QueryResponses"]
        assert values == {"OrganizationInfo": {"OrganizationName": "Ville"}}

    run_with_tablet(rig, story)


def test_erase_restart_and_shut_down(rig: SimulatorRig) -> None:
    async def story(tablet: SimulatedTablet, ask: Ask, recorded: RecordedTablet) -> None:
        await ask("RestartDevice")
        assert not tablet.device.unlocked
        rig.server.enqueue(tablet.udid, "SecurityInfo")
        assert (await tablet.poll()).ending is ConversationEnding.NOT_NOW
        tablet.unlock()
        await tablet.poll()
        assert recorded.get_last("Status") == "Acknowledged"
        service = {"Enabled": True, "MDMProfileData": rig.server.build_enrolment_profile()}
        await ask("EraseDevice", ReturnToService=service)
        assert recorded.message_types == ["Authenticate", "TokenUpdate"] * 2
        assert tablet.is_enrolled
        await ask("ShutDownDevice")
        assert not tablet.is_online
        tablet.device.powered = True
        await ask("EraseDevice")
        assert tablet.is_erased
        assert not tablet.is_enrolled

    run_with_tablet(rig, story)


def test_declarations_are_fetched_once(rig: SimulatorRig) -> None:
    async def story(tablet: SimulatedTablet, ask: Ask, recorded: RecordedTablet) -> None:
        await ask("DeclarativeManagement")
        fetched = ["tokens", "declaration-items", "declaration/configuration/c1", "status"]
        assert [one["Endpoint"] for one in recorded.check_ins[2:]] == fetched
        assert json.loads(recorded.check_ins[-1]["Data"])["FullReport"] is True
        tokens = {"SyncTokens": {"Timestamp": "2026-11-23T08:00:00Z", "DeclarationsToken": "all-1"}}
        await ask("DeclarativeManagement", Data=json.dumps(tokens).encode())
        assert len(recorded.check_ins) == 6

    run_with_tablet(rig, story)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "ClearPasscode": {"UnlockToken": b"wrong"},
    "DeviceInformation": {"Queries": ["UDID"]},
    "EnableLostMode": {"Message": "x"},
    "InstallApplication": {"Identifier": "a.b"},
    "InstallMedia": {"MediaType": "Book", "PersistentID": "b"},
    "InstallProfile": {"Payload": build_profile("p")},
    "InstallProvisioningProfile": {"ProvisioningProfile": b"x"},
    "InviteToProgram": {"ProgramID": "com.apple.cloudvpp", "InvitationURL": "https://x.test"},
    "ManagedApplicationAttributes": {"Identifiers": []},
    "ManagedApplicationConfiguration": {"Identifiers": []},
    "ManagedApplicationFeedback": {"Identifiers": []},
    "RefreshCellularPlans": {"eSIMServerURL": "https://x.test"},
    "RemoveApplication": {"Identifier": "a.b"},
    "RemoveMedia": {"MediaType": "Book", "PersistentID": "b"},
    "RemoveProfile": {"Identifier": "p"},
    "RemoveProvisioningProfile": {"UUID": "u"},
    "ScheduleOSUpdate": {"Updates": []},
    "Settings": {"Settings": []},
    "ApplyRedemptionCode": {"Identifier": "a.b", "RedemptionCode": "c"},
}
LEAVING = {"EraseDevice", "RestartDevice", "ShutDownDevice"}
ERRORS = {
    *(
        "ClearPasscode",
        "DeviceConfigured",
        "DeviceLocation",
        "PlayLostModeSound",
        "RemoveProvisioningProfile",
        "ApplyRedemptionCode",
    ),
    *("UserList", "LogOutUser", "DeleteUser", "UserConfigured", "TriggerEnhancedLogCollection", "CancelEnhancedLogCollection"),
}


def test_every_command_has_a_result(rig: SimulatorRig) -> None:
    order = ["EnableLostMode", "DisableLostMode", "InstallMedia", "RemoveMedia", "InstallProfile", "RemoveProfile"]
    names = order + sorted(COMMANDS.keys() - LEAVING - set(order)) + ["RequestUnlockToken"]

    async def story(tablet: SimulatedTablet, ask: Ask, recorded: RecordedTablet) -> None:
        for name in names:
            rig.server.enqueue(tablet.udid, name, **ARGUMENTS.get(name, {}))
        log = await tablet.poll()
        assert (log.ending, log.anomalies) == (ConversationEnding.DONE, [])
        assert {name for name, status in log.answered_commands if status == "Error"} == ERRORS | {"RequestUnlockToken"}
        assert all(status in {"Error", "Acknowledged"} for _, status in log.answered_commands)
        assert recorded.get_last("ErrorChain")[0]["ErrorCode"] == 12021

    run_with_tablet(rig, story, hardware=CURRENT)


def test_access_rights_and_supervision_limit_commands(rig: SimulatorRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.server, "rights", 16)

    async def story(tablet: SimulatedTablet, ask: Ask, _recorded: RecordedTablet) -> None:
        assert (await ask("ProfileList"))["Status"] == "Error"
        assert (await ask("DeviceInformation", Queries=["WiFiMAC", "OSVersion"]))["QueryResponses"].keys() == {"OSVersion"}
        tablet.device.supervised = False
        assert (await ask("EnableLostMode", Message="x"))["Status"] == "Error"

    run_with_tablet(rig, story)
