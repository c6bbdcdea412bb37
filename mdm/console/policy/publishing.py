"""The page of a draft: what it would change, its risks and licences, and publishing it; stopping and restoring versions."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Language
from cartable.unit_of_work import UnitOfWork
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.labels import mode_label
from mdm.console.page_route import PageRoute
from mdm.console.policy.documents import PlacePolicy, load_place_policy, require_owner
from mdm.console.policy.labels import STAGE_OUTCOMES, STAGE_STATES, STAGES, value_label
from mdm.reconcile.rollouts import get_rollout
from profiles.catalog.composites import list_authorable_fields
from profiles.effective import publishing
from profiles.effective.preview import Preview, SettingEffect, preview
from profiles.effective.publishing import Publication
from profiles.policy import life
from profiles.policy.models import PolicyVersion
from profiles.policy.reachability import Severity
from profiles.policy.reachability_texts import RISK_TEXTS
from profiles.policy.repository import to_content

router = APIRouter(prefix="/rules", include_in_schema=False, route_class=PageRoute)
PlaceField = Annotated[str, Form(max_length=80)]
ReasonField = Annotated[str, Form(max_length=300)]
_MAX_EFFECTS = 100


@router.get("/draft")
def show_draft(request: Request, work: WorkDep, town: UUID | None = None, place: str = "") -> Response:
    """Show what the draft of a place, or its roll-out, changes, and the form to publish it."""
    actor, _ = require_sign_in(request, work)
    policy = load_place_policy(work, actor, town, place[:80], get_language(request))
    return _render_draft(request, work, policy)


@router.post("/{town}/publish")
def publish_draft(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    place: PlaceField,
    number: Annotated[int, Form(ge=1)],
    reason: ReasonField = "",
    at_once_reason: ReasonField = "",
    confirmation: Annotated[str, Form(max_length=8)] = "",
    accept_shortage: Annotated[bool, Form()] = False,
) -> Response:
    """Publish the draft that was shown: by stages, unless the person says why not."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    policy = load_place_policy(work, actor, town, place, get_language(request))
    publication = Publication(
        reason=reason.strip() or None,
        at_once_reason=at_once_reason.strip() or None,
        confirmation=confirmation or None,
        accept_shortage=accept_shortage,
    )
    document = require_owner(policy)
    refusal = attempt(work, lambda: publishing.publish(work, actor, document, number, publication))
    if refusal is not None:
        return _render_draft(request, work, policy, refusal=refusal, reason=reason, at_once_reason=at_once_reason)
    return RedirectResponse(f"/rules?{policy.query}&done=published", status_code=303)


@router.post("/{town}/stop")
def stop_rollout(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    place: PlaceField,
    reason: Annotated[str, Form(min_length=3, max_length=200)],
) -> Response:
    """Stop the roll-out of a place."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    policy = load_place_policy(work, actor, town, place, get_language(request))
    life.stop(work, actor, require_owner(policy), reason.strip())
    return RedirectResponse(f"/rules?{policy.query}&done=stopped", status_code=303)


@router.post("/{town}/restore")
def restore_version(
    request: Request, work: WorkDep, town: UUID, csrf: CsrfField, place: PlaceField, number: Annotated[int, Form(ge=1)]
) -> Response:
    """Put the content of an earlier version into force again."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    policy = load_place_policy(work, actor, town, place, get_language(request))
    life.roll_back(work, actor, require_owner(policy), number)
    return RedirectResponse(f"/rules?{policy.query}&done=restored", status_code=303)


def _render_draft(
    request: Request,
    work: UnitOfWork,
    policy: PlacePolicy,
    *,
    refusal: DomainError | None = None,
    reason: str = "",
    at_once_reason: str = "",
) -> Response:
    language = get_language(request)
    document, version = require_owner(policy), policy.rolling or policy.draft
    if version is None:
        raise NotFound
    found = preview(work, document, to_content(version))
    return render_page(
        request,
        "policy/draft.html",
        refusal=refusal,
        policy=policy,
        chosen=policy.key,
        version=version,
        stage=_describe_stage(work, policy, version, language) if policy.rolling is not None else None,
        preview=found,
        effects=[_describe_effect(effect, language) for effect in found.effects[:_MAX_EFFECTS]],
        ineffective=[_name_setting(key, language) for key in found.ineffective_settings],
        risks=_describe_risks(found, language),
        missing=sum(need.missing for need in found.licences),
        reason=reason or version.reason or "",
        at_once_reason=at_once_reason,
    )


def _describe_effect(effect: SettingEffect, language: Language) -> dict[str, Any]:
    field = list_authorable_fields().get(effect.change.key)
    before, after = effect.change.before, effect.change.after
    return {
        "name": _name_setting(effect.change.key, language),
        "before": value_label(field, before, language) if field is not None else str(before),
        "after": value_label(field, after, language) if field is not None else str(after),
        "modes": ", ".join(mode_label(mode, language) for mode in effect.modes),
        "tablets": effect.tablets,
    }


def _name_setting(key: str, language: Language) -> str:
    field = list_authorable_fields().get(key)
    return field.label.translate(language) if field is not None else key


def _describe_risks(found: Preview, language: Language) -> list[dict[str, Any]]:
    return [
        {
            "is_refused": finding.risk.severity is Severity.REFUSED,
            "sentence": RISK_TEXTS[finding.risk.rule].sentence.translate(language),
            "remedy": RISK_TEXTS[finding.risk.rule].remedy.translate(language),
            "tablets": finding.tablets,
        }
        for finding in found.assessment.findings
    ]


def _describe_stage(work: UnitOfWork, policy: PlacePolicy, version: PolicyVersion, language: Language) -> dict[str, Any]:
    state = get_rollout(work, require_owner(policy))
    progress = state.progress if state is not None else None
    return {
        "name": STAGES[version.stage].translate(language) if version.stage is not None else "–",
        "outcome": STAGE_OUTCOMES[progress.outcome].translate(language) if progress is not None else "",
        "tablets": [(STAGE_STATES[each].translate(language), count) for each, count in progress.tablets.items() if count]
        if progress is not None
        else [],
        "goes_on": version.advances,
        "is_proved": version.stage_proved_at is not None,
    }
