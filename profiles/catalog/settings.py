"""The catalogue: every setting once, with its type, merge rule, platform support and words. Pure; reads its data files once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cartable.i18n import Words
from profiles.catalog.fields import Field, Support, Trouble
from profiles.catalog.forms import Form
from profiles.catalog.kinds import Group, Kind, Merge, Slot, version

__all__ = [
    "PRODUCT_PREFIX",
    "RESTRICTIONS",
    "Field",
    "Group",
    "Kind",
    "Merge",
    "Setting",
    "Slot",
    "Trouble",
    "catalog",
    "version",
]

#: In the order in which people read them.
FILES = (
    "restrictions", "passcode", "home_screen", "web", "network", "cellular", "classroom", "certificates", "accounts", "product",
)  # fmt: skip
RESTRICTIONS = "com.apple.applicationaccess"
#: Payloads of settings that no payload of Apple's carries as they are: apps and the web filter.
PRODUCT_PREFIX = "fr.cartable."


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Field):
    """One setting that a layer may hold: a key of an Apple payload, or a payload as a whole."""

    merge: Merge
    group: Group
    #: Apple's payload type, how often it may stand on a tablet, and its short name in identifiers of ours.
    payload: str
    slot: Slot
    name: str
    #: The key in the payload; None: the value's own sub-keys are the payload's, an object per payload.
    place: str | None
    #: Paths of sub-keys that make two entries of a list the same.
    identity: tuple[str, ...] = ()
    #: The list that takes entries out of this one where a narrower place names them there.
    opposite: str | None = None
    #: The kinds of places that may set it; none: all.
    places: tuple[str, ...] = ()
    #: Whether it is set for all modes together, never for one.
    all_modes_only: bool = False
    #: Whether a list that narrows (such as offers) is filled by places of every width instead of replaced by the narrowest.
    is_offered: bool = False

    @property
    def adds_up(self) -> bool:
        """Whether a narrower place adds to the list of a wider one instead of replacing it."""
        return self.is_offered or self.merge in (Merge.UNION, Merge.EACH)

    def identify(self, entry: Mapping[str, Any]) -> str:
        """What makes an entry of the list this one: the same text, the same entry."""
        return json.dumps([_at(entry, path) for path in self.identity], ensure_ascii=False, sort_keys=True)

    def trouble(self, value: Any) -> Trouble | None:
        """The first thing that is wrong with `value`, and where; None: it is acceptable."""
        found = Field.trouble(self, value)
        if found is not None or not self.identity:
            return found
        seen: set[str] = set()
        for index, entry in enumerate(value):
            if (which := self.identify(entry)) in seen:
                return Trouble(f"[{index}]", Words(fr="y est déjà", en="is there already"))
            seen.add(which)
        return None


def _at(entry: Any, path: str) -> Any:
    """The value at a path such as `Relays.0.URL`; None where there is none."""
    for part in path.split("."):
        if isinstance(entry, list):
            entry = entry[int(part)] if int(part) < len(entry) else None
        else:
            entry = entry.get(part) if isinstance(entry, Mapping) else None
    return entry


@cache
def catalog() -> dict[str, Setting]:
    """Every setting by its key. Raises `ValueError` when two files say the same key."""
    found: dict[str, Setting] = {}
    for file in FILES:
        for payload, rows in json.loads((Path(__file__).parent / f"{file}.json").read_text(encoding="utf-8")).items():
            for key, row in rows["settings"].items():
                if key in found:
                    raise ValueError(f"{key} stands twice in the catalogue")
                found[key] = _setting(payload, rows, key, row)
    return found


def _setting(payload: str, rows: Mapping[str, Any], key: str, row: Mapping[str, Any]) -> Setting:
    short = payload.removeprefix("com.apple.")
    common = _field(key, row)
    inherited = _support(rows)
    values = {
        **common,
        "minimum": max(inherited.minimum, common["minimum"]) if "minimum" in rows else common["minimum"],
        "supervised": inherited.supervised or common["supervised"],
        "shared_ipad": inherited.shared_ipad and common["shared_ipad"],
    }
    return Setting(
        **values,
        merge=Merge(row["merge"]),
        group=Group(row["group"]),
        payload=payload,
        slot=Slot(rows["slot"]),
        name=rows["name"],
        place=None if key == short else key.removeprefix(f"{short}."),
        identity=tuple(row.get("identity", ())),
        opposite=row.get("opposite"),
        places=tuple(row.get("places", ())),
        all_modes_only=row.get("all_modes_only", False),
        is_offered=row.get("offer", False),
    )


def _field(key: str, row: Mapping[str, Any]) -> dict[str, Any]:
    when = row.get("when")
    made: dict[str, Any] = {
        "key": key,
        "kind": Kind(row["type"]),
        "words": Words(fr=row["fr"], en=row["en"]),
        "when": next(iter(when.items())) if when else None,
        "choices": tuple(row.get("choices", ())),
        "labels": {choice: Words(fr=fr, en=en) for choice, (fr, en) in row.get("labels", {}).items()},
        "choice_support": {choice: Support(**_versions(each)) for choice, each in row.get("choice_versions", {}).items()},
        "to": tuple(row.get("to", ())),
        "deprecated": version(row["deprecated"]) if "deprecated" in row else None,
        "fields": {name: Field(**_field(name, below)) for name, below in row.get("fields", {}).items()},
        **_versions(row),
        "supervised": row.get("supervised", False),
        "shared_ipad": row.get("shared_ipad", True),
    }
    made |= {name: row[name] for name in _AS_THEY_STAND if name in row}
    return made | ({"form": Form(row["form"])} if "form" in row else {})


_AS_THEY_STAND = ("default", "required", "least", "most", "most_items", "secret", "successor", "former")


def _support(row: Mapping[str, Any]) -> Support:
    return Support(**_versions(row), supervised=row.get("supervised", False), shared_ipad=row.get("shared_ipad", True))


def _versions(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "minimum": version(row.get("minimum", "4.0")),
        "removed": version(row["removed"]) if "removed" in row else None,
    }
