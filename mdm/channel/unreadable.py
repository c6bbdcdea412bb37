"""Messages of the connect loop that cannot be parsed: finds the enrollment and the command that each concerns.

The signature over the bytes is verified before, so they come from the tablet. An answer that nobody can read must end its
command: else it would be delivered again at every contact, and everything behind it would wait.
"""

from __future__ import annotations

from dataclasses import replace

from cartable.unit_of_work import UnitOfWork
from mdm.channel.messages import ChannelRequest
from mdm.channel.repository import ChannelRepository
from mdm.protocol.checkin import EnrollmentIds
from mdm.protocol.connect import CommandStatus, ConnectMessage, is_checkin
from mdm.protocol.scanning import scan_message
from mdm.queue.rules import build_command_uuid, parse_command_uuid


def build_unreadable_request(body: bytes, fingerprint: str, content_type: str = "") -> ChannelRequest | None:
    """Return a request with what scanning the bytes finds; None when they seem to be a check-in message.

    A check-in message must not be taken for an Idle: its sender would take the response for a success and not send it again.
    """
    scanned = scan_message(body, called_checkin=is_checkin(content_type, {}))
    if scanned.is_checkin:
        return None
    # Without a readable status it is an answer: only an answer may end a command, and an Idle without one changes nothing.
    message = ConnectMessage(EnrollmentIds(udid=scanned.udid), scanned.status or CommandStatus.ERROR, is_readable=False)
    return ChannelRequest(message, fingerprint, body, scanned.uuids)


def is_readable(request: ChannelRequest) -> bool:
    """Return whether the message could be parsed."""
    return not isinstance(request.message, ConnectMessage) or request.message.is_readable


def resolve_request(work: UnitOfWork, request: ChannelRequest) -> ChannelRequest:
    """Return the request with enrollment and CommandUUID, as far as the server can tell from its certificate.

    The enrollment is that of the named command, else the device's. Where no command is named, it is the one in flight: a
    tablet has at most one. Without any, the message counts as Idle.
    """
    message = request.message
    assert isinstance(message, ConnectMessage)
    repository = ChannelRepository(work.session)
    named = [parsed for uuid in request.scanned_uuids if (parsed := parse_command_uuid(uuid)) is not None]
    found = repository.find_answered_command(request.fingerprint, named)
    if found is None and message.status is not CommandStatus.IDLE:
        found = repository.find_command_in_flight(request.fingerprint)
    udid = found.channel_key if found is not None else repository.find_device_key(request.fingerprint)
    if found is None or message.status is CommandStatus.IDLE:
        status, uuid = CommandStatus.IDLE, None
    else:
        status, uuid = message.status, build_command_uuid(found.nonce, found.command_id)
    ids = EnrollmentIds(enrollment_id=udid or message.ids.udid or "unknown")
    return replace(request, message=replace(message, ids=ids, status=status, command_uuid=uuid))
