"""What the web filter lets through, and why: the filter of a tablet from its settings, and the verdict on one host. Pure.

Order: categories closed to every child, the town's own hosts, denied hosts, hosts outside the lesson, permitted hosts, other blocked categories, and
nothing else where only permitted hosts are open. See docs/domain/filters.md#order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from typing import Any

#: Categories that are blocked for every child in every mode, whatever hosts are permitted.
LEGAL_CATEGORIES = frozenset(
    {
        "adult", "mixed_adult", "agressif", "dangerous_material", "drogue", "gambling", "arjel", "sect", "dating", "hacking",
        "warez", "malware", "phishing", "cryptojacking", "stalkerware", "ddos",
    }
)  # fmt: skip
#: Ways around a filter: always blocked; single hosts of them may be permitted.
BYPASS_CATEGORIES = frozenset({"doh", "vpn", "residential-proxies", "dynamic-dns", "redirector", "shortener", "remote-control"})
#: Categories that are for other uses than a school's: they block nothing.
IGNORED_CATEGORIES = frozenset({"examen_pix", "tricheur_pix", "special", "strict_redirector", "strong_redirector"})
#: A category of useful sites; where it is permitted, its hosts are open although other lists take them for adult content.
RESCUING_CATEGORY = "sexual_education"
#: The built-in filter bears about 500 addresses; each host is sent with both schemes.
MAX_BUILT_IN = 250


class DeliveryKind(StrEnum):
    """How the filter reaches tablets, by choice of the town."""

    BUILT_IN = "built_in"
    PLUGIN = "plugin"
    DNS = "dns"
    RESOLVER = "resolver"  # the resolver of this installation, beside the built-in filter


class AwayBehaviour(StrEnum):
    """What a tablet does while the resolver is away, by choice of the town."""

    STRICT = "strict"  # no name resolves
    LENIENT = "lenient"  # the network's own resolver answers, where the system allows it


class RestrictedVideo(StrEnum):
    """How far YouTube's restricted mode goes, which YouTube offers by names of its own."""

    OFF = "off"
    MODERATE = "moderate"
    STRICT = "strict"


class HostDecision(StrEnum):
    """What happens to a request."""

    ALLOW = "allow"
    BLOCK = "block"


class VerdictReason(StrEnum):
    """Why a host is open or blocked."""

    ALWAYS_OPEN = "always_open"
    BYPASS_HOST = "bypass_host"
    BASELINE = "safety_baseline"
    OWN_HOST = "own_host"
    DENIED = "denied"
    LESSON = "class_session"
    GUARDIAN = "guardian_list"
    PERMITTED = "permitted"
    CATEGORY = "category"
    NOT_PERMITTED = "only_permitted_hosts"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class HostVerdict:
    """What is wanted of a host, why, and the entry or category that decided. Whether a tablet does it is another question."""

    decision: HostDecision
    reason: VerdictReason
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class EffectiveFilter:
    """The web filter of a tablet in a mode: composed of all that places set, and how it is delivered.

    `lesson_hosts` and `guardian_hosts`: the only hosts that a class session, or a child's guardians, leave of those that are open
    otherwise; None without such a limit.
    """

    denied: tuple[str, ...] = ()
    permitted: tuple[str, ...] = ()
    blocked_categories: frozenset[str] = LEGAL_CATEGORIES | BYPASS_CATEGORIES
    permitted_categories: frozenset[str] = frozenset()
    only_permitted: bool = False
    lesson_hosts: tuple[str, ...] | None = None
    guardian_hosts: tuple[str, ...] | None = None
    adult_heuristic: bool = True
    safe_search: bool = False
    restricted_video: RestrictedVideo = RestrictedVideo.OFF
    delivery: Mapping[str, Any] = field(default_factory=dict)
    #: Sites of the town and its schools, which the resolver keeps open.
    own_hosts: tuple[str, ...] = ()

    @property
    def delivery_kind(self) -> DeliveryKind:
        """How it is delivered; built in where nobody chose."""
        return DeliveryKind(self.delivery.get("kind", DeliveryKind.BUILT_IN))

    @property
    def away_behaviour(self) -> AwayBehaviour:
        """What the tablet does while the resolver is away."""
        return AwayBehaviour(self.delivery.get("when_away", AwayBehaviour.STRICT))

    @property
    def own_filter_networks(self) -> tuple[str, ...]:
        """The names of the Wi-Fi networks with a filter of their own, on which the town leaves it the field."""
        return tuple(sorted(self.delivery.get("networks", ())))

    @property
    def only_open_hosts(self) -> tuple[str, ...] | None:
        """The hosts that are open where nothing else is: those of a lesson or a guardian, or the permitted ones; None where other hosts
        are open too.
        """
        limits = [hosts for hosts in (self.lesson_hosts, self.guardian_hosts) if hosts is not None]
        if self.only_permitted:
            limits.append(self.permitted)
        if not limits:
            return None
        hosts = reduce(intersect_hosts, limits)
        return tuple(host for host in hosts if find_covering_entry(host, self.denied) is None)


#: Why a host is open or blocked by what the built-in filter itself can hold: it knows no categories.
HELD_BY_BUILT_IN = frozenset(
    {
        VerdictReason.DENIED, VerdictReason.LESSON, VerdictReason.GUARDIAN, VerdictReason.PERMITTED, VerdictReason.NOT_PERMITTED,
        VerdictReason.DEFAULT,
    }
)  # fmt: skip


def compose_filter(
    values: Mapping[str, Any],
    unlocked: Iterable[str] = (),
    lesson_hosts: Iterable[str] | None = None,
    guardian_lists: Sequence[Iterable[str]] = (),
) -> EffectiveFilter:
    """Return the filter that resolved settings make. What is denied is never permitted, what is blocked never open.

    `unlocked` are hosts that a teacher opened: those count that the settings let teachers open. With `lesson_hosts` nothing but
    these is open, as far as the settings leave them open; `guardian_lists` limit as much, each of them, and an empty one to what is
    permitted.
    """
    denied = set(values.get("web.denied", ()))
    opened = set(unlocked) & set(values.get("web.teacher_unlockable", ()))
    blocked = set(values.get("web.blocked_categories", ())) | LEGAL_CATEGORIES | BYPASS_CATEGORIES
    permitted = tuple(sorted((set(values.get("web.permitted", ())) | opened) - denied))
    guardian_hosts = [tuple(sorted(hosts)) or permitted for hosts in guardian_lists]
    return EffectiveFilter(
        denied=tuple(sorted(denied)),
        permitted=permitted,
        blocked_categories=frozenset(blocked),
        permitted_categories=frozenset(values.get("web.permitted_categories", ())) - blocked,
        only_permitted=values.get("web.only_permitted", False),
        lesson_hosts=None if lesson_hosts is None else tuple(sorted(set(lesson_hosts))),
        guardian_hosts=reduce(intersect_hosts, guardian_hosts) if guardian_hosts else None,
        adult_heuristic=values.get("web.adult_heuristic", True),
        safe_search=values.get("web.safe_search", False),
        restricted_video=RestrictedVideo(values.get("web.restricted_video", RestrictedVideo.OFF)),
        delivery=values.get("web.delivery", {}),
    )


def judge_host(web: EffectiveFilter, host: str, categories: Iterable[str]) -> HostVerdict:
    """Return what the rules want of a host that lies in these categories."""
    return HostVerdict(*apply_rules(web, host, categories))


def apply_rules(web: EffectiveFilter, host: str, listed_in: Iterable[str]) -> tuple[HostDecision, VerdictReason, str]:
    """Return what the first rule that names a host decides, why, and the entry or category that decided."""
    return next(_list_decisions(web, host, set(listed_in) - IGNORED_CATEGORIES))


def _list_decisions(web: EffectiveFilter, host: str, categories: set[str]) -> Iterator[tuple[HostDecision, VerdictReason, str]]:
    """Yield what each rule that names a host decides, in the order of the rules."""
    is_rescued = RESCUING_CATEGORY in categories and RESCUING_CATEGORY in web.permitted_categories
    legal = sorted(categories & LEGAL_CATEGORIES)
    if legal and not is_rescued:
        yield HostDecision.BLOCK, VerdictReason.BASELINE, legal[0]
    if entry := find_covering_entry(host, web.own_hosts):
        yield HostDecision.ALLOW, VerdictReason.OWN_HOST, entry
    if entry := find_covering_entry(host, web.denied):
        yield HostDecision.BLOCK, VerdictReason.DENIED, entry
    for hosts, reason in ((web.lesson_hosts, VerdictReason.LESSON), (web.guardian_hosts, VerdictReason.GUARDIAN)):
        if hosts is not None and find_covering_entry(host, hosts) is None:
            yield HostDecision.BLOCK, reason, ""
    if entry := find_covering_entry(host, web.permitted):
        yield HostDecision.ALLOW, VerdictReason.PERMITTED, entry
    blocked = sorted(categories & web.blocked_categories)
    if blocked and not is_rescued:
        yield HostDecision.BLOCK, VerdictReason.CATEGORY, blocked[0]
    if web.only_permitted:
        yield HostDecision.BLOCK, VerdictReason.NOT_PERMITTED, ""
    yield HostDecision.ALLOW, VerdictReason.DEFAULT, ""


def find_covering_entry(host: str, entries: Sequence[str]) -> str | None:
    """Return the entry that covers a host: itself or a domain above it."""
    known = set(entries)
    return next((name for name in list_domains(host) if name in known), None)


def intersect_hosts(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Return the entries that cover what both lists cover: of a domain and a host below it, the host."""
    both = {entry for entry in first if find_covering_entry(entry, second)}
    return tuple(sorted(both | {entry for entry in second if find_covering_entry(entry, first)}))


def list_domains(host: str) -> list[str]:
    """Return a host and the domains above it: a listed domain covers its sub-domains."""
    parts = host.lower().strip(".").split(".")
    return [".".join(parts[index:]) for index in range(max(1, len(parts) - 1))]


#: Stands for every host that is not permitted.
EVERYTHING_ELSE = "*"


def compare_filters(before: EffectiveFilter, after: EffectiveFilter) -> tuple[list[str], list[str]]:
    """Return what opens and what closes from one filter to another: hosts, categories as `category:games`, and `*`."""
    opens = (set(before.denied) - set(after.denied)) | (set(after.permitted) - set(before.permitted))
    closes = (set(after.denied) - set(before.denied)) | (set(before.permitted) - set(after.permitted))
    opens |= {f"category:{name}" for name in before.blocked_categories - after.blocked_categories}
    closes |= {f"category:{name}" for name in after.blocked_categories - before.blocked_categories}
    if before.only_permitted != after.only_permitted:
        (opens if before.only_permitted else closes).add(EVERYTHING_ELSE)
    return sorted(opens), sorted(closes)
