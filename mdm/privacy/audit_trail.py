"""The audit trail of an installation: verify all of it, export it, accept a restored database. Single chains are `cartable`'s.

What reads a whole chain opens a unit of work for each page: on SQLite a long transaction would keep every tablet waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cartable import audit
from cartable.audit_anchors import AnchorFile, AnchorKind, AnchorLine, ChainEnd, compute_root
from cartable.audit_verification import (
    START,
    ChainFault,
    RestoreWindow,
    find_restore_window,
    list_known_chains,
    read_ends,
    verify_page,
    verify_registry,
)
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.privacy.errors import NothingRestored


@dataclass(frozen=True, slots=True)
class TrailReport:
    """What a verification found. `events` were read; `restore_window` is set when a restored database explains every fault."""

    chains: int
    events: int
    faults: Sequence[ChainFault]
    restore_window: RestoreWindow | None = None


def verify_chains(runtime: Runtime, chains: Sequence[str]) -> TrailReport:
    """Verify chains from their first event to their last, against their counters and anchors. Raises `AnchorsUnreadable`."""
    anchor_file = AnchorFile(runtime.settings, runtime.keyring)
    faults, events = [], 0
    for chain in chains:
        anchors = anchor_file.load_anchors(chain)
        position: ChainEnd = START
        is_last = False
        while not is_last:
            with runtime.open_unit_of_work() as work:
                page = verify_page(work, chain, anchors, position)
            position, is_last = page.position, page.is_last
        events += position.sequence
        faults += [page.fault] if page.fault is not None else []
    return TrailReport(len(chains), events, faults)


def verify_all(runtime: Runtime) -> TrailReport:
    """Verify every chain that the database or an anchor names, and tell a restored database from removed events.

    Raises `AnchorsUnreadable`.
    """
    anchor_file = AnchorFile(runtime.settings, runtime.keyring)
    anchored = anchor_file.list_chains()
    with runtime.open_unit_of_work() as work:
        chains = sorted({*list_known_chains(work), *anchored})
        missing_chain = verify_registry(work)
    report = verify_chains(runtime, chains)
    faults = [*([missing_chain] if missing_chain is not None else []), *report.faults]
    with runtime.open_unit_of_work() as work:
        ends = read_ends(work)
    window = find_restore_window(faults, ends, anchor_file.read_lines())
    return TrailReport(report.chains, report.events, faults, window)


def accept_restored_database(runtime: Runtime) -> AnchorLine:
    """Let the anchors beyond the ends of a restored database no longer count, and record that in the trail. Returns the new line.

    Raises `NothingRestored` when the faults cannot be explained by a restored database, or when there are none.
    """
    report = verify_all(runtime)
    window = report.restore_window
    if window is None:
        raise NothingRestored
    with runtime.open_unit_of_work() as work:
        ends = read_ends(work)
        line = AnchorLine(AnchorKind.RESTORED, work.now, ends, compute_root(ends))
        AnchorFile(work.settings, work.keyring).append(line)
        audit.record_event(
            work, SYSTEM, "audit.accept_restore", "audit_trail", "all", town_id=None,
            backup_after=window.after.isoformat() if window.after else None, backup_before=window.before.isoformat(),
            chains=[fault.chain for fault in report.faults],
        )  # fmt: skip
    return line


def export_events(runtime: Runtime, chains: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the events of chains with their links, oldest first, in bounded memory: one reading for each page."""
    for chain in chains:
        after = 0
        while True:
            with runtime.open_reading() as work:
                lines = [_describe_event(event) for event in audit.list_chain_events(work, chain, after)]
            if not lines:
                break
            yield from lines
            after = lines[-1]["sequence"]


def _describe_event(event: audit.AuditEvent) -> dict[str, Any]:
    return {
        "chain": event.chain, "sequence": event.sequence, "at": event.at.isoformat(), "actor_name": event.actor_name,
        "actor_id": str(event.actor_id) if event.actor_id else None, "action": event.action, "subject_kind": event.subject_kind,
        "subject_id": event.subject_id, "details": event.details, "link": event.link,
    }  # fmt: skip
