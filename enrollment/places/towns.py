"""Creates towns and changes what a town says of itself. Its zones are in `service`. Never commits.

A town needs nothing but its row: the baseline of rules, retention periods and public holidays come with the server. See
docs/domain/schools.md#towns.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.errors import (
    HostTaken,
    InvalidHost,
    InvalidLostMessage,
    InvalidName,
    InvalidPhone,
    InvalidSlug,
    InvalidTagPrefix,
    TownExists,
    UnknownTimeZone,
)
from enrollment.places.hosts import is_host, normalise_host
from enrollment.places.models import Town
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import clean_text, is_phone, is_slug, is_tag_prefix, make_slug, propose_tag_prefixes
from enrollment.places.zones import HolidayZone, get_zone_facts, is_time_zone

MAX_NAME, MAX_LOST_MESSAGE = 120, 200


def create_town(
    work: UnitOfWork,
    actor: Actor,
    *,
    name: str,
    slug: str | None = None,
    tag_prefix: str | None = None,
    zone: HolidayZone = HolidayZone.C,
    time_zone: str | None = None,
    support_phone: str | None = None,
    lost_message: str | None = None,
    host: str | None = None,
) -> Town:
    """Create a town and return it. Short name and tag prefix are made of the name, the time zone of the zone, unless they are given.

    The host cannot be changed afterwards, because tablets keep it. Raises `Forbidden` for anybody but the operator, `TownExists`,
    `InvalidName`, `InvalidSlug`, `InvalidTagPrefix`, `InvalidPhone`, `InvalidLostMessage`, `UnknownTimeZone`, `InvalidHost`, `HostTaken`.
    """
    actor.require_operator()
    cleaned = check_name(name)
    slug = slug or make_slug(cleaned)
    if not is_slug(slug):
        raise InvalidSlug(field="slug")
    if time_zone is not None and not is_time_zone(time_zone):
        raise UnknownTimeZone(name=time_zone[:40], field="time_zone")
    # Two operators who create the same town at the same time: the second finds it.
    locks.lock_town(work, None)
    repository = PlaceRepository(work.session)
    if repository.find_town_by_slug(slug) is not None:
        raise TownExists(field="slug")
    chosen_host = _choose_host(work, repository, host)
    prefix = _choose_tag_prefix(repository, slug, tag_prefix)
    town = Town(
        name=cleaned, slug=slug, tag_prefix=prefix, zone=zone, time_zone=time_zone or get_zone_facts(zone).time_zone,
        support_phone=check_phone(support_phone), lost_message=_check_lost_message(lost_message),
        host=chosen_host,
    )  # fmt: skip
    work.session.add(town)
    work.session.flush()
    audit.record_event(work, actor, "town.create", "town", town.id, town_id=town.id, slug=slug, zone=zone.value, host=chosen_host)
    return town


def update_town(
    work: UnitOfWork, actor: Actor, town_id: UUID, *, name: str, support_phone: str | None, lost_message: str | None
) -> Town:
    """Set the name of a town, and what its lost tablets show from the next loss on. Returns the town.

    Raises `NotFound`, `Forbidden`, `InvalidName`, `InvalidPhone`, `InvalidLostMessage`.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    locks.lock_town(work, town_id)
    town = work.session.get(Town, town_id, populate_existing=True)
    if town is None:
        raise NotFound
    before = (town.name, town.support_phone, town.lost_message)
    town.name, town.support_phone, town.lost_message = (
        check_name(name), check_phone(support_phone), _check_lost_message(lost_message),
    )  # fmt: skip
    if before != (town.name, town.support_phone, town.lost_message):
        audit.record_event(
            work, actor, "town.update", "town", town.id, town_id=town.id, name=town.name, name_before=before[0],
            support_phone=town.support_phone, lost_message=town.lost_message,
        )  # fmt: skip
    work.session.flush()
    return town


def _choose_tag_prefix(repository: PlaceRepository, slug: str, chosen: str | None) -> str:
    """Return the tag prefix that was chosen, or the first free one. Raises `InvalidTagPrefix`, `TownExists`."""
    if chosen is not None and not is_tag_prefix(chosen):
        raise InvalidTagPrefix(field="tag_prefix")
    proposals = [chosen] if chosen is not None else propose_tag_prefixes(slug)
    if not proposals:
        raise InvalidTagPrefix(field="tag_prefix")
    used_prefixes = repository.list_tag_prefixes(proposals)
    free = next((prefix for prefix in proposals if prefix not in used_prefixes), None)
    if free is None:
        raise TownExists(field="tag_prefix")
    return free


def _choose_host(work: UnitOfWork, repository: PlaceRepository, text: str | None) -> str | None:
    """Return the host name as it is stored; None without one. Raises `InvalidHost`, `HostTaken`."""
    host = normalise_host(text or "")
    if not host:
        return None
    if not is_host(host):
        raise InvalidHost(field="host")
    settings = work.settings
    own = {urlsplit(url).hostname for url in (settings.public_url, settings.resolver_url)} | {settings.resolver_check_host}
    if host in own or repository.find_town_by_host(host) is not None:
        raise HostTaken(field="host")
    return host


def check_name(name: str) -> str:
    """Return the name of a town or school as it is stored. Raises `InvalidName`."""
    cleaned = clean_text(name, MAX_NAME)
    if cleaned is None:
        raise InvalidName(field="name", maximum=MAX_NAME)
    return cleaned


def check_phone(phone: str | None, field: str = "support_phone") -> str | None:
    """Return a phone number as it is stored, None for an empty one. Raises `InvalidPhone`."""
    text = (phone or "").strip()
    if text and not is_phone(text):
        raise InvalidPhone(field=field)
    return text or None


def _check_lost_message(message: str | None) -> str | None:
    if not (message or "").strip():
        return None
    cleaned = clean_text(message or "", MAX_LOST_MESSAGE)
    if cleaned is None:
        raise InvalidLostMessage(field="lost_message", maximum=MAX_LOST_MESSAGE)
    return cleaned
