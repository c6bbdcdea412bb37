"""Which tablets a required version of iPadOS concerns, and what their declaration says."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.catalog.settings import find_value_problem, load_catalog
from profiles.render.declarations import ALWAYS_IDENTIFIER, UPDATE_IDENTIFIER, build_declarations
from profiles.render.system_updates import SYSTEM_UPDATE, UpdateReadiness, assess_readiness, build_update_payload

UPDATE = {"version": "26.2", "deadline": "2027-01-31T19:00:00"}


@pytest.mark.parametrize(
    ("os", "supervised", "readiness"),
    [
        ((26, 1), True, UpdateReadiness.BEHIND),
        ((26, 1), None, UpdateReadiness.BEHIND),
        ((26, 2), True, UpdateReadiness.UP_TO_DATE),
        ((26, 2, 0), True, UpdateReadiness.UP_TO_DATE),
        ((26, 2, 1), False, UpdateReadiness.UP_TO_DATE),
        ((27,), True, UpdateReadiness.UP_TO_DATE),
        ((26,), True, UpdateReadiness.BEHIND),
        ((26, 1), False, UpdateReadiness.UNSUPPORTED),
        ((16, 7, 10), True, UpdateReadiness.UNSUPPORTED),
        (None, True, UpdateReadiness.UNKNOWN),
    ],
)
def test_only_a_tablet_that_is_behind_and_can_be_updated_gets_the_declaration(
    os: tuple[int, ...] | None, supervised: bool | None, readiness: UpdateReadiness
) -> None:
    assert assess_readiness((26, 2), os, supervised=supervised) is readiness
    payload = build_update_payload(UPDATE, os, supervised=supervised)
    assert (payload is not None) == (readiness is UpdateReadiness.BEHIND)


def test_the_declaration_names_version_deadline_and_page_and_is_active_in_every_mode() -> None:
    payload = build_update_payload({**UPDATE, "details_url": "https://ville.example/maj"}, (26, 1), supervised=True)
    declarations = {each.identifier: each for each in build_declarations("https://mdm.test", "Ville", None, {}, update=payload)}
    update = declarations[UPDATE_IDENTIFIER]
    assert update.type == "com.apple.configuration.softwareupdate.enforcement.specific"
    assert update.payload == {
        "TargetOSVersion": "26.2",
        "TargetLocalDateTime": "2027-01-31T19:00:00",
        "DetailsURL": "https://ville.example/maj",
    }
    assert UPDATE_IDENTIFIER in declarations[ALWAYS_IDENTIFIER].payload["StandardConfigurations"]
    assert UPDATE_IDENTIFIER not in {each.identifier for each in build_declarations("https://mdm.test", "Ville", None, {})}


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "26"},
        {"version": "26.2 (a)"},
        {"version": "latest"},
        {"deadline": "2027-01-31"},
        {"deadline": "2027-02-30T19:00:00"},
        {"deadline": "2027-01-31T19:00:00Z"},
        {"deadline": "2027-01-31T19:00:00+01:00"},
        {"details_url": "http://ville.example"},
    ],
)
def test_a_version_or_deadline_that_no_tablet_can_read_is_refused(wrong: dict[str, Any]) -> None:
    setting = load_catalog()[SYSTEM_UPDATE]
    assert find_value_problem(setting, UPDATE) is None
    problem = find_value_problem(setting, {**UPDATE, **wrong})
    assert problem is not None
    assert problem.path == f".{next(iter(wrong))}"
