"""`/join/automated`: a tablet in the Setup Assistant requests its enrollment profile. It needs no invitation.

Its ADE profile names this URL. What its request proves is checked in `mdm.protocol.machine_info`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cartable import audit
from cartable.certificates import read_certificates_pem
from cartable.errors import DomainError
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.acme.rules import can_attest
from enrollment.identity.profile_signing import sign_profile
from enrollment.joining import profiles
from enrollment.joining.device_kind import DeviceDescription, check_device
from enrollment.joining.errors import EnrollmentRefusal, NotInvited
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import ENROLLMENT_REFUSED
from enrollment.tablets.service import TabletDetails
from mdm.protocol import machine_info
from mdm.protocol.errors import ProtocolError
from mdm.protocol.machine_info import MachineInfo, TrustAnchorKey

PROFILE_TYPE = "application/x-apple-aspen-config"
DEVICE_INFO = "x-apple-aspen-deviceinfo"
MAX_BODY = 64 * 1024
log = structlog.get_logger()


def routes(runtime: Runtime, topic_of: Callable[[UnitOfWork], str]) -> list[BaseRoute]:
    """Return the routes that an ADE profile may name: POST for `url`, GET for `configuration_web_url`."""
    endpoint = AdeProfileEndpoint(runtime, topic_of)
    return [
        Route("/join/automated", endpoint.handle_post, methods=["POST"]),
        Route("/join/automated", endpoint.handle_web_view, methods=["GET"]),
    ]


class AdeProfileEndpoint:
    """Answers tablets in the Setup Assistant. After any status but 200 the person can try again."""

    def __init__(self, runtime: Runtime, topic_of: Callable[[UnitOfWork], str]) -> None:
        self.runtime = runtime
        self.topic_of = topic_of
        self.anchors = load_anchors(runtime.settings)

    async def handle_post(self, request: Request) -> Response:
        """Return the enrollment profile for a MachineInfo; 403 with Apple's document when the system is too old."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                return Response(status_code=413)
        return await run_in_threadpool(self._build_response, bytes(body))

    async def handle_web_view(self, request: Request) -> Response:
        """Return the same for a web view, which sends the MachineInfo in a header."""
        try:
            body = base64.b64decode(request.headers.get(DEVICE_INFO, ""), validate=True)
        except ValueError:
            body = b""
        if not body:
            return Response(status_code=400)
        return await run_in_threadpool(self._build_response, body)

    def _build_response(self, body: bytes) -> Response:
        try:
            info = machine_info.parse_machine_info(body, self.anchors)
        except ProtocolError as error:
            log.warning("join.automated_rejected", why=str(error))
            return Response(status_code=400)
        minimum_os = self.runtime.settings.minimum_os
        if minimum_os and info.can_update and info.os_version and machine_info.is_older_version(info.os_version, minimum_os):
            return Response(machine_info.build_update_required(minimum_os), 403, media_type="application/json")
        try:
            with self.runtime.open_unit_of_work() as work:
                check_device(
                    work.settings,
                    DeviceDescription(product_name=info.product, os_version=info.os_version, build_version=info.build),
                )
                tablet = resolve_expected_tablet(work, info)
                attests = can_attest(info.product, info.os_version, info.build)
                plain = profiles.build_ade_profile(work, tablet.id, self.topic_of(work), udid=info.udid, attests=attests)
                log.info("join.automated", tablet=str(tablet.id))
                return Response(sign_profile(work, plain), media_type=PROFILE_TYPE, headers={"Cache-Control": "no-store"})
        except NotInvited as refusal:
            log.warning("join.automated_rejected", why=refusal.details["why"], product=info.product, build=info.build)
            return Response(status_code=403)
        except DomainError as refusal:  # for example no push certificate: the tablet can try again when that is corrected
            log.error("join.automated_failed", why=refusal.code)  # noqa: TRY400 - for the operator; a traceback adds nothing
            return Response(status_code=503)


def resolve_expected_tablet(work: UnitOfWork, info: MachineInfo) -> Tablet:
    """Return the tablet of the inventory with the device's serial number, locked and updated. Raises `NotInvited`.

    Apple's signature alone is not enough: every iPad has it. A tablet that was written off goes into quarantine.
    """
    tablet = TabletRepository(work.session).get_by_serial(info.serial)
    if tablet is None:
        raise NotInvited(why=EnrollmentRefusal.SERIAL_NOT_EXPECTED.value)
    tablets.lock_tablet(work, tablet)
    if tablet.state in ENROLLMENT_REFUSED:
        raise NotInvited(why=EnrollmentRefusal.TABLET_RETIRED.value)
    audit.record_event(work, SYSTEM, "tablet.automated", "tablet", tablet.id, town_id=tablet.town_id)
    tablets.update_details(
        work, tablet.id, TabletDetails(product_name=info.product, os_version=info.os_version, build_version=info.build)
    )
    tablets.update_state_on_enrollment(work, SYSTEM, tablet)
    return tablet


def load_anchors(settings: Settings) -> tuple[TrustAnchorKey, ...]:
    """Return the trust anchors of device signatures: Apple's device CA, and those that the operator configured."""
    anchors: list[TrustAnchorKey] = [machine_info.get_apple_device_ca()]
    if settings.device_anchors is not None:
        for certificate in read_certificates_pem(settings.device_anchors.read_bytes()):
            key = certificate.public_key()
            if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
                anchors.append(key)
    return tuple(anchors)
