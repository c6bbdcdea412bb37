"""The details of the audit trail in words: every detail and every code that the code can write has a label, and the page shows them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from cartable import audit
from cartable.i18n import ENGLISH
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Role
from enrollment.identity.models import IdentityProtocol
from enrollment.rosters.imports.changes import ChangeKind
from enrollment.tablets.models import TabletState
from mdm.accounts.models import LinkPurpose
from mdm.console.privacy.audit_detail_keys import DETAIL_KEYS
from mdm.console.privacy.audit_details import DETAIL_VALUES, describe_details
from profiles.apps.data_sheets.models import LegalBasis
from profiles.policy.kinds import StageKind
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read
from tests.support.audited_details import list_details, list_enums
from tests.support.server import LiveServer
from tests.support.world import TownFactory

#: Details that are written from a mapping, which the source does not name in the call.
FROM_MAPPINGS = {
    *(kind.value for kind in ChangeKind), "schools", "classes", "pupils", "staff", "school_id", "pupil_id", "class_id", "cart_slot_id", "owner",
    "version", "tablets", "problem", "carts", "invitations", "roles", "rules", "renamed_classes",
}  # fmt: skip
#: The names of standards and of kinds of jobs are the same in every language.
CODES: set[type[Enum]] = {IdentityProtocol, Topic}
#: What the annotations do not tell; the enum of each is among those of its detail.
BY_HAND: dict[str, set[type[Enum]]] = {
    "before": {TabletState}, "legal_basis": {LegalBasis}, "purpose": {LinkPurpose}, "stage": {StageKind},
}  # fmt: skip
NOT_TOLD = {
    "before=before.value", "fault=fault.kind.value", "kind=alarm.kind.value", "kind=invitation.kind.value", "kind=row.kind.value",
    "kind=spec.kind.value", "legal_basis=facts.legal_basis.value", "limit=used_up.value", "purpose=link.purpose.value",
    "reason=state.stop_reason.value", "role=role.value", "role=row.role.value", "stage=stage.kind.value", "topic=row.topic.value",
    "zone=zone.value",
}  # fmt: skip


def test_every_detail_that_the_code_writes_has_a_label() -> None:
    written = {detail.name for detail in list_details()} | FROM_MAPPINGS
    assert len(written) > 150, "the source was read"
    assert written - set(DETAIL_KEYS) == set()
    assert set(DETAIL_KEYS) - written == set(), "nothing writes these any more"


def test_every_code_that_the_code_writes_has_a_label() -> None:
    enums, unknown = list_enums()
    assert unknown == NOT_TOLD, "say in BY_HAND of which enum a new one is, if its detail has no label for it"
    for name, kinds in BY_HAND.items():
        enums[name] |= kinds
    labelled = {name: {type(next(iter(labels))) for labels in maps} for name, maps in DETAIL_VALUES.items()}
    missing = {(name, kind.__name__) for name, kinds in enums.items() for kind in kinds - CODES - labelled.get(name, set())}
    assert missing == set()
    for maps in DETAIL_VALUES.values():
        for labels in maps:
            kind: type[Enum] = type(next(iter(labels)))
            assert set(labels) == set(kind), kind.__name__


def test_what_has_no_word_is_shown_as_it_is() -> None:
    details = {
        "before": "stock",
        "wiped": "today",
        "enabled": True,
        "reference": None,
        "zone": "X",
        "days": ["2026-11-27", "2026-11-28"],
    }
    assert describe_details(details, ENGLISH) == (
        "before: in stock, days: 2026-11-27 2026-11-28, enabled: yes, reference: –, wiped: today, holiday zone: X"
    )


def test_the_page_shows_details_in_the_reader_s_language(server: LiveServer, person: Callable[..., Person]) -> None:
    with server.runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
        audit.record_event(
            work, SYSTEM, "tablet.state", "tablet", town_id, town_id=town_id, why="scanned", after="found", before="lost"
        )
    client = person(town_id, Role.DPO).client
    assert "avant : perdue, après : retrouvée, pourquoi : scanned" in read(client.get("/audit"))
    assert "before: lost, after: found, why: scanned" in read(client.get("/audit?lang=en"))
