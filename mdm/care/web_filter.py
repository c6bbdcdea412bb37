"""What happens to a host on one tablet: what the rules want, what the tablet has proved to have, and what to do where they differ.

Reads only. What the rules want is in `profiles.effective.explain`; what parts of a filter close is in `profiles.filters.proved_filter`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts, load_facts
from mdm.reconcile.proved_payloads import load_proved_payloads
from mdm.resolver.service import ResolverStatus, load_resolver_state
from profiles.effective.explain_web import HostExplanation, explain_host
from profiles.filters.address_repository import FilterAddressRepository
from profiles.filters.proved_filter import FilterPart, ProvedFilter, list_tokens, read_proved_filter
from profiles.filters.resolver_filter import ResolverFilter
from profiles.filters.rules import DeliveryKind, HostDecision, VerdictReason


class Remedy(StrEnum):
    """What is to be done where a tablet does not do what the rules want."""

    MEND_RESOLVER = "mend_resolver"  # it does not answer: no site opens, or the network's own resolver answers
    WAIT_FOR_PROOF = "wait_for_proof"  # it has not proved its filter yet, or not the one of now
    SUPERVISE = "supervise"  # only supervised tablets bear a filter
    SET_UP_RESOLVER = "set_up_resolver"  # this installation has none: the operator sets one up
    CHOOSE_RESOLVER = "choose_resolver"  # the town's rules do not use the one of this installation
    ASK_OTHER_SERVICE = "ask_other_service"  # a filter app or another DNS service decides by its own lists


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """What the rules want of a host, the parts of the filter that the tablet has proved and those that close the host, and the remedy
    where the two differ.
    """

    explanation: HostExplanation
    on_tablet: ProvedFilter
    closing: tuple[FilterPart, ...]
    remedy: Remedy | None

    @property
    def is_enforced(self) -> bool:
        """Whether the tablet does what the rules want, as far as it has proved what it has."""
        return self.remedy is None


def load_proved_filters(work: UnitOfWork, town_id: UUID, tablet_ids: Collection[UUID]) -> dict[UUID, ProvedFilter]:
    """Return the filter that each of these tablets of a town has proved, in a constant number of queries; none for one not enrolled."""
    payloads = load_proved_payloads(work, tablet_ids)
    tokens = {token for each in payloads.values() for token in list_tokens(each)}
    rows = FilterAddressRepository(work.session).find_by_tokens(town_id, tokens)
    served = {token: ResolverFilter.from_json(row.filter) for token, row in rows.items()}
    return {tablet_id: read_proved_filter(each, served) for tablet_id, each in payloads.items()}


def load_proved_filter(work: UnitOfWork, facts: TabletFacts) -> ProvedFilter:
    """Return the filter that a tablet has proved to have; an empty one for a tablet that is not enrolled."""
    return load_proved_filters(work, facts.town_id, [facts.tablet_id]).get(facts.tablet_id, ProvedFilter())


def try_host(work: UnitOfWork, tablet_id: UUID, host: str) -> HostOutcome:
    """Return what happens to a host on a tablet now, and why. Raises `BadHost`."""
    facts = load_facts(work, [tablet_id])[tablet_id]
    explanation, on_tablet = explain_host(work, facts, host), load_proved_filter(work, facts)
    closing = on_tablet.list_closing(explanation.host, explanation.categories)
    status = load_resolver_state(work).status
    remedy = find_remedy(explanation, on_tablet, closing, is_supervised=facts.supervised, resolver=status)
    return HostOutcome(explanation, on_tablet, closing, remedy)


def find_remedy(
    explanation: HostExplanation,
    on_tablet: ProvedFilter,
    closing: tuple[FilterPart, ...],
    *,
    is_supervised: bool | None,
    resolver: ResolverStatus,
) -> Remedy | None:
    """Return what is to be done about a host; None where the tablet does what the rules want."""
    is_wanted = explanation.verdict.decision is HostDecision.BLOCK
    if resolver is ResolverStatus.AWAY and FilterPart.RESOLVER in on_tablet.parts:
        return Remedy.MEND_RESOLVER
    # What tablets always need is no page of a browser: the built-in filter does not see it.
    if is_wanted == bool(closing) or explanation.verdict.reason is VerdictReason.ALWAYS_OPEN:
        return None
    kind = explanation.delivery_kind
    reasons = {
        Remedy.WAIT_FOR_PROOF: not is_wanted or FilterPart.RESOLVER in on_tablet.parts,
        Remedy.SUPERVISE: is_supervised is False,
        Remedy.ASK_OTHER_SERVICE: kind in (DeliveryKind.PLUGIN, DeliveryKind.DNS),
        Remedy.SET_UP_RESOLVER: resolver is ResolverStatus.NONE and not explanation.is_built_in_enough,
        Remedy.CHOOSE_RESOLVER: kind is not DeliveryKind.RESOLVER and not explanation.is_built_in_enough,
    }
    return next((remedy for remedy, holds in reasons.items() if holds), Remedy.WAIT_FOR_PROOF)
