"""Pure rules of the tablets' life: which change of state is allowed, how tags are numbered."""

from __future__ import annotations

from enrollment.tablets.models import TabletState as S

#: From each state, the states it may become (schools.md section 8, the part that exists so far).
ALLOWED: dict[S, frozenset[S]] = {
    S.PREPARED: frozenset({S.STOCK, S.ASSIGNED, S.IN_USE, S.LOST, S.RETIRED}),
    S.STOCK: frozenset({S.PREPARED, S.ASSIGNED, S.IN_USE, S.LOST, S.RETIRED}),
    S.ASSIGNED: frozenset({S.STOCK, S.IN_USE, S.LOST, S.RETIRED}),
    S.IN_USE: frozenset({S.STOCK, S.ASSIGNED, S.LOST, S.RETIRED}),
    S.LOST: frozenset({S.FOUND, S.RETIRED}),
    S.FOUND: frozenset({S.IN_USE, S.STOCK, S.ASSIGNED, S.LOST, S.RETIRED}),
    S.RETIRED: frozenset(),
}


def may_become(before: S, after: S) -> bool:
    """Whether the life cycle allows this change. Staying is always allowed."""
    return before == after or after in ALLOWED[before]


def next_tag(prefix: str, highest: str | None) -> str:
    """The inventory tag after `highest`: `CLA-0001`, `CLA-0002`… Never a child's name (schools.md section 3.3)."""
    number = 0
    if highest and highest.startswith(prefix + "-") and highest[len(prefix) + 1 :].isdigit():
        number = int(highest[len(prefix) + 1 :])
    return f"{prefix}-{number + 1:05d}"
