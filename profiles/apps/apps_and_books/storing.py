"""Stores what a synchronisation with Apps and Books has learned and done: the token's state, pools, and licences of tablets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from cartable import audit
from cartable.alarms import AlarmKind, raise_alarm
from cartable.locks import lock_town
from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import DECOMMISSIONED
from profiles.apps.apps_and_books.outcome import AccountExchange
from profiles.apps.apps_and_books.ports import AssignedLicences
from profiles.apps.apps_and_books.repository import AppsAndBooksRepository, DueAssignments, LicensedTablet
from profiles.apps.licence_repository import LicenceRepository
from profiles.apps.licences import LICENCE_GRACE
from profiles.apps.models import Licence, LicencePool, LicenceState, LicenceToken, TokenProblem

#: So long Apple's lists may be behind its own answers: a licence that was given since then is not missed yet.
LIST_DELAY = timedelta(hours=1)


def store_outcome(runtime: Runtime, token_id: UUID, due: DueAssignments, outcome: AccountExchange) -> None:
    """Store an outcome. A licence that a tablet has released or reserved in the meantime keeps that state; the next run sends it."""
    with runtime.open_unit_of_work() as work:
        repository = AppsAndBooksRepository(work.session)
        known = repository.get_token(token_id)
        if known is None:
            return
        lock_town(work, known.town_id)
        token = repository.lock_token(token_id)
        if token is None:
            return
        if outcome.is_claimed_now and outcome.location is not None and outcome.location.claimed_by is not None:
            former = outcome.location.claimed_by.id
            audit.record_event(
                work, SYSTEM, "licences.taken_over", "licence_token", token.id, town_id=token.town_id, former=former
            )
        _store_token_state(work, token, outcome)
        if outcome.assets is None:
            return
        pools, is_more_free = _store_pools(work, token, outcome)
        serials = {serial for side in (due.to_assign, due.to_return) for each in side.values() for serial in each}
        for holders in outcome.holders.values():
            serials |= holders.serials
        tablets = repository.find_tablets(token.town_id, serials)
        compared = [pools[adam_id].id for adam_id in outcome.holders if adam_id in pools]
        licences = repository.lock_licences(token.id, [tablet.id for tablet in tablets.values()], compared)
        changed: set[UUID] = set()
        for adam_id, pool in pools.items():
            rows = licences.get(pool.id, {})
            changed |= _store_changes(work, adam_id, rows, tablets, outcome)
            if adam_id in outcome.holders:
                changed |= _store_holders(work, pool, rows, tablets, outcome.holders[adam_id], outcome.returned, adam_id)
            failed = {tablets[serial].id for number, serial in outcome.failed if number == adam_id and serial in tablets}
            _drop_unserved_reservations(work, pool, rows, failed)
        work.session.flush()
        if is_more_free:
            work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_town(token.town_id))
        elif changed:
            work.enqueue_selected_jobs(Topic.RECONCILE, repository.select_tablets(sorted(changed)))


def _store_token_state(work: UnitOfWork, token: LicenceToken, outcome: AccountExchange) -> None:
    token.checked_at, token.problem = work.now, outcome.problem
    token.problem_detail = outcome.problem_detail[:200] if outcome.problem_detail else None
    location = outcome.location
    if location is None:
        return
    is_same_account = outcome.problem not in (TokenProblem.OTHER_ACCOUNT, TokenProblem.DUPLICATE_ACCOUNT)
    if not is_same_account:
        token.problem_detail = location.name[:200]
        return
    token.location, token.location_uid = location.name or token.location, location.uid or token.location_uid
    token.expires = location.expires or token.expires
    is_elsewhere = outcome.problem is TokenProblem.CLAIMED_ELSEWHERE
    if is_elsewhere and location.claimed_by is not None and location.claimed_by.id != token.claimed_by_id:
        raise_alarm(
            work,
            token.town_id,
            AlarmKind.LICENCE_ACCOUNT_CLAIMED,
            server=location.claimed_by.name or location.claimed_by.id,
            location=token.location,
        )
    token.claimed_by_id = location.claimed_by.id if is_elsewhere and location.claimed_by is not None else None
    token.claimed_by_name = location.claimed_by.name if is_elsewhere and location.claimed_by is not None else None
    if token.takeover_of == outcome.takeover_of:
        token.takeover_of = None  # done, or decided about another server than the one that has it now
    if outcome.assets is not None:
        token.read_at, token.skipped_rows = token.read_at or work.now, outcome.skipped_rows
        token.compared_at = work.now if outcome.is_compared else token.compared_at


def _store_pools(work: UnitOfWork, token: LicenceToken, outcome: AccountExchange) -> tuple[dict[int, LicencePool], bool]:
    """Return the pools of all apps of the catalogue by store number, and whether one has more licences than before.

    What the account does not have, or no more, is 0, unless a row of Apple's list could not be read.
    """
    repository = AppsAndBooksRepository(work.session)
    known = repository.lock_pools(token.id)
    pools: dict[int, LicencePool] = {}
    is_more_free = False
    for adam_id, app_id in repository.get_apps_by_store_id(token.town_id).items():
        asset = (outcome.assets or {}).get(adam_id)
        pool = known.get(app_id)
        if pool is None:
            pool = LicencePool(app_id=app_id, token_id=token.id, town_id=token.town_id, total=0, held_elsewhere=0)
            work.session.add(pool)
            is_more_free = True  # whoever was not counted until now is decided again
        if asset is not None or outcome.skipped_rows == 0:  # else it may be in a row that could not be read
            total = asset.total if asset is not None and asset.assignable else 0
            is_more_free = is_more_free or total > pool.total
            pool.total, pool.held_elsewhere = total, pool.held_elsewhere if total else 0
        pool.updated_at = work.now
        pool.problem = outcome.refused[adam_id][:200] if adam_id in outcome.refused else None
        pools[adam_id] = pool
    work.session.flush()
    return pools, is_more_free


def _store_changes(
    work: UnitOfWork,
    adam_id: int,
    rows: Mapping[UUID, Licence],
    tablets: Mapping[str, LicensedTablet],
    outcome: AccountExchange,
) -> set[UUID]:
    """Store what was given and taken back. Returns the tablets that may install now."""
    changed = set()
    for serial, tablet in tablets.items():
        licence = rows.get(tablet.id)
        if licence is None:
            continue
        if (adam_id, serial) in outcome.assigned and licence.state is LicenceState.RESERVED:
            licence.state, licence.since = LicenceState.ASSIGNED, work.now
            changed.add(tablet.id)
        elif (adam_id, serial) in outcome.returned and licence.state is LicenceState.IN_GRACE:
            licence.until = licence.until or work.now + LICENCE_GRACE
            licence.returned = True
    return changed


def _store_holders(
    work: UnitOfWork,
    pool: LicencePool,
    rows: Mapping[UUID, Licence],
    tablets: Mapping[str, LicensedTablet],
    holders: AssignedLicences,
    returned: set[tuple[int, str]],
    adam_id: int,
) -> set[UUID]:
    """Store who has the licences of an app at Apple. Returns the tablets that are to be decided again.

    Tablets of the town that have one keep it; those that are given up give it back. A licence that Apple does not list any more is
    reserved again. What is left is held elsewhere.
    """
    changed = set()
    listed = {tablets[serial].id: tablets[serial] for serial in holders.serials if serial in tablets}
    for tablet_id, tablet in listed.items():
        licence = rows.get(tablet_id)
        if licence is None:
            licence = Licence(pool_id=pool.id, tablet_id=tablet_id, town_id=pool.town_id, since=work.now, returned=False)
            licence.state = LicenceState.ASSIGNED
            if tablet.state in DECOMMISSIONED:
                licence.state, licence.until = LicenceState.IN_GRACE, work.now + LICENCE_GRACE
            work.session.add(licence)
            changed.add(tablet_id)
        elif licence.state is LicenceState.RESERVED:
            licence.state, licence.since = LicenceState.ASSIGNED, work.now
            changed.add(tablet_id)
        elif licence.state is LicenceState.IN_GRACE and (adam_id, tablet.serial) not in returned:
            licence.returned = False  # it was taken back, and Apple lists it: once more
    for tablet_id, licence in rows.items():
        is_missed = licence.state is LicenceState.ASSIGNED and work.now - licence.since >= LIST_DELAY
        if is_missed and tablet_id not in listed:
            licence.state, licence.since = LicenceState.RESERVED, work.now
            changed.add(tablet_id)
    pool.held_elsewhere = len(holders.serials) - len(listed) + holders.others
    return changed


def _drop_unserved_reservations(work: UnitOfWork, pool: LicencePool, rows: Mapping[UUID, Licence], failed: set[UUID]) -> None:
    """Delete reservations that the account has no licence for, those that Apple has refused first: these tablets wait."""
    reserved = sorted(
        (row for row in rows.values() if row.state is LicenceState.RESERVED), key=lambda row: row.tablet_id not in failed
    )
    if not reserved:
        return
    work.session.flush()
    lacking = LicenceRepository(work.session).count_in_use([pool.id]).get(pool.id, 0) + pool.held_elsewhere - pool.total
    for licence in reserved[: max(0, lacking)]:
        work.session.delete(licence)
