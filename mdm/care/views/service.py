"""Saving, listing and deleting the views of the acting person, and choosing the columns of the list. Never commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from cartable import locks
from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from mdm.care.tablet_columns import DEFAULT_COLUMNS, TabletColumn, choose_columns
from mdm.care.views.models import ChosenColumns, SavedView
from mdm.care.views.repository import SavedViewRepository

MAX_VIEWS, MAX_VIEW_NAME, MAX_VIEW_QUERY = 20, 60, 500
#: What an address of the list may carry; a search for a child's name is not kept.
VIEW_FIELDS = frozenset(
    {"state", "school", "grade", "lacks", "silent", "system", "erased", "town", "class_id", "sort", "columns"}
)


class TooManyViews(Conflict):
    """The person has as many views as one may keep."""

    code = "too_many_views"
    message = Message("You keep {maximum} views already: remove one first.")


class ViewNotFound(NotFound):
    """No such view is the caller's."""

    code = "view_not_found"
    message = Message("This view was not found.")


def save_view(work: UnitOfWork, actor: Actor, name: str, query: str) -> SavedView:
    """Keep a filter under a name, in place of an earlier one of the same name, and return it. The text of a search is left out.

    Raises `Invalid`, `TooManyViews`.
    """
    name, filter_query = name.strip(), urlencode([pair for pair in parse_qsl(query) if pair[0] in VIEW_FIELDS])
    if actor.account_id is None or not 1 <= len(name) <= MAX_VIEW_NAME or not name.isprintable():
        raise Invalid(field="name", maximum=MAX_VIEW_NAME)
    if not filter_query or len(filter_query) > MAX_VIEW_QUERY:
        raise Invalid(field="query", maximum=MAX_VIEW_QUERY)
    locks.lock_account(work, actor.account_id)
    views = list_views(work, actor)
    view = next((each for each in views if each.name == name), None)
    if view is None and len(views) >= MAX_VIEWS:
        raise TooManyViews(maximum=MAX_VIEWS)
    view = view or SavedView(account_id=actor.account_id, name=name)
    view.query, view.saved_at = filter_query, work.now
    work.session.add(view)
    work.session.flush()
    return view


def list_views(work: UnitOfWork, actor: Actor) -> Sequence[SavedView]:
    """List the views of the acting person by name; none of the server itself."""
    return SavedViewRepository(work.session).list_views(actor.account_id) if actor.account_id is not None else []


def delete_view(work: UnitOfWork, actor: Actor, view_id: UUID) -> None:
    """Delete a view. Raises `ViewNotFound` for one that is not the acting person's."""
    if actor.account_id is None or not SavedViewRepository(work.session).delete_view(actor.account_id, view_id):
        raise ViewNotFound


def list_columns(work: UnitOfWork, actor: Actor) -> tuple[TabletColumn, ...]:
    """Return the columns of the list of tablets that the acting person has chosen, the default ones before any choice."""
    chosen = SavedViewRepository(work.session).get_columns(actor.account_id) if actor.account_id is not None else None
    return choose_columns(chosen.columns.split(",")) if chosen is not None else DEFAULT_COLUMNS


def save_columns(work: UnitOfWork, actor: Actor, names: Iterable[str]) -> None:
    """Keep the columns of the list of tablets for the acting person; names of no column are left out. Raises `Invalid`."""
    if actor.account_id is None:
        raise Invalid(field="columns")
    locks.lock_account(work, actor.account_id)
    chosen = SavedViewRepository(work.session).get_columns(actor.account_id) or ChosenColumns(account_id=actor.account_id)
    chosen.columns, chosen.chosen_at = ",".join(choose_columns(names)), work.now
    work.session.add(chosen)
