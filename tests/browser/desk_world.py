"""A town at handover day: a class of thirty with invented names, tablets ready on the bench, an order that waits."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.places.models import Grade
from enrollment.tablets import inventory
from enrollment.tablets.models import TabletState
from tests.support.world import TownFactory

FIRST = (
    "Adèle", "Basile", "Célestine", "Désiré", "Élise", "Fantine", "Gaspard", "Hawa", "Ilan", "Joséphine", "Kenza", "Léonard", "Maëlys",
    "Noé", "Octavie", "Prune", "Quentin", "Rayan", "Salomé", "Tiago", "Ulysse", "Violette", "Wassim", "Xavier", "Yaëlle", "Zoé",
    "Zoé", "Martin", "Martine", "محمد",
)  # fmt: skip
LAST = (
    "Abricotier", "Belletoile", "Craiebleue", "Dunord", "Étourneau", "Faucheux", "Grandpré", "Hautbois", "Islette", "Jolivet",
    "Kerbihan", "Lavandier", "Mirabelle", "Noisetier", "Orangeraie", "Pommeraie", "Quatrevents", "Roseraie", "Sablière", "Tilleul",
    "Ursuline", "Verger", "Wagonnet", "Xylophone", "Yole", "Zéphyr", "Zéphyr", "Vannier", "Vannier", "علي",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeskWorld:
    """What a test needs to know of it."""

    town_id: UUID
    class_id: UUID
    pupil_ids: list[UUID]
    tags: list[str]
    serials: list[str]


def desk_world(runtime: Runtime, *, size: int = 30, ordered: int = 6) -> DeskWorld:
    """One child in ten stays at school with the tablet, by the wish of the family."""
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school_class = world.create_class(world.create_school(town, "École Jules-Verne"), "CE1-CE2 Mme Exemple")
        pupils = []
        for number in range(size):
            level = Grade.CE1 if number % 2 else Grade.CE2
            pupil = world.create_pupil(school_class, level, last=LAST[number % 30], first=FIRST[number % 30])
            pupil.take_home = number % 10 != 4
            pupils.append(pupil)
        tags = []
        for _ in range(size):
            tablet = world.create_tablet(town)
            tablet.state = TabletState.STOCK
            tags.append(tablet.tag)
        serials = [f"DMPX{number:05d}{str(town.id)[:3]}".upper() for number in range(ordered)]
        if serials:
            inventory.register_purchase_order(work, SYSTEM, town.id, serials, "BC-2026-17")
        return DeskWorld(town.id, school_class.id, [pupil.id for pupil in pupils], tags, serials)
