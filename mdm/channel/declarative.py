"""Declarative requests of tablets: tokens, manifest, one declaration, status report; any number of them in a few statements.

The documents come from memory, since sets of declarations never change. See docs/domain/declarations.md#transport.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cartable.unit_of_work import UnitOfWork
from mdm.channel.declarative_statements import DeclarativeSender, DeclarativeStatements, RequestKey
from mdm.channel.messages import EMPTY_RESPONSE, JSON, ChannelRequest, ChannelResponse
from mdm.channel.status_reports import SentReport, apply_status_reports
from mdm.devices.manifest_cache import ManifestCache
from mdm.devices.models import DeviceEnrollment, Manifest
from mdm.protocol import ddm
from mdm.protocol.checkin import CheckinMessage, DeclarativeRequest

PROFILE_MEDIA_TYPE = b"application/x-apple-aspen-config"
TOKENS, MANIFEST, STATUS = "tokens", "declaration-items", "status"


def answer_declarative_requests(
    work: UnitOfWork, manifests: ManifestCache, requests: Sequence[ChannelRequest]
) -> dict[int, ChannelResponse]:
    """Return the responses to the declarative requests of a batch, by position.

    Left out, and to be answered one by one: requests of an enrollment that is not at work or not pinned to the certificate, and those
    of a tablet with more than one check-in message in the batch, because their order counts.
    """
    counts = Counter(each.message.ids.channel_key for each in requests if isinstance(each.message, CheckinMessage))
    asked = {
        index: (request.message, request.fingerprint)
        for index, request in enumerate(requests)
        if isinstance(request.message, DeclarativeRequest) and counts[request.message.ids.channel_key] == 1
    }
    if not asked:
        return {}
    keys = [RequestKey(m.ids.channel_key, fingerprint, m.endpoint == STATUS) for m, fingerprint in asked.values()]
    senders = DeclarativeStatements(work.session).load_senders(keys, work.now)
    accepted = {
        index: (message, senders[message.ids.channel_key])
        for index, (message, fingerprint) in asked.items()
        if message.ids.channel_key in senders and senders[message.ids.channel_key].is_accepted(fingerprint)
    }
    return dict(zip(accepted, _answer_accepted(work, manifests, list(accepted.values())), strict=True))


def handle_declarative_request(work: UnitOfWork, message: DeclarativeRequest, enrollment: DeviceEnrollment) -> ChannelResponse:
    """Return the response to one declarative request of an enrollment that was accepted."""
    key = RequestKey(enrollment.channel_key, enrollment.fingerprint, message.endpoint == STATUS)
    sender = DeclarativeStatements(work.session).load_senders([key], work.now)[enrollment.channel_key]
    [response] = _answer_accepted(work, ManifestCache(), [(message, sender)])
    return response


def _answer_accepted(
    work: UnitOfWork, manifests: ManifestCache, requests: Sequence[tuple[DeclarativeRequest, DeclarativeSender]]
) -> list[ChannelResponse]:
    """Return the responses, in order, after storing what was served and what was reported."""
    snapshots = [sender.declarations for _, sender in requests if sender.declarations is not None]
    manifests.load_sets(work.session, [manifest for each in snapshots for manifest in (each.announced, each.fetched)])
    served = {s.enrollment_id: _get_announced(s) for m, s in requests if m.endpoint == MANIFEST and s.declarations is not None}
    if served:
        DeclarativeStatements(work.session).save_served(served, work.now)
    apply_status_reports(
        work, manifests, [SentReport(s, m.ids.channel_key, m.data or b"") for m, s in requests if m.endpoint == STATUS]
    )
    return [_build_response(manifests, message.endpoint, sender) for message, sender in requests]


def _build_response(manifests: ManifestCache, endpoint: str, sender: DeclarativeSender) -> ChannelResponse:
    """Return the response to one request. Without an announced set, tokens and manifest are empty but valid."""
    declarations = sender.declarations
    if endpoint == STATUS:
        return EMPTY_RESPONSE  # also to a report that cannot be read: with an error status the tablet would send it again
    contents = manifests.get_contents(_get_announced(sender))
    if endpoint == TOKENS:
        published_at = declarations.published_at if declarations is not None else None
        return ChannelResponse(200, ddm.build_tokens_response(contents.token, published_at or sender.authenticated_at), JSON)
    if endpoint == MANIFEST:
        return ChannelResponse(200, contents.document, JSON)
    path = endpoint.split("/", 2)
    if len(path) == 3 and path[0] == "declaration" and declarations is not None:
        declaration = manifests.get_contents(declarations.fetched).render_declaration(path[1], path[2])
        if declaration is not None:
            return ChannelResponse(200, declaration, JSON)
    return ChannelResponse(404)


def _get_announced(sender: DeclarativeSender) -> Manifest | None:
    return sender.declarations.announced if sender.declarations is not None else None
