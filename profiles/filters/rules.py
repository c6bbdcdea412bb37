"""What the web filter lets through, and why: composing the words of places, and the verdict on one host. Pure.

Order (schools.md section 15.4): safety floor, denied hosts, the town's and the places' allowances, categories, the level's
default. The legal floor holds in every mode; nobody allows what it forbids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from profiles.policy.kinds import ALWAYS, LayerKind
from profiles.policy.rules import Place, targets
from profiles.schedule.modes import Mode

#: Categories that are blocked for every child in every mode.
FLOOR = frozenset(
    {
        "adult", "mixed_adult", "agressif", "dangerous_material", "drogue", "gambling", "arjel", "sect", "dating", "hacking",
        "warez", "malware", "phishing", "cryptojacking", "stalkerware", "ddos",
    }
)  # fmt: skip
#: Ways around a filter: always blocked for pupils.
BYPASS = frozenset({"doh", "vpn", "residential-proxies", "dynamic-dns", "redirector", "shortener", "remote-control"})
#: Categories that are for other uses than a school's: never blocked unless somebody asks.
IGNORED = frozenset({"examen_pix", "tricheur_pix", "special", "strict_redirector", "strong_redirector"})
#: The built-in filter bears about 500 addresses; each host is sent with both schemes.
MAX_BUILT_IN = 250
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$")


class Decision(StrEnum):
    """What happens to a request."""

    ALLOW = "allow"
    BLOCK = "block"


class Ground(StrEnum):
    """Why."""

    FLOOR = "safety_floor"
    DENIED = "denied"
    PERMITTED = "permitted"
    CATEGORY = "category"
    NOT_LISTED = "only_listed_hosts"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Words:
    """What one place says of the filter."""

    town_id: object
    kind: LayerKind
    target: str
    mode: str
    denied: frozenset[str]
    permitted: frozenset[str]
    openable: frozenset[str]
    categories: Mapping[str, str]
    only_permitted: bool

    def concerns(self, place: Place, mode: Mode) -> bool:
        """Whether it speaks to a tablet in a mode."""
        return self.town_id == place.town_id and self.mode in (ALWAYS, mode.value) and self.target in targets(self.kind, place)


@dataclass(frozen=True, slots=True)
class Effective:
    """The filter of a tablet in a mode: one, composed; never swapped for another."""

    denied: tuple[str, ...]
    permitted: tuple[str, ...]
    blocked_categories: frozenset[str]
    allowed_categories: frozenset[str]
    only_permitted: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to a host, on which ground, and the entry or category that decided."""

    decision: Decision
    ground: Ground
    by: str = ""


def compose(words: Iterable[Words], opened: Iterable[str] = ()) -> Effective:
    """Put together what all places say. Denials add up; a narrower place may permit what a category blocks, never what is
    denied. `opened` are hosts that a teacher opened: only those count that an admin marked so.
    """
    said = sorted(words, key=lambda each: (each.kind.depth, each.mode != ALWAYS))
    denied = {host for each in said for host in each.denied}
    openable = {host for each in said for host in each.openable}
    permitted = {host for each in said for host in each.permitted} | (set(opened) & openable)
    categories: dict[str, str] = {}
    for each in said:  # narrower places and modes speak later
        categories.update(each.categories)
    blocked = {name for name, word in categories.items() if word == Decision.BLOCK} | FLOOR | BYPASS
    allowed = {name for name, word in categories.items() if word == Decision.ALLOW} - FLOOR - BYPASS
    return Effective(
        tuple(sorted(denied)),
        tuple(sorted(permitted - denied)),
        frozenset(blocked - allowed),
        frozenset(allowed),
        any(each.only_permitted for each in said),
    )


def verdict(effective: Effective, host: str, categories: Iterable[str]) -> Verdict:
    """What happens to a host that lies in these categories."""
    inside = set(categories) - IGNORED
    floor = sorted(inside & FLOOR - effective.allowed_categories)
    rescued = "sexual_education" in inside and "sexual_education" in effective.allowed_categories
    if floor and not rescued:
        return Verdict(Decision.BLOCK, Ground.FLOOR, floor[0])
    if entry := covering(host, effective.denied):
        return Verdict(Decision.BLOCK, Ground.DENIED, entry)
    if entry := covering(host, effective.permitted):
        return Verdict(Decision.ALLOW, Ground.PERMITTED, entry)
    blocked = sorted(inside & effective.blocked_categories)
    if blocked and not rescued:
        return Verdict(Decision.BLOCK, Ground.CATEGORY, blocked[0])
    if effective.only_permitted:
        return Verdict(Decision.BLOCK, Ground.NOT_LISTED)
    return Verdict(Decision.ALLOW, Ground.DEFAULT)


def covering(host: str, entries: Sequence[str]) -> str | None:
    """The entry that covers a host: itself or a domain above it."""
    known = set(entries)
    return next((name for name in domains_of(host) if name in known), None)


def domains_of(host: str) -> list[str]:
    """A host and the domains above it: a listed domain covers its sub-domains."""
    parts = host.lower().strip(".").split(".")
    return [".".join(parts[index:]) for index in range(max(1, len(parts) - 1))]


def clean_host(text: str) -> str | None:
    """A host as lists keep it; None when it is none."""
    host = text.strip().lower().removeprefix("https://").removeprefix("http://").partition("/")[0].strip(".")
    return host if _HOST.match(host) else None
