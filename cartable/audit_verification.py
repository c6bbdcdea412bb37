"""Verifies the chains of the audit trail against their counters and against the anchors outside the database, page by page.

It reads only, but for the position that a scheduled verification has reached. Memory is bounded, whatever the length of a chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select

from cartable.audit import (
    PURGED,
    REGISTRY,
    AuditChain,
    AuditEvent,
    chain_events,
    compute_end_seal,
    compute_link,
    compute_purge_proof,
    list_chain_events,
)
from cartable.audit_anchors import Anchor, AnchorKind, AnchorLine, ChainEnd
from cartable.unit_of_work import UnitOfWork

PAGE_SIZE = 500
START = ChainEnd(0, "")


class FaultKind(StrEnum):
    """What is wrong with a chain."""

    CHANGED = "changed"
    """The event does not fit its link: it was changed, or exchanged with another one."""
    MISSING = "missing"
    """An event is not there, although later events or the counter say that it was recorded."""
    ADDED = "added"
    """An event is there that the server did not put into the chain."""
    COUNTER = "counter"
    """The counter of the chain, or the number of chains, is missing or was changed."""
    BEHIND_ANCHOR = "behind_anchor"
    """Chain and counter agree, but they end before an anchor: events were removed, or an old database was restored."""
    CONTRADICTS_ANCHOR = "contradicts_anchor"
    """At the place of an anchor there is another event than then."""


@dataclass(frozen=True, slots=True)
class ChainFault:
    """The first place at which a chain is wrong; `anchor` is the first one outside the database that contradicts it."""

    chain: str
    kind: FaultKind
    sequence: int
    event_id: int | None = None
    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True)
class PageResult:
    """How far a page was verified; `is_last` when the end of the chain was reached or a fault found."""

    position: ChainEnd
    fault: ChainFault | None
    is_last: bool


@dataclass(frozen=True, slots=True)
class RestoreWindow:
    """Between which anchors the backup was made from which the database seems to have been restored."""

    after: datetime | None
    before: datetime


def verify_page(
    work: UnitOfWork, chain: str, anchors: Sequence[Anchor], start: ChainEnd = START, limit: int = PAGE_SIZE
) -> PageResult:
    """Verify up to `limit` events of a chain after `start`, and the end of the chain when they reach it.

    `anchors` must have been read before this unit of work was opened: then each is older than what is read here.
    """
    chain_events(work)
    counter = _read_counter(work, chain)
    events = list_chain_events(work, chain, start.sequence, limit)
    links = {anchor.sequence: anchor for anchor in anchors}
    position = start
    for event in events:
        fault = _check_event(work, event, position, links)
        if fault is not None:
            return PageResult(position, _name_anchor(fault, anchors), is_last=True)
        position = ChainEnd(position.sequence + 1, str(event.link))
    if len(events) == limit:
        return PageResult(position, None, is_last=False)
    fault = _check_end(work, chain, position, counter, anchors)
    return PageResult(position, fault and _name_anchor(fault, anchors), is_last=True)


def verify_end(work: UnitOfWork, chain: str, anchors: Sequence[Anchor]) -> ChainFault | None:
    """Verify counter, newest event and newest anchor of a chain, without reading its other events: cheap, and sees a removed end."""
    chain_events(work)
    counter = _read_counter(work, chain)
    if counter is None or counter.sequence == 0:
        return _check_counter(chain, START, counter, anchors)
    newest = work.session.scalar(
        select(AuditEvent.link).where(AuditEvent.chain == chain, AuditEvent.sequence == counter.sequence)
    )
    if newest != counter.link:
        kind = FaultKind.MISSING if newest is None else FaultKind.CHANGED
        return _name_anchor(ChainFault(chain, kind, counter.sequence), anchors)
    fault = _check_end(work, chain, ChainEnd(counter.sequence, newest), counter, anchors)
    return fault and _name_anchor(fault, anchors)


def verify_chain(work: UnitOfWork, chain: str, anchors: Sequence[Anchor] = ()) -> ChainFault | None:
    """Verify a whole chain in this unit of work. Return its first fault, or None."""
    result = verify_page(work, chain, anchors)
    while not result.is_last:
        result = verify_page(work, chain, anchors, result.position)
    return result.fault


def verify_registry(work: UnitOfWork) -> ChainFault | None:
    """Verify that no chain has vanished as a whole: the registry counts them."""
    chain_events(work)
    registry = work.session.execute(
        select(AuditChain.sequence, AuditChain.link, AuditChain.seal).where(AuditChain.chain == REGISTRY)
    ).one_or_none()
    count = work.session.scalar(select(func.count()).select_from(AuditChain).where(AuditChain.chain != REGISTRY)) or 0
    if registry is None:
        return ChainFault(REGISTRY, FaultKind.COUNTER, count) if count else None
    expected = AuditChain(chain=REGISTRY, sequence=registry.sequence, link=registry.link)
    if registry.seal != compute_end_seal(work.keyring, expected) or registry.sequence != count:
        return ChainFault(REGISTRY, FaultKind.COUNTER, count)
    return None


def list_known_chains(work: UnitOfWork) -> list[str]:
    """Return the keys of the chains that have a counter, in order."""
    return list(work.session.scalars(select(AuditChain.chain).where(AuditChain.chain != REGISTRY).order_by(AuditChain.chain)))


def read_ends(work: UnitOfWork) -> dict[str, ChainEnd]:
    """Return the ends of all chains as the database has them."""
    rows = work.session.execute(
        select(AuditChain.chain, AuditChain.sequence, AuditChain.link).where(AuditChain.chain != REGISTRY)
    )
    return {chain: ChainEnd(sequence, link) for chain, sequence, link in rows}


def find_restore_window(
    faults: Sequence[ChainFault], ends: Mapping[str, ChainEnd], lines: Iterable[AnchorLine]
) -> RestoreWindow | None:
    """Return when the backup was made, if all faults can be explained by a restored database; None if they cannot.

    A restored database is intact, and all its chains end at one moment of the past. Where some chains are older than others, or an
    event is missing inside, somebody removed events. `lines` are those of the anchor file.
    """
    if not faults or any(fault.kind is not FaultKind.BEHIND_ANCHOR for fault in faults):
        return None
    after: datetime | None = None
    before: datetime | None = None
    anchored: dict[str, ChainEnd] = {}
    for line in lines:
        changed = {chain: end for chain, end in line.ends.items() if end != anchored.get(chain)}
        anchored |= changed
        if line.kind is AnchorKind.RESTORED:
            after, before, anchored = line.at, None, dict(line.ends)
        elif any(end.sequence > ends.get(chain, START).sequence for chain, end in changed.items()):
            before = before or line.at
        if any(end.sequence <= ends.get(chain, START).sequence for chain, end in changed.items()):
            after = line.at
    return RestoreWindow(after, before) if before is not None and (after is None or after < before) else None


@dataclass(frozen=True, slots=True)
class _Counter:
    """A row of `AuditChain` as it was read."""

    sequence: int
    link: str
    is_genuine: bool


def _read_counter(work: UnitOfWork, chain: str) -> _Counter | None:
    row = work.session.execute(
        select(AuditChain.sequence, AuditChain.link, AuditChain.seal).where(AuditChain.chain == chain)
    ).one_or_none()
    if row is None:
        return None
    seal = compute_end_seal(work.keyring, AuditChain(chain=chain, sequence=row.sequence, link=row.link))
    return _Counter(row.sequence, row.link, row.seal == seal)


def _check_event(work: UnitOfWork, event: AuditEvent, previous: ChainEnd, anchors: Mapping[int, Anchor]) -> ChainFault | None:
    sequence = previous.sequence + 1
    if event.sequence != sequence:
        return ChainFault(event.chain, FaultKind.MISSING, sequence)
    if event.action == PURGED:
        is_valid = event.details == compute_purge_proof(work.keyring, event)
    else:
        is_valid = event.link == compute_link(work.keyring, event, previous.link)
    if not is_valid:
        return ChainFault(event.chain, FaultKind.CHANGED, sequence, event.id)
    if sequence in anchors and anchors[sequence].link != event.link:
        return ChainFault(event.chain, FaultKind.CONTRADICTS_ANCHOR, sequence, event.id)
    return None


def _check_end(
    work: UnitOfWork, chain: str, position: ChainEnd, counter: _Counter | None, anchors: Sequence[Anchor]
) -> ChainFault | None:
    """Compare the last event with the counter that was read before it, and look for events that are in no place of the chain."""
    fault = _check_counter(chain, position, counter, anchors)
    if fault is not None:
        return fault
    of_chain = AuditEvent.chain == chain
    unchained = work.session.scalar(
        select(AuditEvent.id).where(of_chain, AuditEvent.sequence.is_(None)).order_by(AuditEvent.id).limit(1)
    )
    if unchained is not None:
        return ChainFault(chain, FaultKind.ADDED, position.sequence + 1, unchained)
    newest = work.session.scalar(select(func.max(AuditEvent.sequence)).where(of_chain)) or 0
    latest = _read_counter(work, chain)  # read after them: events that are recorded meanwhile are not added ones
    last = latest.sequence if latest is not None else 0
    return ChainFault(chain, FaultKind.ADDED, last + 1) if newest > last else None


def _check_counter(chain: str, position: ChainEnd, counter: _Counter | None, anchors: Sequence[Anchor]) -> ChainFault | None:
    if counter is None and position.sequence > 0:
        return ChainFault(chain, FaultKind.COUNTER, position.sequence)
    counter = counter or _Counter(0, "", is_genuine=True)
    if not counter.is_genuine:
        return ChainFault(chain, FaultKind.COUNTER, counter.sequence)
    if counter.sequence > position.sequence:
        return ChainFault(chain, FaultKind.MISSING, position.sequence + 1)
    if anchors and anchors[-1].sequence > position.sequence:
        return ChainFault(chain, FaultKind.BEHIND_ANCHOR, position.sequence + 1)
    return None


def _name_anchor(fault: ChainFault, anchors: Sequence[Anchor]) -> ChainFault:
    """Return the fault with the first anchor at or after its place."""
    anchor = next((anchor for anchor in anchors if anchor.sequence >= fault.sequence), None)
    return ChainFault(fault.chain, fault.kind, fault.sequence, fault.event_id, anchor)
