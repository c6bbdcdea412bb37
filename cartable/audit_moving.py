"""Carries the audit chain of a town to another server, and leaves the bare chain of a town that has gone.

The links are HMACs by the server's key, so the new server makes links of its own: `cartable export-town` verifies the chain first, and
the new server records how far it went and how it ended. See docs/adr/0080-a-town-moves-in-a-sealed-archive.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select

from cartable.audit import (
    PURGED,
    AuditEvent,
    chain_events,
    compute_end_seal,
    compute_link,
    compute_purge_proof,
    list_chain_events,
    lock_ends,
    purge_events,
    select_chain,
)
from cartable.audit_anchors import ChainEnd
from cartable.unit_of_work import UnitOfWork

_PAGE = 500


def append_events(work: UnitOfWork, town_id: UUID, events: Iterable[AuditEvent]) -> int:
    """Append the events of a town from another server to its chain, in their order, with links of this server. Returns how many.

    If the town was here before, they follow what is left of it.
    """
    chain = select_chain(town_id, "")
    end = lock_ends(work, [chain])[chain]
    count = 0
    for event in events:
        event.chain, event.sequence = chain, end.sequence + 1
        event.link = compute_link(work.keyring, event, end.link)
        if event.action == PURGED:
            event.details = compute_purge_proof(work.keyring, event)
        end.sequence, end.link = event.sequence, event.link
        work.session.add(event)
        count += 1
        if count % _PAGE == 0:
            work.session.flush()
    end.seal = compute_end_seal(work.keyring, end)
    work.session.flush()
    return count


def read_chain_end(work: UnitOfWork, town_id: UUID) -> ChainEnd:
    """Return the end of a town's chain as this unit of work sees it."""
    chain = select_chain(town_id, "")
    statement = select(AuditEvent.sequence, AuditEvent.link).where(AuditEvent.chain == chain, AuditEvent.sequence.is_not(None))
    row = work.session.execute(statement.order_by(AuditEvent.sequence.desc()).limit(1)).one_or_none()
    return ChainEnd(row.sequence or 0, row.link or "") if row is not None else ChainEnd(0, "")


def strip_chain(work: UnitOfWork, town_id: UUID) -> int:
    """Delete the content of all events of a town that goes, and their reference to it. Returns how many.

    Numbers and links stay, so that chain, counters and anchors can still be verified.
    """
    chain_events(work)
    chain, position, count = select_chain(town_id, ""), 0, 0
    while events := list_chain_events(work, chain, position, _PAGE):
        purge_events(work, [event for event in events if event.action != PURGED])
        for event in events:
            event.town_id = None
        position, count = events[-1].sequence or 0, count + len(events)
        work.session.flush()
    return count
