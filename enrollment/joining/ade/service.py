"""Verbs of device assignment: set up a server, take its token, keep it in step, sign service tokens. Only `synchronise` commits:
it opens a unit of work for each step of a talk, around the network.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import jwt
import structlog

from cartable import audit, expiry, locks
from cartable.errors import Conflict
from cartable.ids import new_id
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining.ade import lock_codes, rules, token
from enrollment.joining.ade.client import DeviceAssignment
from enrollment.joining.ade.device_sync import Read, begin_whole, read_devices
from enrollment.joining.ade.errors import DeviceUnknown, NoToken, OtherPortalServer, ServerUnknown, TokenElsewhere, TokenOver
from enrollment.joining.ade.models import Alarm, AssignedDevice, AssignmentServer
from enrollment.joining.ade.oauth import Secrets
from enrollment.joining.ade.ports import Account, AssignmentError, AssignmentService, Trouble
from enrollment.joining.ade.profiles import Told, assign_profiles
from enrollment.joining.ade.repository import AssignmentRepository
from enrollment.joining.ade.sync_lease import Overtaken, Talk
from enrollment.tablets.models import Tablet

Connect = Callable[[Secrets, str, Callable[[], datetime]], AssignmentService]
log = structlog.get_logger()
LOCKS_AT_ONCE = 100
#: The service for whose tokens a tablet asks (Apple: GetToken).
MANAGED_ACCOUNTS = "com.apple.maid"


def create_server(work: UnitOfWork, actor: Actor, town_id: UUID, name: str) -> AssignmentServer:
    """Make a server with its key; its certificate is what Apple's portal asks for. A town may have several."""
    actor.require_permission(Permission.GOVERN, town_id)
    if AssignmentRepository(work.session).same_name(town_id, name):
        raise Conflict(field="name")
    server_id = new_id()
    audit.record_event(work, actor, "assignment.server", "assignment_server", server_id, town_id=town_id)
    key, certificate = token.make_pair(f"Cartable {name}", work.now)
    made = AssignmentServer(
        id=server_id, town_id=town_id, name=name, private_key=key, certificate=certificate, created_at=work.now,
        skipped=list(rules.SKIPPED),
    )  # fmt: skip
    work.session.add(made)
    work.session.flush()
    return made


def get_server(work: UnitOfWork, actor: Actor, server_id: UUID, permission: Permission = Permission.SEE) -> AssignmentServer:
    """A server in the actor's reach. Raises `ServerUnknown`, `Forbidden`."""
    found = AssignmentRepository(work.session).visible(actor, server_id)
    if found is None:
        raise ServerUnknown
    actor.require_permission(permission, found.town_id)
    return found


def install_token(work: UnitOfWork, actor: Actor, server_id: UUID, file: bytes, reason: str | None = None) -> AssignmentServer:
    """Take the file from Apple's portal. A renewal keeps cursor, profiles and devices; a token of another portal entry needs a
    reason, and everything is read anew.

    Raises `BadAssignmentToken`, `TokenOver`, `OtherPortalServer`, `TokenElsewhere`, `ServerUnknown`.
    """
    server = get_server(work, actor, server_id, Permission.GOVERN)
    said = token.read(file, server.private_key, server.certificate)
    if said.expires <= work.now:
        raise TokenOver(expired=said.expires.date().isoformat())
    repository = AssignmentRepository(work.session)
    if repository.same_token(said.secrets.consumer_key, server.id):
        raise TokenElsewhere
    other = server.consumer_key not in (None, said.secrets.consumer_key)
    if other and not reason:
        raise OtherPortalServer
    audit.record_event(
        work, actor, "assignment.token", "assignment_server", server.id, town_id=server.town_id,
        expires=said.expires.isoformat(), other_server=other, **({"reason": reason} if other else {}),
    )  # fmt: skip
    if other:
        begin_whole(server)
        server.server_uuid = server.whole_at = None
        repository.forget_profiles(server.id)
    server.consumer_key, server.secrets, server.expires = (
        said.secrets.consumer_key,
        json.dumps(asdict(said.secrets)),
        said.expires,
    )
    server.alarm = server.alarm_since = server.problem = server.rest_until = None
    work.session.flush()
    work.enqueue_job(Topic.ASSIGNMENT, server.id)
    return server


@dataclass(frozen=True, slots=True)
class Appearance:
    """What the Setup Assistant shows. Empty: what the town says of itself."""

    department: str
    support_phone: str
    support_email: str
    skipped: tuple[str, ...]


def present(work: UnitOfWork, actor: Actor, server_id: UUID, said: Appearance) -> AssignmentServer:
    """Change what the profiles say: others are defined, and assigned to every tablet for its next activation."""
    server = get_server(work, actor, server_id, Permission.GOVERN)
    audit.record_event(work, actor, "assignment.profile", "assignment_server", server.id, town_id=server.town_id)
    server.department, server.support_phone, server.support_email = said.department, said.support_phone, said.support_email
    server.skipped = sorted(set(said.skipped))
    work.session.flush()
    work.enqueue_job(Topic.ASSIGNMENT, server.id)
    return server


def ask(work: UnitOfWork, actor: Actor, server_id: UUID) -> AssignmentServer:
    """Let the server be compared now; the service bears one a minute. Raises `NoToken`."""
    server = get_server(work, actor, server_id, Permission.HANDLE)
    if server.secrets is None:
        raise NoToken
    audit.record_event(work, actor, "assignment.sync", "assignment_server", server.id, town_id=server.town_id)
    soonest = server.synced_at + rules.SOONEST if server.synced_at else work.now
    work.enqueue_job(Topic.ASSIGNMENT, server.id, not_before=max(work.now, soonest))
    return server


def lock_tablet(work: UnitOfWork, actor: Actor, tablet: Tablet, *, reason: str) -> str:
    """Ask Apple to turn on activation lock. Returns the bypass code, which is kept sealed. Raises `DeviceUnknown`.

    Asked again: the same code. A tablet that was locked with a code of ours opens only with it, or by Apple.
    """
    actor.require_permission(Permission.DESTROY, tablet.town_id, tablet.school_id)
    locks.lock_town(work, tablet.town_id)
    device = AssignmentRepository(work.session).of_tablet(tablet)
    if device is None:
        raise DeviceUnknown
    audit.record_event(work, actor, "tablet.activation_lock", "tablet", tablet.id, town_id=tablet.town_id, reason=reason)
    raw = bytes.fromhex(device.lock_code) if device.lock_code else lock_codes.new_raw()
    device.lock_code, device.lock_asked_at, device.lock_result = raw.hex(), work.now, None
    work.session.flush()
    work.enqueue_job(Topic.ASSIGNMENT, device.server_id)
    return lock_codes.code_of(raw)


def managed_account_token(work: UnitOfWork, tablet_id: UUID) -> bytes | None:
    """A token that a tablet shows when it signs in to a Managed Apple Account (protocol.md section 7.5), signed with the key of
    its server; None when Apple assigns it to none.
    """
    tablet = work.session.get_one(Tablet, tablet_id)
    server = AssignmentRepository(work.session).signer_for(tablet)
    if server is None or not server.server_uuid:
        return None
    claims = {"iss": server.server_uuid, "iat": int(work.now.timestamp()), "jti": str(new_id()), "service_type": MANAGED_ACCOUNTS}
    return jwt.encode(claims, token.load_key(server.private_key), algorithm="RS256").encode()


def needing_people(work: UnitOfWork, actor: Actor) -> list[tuple[AssignmentServer, int | None]]:
    """The servers in the actor's reach with an alarm, or with a token whose end is near, and the days that are warned of."""
    rows = AssignmentRepository(work.session).servers(actor)
    told = [(row, expiry.get_warning_days(work.now, row.expires) if row.expires else None) for row in rows]
    return [(row, warning) for row, warning in told if row.alarm is not None or warning is not None]


def compare_all(work: UnitOfWork) -> None:
    """By the clock: every server with a token that is not asked to rest."""
    work.enqueue_job(Topic.ASSIGNMENT, *AssignmentRepository(work.session).due(work.now))


def connect(secrets: Secrets, url: str, now: Callable[[], datetime]) -> AssignmentService:
    """The real service."""
    return DeviceAssignment(secrets, url, now)


@dataclass(frozen=True, slots=True)
class Synced:
    """What one talk did, or why it did not."""

    problem: str | None
    retry_after: float | None = None
    read: Read | None = None
    told: Told | None = None


NOTHING = Synced(None)
#: Another worker talks for the server: what it does not see is done soon after.
_BUSY = Synced("busy", 30.0)
#: What a person must mend; named alike.
_ALARMS = {Trouble(alarm.value): alarm for alarm in Alarm if alarm is not Alarm.OTHER_SERVER}


def synchronise(runtime: Runtime, server_id: UUID, service: Connect = connect) -> Synced:
    """Read what is new, enter tablets, assign profiles, turn on locks. No transaction is open while the network is used.

    A service that is away changes nothing: what is known stays, and the reason is shown.
    """
    talk = Talk(runtime, server_id)
    try:
        with talk.work() as work:
            server = talk.server(work)
            secrets, url = server.secrets, work.settings.device_assignment_url
            expired = server.expires is not None and server.expires <= work.now
            resting = (server.rest_until - work.now).total_seconds() if server.rest_until else 0
    except Overtaken:
        return _BUSY if _exists(runtime, server_id) else NOTHING
    try:
        if secrets is None:
            return NOTHING
        if expired:
            return _failed(talk, AssignmentError(Trouble.TOKEN_EXPIRED, "the token has expired"))
        if resting > 0:
            return Synced("resting", resting)
        return _talk(talk, service(Secrets(**json.loads(secrets)), url, runtime.clock.now))
    except Overtaken:
        return _BUSY
    finally:
        talk.end()


def _exists(runtime: Runtime, server_id: UUID) -> bool:
    with runtime.open_unit_of_work() as work:
        return AssignmentRepository(work.session).server(server_id) is not None


def _talk(talk: Talk, service: AssignmentService) -> Synced:
    try:
        account = service.account()
        if not _is_ours(talk, account):
            return _failed(talk, None)
        read = read_devices(talk, service, account)
        told = assign_profiles(talk, service, account)
        _lock(talk, service)
    except AssignmentError as error:
        return _failed(talk, error)
    finally:
        service.close()
    with talk.work() as work:
        server = talk.server(work)
        server.alarm = server.alarm_since = server.problem = server.rest_until = None
        again = AssignmentRepository(work.session).next_retry(server.id, work.now)
        if again is not None:
            work.enqueue_job(Topic.ASSIGNMENT, server.id, not_before=max(again, work.now + rules.SOONEST))
    log.info("assignment.synced", server=str(talk.server_id), **asdict(read), **asdict(told))
    return Synced(None, None, read, told)


def _is_ours(talk: Talk, account: Account) -> bool:
    """Whether the token speaks for the portal entry whose devices we keep; remembers it at the first talk."""
    with talk.work() as work:
        server = talk.server(work)
        if server.server_uuid not in (None, account.server_uuid):
            return False
        server.server_uuid, server.server_name, server.org_name = account.server_uuid, account.server_name, account.org_name
        return True


def _lock(talk: Talk, service: AssignmentService) -> None:
    """Turn on the activation locks that were asked for."""
    with talk.work() as work:
        due = AssignmentRepository(work.session).to_lock(talk.server_id, LOCKS_AT_ONCE)
        asked = [(device.serial, device.lock_code) for device in due]
    for serial, code in asked:
        result = service.lock(serial, lock_codes.escrow_key(bytes.fromhex(code)) if code else None, "")
        with talk.work() as work:
            device = work.session.get_one(AssignedDevice, (talk.server_id, serial))
            device.lock_result = result


def _failed(talk: Talk, error: AssignmentError | None) -> Synced:
    """Keep why a talk failed; what only a person can mend raises an alarm. None: the token speaks for another portal entry."""
    with talk.work() as work:
        server = talk.server(work)
        alarm = Alarm.OTHER_SERVER if error is None else _ALARMS.get(error.trouble)
        if alarm is not None and server.alarm is not alarm:
            server.alarm, server.alarm_since = alarm, work.now
            log.error("assignment.alarm", server=str(server.id), alarm=alarm.value)
        wait = None if error is None else error.retry_after
        if wait is not None:
            server.rest_until = work.now + timedelta(seconds=wait)
        server.problem = str(error or "the token speaks for another portal entry")[:200]
        return Synced(server.problem, wait)
