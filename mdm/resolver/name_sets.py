"""The records of the resolver's stores: which names a filter knows, and what it says of each. Pure.

`decide.lua` looks a name up with the domains above it and takes the longest that is there. So a record says everything that is said of
its own name and of those above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from profiles.filters.resolver_filter import BYPASS_HOSTS, ResolverFilter
from profiles.filters.rules import list_domains

#: The value of a name in the store of a category: dnsdist cannot tell an empty value from none.
LISTED = b"1"


class NameMark(StrEnum):
    """What a filter says of a name, as one letter of a record's value; `decide.lua` knows the letters."""

    BYPASS = "B"
    ALWAYS_OPEN = "A"
    OWN = "O"
    DENIED = "D"
    PERMITTED = "P"
    OF_LESSON = "L"
    OF_GUARDIAN = "G"


def build_filter_records(rules: ResolverFilter) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records of the names of one filter, sorted."""
    marks = {
        NameMark.BYPASS: BYPASS_HOSTS,
        NameMark.ALWAYS_OPEN: rules.always_open,
        NameMark.OWN: rules.own_hosts,
        NameMark.DENIED: rules.denied,
        NameMark.PERMITTED: rules.permitted | rules.opened,
        NameMark.OF_LESSON: rules.lesson_hosts or frozenset(),
        NameMark.OF_GUARDIAN: rules.guardian_hosts or frozenset(),
    }
    for name in sorted(frozenset().union(*marks.values())):
        covering = set(list_domains(name))
        yield name.encode(), "".join(mark for mark, hosts in marks.items() if not covering.isdisjoint(hosts)).encode()


def build_category_records(hosts: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records of a category."""
    return ((host, LISTED) for host in hosts)
