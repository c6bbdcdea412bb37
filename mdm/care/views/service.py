"""Saving, listing and deleting the views of the acting person. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from cartable import locks
from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from mdm.care.views.models import SavedView
from mdm.care.views.repository import SavedViewRepository

MAX_VIEWS, MAX_VIEW_NAME, MAX_VIEW_QUERY = 20, 60, 500
#: What an address of the list may carry; a search for a child's name is not kept.
VIEW_FIELDS = frozenset({"state", "school", "grade", "lacks", "silent", "system", "erased", "town"})


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
    name, kept = name.strip(), urlencode([pair for pair in parse_qsl(query) if pair[0] in VIEW_FIELDS])
    if actor.account_id is None or not 1 <= len(name) <= MAX_VIEW_NAME or not name.isprintable():
        raise Invalid(field="name", maximum=MAX_VIEW_NAME)
    if not kept or len(kept) > MAX_VIEW_QUERY:
        raise Invalid(field="query", maximum=MAX_VIEW_QUERY)
    locks.lock_account(work, actor.account_id)
    views = list_views(work, actor)
    view = next((each for each in views if each.name == name), None)
    if view is None and len(views) >= MAX_VIEWS:
        raise TooManyViews(maximum=MAX_VIEWS)
    view = view or SavedView(account_id=actor.account_id, name=name)
    view.query, view.saved_at = kept, work.now
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
