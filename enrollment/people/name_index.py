"""The index by which people are searched by name although names are encrypted: keyed hashes of the beginnings of their words.

It is written with the name, in the same flush, whoever writes the name. See docs/adr/0055-names-are-searched-by-keyed-hashes.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import get_history

from cartable.crypto import Keyring
from cartable.database import get_keyring
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil, StaffMember
from enrollment.people.name_index_repository import IndexedName, NameIndexRepository
from enrollment.people.text import list_searchable_words, split_name

#: Letters of the shortest and of the longest beginning that is stored. A word is also stored as a whole, so that LI is found.
SHORTEST_PREFIX, LONGEST_PREFIX = 3, 8
#: After the last letter of a word that is hashed as a whole.
_END = "\n"
#: Names that one run of `index_missing_names` adds.
BATCH_SIZE = 2000
_NAME_FIELDS = ("last_name", "usage_name", "first_name")


def compute_query_hashes(keyring: Keyring, town_ids: Collection[UUID], text: str) -> list[set[int]]:
    """Return, for each word of a search that narrows it, the hashes of which a person must have one. Empty: nothing can be found.

    Words shorter than `SHORTEST_PREFIX` narrow it only when there are no others, and then as whole words.
    """
    words = split_name(text)
    long_words = [word[:LONGEST_PREFIX] for word in words if len(word) >= SHORTEST_PREFIX]
    terms = long_words or [word + _END for word in words]
    return [{_compute_hash(keyring, town_id, term) for town_id in town_ids} for term in terms]


def compute_exact_hashes(keyring: Keyring, town_ids: Collection[UUID], text: str) -> set[int]:
    """Return the hashes of the words of a search as whole words: people who have one of them come first."""
    return {_compute_hash(keyring, town_id, word + _END) for word in split_name(text) for town_id in town_ids}


def matches(person: Pupil | StaffMember, text: str) -> bool:
    """Return whether each word of a search is the beginning of a word of the name."""
    words = list_searchable_words(_get_names(person))
    return all(any(word.startswith(term) for word in words) for term in split_name(text))


def index_missing_names(work: UnitOfWork) -> int:
    """Add people whose name is not in the index, such as those of a database from before it. Returns how many."""
    repository = NameIndexRepository(work.session)
    people: list[Any] = [*repository.list_pupils_without_index(BATCH_SIZE)]
    people += repository.list_staff_without_index(BATCH_SIZE - len(people))
    _write(work.session, people)
    return len(people)


@event.listens_for(Session, "after_flush")
def _index_changed_names(session: Session, _context: Any) -> None:
    changed = [
        person for person in (*session.new, *session.dirty) if isinstance(person, Pupil | StaffMember) and _is_renamed(person)
    ]
    if changed:
        _write(session, changed)


def _is_renamed(person: Pupil | StaffMember) -> bool:
    return any(get_history(person, name).has_changes() for name in _NAME_FIELDS if hasattr(person, name))


def _write(session: Session, people: Iterable[Pupil | StaffMember]) -> None:
    keyring = get_keyring()
    names = [IndexedName(person, _compute_name_hashes(keyring, person)) for person in people]
    NameIndexRepository(session).replace(names)


def _compute_name_hashes(keyring: Keyring, person: Pupil | StaffMember) -> set[int]:
    """Return the hashes of all beginnings of a person's name. Each town has its own."""
    terms: set[str] = set()
    for word in list_searchable_words(_get_names(person)):
        terms.add(word + _END)
        terms.update(word[:length] for length in range(SHORTEST_PREFIX, min(len(word), LONGEST_PREFIX) + 1))
    return {_compute_hash(keyring, person.town_id, term) for term in terms}


def _get_names(person: Pupil | StaffMember) -> list[str | None]:
    return [getattr(person, name, None) for name in _NAME_FIELDS]


def _compute_hash(keyring: Keyring, town_id: UUID, term: str) -> int:
    """Return 64 bits of the keyed hash: people are compared by their names afterwards, so that equal hashes of two terms do no harm."""
    digest = keyring.keyed_hash(term, f"name.prefix:{town_id}")
    return int.from_bytes(bytes.fromhex(digest[:16]), signed=True)
