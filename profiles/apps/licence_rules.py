"""Which account a tablet's licences come from, and how many are missing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

#: Stands for the numbers that a person writes, in towns and schools without a content token.
MANUAL: tuple[UUID | None, ...] = (None,)


@dataclass(frozen=True, slots=True)
class ServingTokens:
    """The content tokens of a town whose licences have been read: one for all schools, and those of single schools."""

    town_wide: UUID | None = None
    by_school: Mapping[UUID, UUID] = field(default_factory=dict)

    def list_sources(self, school_id: UUID | None) -> tuple[UUID | None, ...]:
        """Return the tokens that a tablet of a school may have licences from, the first preferred. `MANUAL` when there is none."""
        own = self.by_school.get(school_id) if school_id is not None else None
        tokens = tuple(token for token in (own, self.town_wide) if token is not None)
        return tokens or MANUAL


def count_missing(
    needed_by_school: Mapping[UUID | None, int], tokens: ServingTokens, free_by_token: Mapping[UUID | None, int]
) -> int:
    """Return how many licences must be bought: each school uses its own account first, and what it lacks the town's."""
    free = {token: max(0, number) for token, number in free_by_token.items()}
    missing = 0
    for school_id, needed in sorted(needed_by_school.items(), key=lambda item: str(item[0])):
        remaining = needed
        for token in tokens.list_sources(school_id):
            used = min(remaining, free.get(token, 0))
            free[token] = free.get(token, 0) - used
            remaining -= used
        missing += remaining
    return missing
