"""Test helpers: enrolled tablets in the database, and connect requests processed as the batcher does."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from typing import Any

from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.connect_batch import ConnectBatch
from mdm.channel.messages import ChannelRequest, ChannelResponse
from mdm.devices.manifest_cache import ManifestCache
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from mdm.protocol.commands.base import Command
from mdm.protocol.connect import parse_connect
from mdm.queue import service as queue
from tests.support.world import TownFactory


def enroll_tablets(work: UnitOfWork, count: int = 1, *, os_version: str = "26.1") -> list[DeviceEnrollment]:
    """Create enrolled tablets in a new town, and return their enrollments."""
    town_factory = TownFactory(work)
    town = town_factory.create_town()
    enrollments = []
    for _ in range(count):
        tablet = town_factory.create_tablet(town)
        tablet.os_version = os_version
        enrollment = DeviceEnrollment(
            town_id=town.id, tablet_id=tablet.id, channel_key=tablet.serial, udid=tablet.serial, state=EnrollmentState.ENROLLED,
            fingerprint=f"fingerprint of {tablet.serial}", authenticated_at=work.now, enrolled_at=work.now,
        )  # fmt: skip
        work.session.add(enrollment)
        work.session.flush()
        work.session.add(LastSeen(enrollment_id=enrollment.id, town_id=town.id, last_seen_at=work.now))
        enrollments.append(enrollment)
    work.session.flush()
    return enrollments


def enqueue_for(runtime: Runtime, enrollment_ids: list[int], *commands: Command) -> None:
    """Enqueue each command for these enrollments."""
    with runtime.open_unit_of_work() as work:
        for command in commands:
            queue.enqueue_command(work, SYSTEM, command, enrollment_ids)


def build_request(enrollment: DeviceEnrollment, status: str = "Idle", uuid: str | None = None, **keys: Any) -> ChannelRequest:
    """Return a connect request of this enrollment."""
    message = {"UDID": enrollment.udid, "Status": status, **({"CommandUUID": uuid} if uuid else {}), **keys}
    return ChannelRequest(parse_connect(message), enrollment.fingerprint, plistlib.dumps(message))


def process_batch(runtime: Runtime, requests: Sequence[ChannelRequest]) -> list[ChannelResponse]:
    """Process one batch in one transaction."""
    with runtime.open_unit_of_work() as work:
        return ConnectBatch(work, RenderedCommandCache(), ManifestCache()).process(requests)


def send_status(
    runtime: Runtime, enrollment: DeviceEnrollment, status: str = "Idle", uuid: str | None = None, **keys: Any
) -> tuple[str, str] | None:
    """Send one connect request. Returns the delivered command as (RequestType, CommandUUID); None when none waits."""
    [response] = process_batch(runtime, [build_request(enrollment, status, uuid, **keys)])
    assert response.status == 200
    if not response.body:
        return None
    command = plistlib.loads(response.body)
    return command["Command"]["RequestType"], command["CommandUUID"]
