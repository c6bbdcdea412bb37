"""Keeping the licences of one account in step with Apps and Books. No transaction is open while the network is used.

A service that is away changes nothing on tablets: what is assigned stays, what waits goes on waiting, and the reason is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cartable.unit_of_work import Runtime
from profiles.apps.apps_and_books.client import AppsAndBooks
from profiles.apps.apps_and_books.outcome import AccountExchange
from profiles.apps.apps_and_books.ports import (
    AssignmentFailure,
    ClaimingServer,
    ContentLocation,
    EventPending,
    LicenceErrorKind,
    LicenceService,
    LicenceServiceError,
)
from profiles.apps.apps_and_books.repository import AppsAndBooksRepository, DueAssignments
from profiles.apps.apps_and_books.storing import store_outcome
from profiles.apps.models import TokenProblem

ConnectService = Callable[[str, str, Callable[[], datetime]], LicenceService]
#: How often Apple's licences are listed one by one, also where the numbers agree.
COMPARISON_INTERVAL = timedelta(hours=24)
#: Apps whose change the service has not finished in time, after which a synchronisation waits for the next one.
MAX_PENDING_EVENTS = 2
_PROBLEMS = {
    LicenceErrorKind.TOKEN: TokenProblem.REFUSED,
    LicenceErrorKind.RETRY: TokenProblem.UNAVAILABLE,
    LicenceErrorKind.PERMANENT: TokenProblem.FAILED,
}


@dataclass(frozen=True, slots=True)
class LicenceSyncResult:
    """What one synchronisation did; `error` when it must be tried again."""

    assigned: int = 0
    returned: int = 0
    failed: int = 0
    problem: TokenProblem | None = None
    error: str | None = None
    #: Seconds that the service asked us to wait.
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class _SyncPlan:
    """What a synchronisation needs from the database."""

    content: str
    server: ClaimingServer
    location_uid: str | None
    other_accounts: frozenset[str]
    takeover_of: str | None
    due: DueAssignments
    adam_ids: frozenset[int]
    given: Mapping[int, int]
    is_comparison_due: bool


def connect_service(token: str, url: str, now: Callable[[], datetime]) -> LicenceService:
    """Return a client of Apps and Books for the account of a token."""
    return AppsAndBooks(token, url, now)


def sync_licences(runtime: Runtime, token_id: UUID, connect: ConnectService = connect_service) -> LicenceSyncResult:
    """Read what an account owns and who has it, assign reserved licences, take back released ones, and store all that."""
    plan = _load_plan(runtime, token_id)
    if plan is None:
        return LicenceSyncResult()
    outcome = AccountExchange(takeover_of=plan.takeover_of)
    try:
        with closing(connect(plan.content, runtime.settings.apps_and_books_url, runtime.clock.now)) as service:
            _exchange(service, plan, outcome)
    except LicenceServiceError as error:
        if outcome.problem is None:
            outcome.problem, outcome.problem_detail = _PROBLEMS[error.kind], str(error)
        outcome.retry_after = error.retry_after
    store_outcome(runtime, token_id, plan.due, outcome)
    error_text = outcome.problem_detail if outcome.problem is TokenProblem.UNAVAILABLE else None
    if error_text is None and outcome.failed:
        error_text = "licences were refused"
    return LicenceSyncResult(
        len(outcome.assigned), len(outcome.returned), len(outcome.failed), outcome.problem, error_text, outcome.retry_after
    )


def _load_plan(runtime: Runtime, token_id: UUID) -> _SyncPlan | None:
    with runtime.open_unit_of_work() as work:
        repository = AppsAndBooksRepository(work.session)
        token = repository.get_token(token_id)
        if token is None:
            return None
        return _SyncPlan(
            content=token.content,
            server=ClaimingServer(str(token.id), f"Cartable ({repository.get_town_name(token.town_id)})"),
            location_uid=token.location_uid,
            other_accounts=frozenset(repository.list_other_accounts(token)),
            takeover_of=token.takeover_of,
            due=repository.get_due_assignments(token.id),
            adam_ids=frozenset(repository.get_apps_by_store_id(token.town_id)),
            given=repository.count_given(token.id),
            is_comparison_due=token.compared_at is None or work.now - token.compared_at >= COMPARISON_INTERVAL,
        )


def _exchange(service: LicenceService, plan: _SyncPlan, outcome: AccountExchange) -> None:
    """Read the account, then write to it if it is ours. Raises `LicenceServiceError`; `outcome` has what was done before."""
    location = outcome.location = service.get_location()
    outcome.problem = _find_account_problem(location, plan)
    if outcome.problem is not None:
        return
    outcome.is_ours = _claim_account(service, plan, location, outcome)
    if not outcome.is_ours:
        outcome.problem = TokenProblem.CLAIMED_ELSEWHERE
    _read_licences(service, plan, outcome)
    if outcome.is_ours:
        _change_licences(service, plan, outcome)


def _find_account_problem(location: ContentLocation, plan: _SyncPlan) -> TokenProblem | None:
    if plan.location_uid and location.uid and location.uid != plan.location_uid:
        return TokenProblem.OTHER_ACCOUNT
    return TokenProblem.DUPLICATE_ACCOUNT if location.uid in plan.other_accounts else None


def _read_licences(service: LicenceService, plan: _SyncPlan, outcome: AccountExchange) -> None:
    """Read the numbers of all apps, and who has the licences of those apps of the catalogue whose number is not the expected one."""
    listed = service.list_assets()
    assets = {asset.adam_id: asset for asset in listed.assets if asset.adam_id in plan.adam_ids}
    outcome.skipped_rows = listed.skipped
    for adam_id, asset in sorted(assets.items()):
        if plan.is_comparison_due or asset.assigned != plan.given.get(adam_id, 0):
            outcome.holders[adam_id] = service.list_assigned_licences(adam_id)
    outcome.assets, outcome.is_compared = assets, plan.is_comparison_due


def _claim_account(service: LicenceService, plan: _SyncPlan, location: ContentLocation, outcome: AccountExchange) -> bool:
    """Return whether the account is used by this server; a free one is claimed, another server's only if a person has decided so."""
    claimed_by = location.claimed_by
    if claimed_by is not None and claimed_by.id == plan.server.id:
        return True
    if claimed_by is not None and claimed_by.id != plan.takeover_of:
        return False
    service.claim(plan.server)
    outcome.is_claimed_now = True
    return True


def _change_licences(service: LicenceService, plan: _SyncPlan, outcome: AccountExchange) -> None:
    """Take back and give what is due, app by app: a refused app stops no other."""
    assets = outcome.assets or {}
    pending: list[EventPending] = []
    for verb, due in ((service.disassociate, plan.due.to_return), (service.associate, plan.due.to_assign)):
        is_return = due is plan.due.to_return
        done = outcome.returned if is_return else outcome.assigned
        for adam_id, serials in due.items():
            # Without a row there is nothing to give; taking back what is gone has no object either.
            asset = assets.get(adam_id)
            if asset is None or (not asset.assignable and not is_return):
                if is_return:
                    done |= {(adam_id, serial) for serial in serials}
                continue
            try:
                failures = verb(asset, serials)
            except EventPending as error:
                pending.append(error)
                outcome.refused[adam_id] = str(error)
                if len(pending) > MAX_PENDING_EVENTS:
                    raise
                continue
            failed_serials = {failure.serial for failure in failures}
            done |= {(adam_id, serial) for serial in serials if serial not in failed_serials}
            if failures:
                outcome.refused[adam_id] = _describe_failures(failures)
            if not is_return:
                outcome.failed |= {(adam_id, serial) for serial in serials if serial in failed_serials}
    if pending:
        raise pending[0]


def _describe_failures(failures: Sequence[AssignmentFailure]) -> str:
    """Return the most frequent reason, and for how many tablets."""
    reasons = [failure.message for failure in failures]
    reason = max(sorted(set(reasons)), key=reasons.count)
    return f"{reason[:180]} ({reasons.count(reason)})"
