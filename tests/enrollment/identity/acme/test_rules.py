"""Who is given ACME, what a policy needs, and what is compared when an invitation's tablet comes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from cartable.scope import SYSTEM
from cartable.settings import Acme, Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity.acme.endpoint import routes
from enrollment.identity.acme.rules import can_attest
from enrollment.identity.models import ChallengePurpose, IdentityProtocol
from enrollment.identity.service import AttestationEvidence
from enrollment.identity.verifier import get_known_certificate
from enrollment.joining.enrollment_matching import resolve_tablet
from enrollment.joining.errors import NotInvited
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.tablets.service import TabletDetails
from mdm.cli.preflight import CannotStart, check_attestation_roots
from tests.support.world import TownFactory


@pytest.mark.parametrize(
    ("product", "version", "build", "able"),
    [
        ("iPad13,18", "26.1", "23B85", True),
        ("iPad8,1", "16.0", "20A362", True),
        ("iPad8,1", None, "20A362", True),
        ("iPad8,1", None, "19H12", False),
        ("iPad8,1", "15.8", "19H12", False),
        ("iPad7,12", "18.6", "22G100", False),
        ("iPad7,5", "17.7.2", "21H221", False),
        ("iPhone12,1", "26.1", "23B85", False),
        ("iPad13,18", None, None, False),
        (None, "26.1", "23B85", False),
        ("iPad13", "26.1", "23B85", False),
    ],
)
def test_only_a_tablet_that_can_attest_gets_acme(product: str | None, version: str | None, build: str | None, able: bool) -> None:
    assert can_attest(product, version, build) is able


def test_required_attestation_without_roots_is_refused_at_start(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="attestation_roots"):
        Settings(_env_file=None, acme=Acme.REQUIRED)
    assert Settings(_env_file=None, acme=Acme.OFFERED).attestation_roots is None
    assert Settings(_env_file=None).acme is Acme.OFF
    for content, wrong in ((None, OSError), (b"no certificate", ValueError)):
        path = tmp_path / "roots.pem"
        if content is not None:
            path.write_bytes(content)
        runtime.settings = runtime.settings.model_copy(update={"acme": Acme.REQUIRED, "attestation_roots": path})
        with pytest.raises(wrong):
            routes(runtime)
        with pytest.raises(CannotStart, match="CARTABLE_ATTESTATION_ROOTS"):
            check_attestation_roots(path)


@pytest.fixture
def fingerprint(runtime: Runtime) -> str:
    """A certificate that was had with an invitation, attested for one device."""
    with runtime.open_unit_of_work() as work:
        spec = InvitationSpec(InvitationKind.STOCK, TownFactory(work).create_town().id, max_uses=3)
        [invitation] = create_invitations(work, SYSTEM, spec)
        secret = identity.create_challenge(
            work, purpose=ChallengePurpose.ENROLLMENT, protocol=IdentityProtocol.ACME, invitation_id=invitation.id
        )
        challenge = identity.get_valid_challenge(work, secret, IdentityProtocol.ACME)
        key = ec.generate_private_key(ec.SECP384R1()).public_key()
        issued = identity.redeem_challenge(work, challenge, key, "test", AttestationEvidence("SERIAL0A", "UDID-A"))
    return issued.fingerprint


def test_with_an_invitation_only_the_attested_device_enrolls(runtime: Runtime, fingerprint: str) -> None:
    with runtime.open_unit_of_work() as work:
        known = get_known_certificate(work, fingerprint)
        for serial, udid in (("SERIAL0B", "UDID-A"), ("SERIAL0A", "UDID-B"), (None, "UDID-A")):
            with pytest.raises(NotInvited) as refused:
                resolve_tablet(work, known, serial, udid, TabletDetails())
            assert refused.value.details["why"] == "attested_for_another_device"
        assert resolve_tablet(work, known, "SERIAL0A", "UDID-A", TabletDetails()).serial == "SERIAL0A"
