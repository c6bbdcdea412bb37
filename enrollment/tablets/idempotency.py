"""Idempotency keys: a request that a client sends again after a network failure is carried out once."""

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
from enrollment.tablets.errors import RequestIdReused
from enrollment.tablets.idempotency_repository import IdempotencyRepository
from enrollment.tablets.models import IdempotencyRecord

RETENTION = timedelta(days=7)
NO_ACCOUNT_ID = UUID(int=0)

ResponseBody = dict[str, Any]


def run_once(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    request_id: UUID,
    request_fields: dict[str, Any],
    operation: Callable[[], ResponseBody],
) -> ResponseBody:
    """Carry out `operation`, store its response and return it; return the stored response if this request was carried out before.

    Raises `RequestIdReused` when the id was used with other fields. An error is not stored: the request may be sent again.
    """
    locks.lock_town(work, town_id)
    account_id = actor.account_id or NO_ACCOUNT_ID
    request_hash = hashlib.sha256(json.dumps(request_fields, sort_keys=True, default=str).encode()).hexdigest()
    record = IdempotencyRepository(work.session).get_idempotency_record(request_id, account_id)
    if record is not None:
        if record.request_hash != request_hash or record.town_id != town_id:
            raise RequestIdReused(field="request_id")
        return record.response
    response = operation()
    work.session.add(
        IdempotencyRecord(
            request_id=request_id,
            account_id=account_id,
            town_id=town_id,
            request_hash=request_hash,
            response=response,
            recorded_at=work.now,
        )
    )
    work.session.flush()
    return response


def purge_records(work: UnitOfWork) -> None:
    """Delete the records that are older than `RETENTION`."""
    IdempotencyRepository(work.session).delete_idempotency_records(work.now - RETENTION)
