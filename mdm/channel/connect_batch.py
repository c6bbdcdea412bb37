"""Processing of one batch of requests in one transaction: connect and declarative requests in sets, other messages in savepoints.

The number of statements does not grow with the number of connect and declarative requests. The caller opens and commits the transaction.
See docs/domain/protocol.md#connect.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from cartable import tracing
from cartable.outages import find_outage
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.refusals import record_refusal
from enrollment.safeguards.stop_switch import is_stopped
from mdm.channel import handlers, identity, readoption
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.command_results import CommandResults
from mdm.channel.command_spans import CommandSpan, collect_command_spans
from mdm.channel.connect_requests import ConnectRequest
from mdm.channel.declarative import answer_declarative_requests
from mdm.channel.delivery import CommandDelivery
from mdm.channel.errors import DeviceRequestRejected, RejectionReason
from mdm.channel.messages import (
    EMPTY_RESPONSE,
    SERVER_ERROR,
    UNRECOGNIZED_DEVICE,
    ChannelRequest,
    ChannelResponse,
    build_rejection,
)
from mdm.channel.repository import ChannelRepository, EnrollmentSnapshot, LoadedConnects
from mdm.channel.unreadable import is_readable, resolve_request
from mdm.devices.manifest_cache import ManifestCache
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.protocol.checkin import CheckinMessage
from mdm.protocol.connect import ConnectMessage
from mdm.queue.batch_statements import BatchStatements
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import (
    UNREADABLE_ANSWER,
)

log = structlog.get_logger()


class ConnectBatch:
    """Processes one batch within one unit of work."""

    def __init__(self, work: UnitOfWork, command_cache: RenderedCommandCache, manifests: ManifestCache) -> None:
        self.work = work
        self.now: datetime = work.now
        self.command_cache = command_cache
        self.manifests = manifests
        self.channel = ChannelRepository(work.session)
        queue = BatchStatements(work.session)
        self.results = CommandResults(work, queue)
        self.delivery = CommandDelivery(work, queue)
        #: What was loaded for the connect requests of the batch.
        self.loaded: LoadedConnects = {}
        self.command_spans: list[CommandSpan] = []

    def process(self, requests: Sequence[ChannelRequest], known: LoadedConnects | None = None) -> list[ChannelResponse]:
        """Return one response per request, in their order. `known` is what was loaded for connect requests before."""
        responses: list[ChannelResponse] = [SERVER_ERROR] * len(requests)
        requests = [request if is_readable(request) else resolve_request(self.work, request) for request in requests]
        # Declarations before commands: the worker locks them in this order when it announces.
        answered = answer_declarative_requests(self.work, self.manifests, requests)
        for index, response in answered.items():
            responses[index] = response
        connecting = {r.message.ids.channel_key: r.fingerprint for r in requests if isinstance(r.message, ConnectMessage)}
        loaded = {key: each for key, each in (known or {}).items() if key in connecting}
        if missing := [(key, fingerprint) for key, fingerprint in connecting.items() if key not in loaded]:
            loaded |= self.channel.load_next_commands(missing, self.now)
        self.loaded = loaded
        connects: list[ConnectRequest] = []
        for index, request in enumerate(requests):
            if isinstance(request.message, ConnectMessage):
                enrollment, candidate = loaded.get(request.message.ids.channel_key, (None, None))
                authorized = self._authorize(request, enrollment)
                if isinstance(authorized, ChannelResponse):
                    responses[index] = authorized
                else:
                    if not request.message.is_readable:
                        self._note_unreadable(request)
                    connects.append(ConnectRequest(index, request, request.message, authorized, candidate))
        if connects:
            self._process_connects(connects, responses)
        for index, request in enumerate(requests):
            if isinstance(request.message, CheckinMessage) and index not in answered:
                responses[index] = self._process_checkin(request)
        return responses

    def _authorize(self, request: ChannelRequest, enrollment: EnrollmentSnapshot | None) -> EnrollmentSnapshot | ChannelResponse:
        """Return the enrollment if it may use the connect loop with this certificate, else the response that rejects it."""
        if enrollment is None:
            is_user = request.message.ids.is_user_channel
            reason = RejectionReason.UNKNOWN_USER if is_user else RejectionReason.UNKNOWN_TABLET
            return self._readopt(request, None) or self._reject(request, DeviceRequestRejected(reason))
        if not enrollment.is_pinned_to(request.fingerprint) and not identity.pin_renewed_certificate(
            self.work, enrollment.enrollment_id, request.fingerprint
        ):
            return self._readopt(request, enrollment) or self._reject(
                request, DeviceRequestRejected(RejectionReason.WRONG_CERTIFICATE)
            )
        if enrollment.state is EnrollmentState.RETIRED:
            # While the town is stopped, even a tablet that was disposed of is not told to unenroll: an empty answer changes nothing.
            return EMPTY_RESPONSE if is_stopped(self.work, enrollment.town_id) else UNRECOGNIZED_DEVICE
        if enrollment.state is EnrollmentState.CHECKED_OUT:
            return self._reject(request, DeviceRequestRejected(RejectionReason.NOT_ENROLLED))
        return enrollment

    def _readopt(self, request: ChannelRequest, enrollment: EnrollmentSnapshot | None) -> ChannelResponse | None:
        """Return the response to a tablet that a restored database does not know as it is; None for any other. It fails only when the database does.

        The commands of an enrollment that goes on wake the tablet again, so it gets none now.
        """
        try:
            with self.work.session.begin_nested():
                if enrollment is None:
                    return readoption.answer_unknown_tablet(self.work, request)
                row = self.work.session.get_one(DeviceEnrollment, enrollment.enrollment_id)
                return EMPTY_RESPONSE if readoption.readopt_enrollment(self.work, row, request.certificate) else None
        except Exception as error:
            if find_outage(error) is not None:
                raise
            log.exception("channel.readoption_failed", udid=request.message.ids.device_key)
            return None

    def _process_connects(self, connects: list[ConnectRequest], responses: list[ChannelResponse]) -> None:
        with_result = [connect for connect in connects if not connect.is_idle]
        if with_result:
            self.results.apply_results(with_result)
        chosen = self.delivery.send_commands(connects, {connect.enrollment.enrollment_id for connect in with_result})
        if chosen:
            self.command_cache.render_missing(self.work.session, [candidate.body_id for candidate in chosen.values()])
        for connect in connects:
            command = chosen.get((connect.is_idle, connect.enrollment.enrollment_id))
            body = self.command_cache.get_plist(command.body_id, command.nonce, command.command_id) if command else b""
            responses[connect.index] = ChannelResponse(200, body)
        if tracing.is_enabled():
            self.command_spans = collect_command_spans(QueueRepository(self.work.session), with_result, list(chosen.values()))

    def _process_checkin(self, request: ChannelRequest) -> ChannelResponse:
        """Return the response to one check-in message. It runs in a savepoint, so that its failure leaves the rest of the batch."""
        assert isinstance(request.message, CheckinMessage)
        try:
            with self.work.session.begin_nested():
                return handlers.handle_checkin(self.work, request.message, request.fingerprint, request.certificate)
        except DeviceRequestRejected as rejection:
            if rejection.reason is RejectionReason.UNKNOWN_TABLET:
                readoption.record_unknown_tablet(self.work, request)
            return self._reject(request, rejection)
        except Exception as error:
            if find_outage(error) is not None:
                raise
            log.exception("channel.checkin_failed", message=request.message.MESSAGE_TYPE, udid=request.message.ids.device_key)
            return SERVER_ERROR

    def _note_unreadable(self, request: ChannelRequest) -> None:
        """Note for support staff that a tablet sends what cannot be read; the bytes are kept with the command's result."""
        udid, size = request.message.ids.device_key, len(request.raw)
        log.warning("channel.answer_unreadable", udid=udid, size=size)
        self.channel.add_note(udid, request.fingerprint, UNREADABLE_ANSWER, {"bytes": size}, self.now)

    def _reject(self, request: ChannelRequest, rejection: DeviceRequestRejected) -> ChannelResponse:
        udid = request.message.ids.device_key
        log.warning("channel.request_rejected", udid=udid, reason=rejection.reason.value, detail=rejection.detail)
        details = {"detail": rejection.detail} if rejection.detail else {}
        self.channel.add_note(udid, request.fingerprint, rejection.reason.value, details, self.now)
        refusal = rejection.invitation_refusal
        if refusal is not None:
            record_refusal(self.work, refusal.invitation_id, refusal.reason, refusal.device)
        return build_rejection(rejection.status)
