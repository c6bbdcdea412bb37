"""The card of data that is past its term, for who answers for the data of a town."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from cartable.i18n import Language, Message
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from mdm.console.cards import build_card
from mdm.console.times import format_day
from mdm.privacy.overdue import load_overdue_retention

_OVERDUE = Message("{count} record is past its term", plural="{count} records are past their term")
_NOT_APPLIED = Message("The retention table is not applied")
_LAST_RUN = Message("Last run: {day}. The server applies the table each day; somebody must look at its worker.")
_WITHHELD = Message(
    "{count} is unusually much: the server waits until you start it",
    plural="{count} are unusually many: the server waits until you start it",
)


def list_retention_cards(work: UnitOfWork, actor: Actor, town_id: UUID, language: Language) -> list[dict[str, Any]]:
    """Return the card of what is past its term in a town; nothing for who does not answer for it, and where nothing is."""
    overdue = load_overdue_retention(work, actor, town_id)
    if overdue is None:
        return []
    lines = [(f"{number} · {rule.what.translate(language)}", "") for rule, number in overdue.remaining]
    if overdue.withheld:
        lines.insert(0, (_WITHHELD.translate(language, count=overdue.withheld), ""))
    if overdue.is_late:
        lines.insert(0, (_LAST_RUN.translate(language, day=format_day(overdue.last_run_at)), ""))
    title = _OVERDUE if overdue.count else _NOT_APPLIED
    return [build_card("retention", title, overdue.count, f"/data/duties?town={town_id}#periods", language, lines=lines)]
