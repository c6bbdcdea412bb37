"""The page "rules and why" of one tablet: its mode and the next ones, each setting with its source, one address tried. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable.errors import DomainError
from cartable.i18n import Language
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts, load_facts
from enrollment.places import service as places
from enrollment.tablets import service as tablets
from mdm.api.deps import WorkDep
from mdm.care.web_filter import try_host
from mdm.console.filters.labels import REMEDIES, describe_deciding
from mdm.console.frame import get_language, render_page, require_sign_in
from mdm.console.labels import FILTER_PARTS, LABEL_AND_VALUE, mode_label, person_label
from mdm.console.page_route import PageRoute
from mdm.console.policy.labels import RULE_STATUSES, STATUS_REASONS, VERDICTS, source_label, value_label
from mdm.console.schedule.labels import candidate_label
from mdm.console.times import format_instant, show_times_in
from mdm.console.web_categories import list_category_names
from profiles.catalog.merge import Resolved
from profiles.catalog.settings import Setting, load_catalog
from profiles.effective.explain import Explanation, explain, list_coming_modes
from profiles.filters.rules import HostDecision
from profiles.schedule.labels import GUARDIAN_RULES

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/tablets/{tablet_id}/why")
def show_why(request: Request, tablet_id: UUID, work: WorkDep, host: str = "", q: str = "") -> Response:
    """Show what is in force on a tablet now, and why; with `host`, what happens to that address."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    tablet = tablets.get_tablet(work, actor, tablet_id)
    show_times_in(places.get_town_zone(work, tablet.town_id))
    facts = load_facts(work, [tablet_id])[tablet_id]
    explanation = explain(work, facts)
    verdict, problem = _try_host(work, facts, host[:260].strip(), language)
    return render_page(
        request,
        "tablets/why.html",
        problem=problem,
        tablet=tablet,
        mode=mode_label(explanation.mode, language),
        reason=candidate_label(explanation.decision.winner, language),
        overruled=[
            f"{mode_label(each.mode, language)} ({candidate_label(each, language)})" for each in explanation.decision.overruled
        ],
        coming=[
            (format_instant(at), mode_label(decision.mode, language), candidate_label(decision.winner, language))
            for at, decision in list_coming_modes(work, facts, work.now)[1:]
        ],
        groups=_describe_settings(explanation, q[:64].strip(), language),
        q=q[:64],
        guardians=[
            (
                GUARDIAN_RULES[each.restriction.kind].translate(language),
                each.restriction.subject,
                RULE_STATUSES[each.status].translate(language),
                STATUS_REASONS[each.reason].translate(language),
            )
            for each in explanation.guardians
        ],
        left_out=_name_settings(explanation.left_out, language),
        host=host[:260],
        verdict=verdict,
    )


def _describe_settings(explanation: Explanation, text: str, language: Language) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the settings in force by group, those only whose words hold `text` when it is given."""
    catalog = load_catalog()
    rows = [(catalog[key], resolved) for key, resolved in explanation.settings.items() if key in catalog]
    matching = [
        (setting, resolved)
        for setting, resolved in rows
        if text.casefold() in f"{setting.label.translate(language)} {setting.key}".casefold()
    ]
    order = {setting.key: index for index, setting in enumerate(catalog.values())}
    matching.sort(key=lambda row: (row[0].group.label.translate(language), order[row[0].key]))
    return [
        (group.label.translate(language), [_describe_setting(setting, resolved, language) for setting, resolved in members])
        for group, members in groupby(matching, key=lambda row: row[0].group)
    ]


def _describe_setting(setting: Setting, resolved: Resolved, language: Language) -> dict[str, Any]:
    deciding = [step for step in resolved.steps if step.source in resolved.deciding]
    return {
        "name": setting.label.translate(language),
        "key": setting.key,
        "value": value_label(setting, resolved.value, language),
        "is_code": isinstance(resolved.value, list | str) and not setting.labels,
        "sources": [source_label(source, language) for source in resolved.deciding],
        "author": _describe_author(
            next((step.author for step in deciding if step.author and not step.is_constraint), ""), language
        ),
        "until": next((format_instant(step.until) for step in deciding if step.until), ""),
        "is_locked": any(step.is_locked for step in deciding),
        "others": [
            LABEL_AND_VALUE.translate(
                language, label=source_label(step.source, language), value=value_label(setting, step.value, language)
            )
            for step in resolved.steps
            if step.source in resolved.overruled
        ],
    }


def _describe_author(author: str, language: Language) -> str:
    """Return who wrote a value, and in which version."""
    name, separator, version = author.rpartition(", v")
    return f"{person_label(name, language)}{separator}{version}"


def _name_settings(keys: Iterable[str], language: Language) -> list[str]:
    catalog = load_catalog()
    return [catalog[key].label.translate(language) if key in catalog else key for key in keys]


def _try_host(work: UnitOfWork, facts: TabletFacts, host: str, language: Language) -> tuple[dict[str, Any] | None, str]:
    """Return what happens to an address on the tablet now, and the sentence for an address that is none."""
    if not host:
        return None, ""
    try:
        outcome = try_host(work, facts.tablet_id, host)
    except DomainError as refusal:
        return None, refusal.translate(language)
    verdict = outcome.explanation.verdict
    return {
        "is_open": verdict.decision is HostDecision.ALLOW,
        "reason": VERDICTS[verdict.reason].translate(language),
        "decided_by": describe_deciding(verdict, language),
        "categories": ", ".join(list_category_names(outcome.explanation.categories, language)),
        "in_force": [FILTER_PARTS[part].translate(language) for part in outcome.on_tablet.parts],
        "closed_by": [FILTER_PARTS[part].translate(language) for part in outcome.closing],
        "own_networks": outcome.on_tablet.own_networks,
        "remedy": REMEDIES[outcome.remedy].translate(language) if outcome.remedy is not None else "",
    }, ""
