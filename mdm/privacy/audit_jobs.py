"""Scheduled work on the audit trail: anchors outside the database, and a verification that never ends. Each call is short."""

from __future__ import annotations

import socket
from datetime import timedelta

import structlog

from cartable import alarms
from cartable.alarms import AlarmKind
from cartable.audit_anchors import AnchorFile, AnchorKind, AnchorLine, ChainEnd, compute_root
from cartable.audit_verification import (
    START,
    ChainFault,
    list_known_chains,
    read_ends,
    verify_end,
    verify_page,
    verify_registry,
)
from cartable.outbox import Topic
from cartable.unit_of_work import UnitOfWork
from mdm.privacy.audit_repository import CheckpointRepository
from mdm.privacy.models import AuditCheckpoint

log = structlog.get_logger()
#: Pages that one run reads: 10 000 events, about half a second.
PAGES_PER_RUN = 20
#: Time between the starts of two passes over a chain.
PASS_INTERVAL = timedelta(days=1)


def write_anchors(work: UnitOfWork) -> AnchorLine | None:
    """Append the ends of the chains that have changed to the anchor file; once a day all ends with their root.

    Returns the line; None when nothing has changed.
    """
    anchor_file = AnchorFile(work.settings, work.keyring)
    ends = read_ends(work)
    checkpoints = CheckpointRepository(work.session).load_checkpoints(ends)
    changed = {chain: end for chain, end in ends.items() if end.sequence != checkpoints[chain].anchored_sequence}
    last_daily = anchor_file.read_last(AnchorKind.DAILY)
    is_daily = bool(ends) and (last_daily is None or last_daily.at.date() < work.now.date())
    if not changed and not is_daily:
        return None
    kind = AnchorKind.DAILY if is_daily else AnchorKind.PERIODIC
    line = AnchorLine(kind, work.now, ends if is_daily else changed, compute_root(ends))
    anchor_file.append(line)
    for chain, end in line.ends.items():
        checkpoints[chain].anchored_sequence = end.sequence
    if is_daily and work.settings.audit_webhook:
        work.enqueue_job(Topic.AUDIT_ROOT, "newest")
    if work.settings.audit_syslog:
        _send_to_syslog(work.settings.audit_syslog, line)
    return line


def _send_to_syslog(address: str, line: AnchorLine) -> None:
    """Send an anchor as one datagram (RFC 3164, facility local0). When that fails it is logged: the file has the anchor."""
    text = f"<134>cartable-audit: {line.kind.value} {line.at.isoformat()} chains={len(line.ends)} root={line.root}"
    host, _, port = address.rpartition(":")
    try:
        family, target = (socket.AF_UNIX, address) if address.startswith("/") else (socket.AF_INET, (host, int(port)))
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.settimeout(2)
            sender.sendto(text.encode(), target)
    except (OSError, ValueError) as error:
        log.warning("audit.syslog_unreachable", error=type(error).__name__)


def verify_next_events(work: UnitOfWork) -> list[ChainFault]:
    """Verify the newest end of every chain, and the next events of the pass over all of them. Returns the faults.

    A pass begins anew each day, and at once where something was wrong. A fault is stored, and an alarm raised for it once.
    """
    anchor_file = AnchorFile(work.settings, work.keyring)
    anchored = anchor_file.list_chains()
    chains = sorted({*list_known_chains(work), *anchored})
    checkpoints = CheckpointRepository(work.session).load_checkpoints(chains)
    missing_chain = verify_registry(work)
    faults = [missing_chain] if missing_chain is not None else []
    if missing_chain is not None:
        _raise_alarm(work, missing_chain, repeat_after=PASS_INTERVAL)
    pages_left = PAGES_PER_RUN
    for chain in sorted(chains, key=lambda key: (checkpoints[key].verified_at is not None, checkpoints[key].verified_at, key)):
        checkpoint, anchors = checkpoints[chain], anchor_file.load_anchors(chain) if chain in anchored else []
        fault = verify_end(work, chain, anchors)
        is_passed = False
        while fault is None and pages_left and not is_passed and _is_pass_due(work, checkpoint):
            pages_left -= 1
            page = verify_page(work, chain, anchors, _read_position(work, checkpoint))
            fault, is_passed = page.fault, page.is_last
            _store_position(work, checkpoint, page.position, is_last=page.is_last)
        if fault is not None or is_passed:
            _store_fault(work, checkpoint, fault)
        faults += [fault] if fault is not None else []
    return faults


def _is_pass_due(work: UnitOfWork, checkpoint: AuditCheckpoint) -> bool:
    """Return whether a pass is under way, whether something was wrong, or whether the last pass began a day ago."""
    if checkpoint.sequence or checkpoint.fault_kind is not None or checkpoint.pass_started_at is None:
        return True
    return checkpoint.pass_started_at <= work.now - PASS_INTERVAL


def _read_position(work: UnitOfWork, checkpoint: AuditCheckpoint) -> ChainEnd:
    """Return where the pass goes on; the beginning when the stored position was not written by the server."""
    position = ChainEnd(checkpoint.sequence, checkpoint.link)
    return position if checkpoint.seal == _compute_seal(work, checkpoint.chain, position) else START


def _store_position(work: UnitOfWork, checkpoint: AuditCheckpoint, position: ChainEnd, *, is_last: bool) -> None:
    if not checkpoint.sequence:
        checkpoint.pass_started_at = work.now
    if is_last:
        checkpoint.verified_at, position = work.now, START
    checkpoint.sequence, checkpoint.link = position.sequence, position.link
    checkpoint.seal = _compute_seal(work, checkpoint.chain, position)


def _compute_seal(work: UnitOfWork, chain: str, position: ChainEnd) -> str:
    return work.keyring.keyed_hash(f"{chain}/{position.sequence}/{position.link}", "audit-checkpoint")


def _store_fault(work: UnitOfWork, checkpoint: AuditCheckpoint, fault: ChainFault | None) -> None:
    kind, sequence = (fault.kind, fault.sequence) if fault is not None else (None, None)
    if fault is not None and (checkpoint.fault_kind, checkpoint.fault_sequence) != (kind, sequence):
        _raise_alarm(work, fault)
    checkpoint.fault_kind, checkpoint.fault_sequence = kind, sequence


def _raise_alarm(work: UnitOfWork, fault: ChainFault, repeat_after: timedelta | None = None) -> None:
    alarms.raise_alarm(
        work,
        None,
        AlarmKind.AUDIT_TRAIL_BROKEN,
        repeat_after=repeat_after,
        chain=fault.chain,
        fault=fault.kind.value,
        sequence=fault.sequence,
        anchored_at=fault.anchor.at.isoformat() if fault.anchor else None,
    )
