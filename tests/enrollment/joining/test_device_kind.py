"""What enrolls is what it says it is: only an iPad with a recent system becomes a tablet, and everybody is told why not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine, select
from structlog.testing import capture_logs

from cartable.scope import SYSTEM, Role
from enrollment.joining.device_kind import DeviceDescription, DeviceProblem, find_device_problem
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.tablets.models import Tablet
from mdm.channel.models import ChannelNote
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.checkin import Authenticate, parse_checkin
from simulator import SimulatedTablet
from simulator.errors import ScepFailed, UnexpectedResponse
from simulator.hardware import Hardware
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

#: It goes over the wire, and its SQL is in repositories. In what two meet, both databases count.
pytestmark = pytest.mark.one_database

IPAD = Hardware.from_seed("device kind")
OTHER_DEVICES = {
    "a Mac": replace(IPAD, product_name="Mac16,10", model_name="MacBook Pro", os_version="15.4", build="24E263"),
    "an iPhone": replace(IPAD, product_name="iPhone14,5", model_name="iPhone", os_version="18.1", build="22B83"),
    "an Apple TV": replace(IPAD, product_name="AppleTV14,1", model_name="Apple TV", os_version="18.1", build="22J580"),
    "an iPad of iPadOS 9": replace(IPAD, product_name="iPad2,1", os_version="9.3.5", build="13G36"),
}


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


def _create_invitation(server: LiveServer, uses: int = 5) -> tuple[UUID, str]:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
        return town_id, create_invitations(work, SYSTEM, InvitationSpec(InvitationKind.STOCK, town_id, max_uses=uses))[0].code


def _open_landing_page(server: LiveServer, code: str) -> httpx.Response:
    trust = ssl.create_default_context(cafile=str(server.ca))
    return httpx.get(f"{server.url}/join/{code}", verify=trust, headers={"Accept-Language": "en"})


def _list_invitations(server: LiveServer, town_id: UUID) -> list[dict[str, Any]]:
    with closing(server.sign_in(town_id, Role.TOWN_ADMIN, "admin")) as client:
        return list(client.get("/invitations").raise_for_status().json()["items"])


async def _enroll(server: LiveServer, code: str, hardware: Hardware, profile: bytes | None = None) -> None:
    async with SimulatedTablet(server.url, code, ca=server.ca, hardware=hardware) as tablet:
        await tablet.enrol(profile)
        await asyncio.to_thread(server.run_worker)


@pytest.mark.parametrize("name", OTHER_DEVICES)
def test_a_device_that_is_no_recent_ipad_is_refused_and_people_are_told_why(server: LiveServer, name: str) -> None:
    hardware = OTHER_DEVICES[name]
    town_id, code = _create_invitation(server)
    with pytest.raises(UnexpectedResponse) as refusal:
        asyncio.run(_enroll(server, code, hardware))
    assert refusal.value.status == 403
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(Tablet)).all() == []
        assert work.session.scalars(select(DeviceEnrollment)).all() == []
        [note] = work.session.scalars(select(ChannelNote).where(ChannelNote.kind == "not_invited"))
        reason = "system_too_old" if name.endswith("9") else "not_an_ipad"
        assert note.details["detail"] == reason
    page = _open_landing_page(server, code)
    assert page.status_code == 200, "another tablet may use the invitation"
    assert hardware.product_name in page.text
    [invitation] = _list_invitations(server, town_id)
    assert (invitation["uses"], invitation["last_refusal"]["reason"]) == (0, reason)
    assert hardware.product_name in invitation["last_refusal"]["device"]


def test_an_ipad_enrolls_with_the_invitation_after_another_device_was_refused(server: LiveServer) -> None:
    _, code = _create_invitation(server, uses=1)
    with pytest.raises(UnexpectedResponse):
        asyncio.run(_enroll(server, code, OTHER_DEVICES["an iPhone"]))
    asyncio.run(_enroll(server, code, Hardware.from_seed("the tablet itself")))
    with server.runtime.open_unit_of_work() as work:
        assert len(work.session.scalars(select(Tablet)).all()) == 1


@pytest.mark.parametrize("name", OTHER_DEVICES)
def test_an_operator_may_let_other_devices_enroll_and_they_are_marked_in_words(engine: Engine, tmp_path: Path, name: str) -> None:
    with start_live_server(engine, KEYRING, tmp_path / "data", allow_other_devices=True) as server:
        town_id, code = _create_invitation(server)
        asyncio.run(_enroll(server, code, OTHER_DEVICES[name]))
        with server.runtime.open_unit_of_work() as work:
            tablet_id = work.session.scalars(select(Tablet.id)).one()
        with closing(server.sign_in(town_id, Role.TOWN_ADMIN, "admin")) as client:
            problem = client.get(f"/tablets/{tablet_id}").json()["device_problem"]
            assert problem == ("system_too_old" if name.endswith("9") else "not_an_ipad")
            page = client.post(f"{server.url}/sign-in", data={"login": "admin", "password": "a password for tests only"})
            assert page.status_code in (200, 303)
            text = client.get(f"{server.url}/tablets/{tablet_id}", headers={"Accept-Language": "en"}).text
            assert OTHER_DEVICES[name].product_name in text
            assert "no iPad" in text or "too old" in text


def test_a_second_tablet_with_the_same_downloaded_profile_is_told_why(server: LiveServer) -> None:
    town_id, code = _create_invitation(server)
    trust = ssl.create_default_context(cafile=str(server.ca))
    profile = httpx.get(f"{server.url}/join/{code}/profile", verify=trust).content
    asyncio.run(_enroll(server, code, IPAD, profile))
    assert "another tablet" not in _open_landing_page(server, code).text
    with capture_logs() as logs, pytest.raises(ScepFailed):
        asyncio.run(_enroll(server, code, Hardware.from_seed("second tablet"), profile))
    [entry] = [entry for entry in logs if entry["event"] == "challenge.refused"]
    assert entry["reason"] == "used_by_another_key"
    assert entry["invitation"]
    assert "already installed on another tablet" in _open_landing_page(server, code).text
    assert _list_invitations(server, town_id)[0]["last_refusal"]["reason"] == "profile_used_by_another_device"
    asyncio.run(_enroll(server, code, Hardware.from_seed("second tablet")))
    with server.runtime.open_unit_of_work() as work:
        assert len(work.session.scalars(select(Tablet)).all()) == 2


def test_the_page_of_a_used_up_invitation_also_tells_of_the_second_tablet(server: LiveServer) -> None:
    _, code = _create_invitation(server, uses=1)
    trust = ssl.create_default_context(cafile=str(server.ca))
    profile = httpx.get(f"{server.url}/join/{code}/profile", verify=trust).content
    asyncio.run(_enroll(server, code, IPAD, profile))
    with pytest.raises(ScepFailed):
        asyncio.run(_enroll(server, code, Hardware.from_seed("second tablet"), profile))
    page = _open_landing_page(server, code)
    assert page.status_code == 409
    assert "already installed on another tablet" in page.text


@pytest.mark.parametrize("udid", [IPAD.udid.lower(), IPAD.udid.upper()])
@pytest.mark.parametrize("serial", [IPAD.serial.lower(), f" {IPAD.serial} "])
def test_serial_and_udid_in_another_spelling_are_the_same_tablet(server: LiveServer, serial: str, udid: str) -> None:
    _, code = _create_invitation(server)
    asyncio.run(_enroll(server, code, IPAD))
    asyncio.run(_enroll(server, code, replace(IPAD, serial=serial, udid=udid)))
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(Tablet.serial)).all() == [IPAD.serial]
        assert work.session.scalars(select(DeviceEnrollment.generation)).all() == [2]


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        (DeviceDescription(), None),
        (DeviceDescription(product_name=""), None),
        (DeviceDescription("iPad13,18", os_version="26.1"), None),
        (DeviceDescription("ipad13,18", os_version="15.0"), None),
        (DeviceDescription(" iPad13,18 ", os_version="15"), None),
        (DeviceDescription("iPad"), None),
        (DeviceDescription("Apple iPad Pro", os_version="garbage"), None),
        (DeviceDescription("Simulated iPad"), None),
        (DeviceDescription(model_name="iPad", model="MPQ03"), None),
        (DeviceDescription(build_version="19A346"), None),
        (DeviceDescription("iPad13,18", os_version="", build_version="23B85"), None),
        (DeviceDescription("iPad2,1", os_version="9.3.5"), DeviceProblem.SYSTEM_TOO_OLD),
        (DeviceDescription("iPad2,1", os_version="iOS 9.3.5"), DeviceProblem.SYSTEM_TOO_OLD),
        (DeviceDescription("iPad2,1", build_version="13G36"), DeviceProblem.SYSTEM_TOO_OLD),
        (DeviceDescription(os_version="14.8.1"), DeviceProblem.SYSTEM_TOO_OLD),
        *((DeviceDescription(name), DeviceProblem.NOT_AN_IPAD) for name in (
            "MacBookPro18,1", "Mac14,2", "iMac21,1", "Macmini9,1", "VirtualMac2,1", "Mac OS X", "iPhone14,5", "IPHONE", "iPod9,1",
            "AppleTV14,1", "Apple TV", "Watch6,1", "RealityDevice14,1", "AudioAccessory5,1",
        )),
        (DeviceDescription(model_name="MacBook Pro"), DeviceProblem.NOT_AN_IPAD),
        (DeviceDescription(model="MacBookPro18,1"), DeviceProblem.NOT_AN_IPAD),
        (DeviceDescription("Toaster1,1"), DeviceProblem.UNKNOWN_DEVICE),
    ],
)  # fmt: skip
def test_a_device_is_judged_by_what_it_says_and_not_by_what_is_missing(
    device: DeviceDescription, problem: DeviceProblem | None
) -> None:
    assert find_device_problem(device) is problem


def test_known_keys_of_authenticate_are_not_noted_as_unknown() -> None:
    message = {
        "MessageType": "Authenticate", "UDID": "u", "Topic": "t", "Model": "MPQ03", "ModelName": "iPad", "NotOnConsole": "false",
        "IMEI": "35 145120 840121 4", "MEID": "35145120840121", "FutureKey": 1,
    }  # fmt: skip
    parsed = parse_checkin(message)
    assert isinstance(parsed, Authenticate)
    assert (parsed.model, set(parsed.unknown_keys)) == ("MPQ03", {"FutureKey"})
