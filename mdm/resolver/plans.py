"""What the resolver does at each address, as one line of text that `decide.lua` reads: the record of a token in the index. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from profiles.filters.resolver_filter import ResolverFilter
from profiles.filters.rules import IGNORED_CATEGORIES, LEGAL_CATEGORIES, RESCUING_CATEGORY, RestrictedVideo

#: Hexadecimal digits of the hash that name a store: 128 bits.
_DIGITS = 32


def name_store(content_sha256: str) -> str:
    """Return the name of the store with this content."""
    return content_sha256[:_DIGITS]


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """What is done at one address. `floor`, `others`: the stores by category that close names, before and after what places permit.

    `rescuing`: the store of names that these do not close. `is_lesson`, `is_guarded`: only names that the filter marks so stay open.
    `counted_for`: the town for which questions that a category closes are counted; empty for none.
    """

    names: str
    floor: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    rescuing: str = ""
    is_lesson: bool = False
    is_guarded: bool = False
    only_permitted: bool = False
    safe_search: bool = False
    restricted_video: RestrictedVideo = RestrictedVideo.OFF
    counted_for: str = ""

    def render(self) -> bytes:
        """Return the line."""
        fields = {
            "names": self.names,
            "floor": ",".join(f"{category}:{store}" for category, store in self.floor),
            "others": ",".join(f"{category}:{store}" for category, store in self.others),
            "rescuing": self.rescuing,
            "lesson": "1" if self.is_lesson else "",
            "guardian": "1" if self.is_guarded else "",
            "only": "1" if self.only_permitted else "",
            "search": "1" if self.safe_search else "",
            "count": self.counted_for,
            "video": "" if self.restricted_video is RestrictedVideo.OFF else self.restricted_video.value,
        }
        return " ".join(f"{name}={value}" for name, value in fields.items() if value).encode()

    def list_stores(self) -> set[str]:
        """Return the names of the stores that the plan needs."""
        return {self.names, *(store for _, store in (*self.floor, *self.others)), self.rescuing} - {""}


def build_plan(names: str, rules: ResolverFilter, store_by_category: Mapping[str, str], counted_for: str = "") -> AddressPlan:
    """Return what is done at an address with this filter, whose names are in the store `names`, in a town with these stores."""
    stores = {name: store for name, store in store_by_category.items() if name not in IGNORED_CATEGORIES}
    is_rescuing = RESCUING_CATEGORY in rules.permitted_categories
    closed = sorted(stores.keys() & rules.blocked_categories)
    return AddressPlan(
        names=names,
        floor=tuple((name, stores[name]) for name in closed if name in LEGAL_CATEGORIES),
        others=tuple((name, stores[name]) for name in closed if name not in LEGAL_CATEGORIES),
        rescuing=stores.get(RESCUING_CATEGORY, "") if is_rescuing else "",
        is_lesson=rules.lesson_hosts is not None,
        is_guarded=rules.guardian_hosts is not None,
        only_permitted=rules.only_permitted,
        safe_search=rules.safe_search,
        restricted_video=rules.restricted_video,
        counted_for=counted_for,
    )
