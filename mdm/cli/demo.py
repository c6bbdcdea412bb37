"""Loads the demonstration town through the real importer. Idempotent: what exists already is not created again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.places import service as places
from enrollment.places.models import Grade
from enrollment.places.repository import PlaceRepository
from enrollment.places.schools import create_school, set_phone
from enrollment.places.towns import create_town
from enrollment.rosters import demo
from enrollment.rosters.imports import previewing, service
from enrollment.tablets import carts, inventory
from enrollment.tablets.models import TabletState
from enrollment.tablets.repository import TabletRepository
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind, PresetKind, VersionState
from profiles.policy.repository import PolicyRepository, to_content
from profiles.schedule import authoring
from profiles.schedule.calendar import FOLLOW_ZONE
from profiles.schedule.repository import ScheduleRepository

APPS = (
    ("Pages", "com.apple.Pages", 361309726),
    ("Keynote", "com.apple.Keynote", 361285480),
    ("ScratchJr", "org.scratchjr.ipad", 895485086),
    ("ONE Pocket", "com.ode.one", 1450246545),
)
_DAY: list[dict[str, object]] = [
    {"kind": "after_school", "from": "07:30", "to": "08:20", "label": "accueil du matin"},
    {"kind": "school", "from": "08:20", "to": "11:30"},
    {"kind": "after_school", "from": "11:30", "to": "13:20", "label": "pause méridienne"},
    {"kind": "school", "from": "13:20", "to": "16:30"},
    {"kind": "after_school", "from": "16:30", "to": "18:30", "label": "étude, accueil du soir"},
]
#: Serial numbers of a delivery; how many of them are in stock, and how many of these in a cart.
DELIVERY = tuple(f"DEMO{number:08d}" for number in range(1, 49))
IN_STOCK, IN_CART = 40, 5
#: The four-day week of French primary schools.
WEEK: dict[str, list[dict[str, object]]] = {
    **dict.fromkeys(("mon", "tue", "thu", "fri"), _DAY),
    "wed": [{"kind": "after_school", "from": "07:30", "to": "18:30", "label": "centre de loisirs"}],
}
#: What the town and the third grade set, by mode.
DOCUMENTS: tuple[tuple[PlaceKind, str, PolicyContent], ...] = (
    (
        PlaceKind.TOWN,
        "",
        PolicyContent(
            {"all": {"allowAirDrop": False, "allowChat": False}, "home": {"allowAirDrop": True}}, {"all": ["allowChat"]}
        ),
    ),
    (PlaceKind.GRADE, Grade.CE2.value, PolicyContent({"school": {"allowAssistant": False}})),
)
#: How the town filters the web where there is a resolver.
WEB_FILTER: dict[str, dict[str, Any]] = {
    "all": {
        "web.delivery": {"kind": "resolver", "when_away": "lenient"},
        "web.denied": ["jeux.example"],
        "web.safe_search": True,
    },
}
BUNDLE = "Lire, écrire, programmer"


def load_demo(runtime: Runtime, progress: Callable[[float], None]) -> UUID:
    """Create the town, its schools, pupils and a bundle for CE2, unless they exist. Returns the town's id."""
    with runtime.open_unit_of_work() as work:
        town = PlaceRepository(work.session).find_town_by_slug(demo.TOWN_SLUG)
        if town is None:
            town = create_town(
                work,
                SYSTEM,
                name=demo.TOWN_NAME,
                slug=demo.TOWN_SLUG,
                tag_prefix=demo.TAG_PREFIX,
                support_phone="+33 1 99 00 00 00",
            )
            town.is_demonstration = True
        town_id = town.id
    roster_files = demo.generate_files()
    for number, file in enumerate(roster_files):
        progress(number / len(roster_files))
        with runtime.open_unit_of_work() as work:
            if PlaceRepository(work.session).find_school_by_uai(file.uai) is not None:
                continue
            school = create_school(work, SYSTEM, town_id, file.uai, file.school_name)
            set_phone(work, SYSTEM, school.id, f"+33 1 99 00 00 {number + 1:02}")
            previewed = previewing.preview_import(work, SYSTEM, town_id, file.content, file.uai)
            service.confirm_import(work, SYSTEM, previewed.id)
    _create_bundle(runtime, town_id)
    _create_policy(runtime, town_id)
    _create_delivery(runtime, town_id)
    return town_id


def _create_delivery(runtime: Runtime, town_id: UUID) -> None:
    """Create a delivery of which most tablets are prepared, and a cart: something to scan at the desk."""
    with runtime.open_unit_of_work() as work:
        if TabletRepository(work.session).get_by_serial(DELIVERY[0]) is not None:
            return
        inventory.register_purchase_order(work, SYSTEM, town_id, DELIVERY, "BC-DEMO-1")
        prepared = [inventory.prepare_tablet(work, SYSTEM, town_id, serial) for serial in DELIVERY[:IN_STOCK]]
        for tablet in prepared:
            inventory.set_inventory_state(work, SYSTEM, tablet, TabletState.STOCK, "demonstration")
        school = places.list_schools(work, SYSTEM, town_id)[0]
        cart = carts.create_cart(work, SYSTEM, school.id, "Chariot 1", 15)
        for number, tablet in enumerate(prepared[-IN_CART:], start=1):
            carts.put_in_slot(work, SYSTEM, cart.id, number, tablet.tag)


def _create_policy(runtime: Runtime, town_id: UUID) -> None:
    """Create a four-day timetable, and documents that differ by mode."""
    with runtime.open_unit_of_work() as work:
        if ScheduleRepository(work.session).get_timetable(town_id, None) is not None:
            return
        authoring.save_timetable(work, SYSTEM, town_id, None, week=WEEK, calendar=FOLLOW_ZONE, night=("20:00", "07:00"))
        for place, target, content in DOCUMENTS:
            document = documents.open_document(work, SYSTEM, town_id, place, target)
            live = PolicyRepository(work.session).get_version_in_state(document, VersionState.LIVE)
            presets = to_content(live).presets if live is not None else ()
            draft = life.Draft(replace(content, presets=presets), reason="demonstration")
            life.publish(work, SYSTEM, document, life.save_draft(work, SYSTEM, document, draft).number)


def choose_resolver(runtime: Runtime, town_id: UUID) -> None:
    """Let the town filter its web by the resolver, and close a site, unless it has chosen a means already."""
    with runtime.open_unit_of_work() as work:
        document = documents.open_document(work, SYSTEM, town_id, PlaceKind.TOWN, "")
        live = PolicyRepository(work.session).get_version_in_state(document, VersionState.LIVE)
        content = to_content(live) if live is not None else PolicyContent({}, {})
        if "web.delivery" in content.values.get("all", {}):
            return
        values = {mode: dict(settings) for mode, settings in content.values.items()}
        for mode, settings in WEB_FILTER.items():
            values.setdefault(mode, {}).update(settings)
        draft = life.Draft(replace(content, values=values), reason="demonstration")
        life.publish(work, SYSTEM, document, life.save_draft(work, SYSTEM, document, draft).number)


def _create_bundle(runtime: Runtime, town_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        if PolicyRepository(work.session).get_preset_by_name(town_id, PresetKind.BUNDLE, BUNDLE) is not None:
            return
        apps = [
            create_app(work, SYSTEM, town_id, name=name, bundle_identifier=identifier, app_store_id=store_id, manifest_url=None)
            for name, identifier, store_id in APPS
        ]
        bundle = bundles.create_bundle(work, SYSTEM, town_id, BUNDLE, [app.id for app in apps])
        bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.GRADE, Grade.CE2.value, reason="demonstration")
