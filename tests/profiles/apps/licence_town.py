"""A town whose licences come from accounts of Apps and Books, which a test server plays."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.worker.drains import drain
from profiles.apps import licences
from profiles.apps.apps_and_books import service as tokens
from profiles.apps.apps_and_books.testserver import SimulatedLocation
from profiles.apps.licences import PoolStatus
from profiles.apps.models import Licence, LicencePool, LicenceState, LicenceToken
from tests.profiles.apps.test_bundles import BundleTown
from tests.support.installation import install

ADAM = 895485086


class LicenceTown:
    """A town of one school and five tablets, and what a worker and its people do with licences."""

    def __init__(self, runtime: Runtime, url: str) -> None:
        self.runtime = runtime
        runtime.settings = runtime.settings.model_copy(update={"apps_and_books_url": url})
        install(runtime)
        with runtime.open_unit_of_work() as work:
            place = BundleTown(work)
            self.town_id, self.school_id, self.app_id = place.town.id, place.school.id, place.app.id
            self.tablet_ids, self.serials = place.ids, [tablet.serial for tablet in place.tablets]
            self.bundle_id, self.identifier = place.bundle.id, place.app.bundle_identifier

    def install(self, location: SimulatedLocation, school_ids: Collection[UUID] = ()) -> UUID:
        """Install the token of a location, and let the worker read the account."""
        with self.runtime.open_unit_of_work() as work:
            token_id = tokens.install_token(work, SYSTEM, self.town_id, location.token, school_ids).id
        drain(self.runtime, Topic.LICENCE_SYNC)
        return token_id

    def sync(self, *token_ids: UUID) -> None:
        """Let the worker synchronise these accounts."""
        with self.runtime.open_unit_of_work() as work:
            work.enqueue_job(Topic.LICENCE_SYNC, *token_ids)
        drain(self.runtime, Topic.LICENCE_SYNC)

    def reserve(self, tablet_ids: Collection[UUID], app_id: UUID | None = None) -> set[UUID]:
        """Reserve licences, as the worker does for tablets that need the app. Returns the tablets that may install."""
        with self.runtime.open_unit_of_work() as work:
            return licences.reserve_licences(work, self.town_id, app_id or self.app_id, tablet_ids)

    def load_token(self, token_id: UUID) -> LicenceToken:
        with self.runtime.open_unit_of_work() as work:
            row = work.session.get_one(LicenceToken, token_id)
            work.session.expunge(row)
            return row

    def list_pools(self) -> dict[str, PoolStatus]:
        """Return the pools of the first app by account."""
        with self.runtime.open_unit_of_work() as work:
            pools = licences.list_pools(work, SYSTEM, self.town_id)
        return {pool.location or "": pool for pool in pools if pool.app_id == self.app_id}

    def load_licences(self, token_id: UUID | None = None) -> dict[UUID, LicenceState]:
        """Return the state of the licences of the first app, by tablet."""
        with self.runtime.open_unit_of_work() as work:
            rows = (
                work.session.query(Licence)
                .join(LicencePool, LicencePool.id == Licence.pool_id)
                .filter(LicencePool.app_id == self.app_id, LicencePool.token_id == token_id)
            )
            return {row.tablet_id: row.state for row in rows}
