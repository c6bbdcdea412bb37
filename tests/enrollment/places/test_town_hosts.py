"""The host name of a town is in everything that its tablets are given; a town without one has the address of the installation."""

from __future__ import annotations

import plistlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from cartable.ids import new_id
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.models import IdentityProtocol
from enrollment.identity.server_names import list_tablet_names
from enrollment.joining import profiles, service
from enrollment.joining.ade.models import AdeServer, ProfileVariant
from enrollment.joining.ade.profiles import build_profiles
from enrollment.joining.models import InvitationKind
from enrollment.joining.targets import InvitationSpec
from enrollment.places.hosts import build_town_url, is_host, normalise_host, read_host
from enrollment.places.models import Town
from enrollment.places.towns import create_town
from tests.support.world import TownFactory

OWN = "https://mdm.test:8443"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Tablets.Ville.Example.", "tablets.ville.example"),
        (" xn--tablettes-9ya.example ", "xn--tablettes-9ya.example"),
        ("a.b2", "a.b2"),
    ],
)
def test_a_host_name_is_stored_in_one_form(text: str, host: str) -> None:
    assert (normalise_host(text), is_host(host)) == (host, True)


@pytest.mark.parametrize(
    "text", ["", "a", "a..b", "-a.example", "a-.example", "a_b.example", "1.2.3.4", "[::1]", "a.example/x", "a b.c"]
)
def test_what_is_no_host_name(text: str) -> None:
    assert not is_host(text)


@pytest.mark.parametrize(
    ("header", "host"),
    [("A.Example:8443", "a.example"), ("a.example.", "a.example"), ("[::1]:8443", "::1"), ("[", ""), ("", "")],
)
def test_the_host_of_a_header(header: str, host: str) -> None:
    assert read_host(header) == host


def test_the_port_is_that_of_the_installation() -> None:
    assert build_town_url(OWN, None) == OWN
    assert build_town_url(OWN, "a.example") == "https://a.example:8443"
    assert build_town_url("https://mdm.test", "a.example") == "https://a.example"


@pytest.fixture
def towns(runtime: Runtime) -> Iterator[tuple[UnitOfWork, list[tuple[Town, str]]]]:
    """Two towns, one with a host name, each with the address that its tablets must be given."""
    with runtime.open_unit_of_work() as work:
        ours = create_town(work, SYSTEM, name="Ici", host="tablets.ici.example")
        yield work, [(ours, "https://tablets.ici.example:8443"), (create_town(work, SYSTEM, name="Ailleurs"), OWN)]


def _read_mdm_payload(profile: bytes) -> dict[str, Any]:
    payload: dict[str, Any]
    [payload] = [each for each in plistlib.loads(profile)["PayloadContent"] if each["PayloadType"] == "com.apple.mdm"]
    return payload


def test_everything_that_a_tablet_keeps_has_the_host_of_its_town(towns: tuple[UnitOfWork, list[tuple[Town, str]]]) -> None:
    work, expected = towns
    for town, url in expected:
        [invitation] = service.create_invitations(work, SYSTEM, InvitationSpec(InvitationKind.STOCK, town.id, max_uses=1))
        assert service.build_join_url(work, invitation) == f"{url}/join/{invitation.code}"
        tablet = TownFactory(work).create_tablet(town)
        first = profiles.build_enrollment_profile(work, invitation, "topic")
        automated = profiles.build_ade_profile(work, tablet.id, "topic", udid="udid", attests=False)
        renewed = profiles.build_renewal_profile(
            work, tablet.id, "topic", udid="udid", protocol=IdentityProtocol.SCEP, valid_for=timedelta(days=1)
        )
        payloads = [_read_mdm_payload(each) for each in (first, automated, renewed)]
        assert {(each["ServerURL"], each["CheckInURL"]) for each in payloads} == {(f"{url}/mdm", f"{url}/mdm/checkin")}
        assert len({each["PayloadUUID"] for each in payloads}) == 1, "a tablet refuses an update with another identifier"
        server = AdeServer(
            id=new_id(), town_id=town.id, name="Portal", department="", support_phone="", support_email="", skip_setup_items=()
        )
        assert build_profiles(work, server)[ProfileVariant.STANDARD]["url"] == f"{url}/join/automated"


def test_identities_are_asked_for_at_the_address_of_the_installation(towns: tuple[UnitOfWork, list[tuple[Town, str]]]) -> None:
    work, expected = towns
    for town, _ in expected:
        tablet = TownFactory(work).create_tablet(town)
        profile = plistlib.loads(profiles.build_ade_profile(work, tablet.id, "topic", udid="udid", attests=False))
        [scep] = [each for each in profile["PayloadContent"] if each["PayloadType"] == "com.apple.security.scep"]
        assert scep["PayloadContent"]["URL"] == f"{OWN}/scep"


def test_the_certificate_must_have_the_names_of_all_towns(towns: tuple[UnitOfWork, list[tuple[Town, str]]]) -> None:
    work, _ = towns
    assert list_tablet_names(work) == ["mdm.test", "tablets.ici.example"]
