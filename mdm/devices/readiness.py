"""What storage needs to know of devices and calendars: the port of `enrollment.tablets.storage`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from mdm.devices.repository import DeviceRepository
from profiles.schedule.service import load_schedules


class DeviceReadiness:
    """Reads last contacts and calendars. Implements `enrollment.tablets.ports.ReadinessSource`."""

    def load_last_contacts(self, work: UnitOfWork, tablet_ids: Collection[UUID]) -> dict[UUID, datetime]:
        """Return the last contact of each of these tablets that has had one."""
        return DeviceRepository(work.session).load_last_seen(tablet_ids)

    def find_with_calendar(self, work: UnitOfWork, tablet_ids: Collection[UUID], until: date) -> set[UUID]:
        """Return those of these tablets whose school calendar is published up to a day."""
        facts = load_facts(work, list(tablet_ids))
        schedules = load_schedules(work, list({tablet.town_id for tablet in facts.values()}))
        with_calendar = set()
        for tablet in facts.values():
            schedule = schedules.get_schedule(tablet)
            if schedule is not None and schedule.calendar.is_published(until):
                with_calendar.add(tablet.tablet_id)
        return with_calendar
