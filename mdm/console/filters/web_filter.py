"""The page of a town's web filter: by which means it reaches tablets, what these can hold, and one address tried at a place. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Grade
from mdm.api.deps import WorkDep
from mdm.console.filters.labels import MEANS, describe_deciding
from mdm.console.forms import CsrfField, attempt, parse_id
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.labels import FILTER_PARTS, mode_label
from mdm.console.page_route import PageRoute
from mdm.console.policy.documents import PlacePolicy, load_place_policy, open_owner
from mdm.console.policy.labels import VERDICTS
from mdm.console.system.labels import RESOLVER_STATUSES
from mdm.console.web_categories import list_category_names
from mdm.resolver.service import ResolverStatus, load_resolver_state
from profiles.catalog.hosts import display_host
from profiles.effective.explain_web import explain_host_at_place, load_town_filter
from profiles.filters import options, service
from profiles.filters.rules import LEGAL_CATEGORIES, AwayBehaviour, DeliveryKind, EffectiveFilter, HostDecision
from profiles.policy import life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import ALL_MODES, PlaceKind
from profiles.schedule.modes import Mode

router = APIRouter(prefix="/web-filter", include_in_schema=False, route_class=PageRoute)
_TOWN = f"{PlaceKind.TOWN}:"
DELIVERY = "web.delivery"
#: The modes in which a person may want to try an address: a child has the tablet in the hands.
_TRIED_MODES = (Mode.HOME, Mode.SCHOOL, Mode.AFTER_SCHOOL, Mode.HOLIDAY, Mode.TRIP, Mode.EXAM, Mode.NIGHT_REST)


@router.get("")
def show_filter(
    request: Request, work: WorkDep, town: UUID | None = None, host: str = "", grade: str = "", school: str = "", mode: str = ""
) -> Response:
    """Show the means of a town's filter; with `host`, what its rules want of that address at a place in a mode."""
    actor, _ = require_sign_in(request, work)
    policy = load_place_policy(work, actor, town, _TOWN, get_language(request))
    return _render(request, work, actor, policy, tried=_Tried.parse(host, grade, school, mode))


@router.post("/{town}/means")
def prepare_means(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    means: Annotated[DeliveryKind, Form()],
    when_away: Annotated[AwayBehaviour, Form()] = AwayBehaviour.STRICT,
    networks: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Note the means in the draft of the town's rules, and show that draft. Nothing changes on tablets before it is published."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    policy = load_place_policy(work, actor, town, _TOWN, get_language(request))
    value: dict[str, Any] = {"kind": means.value}
    if means is DeliveryKind.RESOLVER:
        named = sorted({line.strip() for line in networks.splitlines()} - {""})
        value |= {"when_away": when_away.value} | ({"networks": named} if named else {})
    content = _set_delivery(policy.content, value)
    refusal = attempt(work, lambda: life.save_draft(work, actor, open_owner(work, actor, policy), life.Draft(content)))
    if refusal is not None:
        return _render(request, work, actor, policy, refusal=refusal)
    return RedirectResponse(f"/rules/draft?{policy.query}", status_code=303)


@router.post("/{town}/own-hosts")
def save_own_hosts(
    request: Request, work: WorkDep, town: UUID, csrf: CsrfField, hosts: Annotated[str, Form(max_length=20_000)] = ""
) -> Response:
    """Save the sites of the town and its schools, which the resolver keeps open."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    policy = load_place_policy(work, actor, town, _TOWN, get_language(request))
    refusal = attempt(work, lambda: options.set_own_hosts(work, actor, policy.town.id, hosts.split()))
    if refusal is not None:
        return _render(request, work, actor, policy, refusal=refusal, typed_hosts=hosts)
    return RedirectResponse(f"/web-filter?town={town}#own", status_code=303)


def _set_delivery(content: PolicyContent, value: dict[str, Any]) -> PolicyContent:
    values = {mode: dict(part) for mode, part in content.values.items()}
    values.setdefault(ALL_MODES, {})[DELIVERY] = value
    return PolicyContent(values, content.locks, content.presets)


class _Tried:
    """What a person has typed into the form that tries an address."""

    def __init__(self, host: str, grade: Grade | None, school: UUID | None, mode: Mode) -> None:
        self.host, self.grade, self.school, self.mode = host, grade, school, mode

    @classmethod
    def parse(cls, host: str, grade: str, school: str, mode: str) -> _Tried:
        """Return it with values that exist: what is unknown counts as not chosen."""
        return cls(
            host[:260].strip(),
            Grade(grade) if grade in {*Grade} else None,
            parse_id(school),
            Mode(mode) if mode in {*Mode} else Mode.HOME,
        )


def _render(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    policy: PlacePolicy,
    *,
    tried: _Tried | None = None,
    refusal: DomainError | None = None,
    typed_hosts: str | None = None,
) -> Response:
    language, town = get_language(request), policy.town
    web, state = load_town_filter(work, town.id), load_resolver_state(work)
    counts = {each.name: each.hosts for each in service.list_all_categories(work, actor, town.id)}
    tried = tried or _Tried.parse("", "", "", "")
    schools = places.list_schools(work, actor, town.id)
    verdict, problem = _try_host(work, policy, tried, {school.id for school in schools}, language)
    return render_page(
        request,
        "filters/web_filter.html",
        refusal=refusal,
        problem=problem,
        policy=policy,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        has_resolver=bool(work.settings.resolver_url),
        resolver=work.settings.resolver_url,
        resolver_status=RESOLVER_STATUSES[state.status].translate(language),
        resolver_is_well=state.status is ResolverStatus.ANSWERING,
        resolver_addresses=work.settings.resolver_addresses,
        means=_describe_means(web, has_resolver=bool(work.settings.resolver_url), language=language),
        chosen=web.delivery_kind.value,
        choices=[(kind.value, MEANS[kind].translate(language)) for kind in (DeliveryKind.BUILT_IN, DeliveryKind.RESOLVER)],
        when_away=web.away_behaviour.value,
        networks=web.own_filter_networks,
        own_hosts=typed_hosts or "\n".join(map(display_host, options.get_options(work, actor, town.id).own_hosts)),
        missing=list_category_names((name for name in LEGAL_CATEGORIES if not counts.get(name)), language),
        list_count=len(counts),
        grades=[grade.value for grade in Grade],
        schools=schools,
        modes=[(mode.value, mode_label(mode, language)) for mode in _TRIED_MODES],
        tried=tried,
        verdict=verdict,
    )


def _describe_means(web: EffectiveFilter, *, has_resolver: bool, language: Language) -> str:
    """Return the means that is in force, in words: without a resolver the choice of it leaves the built-in filter alone."""
    kind = web.delivery_kind
    if kind is DeliveryKind.RESOLVER and not has_resolver:
        kind = DeliveryKind.BUILT_IN
    return MEANS[kind].translate(language)


def _try_host(
    work: UnitOfWork, policy: PlacePolicy, tried: _Tried, schools: set[UUID], language: Language
) -> tuple[dict[str, Any] | None, str]:
    """Return what the rules want of the address that was tried, and the sentence for an address that is none."""
    if not tried.host:
        return None, ""
    school = tried.school if tried.school in schools else None
    try:
        found = explain_host_at_place(work, policy.town.id, tried.grade, school, tried.mode, tried.host)
    except DomainError as refusal:
        return None, refusal.translate(language)
    verdict = found.wanted.verdict
    is_open = verdict.decision is HostDecision.ALLOW
    return {
        "is_open": is_open,
        "reason": VERDICTS[verdict.reason].translate(language),
        "decided_by": describe_deciding(verdict, language),
        "categories": ", ".join(list_category_names(found.wanted.categories, language)),
        "closing": [FILTER_PARTS[part].translate(language) for part in found.closing],
        "is_enforced": is_open or bool(found.closing),
    }, ""
