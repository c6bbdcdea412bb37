"""Labels of the pages of apps: what a place makes of a bundle, and kinds of places."""

from __future__ import annotations

from cartable.i18n import Message
from profiles.policy.kinds import AppUse, PlaceKind

USES: dict[AppUse, Message] = {
    AppUse.REQUIRED: Message("installed", context="bundle"),
    AppUse.AVAILABLE: Message("allowed", context="bundle"),
    AppUse.BLOCKED: Message("removed and hidden", context="bundle"),
}
PLACES: dict[PlaceKind, Message] = {
    PlaceKind.OPERATOR: Message("all towns"),
    PlaceKind.TOWN: Message("the whole town"),
    PlaceKind.ROLE: Message("role", context="place"),
    PlaceKind.SCHOOL: Message("school", context="place"),
    PlaceKind.GRADE: Message("grade", context="place"),
    PlaceKind.CLASS: Message("class", context="place"),
    PlaceKind.GROUP: Message("group", context="place"),
    PlaceKind.PUPIL: Message("pupil", context="place"),
    PlaceKind.TABLET: Message("tablet", context="place"),
}
