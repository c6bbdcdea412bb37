"""The values that a declared app reads, as a property list: one tablet fetches them from the address in its asset."""

from __future__ import annotations

import plistlib

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from mdm.channel.repository import ChannelRepository
from profiles.apps.repository import AppRepository
from profiles.apps.tablet_configuration import build_tablet_configuration, get_values_location
from profiles.render.declarations import build_values_identifier


def render_app_values(work: UnitOfWork, fingerprint: str, location: str) -> bytes | None:
    """Return what the tablet with this certificate gives to the app of a location, as a property list.

    None where no declaration of the tablet names the location, or the entries of the app have changed since: then another one
    is announced.
    """
    announced = ChannelRepository(work.session).list_announced_items(fingerprint)
    if announced is None:
        return None
    tablet_id, items = announced
    facts = load_facts(work, [tablet_id]).get(tablet_id)
    if facts is None or build_values_identifier(location) not in {item["Identifier"] for item in items}:
        return None
    apps = AppRepository(work.session).list_town_apps(facts.town_id)
    app = next((app for app in apps if get_values_location(app) == location), None)
    return None if app is None else plistlib.dumps(build_tablet_configuration(app, facts), sort_keys=True)
