"""Which filters the resolver serves: for each situation and mode an address, and what is enforced there. Never commits.

An address stands for places, a mode, a lesson and a family's list, never for hosts: when a host changes, what is served at the address
changes, and no tablet needs a command. See docs/domain/filters.md#resolver.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from profiles.effective.situation import GUARDIAN_MODES, PolicyData, Situation, compose_mode_filter
from profiles.filters.address_repository import AddressContent, FilterAddressRepository
from profiles.filters.payloads import ResolverAddress
from profiles.filters.resolver_access import ResolverAccess
from profiles.filters.resolver_filter import ResolverFilter
from profiles.filters.rules import DeliveryKind, EffectiveFilter
from profiles.policy.baseline import load_baseline
from profiles.policy.kinds import ALL_MODES
from profiles.policy.rules import AppliedDocument
from profiles.schedule.modes import Mode
from profiles.schedule.repository import ScheduleRepository


def find_address(situation: Situation, policy: PolicyData, mode: Mode) -> ResolverAddress | None:
    """Return the address of the filter of a situation in a mode; None where its town does not use the resolver, or there is none."""
    if policy.resolver is None or compose_mode_filter(situation, policy, mode).delivery_kind is not DeliveryKind.RESOLVER:
        return None
    url = policy.resolver.build_url(compute_address_key(situation, policy, mode))
    return ResolverAddress(url, policy.resolver.addresses)


def compute_address_key(situation: Situation, policy: PolicyData, mode: Mode) -> str:
    """Return the hash of what the address stands for.

    Modes in which no document sets anything about the web share an address: a change between them changes no tablet. Documents that say nothing of the web in the mode are left out, so that their places share an address. A version that is still
    rolled out has one of its own: tablets that it has reached and others are never at the same address. So have schools that get new lists
    first.
    """
    sites = situation.guardian_sites if mode in GUARDIAN_MODES else None
    parts = [
        str(situation.town_id),
        mode.value if _is_apart(situation, mode) else ALL_MODES,
        [_name_document(each) for each in situation.documents if _touches_web(each, policy, mode)],
        str(situation.lesson_class) if mode is Mode.CLASS_SESSION else "",
        "" if sites is None else str(sites.owner or "listed"),
        *(["trial"] if situation.is_trial else []),
    ]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def _is_apart(situation: Situation, mode: Mode) -> bool:
    """Return whether a document sets something about the web in this mode alone."""
    parts: list[Iterable[str]] = [load_baseline().get(mode.value, {})]
    for document in situation.documents:
        content = document.version.content
        parts += [content.values.get(mode.value, {}), content.locks.get(mode.value, ())]
        for preset in document.presets:
            taken = preset.version.content
            parts.append(taken.get_values(mode) if preset.use.mode == mode.value else taken.values.get(mode.value, {}))
    return any(key.startswith("web.") for part in parts for key in part)


def _touches_web(document: AppliedDocument, policy: PolicyData, mode: Mode) -> bool:
    source = policy.get_source(document, mode)
    return any(key.startswith("web.") for key in (*source.values, *source.locks))


def _name_document(document: AppliedDocument) -> list[str]:
    rolling = [document.version, *(preset.version for preset in document.presets)]
    return [str(document.document.document_id), *(str(each.version_id) for each in rolling if each.stage is not None)]


def build_resolver_filter(
    web: EffectiveFilter, access: ResolverAccess, server_host: str, own_hosts: frozenset[str] = frozenset()
) -> ResolverFilter:
    """Return what the resolver enforces of a tablet's filter. `server_host`: the name at which the tablet reaches this server; `own_hosts`:
    the sites of its town.
    """
    return ResolverFilter(
        denied=frozenset(web.denied),
        permitted=frozenset(web.permitted),
        lesson_hosts=None if web.lesson_hosts is None else frozenset(web.lesson_hosts),
        guardian_hosts=None if web.guardian_hosts is None else frozenset(web.guardian_hosts),
        blocked_categories=web.blocked_categories,
        permitted_categories=web.permitted_categories,
        only_permitted=web.only_permitted,
        safe_search=web.safe_search,
        restricted_video=web.restricted_video,
        always_open=access.always_open | {server_host},
        own_hosts=own_hosts,
    )


def store_addresses(
    work: UnitOfWork, situations: Iterable[Situation], policy: PolicyData, classes: Iterable[tuple[UUID, Situation]] = ()
) -> None:
    """Store what is served for these situations in every mode, in a constant number of queries. The resolver takes it up by itself.

    `classes`: the classes of tablets that are in no class session, each with their situation. The address of a session that is over
    serves its sites no longer, although a tablet may still ask it.
    """
    if policy.resolver is None:
        return
    contents: dict[str, AddressContent] = {}
    for situation in situations:
        for mode in Mode:
            web = compose_mode_filter(situation, policy, mode)
            if web.delivery_kind is DeliveryKind.RESOLVER:
                key = compute_address_key(situation, policy, mode)
                town_id, token = situation.town_id, policy.resolver.get_token(key)
                server_host, own_hosts = policy.get_server_host(town_id), policy.resolver.get_own_hosts(town_id)
                served = build_resolver_filter(web, policy.resolver, server_host, own_hosts)
                contents[key] = AddressContent(town_id, token, served, is_trial=situation.is_trial)
    if contents:
        _save_contents(work, contents, _list_lesson_addresses(contents, policy, classes))


def _list_lesson_addresses(
    contents: Mapping[str, AddressContent], policy: PolicyData, classes: Iterable[tuple[UUID, Situation]]
) -> dict[str, tuple[UUID, AddressContent]]:
    """Return the addresses of class sessions of these classes by key, each with its class and what is served there without a session."""
    mode, addresses = Mode.CLASS_SESSION, {}
    for class_id, situation in classes:
        without = contents.get(compute_address_key(situation, policy, mode))
        if without is not None and policy.resolver is not None:
            key = compute_address_key(replace(situation, lesson_class=class_id), policy, mode)
            addresses[key] = (class_id, replace(without, token=policy.resolver.get_token(key)))
    return addresses


def _save_contents(
    work: UnitOfWork, contents: Mapping[str, AddressContent], of_lessons: Mapping[str, tuple[UUID, AddressContent]]
) -> None:
    repository = FilterAddressRepository(work.session)
    differing = repository.save_contents(contents, work.now, {key: content for key, (_, content) in of_lessons.items()})
    if not differing:
        return
    # Tablets of pupils who are absent from class are in no session while their class has one.
    running = ScheduleRepository(work.session).get_running_sessions({of_lessons[key][0] for key in differing}, work.now)
    over = {key: of_lessons[key][1] for key in differing if of_lessons[key][0] not in running}
    if over:
        repository.save_contents(over, work.now)
