"""Verbs of web filters: what places say, the town's delivery, importing lists, and why a host is blocked. Never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any
from uuid import UUID

from cartable import audit
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from profiles.effective.repository import decide_again
from profiles.effective.situation import filter_in, read_policy, situation_of
from profiles.errors import BadHost, BadList, BadSetting, ListTooLong
from profiles.filters import archive
from profiles.filters.models import DeliveryKind, FilterDelivery, FilterPolicy
from profiles.filters.repository import FilterRepository
from profiles.filters.rules import BYPASS, FLOOR, MAX_BUILT_IN, Decision, Verdict, clean_host, verdict
from profiles.policy.kinds import ALWAYS, LayerKind
from profiles.policy.places import check_target, tablets_of
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes

KINDS = (LayerKind.TOWN, LayerKind.SCHOOL, LayerKind.GRADE, LayerKind.CLASS)


def write_policy(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    kind: LayerKind,
    target: str,
    mode: str,
    *,
    denied: Sequence[str],
    permitted: Sequence[str],
    openable: Sequence[str],
    categories: Mapping[str, str],
    only_permitted: bool,
) -> FilterPolicy:
    """Save what a place says of the filter. Raises `BadHost`, `ListTooLong`, `BadSetting` with the field named."""
    actor.require_permission(Permission.AUTHOR, town_id)
    if kind not in KINDS:
        raise BadSetting(field="kind", why="no filter for this place")
    check_target(work, town_id, kind, target)
    if mode not in {ALWAYS, *(each.value for each in Mode)}:
        raise BadSetting(field="mode", why="unknown mode")
    lists = {name: _hosts(hosts, name) for name, hosts in (("denied", denied), ("permitted", permitted), ("openable", openable))}
    for name, word in categories.items():
        if word not in {*Decision}:
            raise BadSetting(field=f"categories.{name[:64]}", why="neither block nor allow")
        if word == Decision.ALLOW and name in FLOOR | BYPASS:
            raise BadSetting(field=f"categories.{name}", why="the safety floor forbids it in every mode")
    repository = FilterRepository(work.session)
    row = repository.policy(town_id, kind, target, mode) or FilterPolicy(town_id=town_id, kind=kind, target=target, mode=mode)
    audit.record_event(work, actor, "filter.policy", "town", town_id, town_id=town_id, kind=kind.value, target=target, mode=mode)
    row.denied, row.permitted, row.openable = lists["denied"], lists["permitted"], lists["openable"]
    row.categories, row.only_permitted = dict(categories), only_permitted
    row.written_by, row.updated_at = actor.account_id, work.now
    work.session.add(row)
    work.session.flush()
    decide_again(work, tablets_of(work, town_id, kind, target))
    return row


def _hosts(entries: Sequence[str], field: str) -> list[str]:
    hosts = set()
    for entry in entries:
        host = clean_host(entry)
        if host is None:
            raise BadHost(host=entry[:80], field=field)
        hosts.add(host)
    if len(hosts) > MAX_BUILT_IN:
        raise ListTooLong(field=field, maximum=MAX_BUILT_IN)
    return sorted(hosts)


_NEEDED = {DeliveryKind.BUILT_IN: (), DeliveryKind.PLUGIN: ("name", "plugin_bundle_id"), DeliveryKind.DNS: ("protocol", "server")}


def choose_delivery(
    work: UnitOfWork, actor: Actor, town_id: UUID, kind: DeliveryKind, options: Mapping[str, Any]
) -> FilterDelivery:
    """How the filter reaches the town's tablets. Raises `BadSetting` with the option named."""
    actor.require_permission(Permission.AUTHOR, town_id)
    for name in _NEEDED[kind]:
        if not isinstance(options.get(name), str) or not 0 < len(options[name]) <= 255:
            raise BadSetting(field=f"options.{name}", why="missing")
    if kind is DeliveryKind.DNS:
        if options["protocol"] not in ("HTTPS", "TLS"):
            raise BadSetting(field="options.protocol", why="neither HTTPS nor TLS")
        if options["protocol"] == "HTTPS" and not options["server"].startswith("https://"):
            raise BadSetting(field="options.server", why="not an https address")
    row = FilterRepository(work.session).deliveries([town_id]).get(town_id) or FilterDelivery(town_id=town_id)
    audit.record_event(work, actor, "filter.delivery", "town", town_id, town_id=town_id, kind=kind.value)
    row.kind, row.options, row.updated_at = kind, dict(options), work.now
    work.session.add(row)
    work.session.flush()
    decide_again(work, tablets_of(work, town_id, LayerKind.TOWN, ""))
    return row


def import_lists(work: UnitOfWork, actor: Actor, town_id: UUID, file: IO[bytes]) -> dict[str, int]:
    """Replace the town's categories by those of an archive in UT1's format, all or nothing. Raises `BadList`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    audit.record_event(work, actor, "filter.import", "town", town_id, town_id=town_id)
    repository = FilterRepository(work.session)
    repository.forget_categories(town_id)
    counts: dict[str, int] = {}
    try:
        for listed in archive.read(file):
            added = repository.add_hosts(town_id, listed.category, listed.white, listed.hosts, work.now)
            counts[listed.category] = counts.get(listed.category, 0) + added
    except archive.BadArchive as error:
        raise BadList(why=error.why) from error
    return counts


def why_host(work: UnitOfWork, facts: TabletFacts, host: str) -> tuple[Mode, list[str], Verdict]:
    """What happens to a host on a tablet now, in which mode, in which categories it is, and why. Raises `BadHost`."""
    clean = clean_host(host)
    if clean is None:
        raise BadHost(host=host[:80], field="host")
    now = evaluate_modes(work, [facts])[facts.tablet_id]
    policy = read_policy(work, [facts])
    effective = filter_in(situation_of(facts, policy, now), policy, now.mode)
    categories = FilterRepository(work.session).categories_of(facts.town_id, clean)
    return now.mode, categories, verdict(effective, clean, categories)
