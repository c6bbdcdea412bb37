"""A few enrolled tablets in a database, and the connect loop as the batcher runs it."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from typing import Any

from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.channel.bodies import RenderedBodies
from mdm.channel.connect_batch import Conversation
from mdm.channel.messages import ChannelRequest, Reply
from mdm.devices.models import DeviceEnrollment, EnrollmentState, Heartbeat
from mdm.protocol.connect import parse_connect
from tests.support.world import World


def enrol(work: UnitOfWork, count: int = 1, *, os: str = "26.1") -> list[DeviceEnrollment]:
    """Tablets of one new town, enrolled."""
    world = World(work)
    town = world.town()
    rows = []
    for _ in range(count):
        tablet = world.tablet(town)
        tablet.os_version = os
        row = DeviceEnrollment(
            town_id=town.id, tablet_id=tablet.id, channel_key=tablet.serial, udid=tablet.serial, state=EnrollmentState.ENROLLED,
            fingerprint=f"print of {tablet.serial}", authenticated_at=work.now, enrolled_at=work.now,
        )  # fmt: skip
        work.session.add(row)
        work.session.flush()
        work.session.add(Heartbeat(enrollment_id=row.id, last_seen_at=work.now))
        rows.append(row)
    work.session.flush()
    return rows


def request(row: DeviceEnrollment, status: str = "Idle", uuid: str | None = None, **keys: Any) -> ChannelRequest:
    """One turn of a tablet."""
    message = {"UDID": row.udid, "Status": status, **({"CommandUUID": uuid} if uuid else {}), **keys}
    return ChannelRequest(parse_connect(message), row.fingerprint, plistlib.dumps(message))


def batch(runtime: Runtime, requests: Sequence[ChannelRequest]) -> list[Reply]:
    """One batch in one transaction."""
    with runtime.open_unit_of_work() as work:
        return Conversation(work, RenderedBodies()).answer(requests)


def say(
    runtime: Runtime, row: DeviceEnrollment, status: str = "Idle", uuid: str | None = None, **keys: Any
) -> tuple[str, str] | None:
    """One turn alone; the command that comes back as (RequestType, CommandUUID)."""
    [reply] = batch(runtime, [request(row, status, uuid, **keys)])
    assert reply.status == 200
    if not reply.body:
        return None
    command = plistlib.loads(reply.body)
    return command["Command"]["RequestType"], command["CommandUUID"]
