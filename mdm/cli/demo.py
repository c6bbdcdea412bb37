"""Loads the demonstration town through the real importer. The second time it finds everything there."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from enrollment.people import demo
from enrollment.people.imports import service
from enrollment.places import service as places
from enrollment.places.models import Level
from enrollment.places.repository import PlaceRepository
from mdm.kit.scope import SYSTEM
from mdm.kit.work import Runtime
from profiles import service as policy

APPS = (
    ("Pages", "com.apple.Pages", 361309726),
    ("Keynote", "com.apple.Keynote", 361285480),
    ("ScratchJr", "org.scratchjr.ipad", 895485086),
    ("ONE Pocket", "com.ode.one", 1450246545),
)


def load_demo(runtime: Runtime, progress: Callable[[float], None]) -> UUID:
    """Make the town, its schools, pupils and a bundle for CE2, if they are not there. Returns the town."""
    with runtime.work() as work:
        town = PlaceRepository(work.session).town_by_slug(demo.TOWN_SLUG)
        if town is None:
            town = places.create_town(
                work, name=demo.TOWN_NAME, slug=demo.TOWN_SLUG, tag_prefix=demo.TAG_PREFIX, phone="+33 1 99 00 00 00"
            )
        town_id = town.id
    made = demo.files()
    for number, file in enumerate(made):
        progress(number / len(made))
        with runtime.work() as work:
            if PlaceRepository(work.session).school_by_uai(file.uai) is not None:
                continue
            places.create_school(work, SYSTEM, town_id, file.uai, file.school_name)
            previewed = service.preview(work, SYSTEM, town_id, file.content, file.uai)
            service.confirm(work, SYSTEM, previewed.id)
    _bundle(runtime, town_id)
    return town_id


def _bundle(runtime: Runtime, town_id: UUID) -> None:
    with runtime.work() as work:
        if policy.list_bundles(work, SYSTEM, town_id):
            return
        apps = [
            policy.create_app(
                work, SYSTEM, town_id, name=name, bundle_identifier=identifier, app_store_id=store_id, manifest_url=None
            )
            for name, identifier, store_id in APPS
        ]
        bundle = policy.create_bundle(work, SYSTEM, town_id, "Lire, écrire, programmer", [app.id for app in apps])
        policy.assign(work, SYSTEM, bundle.id, Level.CE2)
