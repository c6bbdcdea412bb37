"""A tablet joins, leaves, renews, is erased: against the reference server over HTTPS."""

from __future__ import annotations

import asyncio
import plistlib
from datetime import timedelta

import pytest
from starlette.responses import Response

from simulator import MessageFormat, SignatureShape
from simulator.behaviours import WrongClock
from simulator.conversation import ConversationEnding
from simulator.errors import Disconnected, InvalidProfile, ScepFailed, UnexpectedResponse
from tests.simulator.conftest import SimulatorRig
from tests.simulator.reference import TOPIC, build_profile


def test_a_tablet_enrols_by_its_invitation(rig: SimulatorRig) -> None:
    async def story() -> None:
        async with rig.create_tablet() as tablet:
            assert "profil" in await tablet.open_invitation()
            await tablet.enrol()
            recorded = rig.server.tablets[tablet.udid]
            assert recorded.message_types == ["Authenticate", "TokenUpdate"]
            assert recorded.check_ins[0]["SerialNumber"] == tablet.serial
            assert recorded.check_ins[1]["Token"] == tablet.device.push_token
            assert len(recorded.check_ins[1]["UnlockToken"]) > 16
            assert recorded.check_ins[1]["Topic"] == TOPIC
            assert set(recorded.fingerprints) == {tablet.identity.fingerprint}
            assert (await tablet.poll()).ending is ConversationEnding.DONE
            assert tablet.profiles["ref.enrolment"].signers == (rig.server.authority.der,)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("dialect", "cipher", "digest"),
    [
        ("aes", "aes128_cbc", "sha256"),
        ("aes-256", "aes256_cbc", "sha256"),
        ("aes-get", "aes128_cbc", "sha256"),
        ("3des", "tripledes_3key", "sha1"),
        ("des-sha1", "des", "sha1"),
        ("own-signer", "aes128_cbc", "sha256"),
        ("mdmb", "des", "sha1"),
    ],
)
def test_scep_dialects(rig: SimulatorRig, dialect: str, cipher: str, digest: str) -> None:
    async def story() -> None:
        async with rig.create_tablet(dialect=dialect) as tablet:
            await tablet.enrol()

    asyncio.run(story())
    request = rig.server.authority.requests[-1]
    assert (request["type"], request["cipher"], request["digest"]) == ("19", cipher, digest)
    assert request["csr"].subject.rfc4514_string() == "CN=tablet,O=Ville"


@pytest.mark.parametrize("shape", list(SignatureShape))
@pytest.mark.parametrize("binary", [False, True])
def test_every_signature_shape_and_both_plist_formats(rig: SimulatorRig, shape: SignatureShape, binary: bool) -> None:
    async def story() -> None:
        async with rig.create_tablet(message_format=MessageFormat(signature_shape=shape, binary_plists=binary)) as tablet:
            await tablet.enrol()
            rig.server.enqueue(tablet.udid, "DeviceInformation", Queries=["SerialNumber", "Nonsense"])
            await tablet.poll()
            assert rig.server.tablets[tablet.udid].get_last("QueryResponses") == {"SerialNumber": tablet.serial}

    asyncio.run(story())


def test_profiles_that_an_ipad_refuses(rig: SimulatorRig) -> None:
    async def story() -> None:
        async with rig.create_tablet("UNKNOWN") as tablet:
            with pytest.raises(UnexpectedResponse, match="404"):
                await tablet.enrol()
        async with rig.create_tablet(ca=None) as tablet:
            with pytest.raises(Disconnected, match="CERTIFICATE_VERIFY_FAILED"):
                await tablet.enrol()
        async with rig.create_tablet() as tablet:
            for wrong in (b"<html>", build_profile("no.mdm"), plistlib.dumps({"PayloadType": "Configuration"})):
                with pytest.raises(InvalidProfile):
                    await tablet.enrol(wrong)
            with pytest.raises(InvalidProfile, match="push topic"):
                await tablet.enrol(rig.server.build_enrolment_profile(Topic="wrong"))
            tampered = bytearray(rig.server.sign_profile(rig.server.build_enrolment_profile()))
            tampered[tampered.index(b"ref.root")] ^= 1
            with pytest.raises(InvalidProfile, match="signature"):
                await tablet.enrol(bytes(tampered))
            assert not tablet.is_enrolled

    asyncio.run(story())


def test_scep_refusals_and_wrong_clocks(rig: SimulatorRig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with rig.create_tablet() as tablet:
            enrolment = rig.server.build_enrolment_profile()
            rig.server.authority.challenges.clear()
            with pytest.raises(ScepFailed) as caught:
                await tablet.enrol(enrolment)
            assert caught.value.fail_info == 2
        async with rig.create_tablet(behaviour=WrongClock(-600)) as slow_clock:
            await slow_clock.enrol()
            monkeypatch.setattr(rig.server.authority, "backdating", timedelta(0))
            with pytest.raises(ScepFailed, match="clock"):
                await slow_clock.enrol()

    asyncio.run(story())


def test_a_refused_authenticate_leaves_no_enrolment(rig: SimulatorRig) -> None:
    async def story() -> None:
        async with rig.create_tablet() as tablet:
            rig.server.tablets[tablet.udid].next_response = Response(status_code=401)
            with pytest.raises(UnexpectedResponse, match="Authenticate"):
                await tablet.enrol()
            assert not tablet.is_enrolled
            assert tablet.profiles == {}

    asyncio.run(story())


def test_renewal_by_install_profile(rig: SimulatorRig) -> None:
    async def story() -> None:
        async with rig.create_tablet() as tablet:
            await tablet.enrol()
            recorded = rig.server.tablets[tablet.udid]
            before = tablet.identity.fingerprint
            rig.server.enqueue(
                tablet.udid, "InstallProfile", Payload=rig.server.sign_profile(rig.server.build_enrolment_profile())
            )
            rig.server.enqueue(tablet.udid, "SecurityInfo")
            log = await tablet.poll()
            assert log.anomalies == []
            assert log.request_types == ["InstallProfile", "SecurityInfo"]
            assert recorded.message_types == ["Authenticate", "TokenUpdate", "TokenUpdate"]
            assert tablet.identity.fingerprint != before
            assert recorded.fingerprints == [before] * 4 + [tablet.identity.fingerprint] * 2
            moved = rig.server.build_enrolment_profile(ServerURL="https://elsewhere.test/mdm")
            rig.server.enqueue(tablet.udid, "InstallProfile", Payload=moved)
            await tablet.poll()
            assert recorded.get_last("Status") == "Error"
            assert "ServerURL" in recorded.get_last("ErrorChain")[-1]["USEnglishDescription"]

    asyncio.run(story())


def test_renewal_with_the_old_certificate(rig: SimulatorRig) -> None:
    async def story() -> None:
        async with rig.create_tablet(behaviour="renews:1") as tablet:
            await tablet.enrol()
            before = tablet.identity.fingerprint
            await tablet.poll()
            assert rig.server.authority.requests[-1]["type"] == "17"
            assert tablet.identity.fingerprint != before
            assert rig.server.tablets[tablet.udid].fingerprints[-1] == tablet.identity.fingerprint

    asyncio.run(story())


def test_check_out_when_management_is_removed(rig: SimulatorRig) -> None:
    async def story() -> None:
        async with rig.create_tablet() as tablet:
            await tablet.enrol()
            rig.server.enqueue(tablet.udid, "InstallProfile", Payload=build_profile("town.floor"))
            await tablet.poll()
            await tablet.remove_management()
            assert rig.server.tablets[tablet.udid].message_types[-1] == "CheckOut"
            assert tablet.profiles == {}
            await tablet.enrol()
            rig.server.enqueue(tablet.udid, "RemoveProfile", Identifier="ref.enrolment")
            assert (await tablet.poll()).ending is ConversationEnding.LEFT
            assert not tablet.is_enrolled

    asyncio.run(story())


@pytest.mark.parametrize(
    ("reply", "stays"),
    [
        (Response(status_code=401), False),
        (Response('{"code": "com.apple.unrecognized.device"}', 403, media_type="application/json"), False),
        (Response("{}", 403, media_type="application/json"), True),
        (Response(status_code=400), True),
        (Response(status_code=500), True),
        (Response("<html>oops</html>", 200), True),
    ],
)
def test_responses_that_end_the_enrolment(rig: SimulatorRig, reply: Response, stays: bool) -> None:
    async def story() -> None:
        async with rig.create_tablet() as tablet:
            await tablet.enrol()
            rig.server.tablets[tablet.udid].next_response = reply
            log = await tablet.poll()
            assert log.ending is not ConversationEnding.DONE
            assert tablet.is_enrolled is stays

    asyncio.run(story())


def test_erased_by_hand_and_enrolled_again(rig: SimulatorRig) -> None:
    async def story() -> None:
        async with rig.create_tablet(behaviour="re_enrols:1") as tablet:
            await tablet.enrol()
            token = tablet.device.push_token
            await tablet.poll()
            recorded = rig.server.tablets[tablet.udid]
            assert recorded.message_types == ["Authenticate", "TokenUpdate"] * 2
            assert tablet.device.push_token != token
            assert len(set(recorded.fingerprints)) == 2
        async with rig.create_tablet(behaviour="erased:1") as tablet:
            await tablet.enrol()
            await tablet.poll()
            assert tablet.is_erased
            assert rig.server.tablets[tablet.udid].message_types == ["Authenticate", "TokenUpdate"]

    asyncio.run(story())
