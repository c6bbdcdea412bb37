"""Texts of the printed documents, for families and for the people who hand tablets over. Templates find them by key."""

from __future__ import annotations

from cartable.i18n import Message

SHEET: dict[str, Message] = {
    "title": Message("Handover of tablets"),
    "loan": Message("Loan of a tablet"),
    "pupil": Message("Pupil"),
    "write": Message("name to write by hand"),
    "tag": Message("Tag"),
    "agreed": Message("Agreement"),
    "handed": Message("Handed over"),
    "stays": Message("Stays at school"),
    "where": Message("Use"),
    "home": Message("at school and at home"),
    "school_only": Message("at school only"),
    "return": Message("Return of a tablet"),
    "back": Message("Given back with it"),
    "condition": Message("Condition"),
    "conditions": Message("as new  /  good  /  worn  /  damaged"),
    "giver": Message("Given back by: date and signature"),
    "delivery": Message("Delivery"),
    "serial": Message("Serial number"),
    "state": Message("State"),
    "unpacked": Message("Seen"),
    "accessories": Message("Handed over with it"),
    "care": Message("Taking care of it"),
    "guardian": Message("Guardian: name, date and signature"),
    "agent": Message("For the town: date and signature"),
}
RULES: tuple[Message, ...] = (
    Message("I keep the tablet in its cover and carry it flat."),
    Message("I neither eat nor drink next to it."),
    Message("I charge it in the evening, outside the bedroom."),
    Message("If it is broken or lost I say so at once: it is not a fault."),
)  # fmt: skip
