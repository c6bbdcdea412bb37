"""Labels of the pages of apps: what a place makes of a bundle, kinds of places, and data-protection sheets."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from cartable.i18n import Language, Message
from profiles.apps.data_sheets.models import AppVerdict, LegalBasis
from profiles.effective.app_requests.models import AppRequestState
from profiles.policy.kinds import AppUse, PlaceKind, TabletRole

USES: dict[AppUse, Message] = {
    AppUse.REQUIRED: Message("installed", context="bundle"),
    AppUse.AVAILABLE: Message("allowed", context="bundle"),
    AppUse.BLOCKED: Message("removed and hidden", context="bundle"),
}
NO_SHEET = Message("no data-protection sheet")
UNDECIDED = Message("to be decided", context="app")
VERDICTS: dict[AppVerdict, Message] = {
    AppVerdict.ALLOWED: Message("allowed", context="app"),
    AppVerdict.ALLOWED_WITH_CONDITIONS: Message("allowed with conditions", context="app"),
    AppVerdict.REFUSED: Message("refused", context="app"),
}
LEGAL_BASES: dict[LegalBasis, Message] = {
    LegalBasis.PUBLIC_TASK: Message("public task (article 6.1.e)"),
    LegalBasis.LEGAL_OBLIGATION: Message("legal obligation (article 6.1.c)"),
    LegalBasis.CONSENT: Message("consent (article 6.1.a)"),
    LegalBasis.CONTRACT: Message("contract (article 6.1.b)"),
    LegalBasis.NO_PERSONAL_DATA: Message("no personal data"),
}
REQUEST_STATES: dict[AppRequestState, Message] = {
    AppRequestState.ASKED: Message("waits for an answer", context="app request"),
    AppRequestState.APPROVED: Message("given", context="app request"),
    AppRequestState.REFUSED: Message("refused", context="app request"),
    AppRequestState.ENDED: Message("taken back", context="app request"),
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
ROLES: dict[TabletRole, Message] = {
    TabletRole.PUPIL: Message("tablets of pupils", context="place"),
    TabletRole.STAFF: Message("tablets of the staff", context="place"),
    TabletRole.CART: Message("tablets of carts", context="place"),
}


def verdict_label(verdicts: Mapping[UUID, AppVerdict | None], app_id: UUID, language: Language) -> str:
    """Return in words what is decided about the data protection of an app, from the verdicts of its town's sheets."""
    if app_id not in verdicts:
        return NO_SHEET.translate(language)
    verdict = verdicts[app_id]
    return (VERDICTS[verdict] if verdict is not None else UNDECIDED).translate(language)


def place_label(source: str, language: Language) -> str:
    """Return in words the place whose rules a source of values is: its kind and its name. Another source is returned as it is."""
    kind, _, name = source.partition(" ")
    if kind not in {*PlaceKind}:
        return source
    return name_place(PlaceKind(kind), name, language)


def name_place(kind: PlaceKind, name: str, language: Language) -> str:
    """Return what people call a place of a kind, from the name that it has itself."""
    if kind is PlaceKind.ROLE and name in {*TabletRole}:
        return ROLES[TabletRole(name)].translate(language)
    place = PLACES[kind].translate(language)
    return f"{place} {name}" if name else place
