"""Words for the states of the server: why no pushes are sent, and why the request of a device was refused."""

from __future__ import annotations

from cartable.i18n import Message
from mdm.channel.errors import RejectionReason
from mdm.push.rules import StopReason
from mdm.resolver.service import ResolverStatus

STOP_REASONS: dict[StopReason, Message] = {
    StopReason.CERTIFICATE_EXPIRED: Message("the push certificate has expired"),
    StopReason.SENDER_REFUSED: Message("Apple refuses our certificate or its topic"),
    StopReason.TOKENS_REFUSED: Message("Apple refuses the addresses of many tablets at once"),
    StopReason.UNREACHABLE: Message("Apple's service cannot be reached"),
}
REJECTIONS: dict[str, Message] = {
    RejectionReason.UNTRUSTED: Message("its certificate is not one of ours"),
    RejectionReason.UNKNOWN_TABLET: Message("the tablet is not known"),
    RejectionReason.UNKNOWN_USER: Message("the person on the tablet is not known"),
    RejectionReason.WRONG_CERTIFICATE: Message("it uses the certificate of another tablet"),
    RejectionReason.NOT_ENROLLED: Message("it has not finished its enrollment"),
    RejectionReason.NOT_INVITED: Message("no invitation allows it"),
    RejectionReason.BAD_SIGNATURE: Message("its signature is wrong"),
    RejectionReason.WRONG_TOPIC: Message("it enrolled under another push topic"),
    RejectionReason.TOO_MANY_USERS: Message("too many people have signed in on it"),
}
OTHER_NOTE = Message("a message that was not understood")

RESOLVER_STATUSES: dict[ResolverStatus, Message] = {
    ResolverStatus.NONE: Message("There is none: tablets have the filter that is built into iPadOS alone."),
    ResolverStatus.ANSWERING: Message("It answers and filters."),
    ResolverStatus.INCOMPLETE: Message("It answers and filters, and does not know every imported list yet."),
    ResolverStatus.AWAY: Message("It does not answer: tablets that must use it reach no site, or are not filtered by it."),
}
