"""Automated device enrolment: an iPad out of its box asks for its profile, and needs no invitation if it is expected here.

Apple's device assignment sends it to `/join/automated`; what it proves is in `mdm.protocol.machine_info`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cartable import audit
from cartable.errors import DomainError
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.identity.acme.rules import can_attest
from enrollment.identity.profile_signing import sign_profile
from enrollment.joining import profiles
from enrollment.joining.errors import NotInvited
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import REFUSED
from enrollment.tablets.service import TabletDetails
from mdm.protocol import machine_info
from mdm.protocol.errors import WireError
from mdm.protocol.machine_info import Anchor, MachineInfo

PROFILE_TYPE = "application/x-apple-aspen-config"
DEVICE_INFO = "x-apple-aspen-deviceinfo"
MAX_BODY = 64 * 1024
log = structlog.get_logger()


def routes(runtime: Runtime, topic_of: Callable[[UnitOfWork], str]) -> list[BaseRoute]:
    """The address for the device assignment profile: `url`, and `configuration_web_url` for who wants a web view."""
    door = AutomatedDoor(runtime, topic_of)
    return [
        Route("/join/automated", door.knock, methods=["POST"]),
        Route("/join/automated", door.look, methods=["GET"]),
    ]


class AutomatedDoor:
    """Answers tablets in the Setup Assistant. Any status but 200 lets the person try again."""

    def __init__(self, runtime: Runtime, topic_of: Callable[[UnitOfWork], str]) -> None:
        self.runtime = runtime
        self.topic_of = topic_of
        self.anchors = anchors_of(runtime.settings)

    async def knock(self, request: Request) -> Response:
        """MachineInfo in, enrolment profile out; 403 with Apple's document when the system is too old."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                return Response(status_code=413)
        return await run_in_threadpool(self._answer, bytes(body))

    async def look(self, request: Request) -> Response:
        """The same for a web view (protocol.md section 5.2): MachineInfo comes in a header, and nothing need be typed."""
        try:
            body = base64.b64decode(request.headers.get(DEVICE_INFO, ""), validate=True)
        except ValueError:
            body = b""
        if not body:
            return Response(status_code=400)
        return await run_in_threadpool(self._answer, body)

    def _answer(self, body: bytes) -> Response:
        try:
            info = machine_info.read(body, self.anchors)
        except WireError as error:
            log.warning("join.automated_refused", why=str(error))
            return Response(status_code=400)
        wanted = self.runtime.settings.minimum_os
        if wanted and info.can_update and info.os_version and machine_info.is_older(info.os_version, wanted):
            return Response(machine_info.update_required(wanted), 403, media_type="application/json")
        try:
            with self.runtime.open_unit_of_work() as work:
                tablet = expected(work, info)
                attests = can_attest(info.product, info.os_version, info.build)
                plain = profiles.automated_profile(work, tablet.id, self.topic_of(work), udid=info.udid, attests=attests)
                log.info("join.automated", tablet=str(tablet.id))
                return Response(sign_profile(work, plain), media_type=PROFILE_TYPE, headers={"Cache-Control": "no-store"})
        except NotInvited as refusal:
            log.warning("join.automated_refused", why=str(refusal))
            return Response(status_code=403)
        except DomainError as refusal:  # no push certificate, for one: the tablet may try again when it is mended
            log.error("join.automated_unable", why=refusal.code)  # noqa: TRY400 - for the operator; the trace tells nothing
            return Response(status_code=503)


def expected(work: UnitOfWork, info: MachineInfo) -> Tablet:
    """The tablet of the inventory that this device is. Being signed by Apple is not enough: any iPad is.

    One that had been written off lands in quarantine, not in stock. Raises `NotInvited`.
    """
    tablet = TabletRepository(work.session).by_serial(info.serial)
    if tablet is None:
        raise NotInvited(why="serial_not_expected")
    tablets.hold(work, tablet)
    if tablet.state in REFUSED:
        raise NotInvited(why="tablet_retired")
    audit.record_event(work, SYSTEM, "tablet.automated", "tablet", tablet.id, town_id=tablet.town_id)
    tablets.update_details(
        work, tablet.id, TabletDetails(product_name=info.product, os_version=info.os_version, build_version=info.build)
    )
    tablets.unpack(work, SYSTEM, tablet)
    return tablet


def anchors_of(settings: Settings) -> tuple[Anchor, ...]:
    """Apple's device CA, and those of a test rig or of newer hardware that the operator named."""
    found: list[Anchor] = [machine_info.apple_device_ca()]
    if settings.device_anchors is not None:
        for certificate in x509.load_pem_x509_certificates(settings.device_anchors.read_bytes()):
            key = certificate.public_key()
            if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
                found.append(key)
    return tuple(found)
