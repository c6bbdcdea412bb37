"""What the town's resolver enforces at one address, as plain values with a canonical form, and its decision on a name. Pure.

The stores that the resolver looks names up in are built from the same values (`mdm.resolver`) and must decide alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from profiles.filters.rules import (
    BYPASS_CATEGORIES,
    LEGAL_CATEGORIES,
    EffectiveFilter,
    HostDecision,
    HostVerdict,
    RestrictedVideo,
    VerdictReason,
    apply_rules,
    find_covering_entry,
)

#: Names by which a tablet leaves the resolver: Apple's Private Relay and encrypted DNS, the sign by which Firefox asks whether it may
#: use its own, and the zone in which a resolver names another one (RFC 9462). Apple documents that a network refuses the first two so.
BYPASS_HOSTS = frozenset(
    {"mask.icloud.com", "mask-h2.icloud.com", "doh.dns.apple.com", "use-application-dns.net", "resolver.arpa"}
)


@dataclass(frozen=True, slots=True)
class ResolverFilter:
    """The filter of one address. An entry covers a host and all hosts below it; hosts are lower-case A-labels.

    `opened` are hosts that a teacher opens for a session. `lesson_hosts` and `guardian_hosts` are the only ones that a lesson or a
    child's guardians leave of those that are open otherwise; None without such a limit. `always_open` are hosts without which a tablet would lose its management,
    its updates or its network; they come before every rule. `own_hosts` are the town's own sites: only the categories closed to every child close them. The categories closed to every child are part of every filter.
    """

    denied: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()
    opened: frozenset[str] = frozenset()
    blocked_categories: frozenset[str] = LEGAL_CATEGORIES | BYPASS_CATEGORIES
    permitted_categories: frozenset[str] = frozenset()
    only_permitted: bool = False
    lesson_hosts: frozenset[str] | None = None
    guardian_hosts: frozenset[str] | None = None
    safe_search: bool = False
    restricted_video: RestrictedVideo = RestrictedVideo.OFF
    always_open: frozenset[str] = field(default=frozenset())
    own_hosts: frozenset[str] = field(default=frozenset())

    def __post_init__(self) -> None:
        """Close the categories that no filter may leave open."""
        closed = self.blocked_categories | LEGAL_CATEGORIES | BYPASS_CATEGORIES
        object.__setattr__(self, "blocked_categories", closed)
        object.__setattr__(self, "permitted_categories", self.permitted_categories - closed)

    def to_json(self) -> dict[str, Any]:
        """Return values for JSON, always in the same order."""
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in sorted(asdict(self).items())}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the filter that `to_json` wrote. Names that are not known are ignored: an older server may have written them."""
        known: dict[str, Any] = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        made: dict[str, Any] = {name: frozenset(value) if isinstance(value, list) else value for name, value in known.items()}
        if "restricted_video" in made:
            made["restricted_video"] = RestrictedVideo(made["restricted_video"])
        return cls(**made)

    def hash_content(self) -> str:
        """Return the SHA-256 of the canonical JSON: equal filters of any town have the same."""
        canonical = json.dumps(self.to_json(), separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def decide_name(rules: ResolverFilter, host: str, categories: Iterable[str]) -> HostVerdict:
    """Return what the resolver does with a name that lies in these categories: what tablets always need, then the filter's order."""
    if entry := find_covering_entry(host, tuple(BYPASS_HOSTS)):
        return HostVerdict(HostDecision.BLOCK, VerdictReason.BYPASS_HOST, entry)
    if entry := find_covering_entry(host, tuple(rules.always_open)):
        return HostVerdict(HostDecision.ALLOW, VerdictReason.ALWAYS_OPEN, entry)
    web = EffectiveFilter(
        denied=tuple(rules.denied),
        permitted=tuple(rules.permitted | rules.opened),
        blocked_categories=rules.blocked_categories,
        permitted_categories=rules.permitted_categories,
        own_hosts=tuple(rules.own_hosts),
        only_permitted=rules.only_permitted,
        lesson_hosts=None if rules.lesson_hosts is None else tuple(rules.lesson_hosts),
        guardian_hosts=None if rules.guardian_hosts is None else tuple(rules.guardian_hosts),
    )
    return HostVerdict(*apply_rules(web, host, categories))
