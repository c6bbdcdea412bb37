"""The town of a simulation: a class whose pupils have tablets, a bundle, people who act, and one invitation for every enrollment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cartable.scope import SYSTEM, Actor, Role
from cartable.unit_of_work import Runtime
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.places.models import Grade
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.policy.kinds import PlaceKind
from simulator import Hardware
from tests.simulation.steps import TABLETS
from tests.support.installation import install
from tests.support.world import TownFactory, create_actor

#: A Tuesday in a week of school.
START = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
APPS = (("ScratchJr", "org.scratchjr.ipad", 895485086), ("One", "com.ode.one", 1450246545))


@dataclass(frozen=True, slots=True)
class SimulatedTown:
    """What steps need of the town. `tablet_ids` and `hardware` belong together."""

    id: UUID
    school_id: UUID
    class_id: UUID
    bundle_id: UUID
    code: str
    admin: Actor
    colleague: Actor
    tablet_ids: tuple[UUID, ...]
    tags: tuple[str, ...]
    hardware: tuple[Hardware, ...]


def create_simulated_town(runtime: Runtime, seed: int) -> SimulatedTown:
    """Create the town in an empty database, with keys and certificates of the installation."""
    install(runtime, at=START)
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        school = factory.create_school(town)
        school_class = factory.create_class(school)
        hardware = tuple(Hardware.from_seed("simulation", seed, number) for number in range(TABLETS))
        tablets = [factory.create_tablet(town, serial=each.serial) for each in hardware]
        for tablet, each in zip(tablets, hardware, strict=True):
            tablet.os_version = each.os_version
            factory.lend_tablet(tablet, factory.create_pupil(school_class, Grade.CE2))
        apps = [
            create_app(work, SYSTEM, town.id, name=name, bundle_identifier=identifier, app_store_id=number, manifest_url=None)
            for name, identifier, number in APPS
        ]
        bundle = bundles.create_bundle(work, SYSTEM, town.id, "Code", [app.id for app in apps])
        bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.GRADE, Grade.CE2.value)
        spec = InvitationSpec(InvitationKind.STOCK, town.id, max_uses=1000, valid_days=60)
        [invitation] = create_invitations(work, SYSTEM, spec)
        return SimulatedTown(
            town.id,
            school.id,
            school_class.id,
            bundle.id,
            invitation.code,
            create_actor(Role.TOWN_ADMIN, town, name="admin"),
            create_actor(Role.TOWN_ADMIN, town, name="colleague"),
            tuple(tablet.id for tablet in tablets),
            tuple(tablet.tag for tablet in tablets),
            hardware,
        )
