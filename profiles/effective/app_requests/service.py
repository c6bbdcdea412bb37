"""Verbs of requests for apps: ask, support, approve, refuse, take back. Never commits.

What is approved goes into one bundle of the class, and is published as every bundle is. Each change leaves a job for the worker, which
mails it to whom it concerns. See docs/domain/apps.md#requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from cartable import audit, locks
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.repository import PeopleRepository
from enrollment.places.models import School, SchoolClass
from enrollment.places.service import get_town_date
from profiles.apps.data_sheets.models import AppVerdict
from profiles.apps.data_sheets.repository import DataSheetRepository
from profiles.apps.errors import AppNotFound
from profiles.effective import bundles
from profiles.effective.app_requests.errors import AppNotReviewed, AppRequestDecided, AppRequestNotFound, BadAppRequest
from profiles.effective.app_requests.models import AppRequest, AppRequestState
from profiles.effective.app_requests.repository import AppRequestRepository, RequestRow
from profiles.effective.bundles import NO_CONSENT, Consent
from profiles.policy.kinds import PlaceKind
from profiles.policy.models import Preset

#: With one of these a person asks for apps, supports requests, or decides on them.
PERMISSIONS = (Permission.TEACH, Permission.LEAD, Permission.AUTHOR)


@dataclass(frozen=True, slots=True)
class RequestedApp:
    """What is asked for: an app by name or page in the App Store, why, and until which day."""

    name: str
    reason: str
    store_link: str | None = None
    until: date | None = None


def create_request(work: UnitOfWork, actor: Actor, class_id: UUID, wanted: RequestedApp) -> AppRequest:
    """Return a new request for a class that the actor teaches. Raises `AppRequestNotFound` for another class, `BadAppRequest`."""
    school_class = _find_class(work, actor, class_id)
    name, reason = wanted.name.strip(), wanted.reason.strip()
    for field, text in (("name", name), ("reason", reason)):
        if not text:
            raise BadAppRequest(field=field)
    if wanted.store_link and not wanted.store_link.startswith("https://"):
        raise BadAppRequest(field="store_link")
    if wanted.until is not None and wanted.until < get_town_date(work, school_class.town_id):
        raise BadAppRequest(field="until")
    request = AppRequest(
        town_id=school_class.town_id, school_id=school_class.school_id, class_id=class_id, name=name, reason=reason,
        store_link=wanted.store_link or None, until=wanted.until, state=AppRequestState.ASKED, requested_by=actor.account_id,
        requested_at=work.now,
    )  # fmt: skip
    work.session.add(request)
    work.session.flush()
    _record(work, actor, "ask", request, name=name)
    work.enqueue_job(Topic.APP_REQUEST, request.id)
    return request


def list_requests(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[RequestRow]:
    """Return the requests of a town that the actor may see, what waits first: those of own classes, of an own school, or all."""
    return [row for row in AppRequestRepository(work.session).list_requests(town_id) if may_see(actor, row[0])]


def may_see(actor: Actor, request: AppRequest) -> bool:
    """Return whether a request concerns an actor: who teaches the class, leads its school or authors the town's apps."""
    return (
        actor.has_permission(Permission.TEACH, request.town_id, request.school_id, request.class_id)
        or may_support(actor, request)
        or may_decide(actor, request)
    )


def may_support(actor: Actor, request: AppRequest) -> bool:
    """Return whether the actor leads the school of a request."""
    return actor.has_permission(Permission.LEAD, request.town_id, request.school_id)


def may_decide(actor: Actor, request: AppRequest) -> bool:
    """Return whether the actor authors the apps of the town of a request."""
    return actor.has_permission(Permission.AUTHOR, request.town_id)


def support_request(work: UnitOfWork, actor: Actor, request_id: UUID) -> AppRequest:
    """Record that the head of the school supports a request. Raises `AppRequestNotFound`, `Forbidden`, `AppRequestDecided`."""
    request = _get_waiting(work, actor, request_id)
    actor.require_permission(Permission.LEAD, request.town_id, request.school_id)
    if request.supported_at is None:
        _record(work, actor, "support", request)
        request.supported_at = work.now
        work.session.flush()
    return request


def approve_request(
    work: UnitOfWork, actor: Actor, request_id: UUID, app_id: UUID, answer: str | None = None, consent: Consent = NO_CONSENT
) -> AppRequest:
    """Give an app of the catalogue to the class of a request, in its bundle of requested apps.

    Raises `AppRequestNotFound`, `Forbidden`, `AppRequestDecided`, `AppNotFound`, `AppNotReviewed` before the data protection officer has allowed
    the app, and what publishing a bundle raises.
    """
    request = _get_waiting(work, actor, request_id)
    actor.require_permission(Permission.AUTHOR, request.town_id)
    repository = DataSheetRepository(work.session)
    app = repository.find_app(app_id)
    if app is None or app.town_id != request.town_id:
        raise AppNotFound(field="app_id")
    sheet = repository.find_sheet(app.id)
    if sheet is None or sheet.verdict not in (AppVerdict.ALLOWED, AppVerdict.ALLOWED_WITH_CONDITIONS):
        raise AppNotReviewed(app=app.name)
    _record(work, actor, "approve", request, bundle_identifier=app.bundle_identifier)
    requests = AppRequestRepository(work.session)
    given_app_ids, bundle = requests.list_given_apps(request.class_id), requests.find_bundle(request.class_id)
    request.state, request.app_id, request.answer, request.decided_at = (
        AppRequestState.APPROVED, app.id, (answer or "").strip() or None, work.now,
    )  # fmt: skip
    work.session.flush()
    if app.id not in given_app_ids:
        bundle = _publish(work, actor, request, bundle, {*given_app_ids, app.id}, consent)
    request.bundle_id = bundle.id if bundle is not None else None
    work.session.flush()
    work.enqueue_job(Topic.APP_REQUEST, request.id)
    return request


def refuse_request(work: UnitOfWork, actor: Actor, request_id: UUID, answer: str) -> AppRequest:
    """Refuse a request with the reason that the requester reads.

    Raises `AppRequestNotFound`, `Forbidden`, `AppRequestDecided`, `BadAppRequest` without a reason.
    """
    request = _get_waiting(work, actor, request_id)
    actor.require_permission(Permission.AUTHOR, request.town_id)
    if not answer.strip():
        raise BadAppRequest(field="answer")
    _record(work, actor, "refuse", request, answer=answer.strip())
    request.state, request.answer, request.decided_at = AppRequestState.REFUSED, answer.strip(), work.now
    work.session.flush()
    work.enqueue_job(Topic.APP_REQUEST, request.id)
    return request


def end_request(work: UnitOfWork, actor: Actor, request_id: UUID, consent: Consent = NO_CONSENT) -> AppRequest:
    """Take the app of an approved request back from the class, unless another request gives it.

    Raises `AppRequestNotFound`, `Forbidden`, `AppRequestDecided` for one that is not approved, and what publishing a bundle raises.
    """
    request = _get_request(work, actor, request_id)
    actor.require_permission(Permission.AUTHOR, request.town_id)
    if request.state is not AppRequestState.APPROVED:
        raise AppRequestDecided
    _record(work, actor, "end", request)
    request.state = AppRequestState.ENDED
    work.session.flush()
    work.enqueue_job(Topic.APP_REQUEST, request.id)
    requests = AppRequestRepository(work.session)
    given_app_ids = requests.list_given_apps(request.class_id)
    if request.app_id is not None and request.app_id not in given_app_ids:
        _publish(work, actor, request, requests.find_bundle(request.class_id), given_app_ids, consent)
    return request


def _publish(
    work: UnitOfWork, actor: Actor, request: AppRequest, bundle: Preset | None, app_ids: set[UUID], consent: Consent
) -> Preset:
    """Publish the bundle of requested apps of a class with these apps, and return it; the first time it is made and given to the class.

    Its name is only for people: a class that a merger has moved to another school keeps the bundle that it has.
    """
    reason = f"request {request.name}"[:300]
    if bundle is not None:
        bundles.change_bundle(work, actor, bundle, sorted(app_ids, key=str), reason=reason, consent=consent)
        return bundle
    made = bundles.create_bundle(work, actor, request.town_id, _name_bundle(work, request), sorted(app_ids, key=str))
    bundles.assign_bundle(work, actor, made, PlaceKind.CLASS, str(request.class_id), reason=reason, consent=consent)
    return made


def _name_bundle(work: UnitOfWork, request: AppRequest) -> str:
    """Return the name of the bundle of a class: school, class and year, so that no two classes share one."""
    school, school_class = work.session.get_one(School, request.school_id), work.session.get_one(SchoolClass, request.class_id)
    return f"Demandes {school.uai} {school_class.label[:80]} {school_class.school_year}"


def _find_class(work: UnitOfWork, actor: Actor, class_id: UUID) -> SchoolClass:
    school_class = PeopleRepository(work.session).find_class(actor, class_id)
    if school_class is None or not actor.has_permission(
        Permission.TEACH, school_class.town_id, school_class.school_id, school_class.id
    ):
        raise AppRequestNotFound(field="class_id")
    return school_class


def _get_waiting(work: UnitOfWork, actor: Actor, request_id: UUID) -> AppRequest:
    request = _get_request(work, actor, request_id)
    if request.state is not AppRequestState.ASKED:
        raise AppRequestDecided
    return request


def _get_request(work: UnitOfWork, actor: Actor, request_id: UUID) -> AppRequest:
    """Lock the town and return a request that concerns the actor: two decisions at once change the bundle of a class one after the other."""
    repository = AppRequestRepository(work.session)
    request = repository.find_request(request_id)
    if request is None or not may_see(actor, request):
        raise AppRequestNotFound
    locks.lock_town(work, request.town_id)
    work.session.refresh(request)
    return request


def _record(work: UnitOfWork, actor: Actor, verb: str, request: AppRequest, **details: object) -> None:
    audit.record_event(
        work,
        actor,
        f"app_request.{verb}",
        "app_request",
        request.id,
        town_id=request.town_id,
        class_id=str(request.class_id),
        **details,
    )
