"""Posts the daily root of the audit trail to the address that the operator has set, again until it is accepted. See docs/operator/records.md."""

from __future__ import annotations

import json

import structlog

from cartable.audit_anchors import AnchorFile, AnchorKind, AnchorLine
from cartable.outbox import OutboxRow
from cartable.outbox_leases import complete_jobs, record_failure
from cartable.unit_of_work import Runtime
from mdm.notices.sending import DeliveryFailure, WebhookRequest, post_webhook

log = structlog.get_logger()


def post_root(runtime: Runtime, row: OutboxRow) -> None:
    """Post the newest daily root, where the operator has set an address."""
    settings, failure = runtime.settings, None
    line = AnchorFile(settings, runtime.keyring).read_last(AnchorKind.DAILY)
    if settings.audit_webhook and line is not None:
        try:
            # The operator has chosen the address, be it in the own network.
            post_webhook(runtime, _build_request(settings.audit_webhook, settings.audit_webhook_secret, line), allow_private=True)
        except DeliveryFailure as error:
            failure = str(error)
    with runtime.open_unit_of_work() as work:
        if failure is None:
            complete_jobs(work.session, [row])
        elif record_failure(work.session, row, work.now, failure):
            log.error("audit.root_parked", reason=failure)


def _build_request(url: str, secret: str, line: AnchorLine) -> WebhookRequest:
    data = {"root": line.root, "at": line.at.isoformat(), "chains": len(line.ends)}
    body = {"type": "audit.root", "timestamp": line.at.isoformat(), "data": data}
    return WebhookRequest(url, secret, f"audit_root_{line.at:%Y%m%d}", json.dumps(body).encode())
