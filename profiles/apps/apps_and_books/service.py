"""Verbs on content tokens: install, renew, choose the schools, take an account over, remove. Never commits.

What a token is good for is learned by `sync`, which runs in the worker.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.locks import lock_town
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from enrollment.tablets.repository import TabletRepository
from profiles.apps.apps_and_books.parsing import read_text
from profiles.apps.apps_and_books.repository import AppsAndBooksRepository
from profiles.apps.errors import (
    BadContentToken,
    ContentTokenExists,
    ContentTokenNotFound,
    NothingToTakeOver,
    SchoolHasContentToken,
)
from profiles.apps.models import LicenceToken, TokenProblem


@dataclass(frozen=True, slots=True)
class ContentToken:
    """A content token with the schools that it serves; none and not town-wide: it serves nobody."""

    token: LicenceToken
    schools: tuple[School, ...]


@dataclass(frozen=True, slots=True)
class _TokenFile:
    content: str
    location: str
    expires: datetime


def list_tokens(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[ContentToken]:
    """Return the content tokens of a town with their schools. Raises `Forbidden`."""
    actor.require_permission(Permission.SEE, town_id)
    repository = AppsAndBooksRepository(work.session)
    tokens = repository.list_tokens(town_id)
    schools = repository.list_schools([token.id for token in tokens])
    return [ContentToken(token, tuple(schools.get(token.id, ()))) for token in tokens]


def describe_token(work: UnitOfWork, token: LicenceToken) -> ContentToken:
    """Return a token with its schools."""
    return ContentToken(token, tuple(AppsAndBooksRepository(work.session).list_schools([token.id]).get(token.id, ())))


def install_token(work: UnitOfWork, actor: Actor, town_id: UUID, content: str, school_ids: Collection[UUID] = ()) -> LicenceToken:
    """Store a content token (.vpptoken), sealed, for these schools; without schools it serves all that have none of their own.

    Raises `BadContentToken`, `ContentTokenExists`, `SchoolHasContentToken`, `NotFound` for a school of another town.
    """
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    file = _read_token_file(work, content)
    lock_town(work, town_id)
    repository = AppsAndBooksRepository(work.session)
    for other in repository.list_tokens(town_id):
        if other.content == file.content or (other.is_town_wide and not school_ids):
            raise ContentTokenExists(location=other.location)
    token = LicenceToken(
        town_id=town_id,
        content=file.content,
        location=file.location,
        expires=file.expires,
        is_town_wide=not school_ids,
        skipped_rows=0,
    )
    schools = _check_schools(repository, token, school_ids)
    work.session.add(token)
    work.session.flush()
    audit.record_event(
        work, actor, "licences.token", "licence_token", token.id, town_id=town_id, schools=[str(school.id) for school in schools]
    )
    repository.replace_schools(token, {school.id for school in schools})
    work.enqueue_job(Topic.LICENCE_SYNC, token.id)
    return token


def renew_token(work: UnitOfWork, actor: Actor, token_id: UUID, content: str) -> LicenceToken:
    """Replace the content of a token by that of this year. Raises `ContentTokenNotFound`, `BadContentToken`."""
    token = _get_governed_token(work, actor, token_id)
    file = _read_token_file(work, content)
    audit.record_event(work, actor, "licences.token.renew", "licence_token", token.id, town_id=token.town_id)
    token.content, token.expires, token.problem, token.problem_detail = file.content, file.expires, None, None
    work.session.flush()
    work.enqueue_job(Topic.LICENCE_SYNC, token.id)
    return token


def set_token_schools(work: UnitOfWork, actor: Actor, token_id: UUID, school_ids: Collection[UUID]) -> LicenceToken:
    """Let a token serve these schools; without schools all that have none of their own. The town's tablets are decided again.

    Raises `ContentTokenNotFound`, `ContentTokenExists`, `SchoolHasContentToken`, `NotFound`.
    """
    token = _get_governed_token(work, actor, token_id)
    repository = AppsAndBooksRepository(work.session)
    for other in repository.list_tokens(token.town_id):
        if other.id != token.id and other.is_town_wide and not school_ids:
            raise ContentTokenExists(location=other.location)
    schools = _check_schools(repository, token, school_ids)
    audit.record_event(
        work,
        actor,
        "licences.token.schools",
        "licence_token",
        token.id,
        town_id=token.town_id,
        schools=[str(school.id) for school in schools],
    )
    token.is_town_wide = not schools
    repository.replace_schools(token, {school.id for school in schools})
    work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_town(token.town_id))
    work.enqueue_job(Topic.LICENCE_SYNC, token.id)
    return token


def take_over_account(work: UnitOfWork, actor: Actor, token_id: UUID, claimed_by: str) -> LicenceToken:
    """Decide that this server takes the account over from the one that has claimed it, whose id the person has read.

    The worker claims it at Apple if it is still that server's. Raises `ContentTokenNotFound`, `NothingToTakeOver`.
    """
    token = _get_governed_token(work, actor, token_id)
    if token.problem is not TokenProblem.CLAIMED_ELSEWHERE or token.claimed_by_id != claimed_by:
        raise NothingToTakeOver
    if token.takeover_of == claimed_by:
        return token  # another person has decided the same
    audit.record_event(
        work, actor, "licences.takeover", "licence_token", token.id, town_id=token.town_id, former=token.claimed_by_id
    )
    token.takeover_of = claimed_by
    work.session.flush()
    work.enqueue_job(Topic.LICENCE_SYNC, token.id)
    return token


def remove_token(work: UnitOfWork, actor: Actor, token_id: UUID) -> None:
    """Delete a token with what is known of its licences. At Apple they stay with the tablets. Raises `ContentTokenNotFound`."""
    token = _get_governed_token(work, actor, token_id)
    audit.record_event(work, actor, "licences.token.remove", "licence_token", token.id, town_id=token.town_id)
    work.session.delete(token)
    work.session.flush()
    work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_town(token.town_id))


def enqueue_syncs_of_town(work: UnitOfWork, town_id: UUID) -> None:
    """Let the worker read the accounts of a town: a new app of the catalogue is looked up there."""
    token_ids = [token.id for token in AppsAndBooksRepository(work.session).list_tokens(town_id)]
    if token_ids:
        work.enqueue_job(Topic.LICENCE_SYNC, *token_ids)


def _get_governed_token(work: UnitOfWork, actor: Actor, token_id: UUID) -> LicenceToken:
    """Return a token that the actor may change, with the lock of its town. Raises `ContentTokenNotFound`, `Forbidden`."""
    repository = AppsAndBooksRepository(work.session)
    token = repository.find_token(actor, token_id)
    if token is None:
        raise ContentTokenNotFound
    actor.require_permission(Permission.GOVERN, token.town_id)
    actor.require_reauthentication()
    lock_town(work, token.town_id)
    locked = repository.lock_token(token_id)
    if locked is None:
        raise ContentTokenNotFound
    return locked


def _read_token_file(work: UnitOfWork, content: str) -> _TokenFile:
    """Return what the file from Apple holds. Raises `BadContentToken` when it cannot be read or has expired."""
    text = "".join(content.split())
    try:
        fields = json.loads(base64.b64decode(text, validate=True))
        expires = datetime.fromisoformat(str(fields["expDate"]))
        if not fields["token"] or expires.tzinfo is None:
            raise ValueError("no token")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadContentToken(field="content", why="not a content token") from error
    if expires <= work.now:
        raise BadContentToken(field="content", why="it has expired")
    return _TokenFile(text, read_text(fields.get("orgName"), 160), expires)


def _check_schools(repository: AppsAndBooksRepository, token: LicenceToken, school_ids: Collection[UUID]) -> Sequence[School]:
    """Return the schools. Raises `NotFound` unless all are in the town, `SchoolHasContentToken` when one has another token."""
    chosen = repository.list_town_schools(token.town_id, set(school_ids))
    if len(chosen) != len(set(school_ids)):
        raise NotFound
    served = repository.list_schools([other.id for other in repository.list_tokens(token.town_id) if other.id != token.id])
    served_school_ids = {school.id for schools in served.values() for school in schools}
    for school in chosen:
        if school.id in served_school_ids:
            raise SchoolHasContentToken(school=school.name)
    return chosen
