"""Requests that a page may send again because the network failed: done once, answered alike each time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from cartable import locks
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.errors import RequestReused
from enrollment.tablets.models import DoneOnce
from enrollment.tablets.repository import TabletRepository

KEEP = timedelta(days=7)
NOBODY = UUID(int=0)

Answer = dict[str, Any]


def once(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, asked: Answer, act: Callable[[], Answer]) -> Answer:
    """Carry out `act` unless this person's request was carried out before: then give its answer again.

    Raises `RequestReused` when the id came with something else. A refusal is not kept: it may be asked again.
    """
    locks.lock_town(work, town_id)
    repository = TabletRepository(work.session)
    account = actor.account_id or NOBODY
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    before = repository.done_once(request_id, account)
    if before is not None:
        if before.asked != digest or before.town_id != town_id:
            raise RequestReused(field="request_id")
        return before.answer
    answer = act()
    work.session.add(
        DoneOnce(request_id=request_id, account_id=account, town_id=town_id, asked=digest, answer=answer, at=work.now)
    )
    work.session.flush()
    return answer


def purge(work: UnitOfWork) -> None:
    """Nobody repeats a request after a week."""
    TabletRepository(work.session).forget_done(work.now - KEEP)
