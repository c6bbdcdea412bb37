"""What leaves a list and what comes into it, from one content to another. Pure; lists may have millions of hosts, so block by block."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from profiles.filters.blocks import HostBlock, read_block

#: Hosts that a preview names of each side.
SAMPLES = 20


@dataclass(frozen=True, slots=True)
class ContentChange:
    """How many hosts leave a content and come into it, and the first of each."""

    leaving: int
    coming: int
    leaving_samples: list[str] = field(default_factory=list)
    coming_samples: list[str] = field(default_factory=list)


def compare_contents(before: Sequence[HostBlock], after: Sequence[HostBlock]) -> ContentChange:
    """Return what changes from one content to another."""
    leaving, leaving_samples = _count(list_missing(before, after))
    coming, coming_samples = _count(list_missing(after, before))
    return ContentChange(leaving, coming, leaving_samples, coming_samples)


def list_samples(blocks: Sequence[HostBlock], others: Sequence[HostBlock]) -> list[str]:
    """Return some hosts of one content that another lacks."""
    return [host.decode() for host in islice(list_missing(blocks, others), SAMPLES)]


def list_missing(blocks: Sequence[HostBlock], others: Sequence[HostBlock]) -> Iterator[bytes]:
    """Yield the hosts of one content that another lacks."""
    ordered = sorted(others, key=lambda block: block.first)
    firsts = [block.first for block in ordered]
    bodies = {block.body for block in others}
    for block in blocks:
        if block.body in bodies:
            continue
        known: set[bytes] = set()
        for other in ordered[: bisect_right(firsts, block.last)]:
            if other.last >= block.first:
                known.update(read_block(other.body))
        yield from (host for host in read_block(block.body) if host not in known)


def _count(hosts: Iterator[bytes]) -> tuple[int, list[str]]:
    samples = [host.decode() for host in islice(hosts, SAMPLES)]
    return len(samples) + sum(1 for _ in hosts), samples
