"""The desired state of tablets: taken from what was compiled for their situations, and stored where it is new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from enrollment.identity.profile_signing import sign_profile
from profiles.effective.compile import CompiledSituation, DesiredState, compile_situation
from profiles.effective.compiled_cache import CompiledCache, build_context
from profiles.effective.contents import SplitContents, split_contents
from profiles.effective.models import DeclarationSet, RenderedProfile
from profiles.effective.repository import CompiledRepository
from profiles.effective.resolving import store_addresses
from profiles.effective.situation import PolicyData, Situation, build_situation, load_policy
from profiles.render.apple import ProfileDocument
from profiles.schedule.service import ModeEvaluation, evaluate_modes


def compute_desired_states(
    work: UnitOfWork,
    facts: Iterable[TabletFacts],
    modes: Mapping[UUID, ModeEvaluation] | None = None,
    proved: Mapping[UUID, frozenset[str]] | None = None,
) -> dict[UUID, DesiredState]:
    """Return the desired state of each tablet, in a constant number of queries; new profiles are stored and signed.

    `proved` are the digests of what could cut a tablet off and does not, by tablet: anything else is tried first. Without it
    nothing is.
    """
    tablets = list(facts)
    now = evaluate_modes(work, tablets) if modes is None else modes
    policy = load_policy(work, tablets)
    situations = {tablet.tablet_id: build_situation(tablet, policy, now[tablet.tablet_id]) for tablet in tablets}
    contexts = {town_id: build_context(work.settings, policy, town_id) for town_id in {tablet.town_id for tablet in tablets}}
    compiled: dict[tuple[object, ...], CompiledSituation] = {}
    compiled_by_tablet: dict[UUID, CompiledSituation] = {}
    profiles: dict[str, tuple[UUID, ProfileDocument]] = {}
    for tablet_id, situation in situations.items():
        kept = _kept_situations.get_or_build(
            (contexts[situation.town_id], situation.key, situation.rolling_versions),
            partial(_KeptSituation.build, situation, policy),
        )
        withheld = kept.digests - proved.get(tablet_id, frozenset()) if proved is not None else frozenset()
        key = (situation.key, withheld)
        shared = compiled.get(key)
        if shared is None:
            shared = compiled[key] = kept.compile(work, policy, withheld)
        compiled_by_tablet[tablet_id] = shared
        mode = now[tablet_id].mode
        beside = [shared.companion_profiles[mode]] if mode in shared.companion_profiles else []
        beside += [shared.trials[mode][1]] if mode in shared.trials else []
        for rendered in (shared.profiles[mode], *shared.declared_profiles, *beside):
            profiles[rendered.sha256] = (situation.town_id, rendered)
    classes = {
        (tablet.class_id, situations[tablet.tablet_id].key): (tablet.class_id, situations[tablet.tablet_id])
        for tablet in tablets
        if tablet.class_id is not None and situations[tablet.tablet_id].lesson is None
    }
    store_addresses(work, {each.situation.key: each.situation for each in compiled.values()}.values(), policy, classes.values())
    _store_compiled(work, profiles, [each for each in compiled.values() if each.declared])
    return {tablet_id: shared.get_desired_state(now[tablet_id].mode) for tablet_id, shared in compiled_by_tablet.items()}


@dataclass(slots=True)
class _KeptSituation:
    """The contents of a situation, and what was compiled of them: without what each tablet has still to try."""

    situation: Situation
    split: SplitContents
    digests: frozenset[str]
    _compiled: dict[frozenset[str], CompiledSituation] = field(default_factory=dict)

    @classmethod
    def build(cls, situation: Situation, policy: PolicyData) -> _KeptSituation:
        split = split_contents(situation, policy)
        return cls(situation, split, split.digests)

    def compile(self, work: UnitOfWork, policy: PolicyData, withheld: frozenset[str]) -> CompiledSituation:
        if withheld not in self._compiled:
            self._compiled[withheld] = compile_situation(work, self.situation, policy, self.split, withheld)
        return self._compiled[withheld]


_kept_situations: CompiledCache[_KeptSituation] = CompiledCache()


def _store_compiled(
    work: UnitOfWork, profiles: Mapping[str, tuple[UUID, ProfileDocument]], situations: Sequence[CompiledSituation]
) -> None:
    repository = CompiledRepository(work.session)
    known = repository.list_known_profiles(list(profiles), work.now)
    for sha256, (town_id, rendered) in sorted(profiles.items()):
        if sha256 not in known:
            repository.add_profile(
                RenderedProfile(
                    sha256=sha256,
                    town_id=town_id,
                    identifier=rendered.identifier,
                    uuid=rendered.uuid,
                    plain=rendered.plist,
                    signed=sign_profile(work, rendered.plist),
                    created_at=work.now,
                    last_used_at=work.now,
                )
            )
    sets = {each.set_token: each for each in situations}
    for token in sorted(set(sets) - repository.list_known_sets(list(sets), work.now)):
        compiled = sets[token]
        items = [{"Kind": each.kind.value, **each.to_document()} for each in compiled.declared]
        addresses = sorted(rendered.sha256 for rendered in compiled.declared_profiles)
        repository.add_set(
            DeclarationSet(
                sha256=token,
                town_id=compiled.situation.town_id,
                items=items,
                profiles=addresses,
                created_at=work.now,
                last_used_at=work.now,
            )
        )
    work.session.flush()
