"""Which classes of a OneRoster set are those of a day, by the terms in which they are taught. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from enrollment.rosters.files.validity import ReferenceDay, parse_record_date

Record = dict[str, str]
#: The first and the last day of a term.
Term = tuple[date, date]


def select_classes_of_term(classes: Sequence[Record], sessions: Sequence[Record], reference: ReferenceDay | None) -> list[Record]:
    """Return the classes that are taught on the day; before the year, those that begin later. A class without dated terms always counts.

    A set may keep the classes of former years, and seats in them have no dates of their own. All classes are returned when every term
    has ended: then whoever made the set has not renewed its terms, and they say nothing.
    """
    if reference is None:
        return list(classes)
    terms = {session["sourcedId"]: term for session in sessions if (term := _parse_term(session, reference)) is not None}
    taught = [(_join_terms([terms[key] for key in _list_term_ids(each) if key in terms]), each) for each in classes]
    day = reference.day
    holding = [each for term, each in taught if term is None or term[0] <= day <= term[1]]
    if any(term is not None and term[0] <= day <= term[1] for term, _ in taught):
        return holding
    later = [each for term, each in taught if term is None or term[0] > day]
    return later if any(term is not None and term[0] > day for term, _ in taught) else list(classes)


def _parse_term(session: Record, reference: ReferenceDay) -> Term | None:
    first, last = (parse_record_date(session.get(name, ""), reference.zone) for name in ("startDate", "endDate"))
    return (first, last) if first is not None and last is not None else None


def _join_terms(terms: Sequence[Term]) -> Term | None:
    """Return the span from the first to the last of these terms, so that holidays between two of them end no class."""
    return (min(first for first, _ in terms), max(last for _, last in terms)) if terms else None


def _list_term_ids(each: Record) -> list[str]:
    return [part.strip() for part in each.get("termSourcedIds", "").split(",") if part.strip()]
