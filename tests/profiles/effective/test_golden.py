"""Golden renderings: what two towns' tablets are sent, mode by mode, stays what it is unless somebody means to change it.

After a wanted change: `python -m tests.profiles.effective.test_golden` writes the file anew; read its difference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from mdm.cli.demo import APPS, DOCUMENTS
from profiles.apps.models import App
from profiles.effective.contents import build_mode_content, list_wanted_apps
from profiles.effective.situation import Lesson, PolicyData, Situation
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.kinds import AppUse, PlaceKind, PresetKind, TabletRole
from profiles.policy.rules import PublishedDocument, PublishedPreset, PublishedVersion, TabletPlace, apply_documents
from profiles.schedule.modes import Mode
from profiles.schedule.session_rules import SessionPreset

GOLDEN = Path(__file__).parent / "golden.json"
TOWN, SCHOOL, CLASS, PUPIL, GROUP, BUNDLE, FILTER = (UUID(int=number) for number in range(1, 8))


def _version(number: int, content: PolicyContent) -> tuple[PublishedVersion, ...]:
    return (PublishedVersion(UUID(int=number), content),)


def _policy(
    documents: list[tuple[PlaceKind, str, PolicyContent]], presets: dict[UUID, tuple[PresetKind, dict[str, Any]]]
) -> PolicyData:
    return PolicyData(
        documents=[
            PublishedDocument(
                UUID(int=100 + number),
                None if place is PlaceKind.OPERATOR else TOWN,
                place,
                target,
                "",
                _version(200 + number, content),
            )
            for number, (place, target, content) in enumerate(documents)
        ],
        presets={
            preset_id: PublishedPreset(preset_id, kind, kind.value, _version(300 + number, PolicyContent({"all": values})))
            for number, (preset_id, (kind, values)) in enumerate(presets.items())
        },
        apps={
            (TOWN, identifier): App(
                id=UUID(int=400 + number),
                town_id=TOWN,
                name=name,
                bundle_identifier=identifier,
                app_store_id=store_id,
                manifest_url=None,
            )
            for number, (name, identifier, store_id) in enumerate(APPS)
        },
        groups={},
    )


def _demo_town() -> PolicyData:
    """The demonstration town: its documents, and its bundle for the third grade."""
    town, grade = DOCUMENTS
    content = PolicyContent(grade[2].values, grade[2].locks, (PresetUse(BUNDLE, use=AppUse.REQUIRED),))
    bundle = {"apps.available": sorted(identifier for _, identifier, _ in APPS)}
    return _policy([town, (grade[0], grade[1], content)], {BUNDLE: (PresetKind.BUNDLE, bundle)})


def _rich_town() -> PolicyData:
    """A town with something in every chapter: locks, composites, a filter by DNS, bundles, an evaluation, a group."""
    operator = PolicyContent({"all": {"usb_storage": False}}, {"all": ["usb_storage"]})
    delivery = {"kind": "dns", "protocol": "HTTPS", "server": "https://dns.example/q", "addresses": ["192.0.2.1"]}
    town = PolicyContent(
        {
            "all": {"messages": False, "ai": False, "passcode": "six", "web.delivery": delivery, "web.denied": ["jeux.example"]},
            "home": {"airdrop": False},
        },
        {"all": ["messages"], "home": ["airdrop"]},
        (PresetUse(FILTER, "school"),),
    )
    school = PolicyContent(
        {"all": {"school_wifi": [{"name": "Ecole", "password": "mot de passe"}], "content_age": 9, "messages": True}}
    )
    grade = PolicyContent(
        {
            "all": {"web.teacher_unlockable": ["film.example"], "web.denied": ["autre.example"]},
            "exam": {"single_app": "com.ode.one"},
        },
        presets=(PresetUse(BUNDLE, use=AppUse.REQUIRED),),
    )
    school_class = PolicyContent({"all": {"airdrop": True, "camera": False}, "school": {"apps.blocked": ["com.apple.Keynote"]}})
    group = PolicyContent({"all": {"apps.available": ["com.apple.Pages"], "camera": True}})
    only = {"web.only_permitted": True, "web.permitted": ["ecole.example"]}
    return _policy(
        [
            (PlaceKind.OPERATOR, "", operator),
            (PlaceKind.TOWN, "", town),
            (PlaceKind.SCHOOL, str(SCHOOL), school),
            (PlaceKind.GRADE, "CE2", grade),
            (PlaceKind.CLASS, str(CLASS), school_class),
            (PlaceKind.GROUP, str(GROUP), group),
        ],
        {
            BUNDLE: (PresetKind.BUNDLE, {"apps.available": ["com.apple.Keynote", "org.scratchjr.ipad"]}),
            FILTER: (PresetKind.FILTER, only),
        },
    )


def _place(grade: str, groups: frozenset[UUID] = frozenset()) -> TabletPlace:
    return TabletPlace(TOWN, UUID(int=999), SCHOOL, CLASS, PUPIL, grade, TabletRole.PUPIL, groups)


def _render(policy: PolicyData, place: TabletPlace, os: tuple[int, ...], **more: Any) -> dict[str, Any]:
    """What tablets of a place are sent: each content once, with the modes in which it is in force."""
    situation = Situation(TOWN, apply_documents(policy.documents, policy.presets, place), os=os, supervised=True, **more)
    contents: dict[str, dict[str, Any]] = {}
    for mode in Mode:
        content = build_mode_content(situation, policy, mode)
        entry = contents.setdefault(
            content.digest,
            {
                "restrictions": content.restrictions,
                "filter": content.composed_payloads,
                "payloads": {slot: planned.content for slot, planned in content.planned_payloads.items()},
                "left_out": sorted(content.omitted_settings),
                "modes": [],
            },
        )
        entry["modes"].append(mode.value)
    apps = [app.bundle_identifier for app in list_wanted_apps(situation, policy)]
    rendered: dict[str, Any] = json.loads(
        json.dumps(
            {"apps": apps, "contents": sorted(contents.values(), key=lambda each: str(each["modes"]))},
            sort_keys=True,
            default=repr,
        )
    )
    return rendered


def render_all() -> dict[str, Any]:
    """Every golden rendering by its name."""
    demo, rich = _demo_town(), _rich_town()
    lesson = Lesson(SessionPreset.FOCUS_APPS, ("org.scratchjr.ipad",), ("film.example",))
    return {
        "demo town, CE2, iPadOS 26": _render(demo, _place("CE2"), (26, 1)),
        "demo town, CM2, iPadOS 16": _render(demo, _place("CM2"), (16, 7, 10)),
        "rich town, CE2 in a group, iPadOS 26": _render(rich, _place("CE2", frozenset({GROUP})), (26, 1)),
        "rich town, CM1, iPadOS 16": _render(rich, _place("CM1"), (16, 7, 10)),
        "rich town, CE2 in a lesson, guardians hide an app": _render(
            rich, _place("CE2"), (18, 6), lesson=lesson, hidden_apps=("com.apple.Keynote",)
        ),
    }


def test_renderings_are_what_they_were() -> None:
    assert render_all() == json.loads(GOLDEN.read_text(encoding="utf-8"))


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(render_all(), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
