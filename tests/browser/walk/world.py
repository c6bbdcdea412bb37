"""A town for the walk over every page: hostile names, tablets in every state, one row in every table, a person in every role.

Rows of tables to come are made from their columns, so that a page for them is visited without a line here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from cartable.scope import SCOPES, SYSTEM, TEMPORARY_ROLES, Role, RoleScope
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining import service as joining
from enrollment.joining.models import InvitationKind
from enrollment.joining.targets import InvitationSpec
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, School, SchoolClass, Town
from enrollment.rollover import drafting
from enrollment.rollover.models import Rollover, RolloverState
from enrollment.rosters.imports import previewing
from enrollment.tablets import inventory
from enrollment.tablets.models import Tablet, TabletState
from mdm.accounts import links
from mdm.accounts import service as accounts
from mdm.accounts.models import Account, SessionKind
from mdm.accounts.repository import AccountRepository
from mdm.care.lost_mode import service as lost_mode
from mdm.push import requests
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps.models import App
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind
from profiles.policy.models import Preset
from profiles.schedule import authoring
from profiles.schedule.calendar import FOLLOW_ZONE
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.support.accounts import PASSWORD, make_trusted, sign_in
from tests.support.rows import as_id, fill_tables
from tests.support.world import TownFactory, create_actor

#: Is in every text that people typed into this town: a text without it comes from the product.
MARK = "Ω"
#: What people's keyboards, spreadsheets and ill will put into names.
HOSTILE_NAMES = (
    f"<script>document.title='{MARK}'</script>", f"{MARK}' \" onfocus=alert(1) x='", f"{{{{ 7*7 }}}}{MARK}%s{{0}}", f"{MARK}\u202eenvers",
    f"محمد علي {MARK}", f"{MARK}&amp;&#39;", "W" * 48 + MARK, f"  {MARK}  ", f"Élise-Anaïs d'{MARK}", f"{MARK}\U0001f469\u200d\U0001f467",
)  # fmt: skip
_DAY: list[dict[str, object]] = [
    {"kind": "school", "from": "08:20", "to": "11:30"},
    {"kind": "after_school", "from": "11:30", "to": "13:20", "label": f"pause <i>{MARK}</i>"},
    {"kind": "school", "from": "13:20", "to": "16:30"},
]


@dataclass
class WalkWorld:
    """The ids of one object of every kind by table, values of other parameters by name, and the session cookie of a person of each role."""

    town_id: UUID
    keys: dict[str, Any]
    values: dict[str, str] = field(default_factory=dict)
    cookies: dict[Role, str] = field(default_factory=dict)

    def get_id(self, table: str) -> str:
        """Return the id of the object of a table, as addresses spell it."""
        return as_id(self.keys[table])


def make_walk_world(runtime: Runtime) -> WalkWorld:
    """Fill an empty database."""
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town(f'Ville "d\'{MARK}" <b>&amp;</b>')
        school = factory.create_school(town, f"École {HOSTILE_NAMES[0]}")
        school_class = factory.create_class(school, f"CE2 {HOSTILE_NAMES[1]}")
        factory.create_class(factory.create_school(town, f"École {HOSTILE_NAMES[6]}"), HOSTILE_NAMES[3])
        pupils = [
            factory.create_pupil(school_class, Grade.CE2, last=name[:60], first=HOSTILE_NAMES[(number + 1) % 10][:60])
            for number, name in enumerate(HOSTILE_NAMES)
        ]
        tablets = _create_tablets(factory, town, pupils)
        keys = fill_tables(work, town)
        _finish_rollover(work, keys["rollover"])
        drafting.preview_rollover(work, SYSTEM, town.id)
        bundle = _create_policy(work, town.id, tablets[0])
        _set_schedule(work, town)
        inventory.register_purchase_order(work, SYSTEM, town.id, [f"ORDER{n:07d}" for n in range(3)], HOSTILE_NAMES[4])
        content = text_file(ONDE, onde_line(HOSTILE_NAMES[8], f"Ana {MARK}"), encoding="utf-8-sig")
        roster = previewing.preview_import(work, SYSTEM, town.id, content, school.uai)
        keys |= {
            "school": school.id, "school_class": school_class.id, "pupil": pupils[0].id, "tablet": tablets[0].id, "roster_import": roster.id,
            "policy_preset": bundle.id, "push_certificate": requests.create_request(work, SYSTEM, "push@ville.test").id,
        }  # fmt: skip
        link = links.invite(work, SYSTEM, login="new", display_name=f"{MARK} <i>", role=Role.HELPDESK, town_id=town.id)
        world = WalkWorld(town.id, keys, {"token": link.url.rpartition("/")[2], "tag": tablets[0].tag})
        for role in Role:
            account = _create_account(work, role, town, school, school_class)
            world.cookies[role] = sign_in(work, role, kind=SessionKind.CONSOLE).token
            if role is Role.TOWN_ADMIN:
                keys["account"] = account.id
                administrator = replace(create_actor(role, town, name=MARK), account_id=account.id)
                joining.create_invitations(work, administrator, InvitationSpec(InvitationKind.STOCK, town.id, max_uses=20))
        return world


def _create_tablets(factory: TownFactory, town: Town, pupils: list[Pupil]) -> list[Tablet]:
    """Create a tablet on loan to each pupil, of which the second is lost, and one in each other state."""
    tablets: list[Tablet] = []
    for pupil in pupils:
        tablet = factory.create_tablet(town)
        factory.lend_tablet(tablet, pupil)
        factory.enroll_tablet(tablet, last_seen_at=factory.work.now - timedelta(days=len(tablets)))
        tablets.append(tablet)
    for state in TabletState:
        factory.create_tablet(town, school_id=pupils[0].school_id).state = state
    factory.session.flush()
    lost_mode.mark_lost(factory.work, SYSTEM, tablets[1].id, f"oubliée <i>{MARK}</i>")
    return tablets


def _create_policy(work: UnitOfWork, town_id: UUID, tablet: Tablet) -> Preset:
    """Create apps in a bundle for a grade, one of which a tablet lacks, and a policy of the town. Returns the bundle."""
    apps: list[App] = [
        create_app(
            work,
            SYSTEM,
            town_id,
            name=f"{name} {MARK}",
            bundle_identifier=f"fr.test.app{number}",
            app_store_id=4711 + number,
            manifest_url=None,
        )
        for number, name in enumerate(("Atlas", "<b>Calcul</b>"))
    ]
    bundle = bundles.create_bundle(work, SYSTEM, town_id, f"Lire & <i>écrire</i> {MARK}", [app.id for app in apps])
    bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.GRADE, Grade.CE2.value, reason=MARK)
    work.session.add(
        TabletApp(
            tablet_id=tablet.id, app_id=apps[0].id, state=AppState.FAILED, reason=AppReason.REMOVED_FROM_STORE, detail="12023",
            attempts=5, changed_at=work.now,
        )
    )  # fmt: skip
    document = documents.open_document(work, SYSTEM, town_id, PlaceKind.TOWN, "")
    draft = life.Draft(PolicyContent({"all": {"allowAirDrop": False}, "home": {"allowAirDrop": True}}), reason=f"<u>{MARK}</u>")
    life.save_draft(work, SYSTEM, document, draft)
    return bundle


def _set_schedule(work: UnitOfWork, town: Town) -> None:
    week = dict.fromkeys(("mon", "tue", "thu", "fri"), _DAY)
    authoring.save_timetable(work, SYSTEM, town.id, None, week=week, calendar=FOLLOW_ZONE, night=("20:00", "07:00"))


def _create_account(work: UnitOfWork, role: Role, town: Town, school: School, school_class: SchoolClass) -> Account:
    """Create an account with a role in its place."""
    scope = SCOPES[role]
    account = accounts.create_account(
        work, SYSTEM, login=role, display_name=f"{MARK} <b>", password=PASSWORD, town_id=town.id,
        role=Role.HELPDESK if scope is RoleScope.OPERATOR else role,
        school_id=school.id if scope in (RoleScope.SCHOOL, RoleScope.CLASS) else None,
        class_id=school_class.id if scope is RoleScope.CLASS else None,
        ends_at=work.now + timedelta(days=1) if role in TEMPORARY_ROLES else None,
    )  # fmt: skip
    if scope is RoleScope.OPERATOR:  # the first account of a server has this role; nobody gives it
        [assignment] = AccountRepository(work.session).list_roles(account.id, work.now)
        assignment.role, assignment.town_id = role, None
    account.must_change_password = False
    make_trusted(work, account)
    return account


def _finish_rollover(work: UnitOfWork, rollover_id: UUID) -> None:
    """Let the rollover that was made from its columns be one of former years, so that there may be a real one."""
    rollover = work.session.get_one(Rollover, rollover_id)
    rollover.from_year, rollover.to_year, rollover.state = "2019-2020", "2020-2021", RolloverState.CLOSED
    work.session.flush()
