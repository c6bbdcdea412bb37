"""ADE servers: create, install a token, request a synchronisation, sign service tokens, enable activation lock. Never commits.

The synchronisation itself is in `syncing`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from uuid import UUID

import jwt

from cartable import audit, expiry, locks
from cartable.errors import Conflict
from cartable.ids import new_id
from cartable.outbox import Topic
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade import lock_codes, rules, token
from enrollment.joining.ade.device_sync import restart_full_fetch
from enrollment.joining.ade.errors import (
    AdeServerNotFound,
    DeviceNotAssigned,
    NoServerToken,
    OtherPortalServer,
    ServerTokenExpired,
    ServerTokenInUse,
)
from enrollment.joining.ade.models import AdeServer
from enrollment.joining.ade.repository import AdeRepository
from enrollment.places.models import School
from enrollment.safeguards import budget
from enrollment.safeguards.models import IrreversibleAct
from enrollment.tablets.models import Tablet

#: The service for which a tablet requests a token (Apple: GetToken).
MANAGED_ACCOUNTS = "com.apple.maid"


def create_server(work: UnitOfWork, actor: Actor, town_id: UUID, name: str) -> AdeServer:
    """Create an ADE server with its key pair and return it; Apple's portal needs its certificate. A town may have several.

    Raises `Forbidden`, `Conflict` (the name is taken).
    """
    actor.require_permission(Permission.GOVERN, town_id)
    if AdeRepository(work.session).name_exists(town_id, name):
        raise Conflict(field="name")
    server_id = new_id()
    audit.record_event(work, actor, "ade.create_server", "ade_server", server_id, town_id=town_id)
    key, certificate = token.create_key_pair(f"Cartable {name}", work.now)
    server = AdeServer(
        id=server_id, town_id=town_id, name=name, private_key=key, certificate=certificate, created_at=work.now,
        skip_setup_items=list(rules.DEFAULT_SKIP_ITEMS),
    )  # fmt: skip
    work.session.add(server)
    work.session.flush()
    return server


def get_server(work: UnitOfWork, actor: Actor, server_id: UUID, permission: Permission = Permission.SEE) -> AdeServer:
    """Return an ADE server that the actor may see. Raises `AdeServerNotFound`, `Forbidden`."""
    server = AdeRepository(work.session).get_visible(actor, server_id)
    if server is None:
        raise AdeServerNotFound
    actor.require_permission(permission, server.town_id)
    return server


def load_token_key(work: UnitOfWork, actor: Actor, server_id: UUID) -> tuple[bytes, str]:
    """Return key and certificate to which the token of a server is encrypted, for `token.read_token`.

    Raises `AdeServerNotFound`, `Forbidden`, `ReauthenticationRequired`.
    """
    server = get_server(work, actor, server_id, Permission.GOVERN)
    actor.require_reauthentication()
    return server.private_key, server.certificate


def install_token(work: UnitOfWork, actor: Actor, server_id: UUID, file: bytes, reason: str | None = None) -> AdeServer:
    """Read the file from Apple's portal and do what `store_token` does. Raises `InvalidServerToken` as well.

    It reads the file inside the unit of work. While tablets are served, callers take the three steps themselves, and read outside.
    """
    return store_token(work, actor, server_id, token.read_token(file, *load_token_key(work, actor, server_id)), reason)


def store_token(
    work: UnitOfWork, actor: Actor, server_id: UUID, server_token: token.ServerToken, reason: str | None = None
) -> AdeServer:
    """Store a token that was read, enqueue a synchronisation and return the server.

    A renewed token keeps cursor, profiles and devices. A token of another MDM server of the portal needs a reason; everything
    is then fetched anew. Raises `ServerTokenExpired`, `OtherPortalServer`, `ServerTokenInUse`,
    `AdeServerNotFound`, `Forbidden`.
    """
    server = get_server(work, actor, server_id, Permission.GOVERN)
    actor.require_reauthentication()
    if server_token.expires_at <= work.now:
        raise ServerTokenExpired(expired=server_token.expires_at.date().isoformat())
    repository = AdeRepository(work.session)
    if repository.is_token_in_use(server_token.secrets.consumer_key, server.id):
        raise ServerTokenInUse
    is_other_server = server.consumer_key not in (None, server_token.secrets.consumer_key)
    if is_other_server and not reason:
        raise OtherPortalServer
    audit.record_event(
        work, actor, "ade.install_token", "ade_server", server.id, town_id=server.town_id,
        expires=server_token.expires_at.isoformat(), other_server=is_other_server, **({"reason": reason} if is_other_server else {}),
    )  # fmt: skip
    if is_other_server:
        restart_full_fetch(server)
        server.server_uuid = server.full_fetch_at = None
        repository.delete_profiles(server.id)
    server.consumer_key = server_token.secrets.consumer_key
    server.token_secrets, server.token_expires_at = json.dumps(asdict(server_token.secrets)), server_token.expires_at
    server.alarm = server.alarm_since = server.last_error = server.paused_until = None
    work.session.flush()
    work.enqueue_job(Topic.ADE_SYNC, server.id)
    return server


@dataclass(frozen=True, slots=True)
class SetupAssistantOptions:
    """What the Setup Assistant shows and skips, and to which school new tablets go. An empty text is replaced by the town's own."""

    department: str
    support_phone: str
    support_email: str
    skip_setup_items: tuple[str, ...]
    school_id: UUID | None = None


def update_setup_assistant(work: UnitOfWork, actor: Actor, server_id: UUID, options: SetupAssistantOptions) -> AdeServer:
    """Change what the Setup Assistant shows and return the server. New profiles are assigned for the next activation of each tablet.

    Tablets that are in the inventory stay in their school. Raises `AdeServerNotFound`, `Forbidden`, `NotFound` for a school of
    another town.
    """
    server = get_server(work, actor, server_id, Permission.GOVERN)
    school = require_in_town(work, School, options.school_id, server.town_id, field="school_id")
    audit.record_event(work, actor, "ade.update_setup_assistant", "ade_server", server.id, town_id=server.town_id)
    server.department = options.department
    server.support_phone, server.support_email = options.support_phone, options.support_email
    server.skip_setup_items = sorted(set(options.skip_setup_items))
    server.school_id = school.id if school is not None else None
    work.session.flush()
    work.enqueue_job(Topic.ADE_SYNC, server.id)
    return server


def request_sync(work: UnitOfWork, actor: Actor, server_id: UUID) -> AdeServer:
    """Enqueue a synchronisation, at the earliest a minute after the last one, and return the server.

    Raises `NoServerToken`, `AdeServerNotFound`, `Forbidden`.
    """
    server = get_server(work, actor, server_id, Permission.HANDLE)
    if server.token_secrets is None:
        raise NoServerToken
    audit.record_event(work, actor, "ade.request_sync", "ade_server", server.id, town_id=server.town_id)
    earliest = server.synced_at + rules.MIN_SYNC_INTERVAL if server.synced_at else work.now
    work.enqueue_job(Topic.ADE_SYNC, server.id, not_before=max(work.now, earliest))
    return server


def enable_activation_lock(work: UnitOfWork, actor: Actor, tablet: Tablet, *, reason: str) -> str:
    """Request activation lock and return its bypass code, which is stored sealed. A second request returns the same code.

    Raises `DeviceNotAssigned`, `Forbidden`. Only the bypass code or Apple can unlock the tablet.
    """
    actor.require_permission(Permission.DESTROY, tablet.town_id, tablet.school_id)
    actor.require_reauthentication()
    locks.lock_town(work, tablet.town_id)
    device = AdeRepository(work.session).get_device_by_tablet(tablet)
    if device is None:
        raise DeviceNotAssigned
    if device.lock_bypass_key is None:
        budget.spend_budget(work, actor, tablet.town_id, IrreversibleAct.ACTIVATION_LOCK)
    audit.record_event(work, actor, "tablet.activation_lock", "tablet", tablet.id, town_id=tablet.town_id, reason=reason)
    bypass_key = bytes.fromhex(device.lock_bypass_key) if device.lock_bypass_key else lock_codes.generate_bypass_key()
    device.lock_bypass_key, device.lock_requested_at, device.lock_result = bypass_key.hex(), work.now, None
    work.session.flush()
    work.enqueue_job(Topic.ADE_SYNC, device.server_id)
    return lock_codes.format_bypass_code(bypass_key)


def sign_managed_account_token(work: UnitOfWork, tablet_id: UUID) -> bytes | None:
    """Return the token with which a tablet signs in to a Managed Apple Account, signed with the key of its ADE server.

    None when the tablet is assigned to no ADE server.
    """
    tablet = work.session.get_one(Tablet, tablet_id)
    server = AdeRepository(work.session).get_server_by_tablet(tablet)
    if server is None or not server.server_uuid:
        return None
    claims = {"iss": server.server_uuid, "iat": int(work.now.timestamp()), "jti": str(new_id()), "service_type": MANAGED_ACCOUNTS}
    return jwt.encode(claims, token.load_private_key(server.private_key), algorithm="RS256").encode()


def list_servers_needing_attention(work: UnitOfWork, actor: Actor) -> list[tuple[AdeServer, int | None]]:
    """Return the servers visible to the actor that have an alarm or a token about to expire, with the days of the warning."""
    rows = AdeRepository(work.session).list_servers(actor)
    warnings = [(row, expiry.get_warning_days(work.now, row.token_expires_at) if row.token_expires_at else None) for row in rows]
    return [(row, warning) for row, warning in warnings if row.alarm is not None or warning is not None]


def schedule_syncs(work: UnitOfWork) -> None:
    """Enqueue a synchronisation of every server with a token, except those that Apple asked to wait."""
    work.enqueue_job(Topic.ADE_SYNC, *AdeRepository(work.session).list_due_server_ids(work.now))
