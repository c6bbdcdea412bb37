"""Posts the daily root of the audit trail to the address that the operator has set, again until it is accepted. See docs/operator/records.md."""

from __future__ import annotations

import json

import structlog

from cartable.audit_anchors import AnchorFile, AnchorKind, AnchorLine
from cartable.outbox import OutboxRow, Topic
from cartable.outbox_leases import ANY_LANE, Claimant, claim_jobs, complete_jobs, record_failure
from cartable.unit_of_work import Runtime
from mdm.notices.sending import DeliveryFailure, WebhookRequest, post_webhook

log = structlog.get_logger()


def send_due_roots(runtime: Runtime, claimant: Claimant = ANY_LANE) -> int:
    """Post the roots that are due. Returns how many jobs there were."""
    with runtime.open_unit_of_work() as work:
        rows = claim_jobs(work.session, work.now, Topic.AUDIT_ROOT, 1, claimant)
    for row in rows:
        _send_once(runtime, row)
    return len(rows)


def _send_once(runtime: Runtime, row: OutboxRow) -> None:
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
