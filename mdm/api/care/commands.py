"""Endpoints of commands that people give to one tablet, of what it tells when asked, and of the bypass code of its activation lock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import Base64Bytes, BaseModel, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.care.commands import reports, single
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.parameters import MAX_MESSAGE, MAX_NAME, MAX_PHONE, CommandParameters, WallpaperPlace
from mdm.care.commands.reports import TabletReportKind
from mdm.queue.models import CommandState

router = APIRouter(tags=["care"])


class CommandIn(BaseModel):
    """What to order of a tablet. Each kind takes some of the values.

    `lock`: `message` and `phone` for the lock screen. `rename`: `name`, a pattern with `{tag}` or `{serial}`. `wallpaper`: `image`, a PNG or
    JPEG of 2 MB at most, and `place` (1 lock screen, 2 home screen, 3 both). `time_zone`: `time_zone`, such as `Europe/Paris`.
    `install_app`: `app_id`; tablets that have the app, or where it failed, get it again.
    """

    kind: CommandKind
    message: str | None = Field(None, max_length=MAX_MESSAGE)
    phone: str | None = Field(None, max_length=MAX_PHONE)
    name: str | None = Field(None, max_length=MAX_NAME, examples=["{tag}"])
    time_zone: str | None = Field(None, max_length=64, examples=["Europe/Paris"])
    image: Base64Bytes | None = None
    place: WallpaperPlace = WallpaperPlace.BOTH
    app_id: UUID | None = None

    def to_parameters(self) -> CommandParameters:
        """Return the values without the kind."""
        return CommandParameters(self.message, self.phone, self.name, self.time_zone, self.image, self.place, self.app_id)


class BypassCodeIn(BaseModel):
    """Why the code is needed; it is kept in the audit trail."""

    reason: str = Field(min_length=3, max_length=300)


class BypassCodeOut(BaseModel):
    """The code, as a person types it in place of the password of an Apple Account."""

    code: str


class ReportLineOut(BaseModel):
    """One line of an answer: an app with its version, a certificate, a restriction with its value."""

    name: str
    value: str


class TabletReportOut(BaseModel):
    """What a tablet answered last to a question. No lines: no answer yet, or one older than thirty days."""

    kind: TabletReportKind
    state: CommandState | None
    at: datetime | None
    problem: str | None
    lines: list[ReportLineOut]


@router.post("/tablets/{tablet_id}/commands", status_code=202)
def send_command(tablet_id: UUID, body: CommandIn, work: WorkDep, actor: ActorDep) -> None:
    """Send a command to a tablet: lock, restart, rename and others.

    One that is off gets it at its next contact, unless the deadline of the command has passed. Clearing a passcode needs the password
    once more.
    """
    single.give_command(work, actor, tablet_id, body.kind, body.to_parameters())


@router.post("/tablets/{tablet_id}/bypass-code")
def get_bypass_code(tablet_id: UUID, body: BypassCodeIn, work: WorkDep, actor: ActorDep) -> BypassCodeOut:
    """Read the code that removes the activation lock of a tablet.

    It needs the password once more, and each reading is audited.
    """
    return BypassCodeOut(code=single.reveal_bypass_code(work, actor, tablet_id, body.reason))


@router.post("/tablets/{tablet_id}/reports/{kind}", status_code=202)
def request_tablet_report(tablet_id: UUID, kind: TabletReportKind, work: WorkDep, actor: ActorDep) -> None:
    """Ask a tablet for its apps, its certificates or the restrictions in force."""
    reports.request_report(work, actor, tablet_id, kind)


@router.get("/tablets/{tablet_id}/reports/{kind}")
def get_tablet_report(tablet_id: UUID, kind: TabletReportKind, work: WorkDep, actor: ActorDep) -> TabletReportOut:
    """Get what a tablet answered last."""
    report = reports.load_report(work, actor, tablet_id, kind)
    lines = [ReportLineOut(name=name, value=value) for name, value in report.lines]
    return TabletReportOut(kind=kind, state=report.state, at=report.at, problem=report.problem, lines=lines)
