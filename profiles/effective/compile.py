"""The desired state of tablets: compiled once per situation, content-addressed, signed once, with its reasons.

Costs the number of situations, not of tablets: tablets that differ in nothing share everything but their mode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from enrollment.identity.profile_signing import sign_profile
from profiles.catalog.settings import load_catalog, parse_version
from profiles.effective.models import Artefact, DeclarationSet
from profiles.effective.repository import PolicyRepository
from profiles.effective.situation import Policy, Situation, filter_in, read_policy, resolved, situation_of
from profiles.filters.models import DeliveryKind
from profiles.filters.render import payloads
from profiles.render.apple import (
    ProfileContent,
    ProfileDocument,
    build_content,
    render_profile,
    split_by_payload_type,
    split_common_content,
)
from profiles.render.declarations import Declaration, ManagedApp, build_declarations, serialize_canonical
from profiles.schedule.modes import Mode
from profiles.schedule.service import ModeEvaluation, evaluate_modes

#: Modes that differ in nothing share their profile; lost mode is a command of its own, over the strictest configuration.
MODES = tuple(Mode)


@dataclass(frozen=True, slots=True)
class WantedApp:
    """An app that a tablet should have. Without store id and manifest it is built in: allowed, never installed."""

    app_id: UUID
    bundle_identifier: str
    app_store_id: int | None
    manifest_url: str | None

    @property
    def is_installed_by_us(self) -> bool:
        return self.app_store_id is not None or self.manifest_url is not None


@dataclass(frozen=True, slots=True)
class Desired:
    """What one tablet should be: its mode, and that as one profile, or as a set of declarations where it understands them."""

    mode: Mode
    sha256: str
    identifier: str
    uuid: str
    apps: tuple[WantedApp, ...]
    left_out: tuple[str, ...]
    declaration_set: str | None
    #: The profile that goes by command beside declarations: the payload types that the operator keeps from them.
    beside_sha256: str | None = None


@dataclass(slots=True)
class Compiled:
    """Everything that tablets of one situation share."""

    situation: Situation
    contents: Mapping[Mode, ProfileContent]
    whole: Mapping[Mode, ProfileDocument]
    parts: tuple[ProfileDocument, ...] = ()
    beside: Mapping[Mode, ProfileDocument] = field(default_factory=dict)
    declared: list[Declaration] = field(default_factory=list)

    @property
    def set_token(self) -> str:
        """The address of its declarations."""
        return hashlib.sha256(serialize_canonical([[each.identifier, each.server_token] for each in self.declared])).hexdigest()


def desired_for(
    work: UnitOfWork, facts: Iterable[TabletFacts], modes: Mapping[UUID, ModeEvaluation] | None = None
) -> dict[UUID, Desired]:
    """Return the desired state of each tablet, in a constant number of queries; new artefacts are stored and signed."""
    tablets = list(facts)
    now = evaluate_modes(work, tablets) if modes is None else modes
    policy = read_policy(work, tablets)
    situations = {each.tablet_id: situation_of(each, policy, now[each.tablet_id]) for each in tablets}
    compiled: dict[tuple[object, ...], Compiled] = {}
    wanted: dict[str, tuple[UUID, ProfileDocument]] = {}
    for tablet_id, situation in situations.items():
        made = compiled.get(situation.key)
        if made is None:
            made = compiled[situation.key] = compile_situation(work, situation, policy)
        mode = now[tablet_id].mode
        for rendered in (made.whole[mode], *made.parts, *([made.beside[mode]] if mode in made.beside else ())):
            wanted[rendered.sha256] = (situation.town_id, rendered)
    _store(work, wanted, [each for each in compiled.values() if each.declared])
    return {
        tablet_id: _desired(policy, compiled[situation.key], now[tablet_id].mode) for tablet_id, situation in situations.items()
    }


def compile_situation(work: UnitOfWork, situation: Situation, policy: Policy) -> Compiled:
    """Merge and render one situation in every mode. Stores nothing."""
    contents = {mode: content_in(situation, policy, mode) for mode in MODES}
    town = str(situation.town_id)
    distinct: dict[str, ProfileDocument] = {}
    whole = {mode: _once(distinct, town, content) for mode, content in contents.items()}
    made = Compiled(situation, contents, whole)
    if is_declarative(situation, work):
        kept = work.settings.profile_payloads
        pairs = {mode: split_by_payload_type(content, kept) for mode, content in contents.items()}
        made.beside = {mode: _once(distinct, town, beside) for mode, (_, beside) in pairs.items() if not beside.is_empty}
        common, own = split_common_content({mode: declared for mode, (declared, _) in pairs.items()})
        base = render_profile(town, common, "base")
        by_mode = {mode: render_profile(town, content, _part(content)) for mode, content in own.items()}
        made.parts = tuple({r.sha256: r for r in (base, *by_mode.values()) if r is not None}.values())
        made.declared = build_declarations(
            work.settings.public_url,
            "Cartable",
            base.sha256 if base else None,
            {mode: rendered.sha256 if rendered else None for mode, rendered in by_mode.items()},
            _managed(policy, situation) if work.settings.declarative_apps else (),
        )
    return made


def content_in(situation: Situation, policy: Policy, mode: Mode) -> ProfileContent:
    """What a tablet of the situation shall hold in a mode."""
    values: dict[str, Any] = {key: each.value for key, each in resolved(situation, policy, mode).items()}
    if values.get("allowListedAppBundleIDs") and values.get("blockedAppBundleIDs"):
        # One list decides on a tablet: what is blocked leaves the list of what is allowed.
        blocked = set(values.pop("blockedAppBundleIDs"))
        values["allowListedAppBundleIDs"] = [app for app in values["allowListedAppBundleIDs"] if app not in blocked]
    others, left_out = filter_payloads(situation, policy, mode)
    content = build_content(values, load_catalog(), others, os=situation.os, supervised=situation.supervised)
    return replace(content, omitted_settings=(*content.omitted_settings, *left_out))


def filter_payloads(situation: Situation, policy: Policy, mode: Mode) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The web filter of a situation in a mode, as payloads."""
    delivery = policy.deliveries.get(situation.town_id)
    town = policy.filters.get(situation.town_id)
    return payloads(
        filter_in(situation, policy, mode),
        auto=town.auto_filter if town else True,
        kind=delivery.kind if delivery else DeliveryKind.BUILT_IN,
        options=delivery.options if delivery else {},
        supervised=situation.supervised,
    )


def is_declarative(situation: Situation, work: UnitOfWork) -> bool:
    """Whether tablets of the situation are told by declarations."""
    from_version = work.settings.declarative_from
    return bool(from_version) and situation.os is not None and situation.os >= parse_version(from_version)


def _once(distinct: dict[str, ProfileDocument], town: str, content: ProfileContent) -> ProfileDocument:
    key = content.digest
    if key not in distinct:
        rendered = render_profile(town, content)
        assert rendered is not None  # a whole profile may be empty, it is still a profile
        distinct[key] = rendered
    return distinct[key]


def _part(content: ProfileContent) -> str:
    """A profile of a mode has an identifier of its own: while one comes and another goes, neither removes the other."""
    return f"mode.{content.digest[:16]}"


def _managed(policy: Policy, situation: Situation) -> list[ManagedApp]:
    apps = [policy.apps[app_id] for app_id in situation.apps.required]
    return [ManagedApp(a.bundle_identifier, a.app_store_id, a.manifest_url) for a in apps if a.app_store_id or a.manifest_url]


def _store(work: UnitOfWork, wanted: Mapping[str, tuple[UUID, ProfileDocument]], compiled: list[Compiled]) -> None:
    repository = PolicyRepository(work.session)
    known = repository.known_artefacts(list(wanted))
    for sha256, (town_id, rendered) in sorted(wanted.items()):
        if sha256 not in known:
            repository.add_artefact(
                Artefact(
                    sha256=sha256,
                    town_id=town_id,
                    identifier=rendered.identifier,
                    uuid=rendered.uuid,
                    plain=rendered.plist,
                    signed=sign_profile(work, rendered.plist),
                    created_at=work.now,
                )
            )
    sets = {each.set_token: each for each in compiled}
    for token in sorted(set(sets) - repository.known_sets(list(sets))):
        made = sets[token]
        items = [{"Kind": each.kind.value, **each.to_document()} for each in made.declared]
        profiles = sorted(rendered.sha256 for rendered in made.parts)
        repository.add_set(
            DeclarationSet(sha256=token, town_id=made.situation.town_id, items=items, profiles=profiles, created_at=work.now)
        )
    work.session.flush()


def _desired(policy: Policy, made: Compiled, mode: Mode) -> Desired:
    rendered = made.whole[mode]
    apps = (policy.apps[app_id] for app_id in made.situation.apps.required)
    return Desired(
        mode=mode,
        sha256=rendered.sha256,
        identifier=rendered.identifier,
        uuid=rendered.uuid,
        apps=tuple(WantedApp(app.id, app.bundle_identifier, app.app_store_id, app.manifest_url) for app in apps),
        left_out=made.contents[mode].omitted_settings,
        declaration_set=made.set_token if made.declared else None,
        beside_sha256=made.beside[mode].sha256 if mode in made.beside else None,
    )
