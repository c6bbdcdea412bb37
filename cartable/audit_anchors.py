"""The anchors of the audit trail: the ends of its chains, written to files outside the database, and a root over all of them.

Whoever can write the database can remove the newest events and set the counters back to an older, genuine state. The anchors are in
an append-only file beside the secrets, so that this contradicts them. One line is one JSON object with the server's HMAC.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

from cartable.crypto import Keyring
from cartable.private_files import ensure_private_folder
from cartable.settings import Settings


class AnchorKind(StrEnum):
    """Why a line was written."""

    PERIODIC = "periodic"  # the ends that have changed since the last line
    DAILY = "daily"  # all ends, and the root that the operator publishes
    RESTORED = "restored"  # all ends after a person accepted a restored database: what was anchored beyond them no longer counts


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The number of events of a chain and the link of the newest."""

    sequence: int
    link: str


@dataclass(frozen=True, slots=True)
class AnchorLine:
    """One line of the file. `root` is the hash over all ends of a daily line, else empty."""

    kind: AnchorKind
    at: datetime
    ends: Mapping[str, ChainEnd]
    root: str = ""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What one line says of one chain."""

    at: datetime
    sequence: int
    link: str


class AnchorsUnreadable(Exception):
    """A line of an anchor file was changed, or was made with another key. The message names the file and the line."""


class AnchorFile:
    """The anchor files of an installation: one for each month, only ever appended to."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.folder: Path = settings.audit_anchor_dir or settings.secrets_dir / "audit-anchors"
        self._keyring = keyring

    def append(self, line: AnchorLine) -> None:
        """Write a line and wait until it is on the disk."""
        ensure_private_folder(self.folder)
        path = self.folder / f"{line.at:%Y-%m}.jsonl"
        content = _serialize(line)
        content["mac"] = self._compute_mac(content)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(content, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def read_lines(self, containing: str = "") -> Iterator[AnchorLine]:
        """Yield the lines, oldest first, one at a time; with `containing`, those with this text. Raises `AnchorsUnreadable`."""
        for path in self._list_files():
            yield from self._read_file(path, containing)

    def _list_files(self) -> list[Path]:
        return sorted(self.folder.glob("????-??.jsonl")) if self.folder.exists() else []

    def _read_file(self, path: Path, containing: str) -> Iterator[AnchorLine]:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if containing.encode() in raw:
                    yield self._parse(raw, f"{path.name}:{number}")

    def _parse(self, raw: bytes, place: str) -> AnchorLine:
        try:
            content = json.loads(raw)
            mac = content.pop("mac")
            if mac != self._compute_mac(content):
                raise AnchorsUnreadable(place)
            ends = {chain: ChainEnd(int(sequence), str(link)) for chain, (sequence, link) in content["ends"].items()}
            return AnchorLine(AnchorKind(content["kind"]), datetime.fromisoformat(content["at"]), ends, content["root"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AnchorsUnreadable(place) from error

    def _compute_mac(self, content: Mapping[str, Any]) -> str:
        return self._keyring.keyed_hash(json.dumps(content, sort_keys=True), "audit-anchor")

    def load_anchors(self, chain: str) -> list[Anchor]:
        """Return the anchors of a chain that still count, by sequence: the last of each day, and the highest.

        An anchor counts no longer when a later line accepted a restored database in which the chain ends before it. Raises
        `AnchorsUnreadable`.
        """
        last_by_day: dict[object, Anchor] = {}
        highest: Anchor | None = None
        for line in self.read_lines(json.dumps(chain)):
            end = line.ends.get(chain)
            if line.kind is AnchorKind.RESTORED:
                limit = end.sequence if end is not None else 0
                last_by_day = {day: anchor for day, anchor in last_by_day.items() if anchor.sequence <= limit}
                highest = highest if highest is not None and highest.sequence <= limit else None
            if end is not None:
                anchor = Anchor(line.at, end.sequence, end.link)
                last_by_day[line.at.date()] = max(anchor, last_by_day.get(line.at.date(), anchor), key=lambda each: each.sequence)
                highest = anchor if highest is None or anchor.sequence >= highest.sequence else highest
        anchors = {*last_by_day.values(), *([highest] if highest is not None else [])}
        return sorted(anchors, key=lambda anchor: anchor.sequence)

    def list_chains(self) -> set[str]:
        """Return the keys of all chains that an anchor names and that a restored database has not undone. Raises `AnchorsUnreadable`."""
        chains: set[str] = set()
        for line in self.read_lines():
            chains = set(line.ends) if line.kind is AnchorKind.RESTORED else chains | set(line.ends)
        return chains

    def read_daily_lines(self, limit: int) -> list[AnchorLine]:
        """Return the newest daily lines, the newest first. Raises `AnchorsUnreadable`."""
        lines: list[AnchorLine] = []
        for path in reversed(self._list_files()):
            if len(lines) >= limit:
                break
            lines += reversed(list(self._read_file(path, f'"kind":"{AnchorKind.DAILY.value}"')))
        return lines[:limit]

    def read_last(self, kind: AnchorKind | None = None) -> AnchorLine | None:
        """Return the newest line (of a kind) of the newest file that has one; None without one. Raises `AnchorsUnreadable`."""
        for path in reversed(self._list_files()):
            newest = None
            for line in self._read_file(path, f'"kind":"{kind.value}"' if kind else ""):
                newest = line
            if newest is not None:
                return newest
        return None


def _serialize(line: AnchorLine) -> dict[str, Any]:
    ends = {chain: [end.sequence, end.link] for chain, end in line.ends.items()}
    return {"kind": line.kind.value, "at": line.at.isoformat(), "ends": ends, "root": line.root}


def compute_root(ends: Mapping[str, ChainEnd]) -> str:
    """Return the Merkle root over the ends of all chains, in the order of their keys.

    It can be published: it reveals nothing of the events, and a town can prove with `build_proof` that its chain is part of it.
    """
    level = _hash_leaves(ends)
    while len(level) > 1:
        level = _hash_pairs(level)
    return level[0] if level else sha256(b"").hexdigest()


def build_proof(ends: Mapping[str, ChainEnd], chain: str) -> list[tuple[str, str]]:
    """Return the way from one chain's leaf to the root: for each level the side and the hash of the neighbour."""
    index, level, proof = sorted(ends).index(chain), _hash_leaves(ends), []
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            proof.append(("left" if neighbour < index else "right", level[neighbour]))
        index, level = index // 2, _hash_pairs(level)
    return proof


def follow_proof(chain: str, end: ChainEnd, proof: Sequence[tuple[str, str]]) -> str:
    """Return the root to which a proof leads."""
    current = _hash_leaf(chain, end)
    for side, neighbour in proof:
        current = _hash_pair(neighbour, current) if side == "left" else _hash_pair(current, neighbour)
    return current


def _hash_leaves(ends: Mapping[str, ChainEnd]) -> list[str]:
    return [_hash_leaf(chain, ends[chain]) for chain in sorted(ends)]


def _hash_leaf(chain: str, end: ChainEnd) -> str:
    return sha256(f"leaf/{chain}/{end.sequence}/{end.link}".encode()).hexdigest()


def _hash_pair(left: str, right: str) -> str:
    return sha256(f"node/{left}/{right}".encode()).hexdigest()


def _hash_pairs(level: Sequence[str]) -> list[str]:
    return [
        _hash_pair(level[index], level[index + 1]) if index + 1 < len(level) else level[index]
        for index in range(0, len(level), 2)
    ]
