"""The demonstration's companions: an APNs stand-in and one class of simulated tablets, each a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining import service as joining
from enrollment.joining.models import Invitation, InvitationKind
from enrollment.joining.targets import InvitationSpec
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, Town
from mdm.composition import compose


def free_port() -> int:
    """A port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DemoFleet:
    """Starts and stops the companions of `make run`."""

    def __init__(self, runtime: Runtime, *, simulated_push: bool) -> None:
        self.runtime = runtime
        self.simulated_push = simulated_push
        self.folder = runtime.settings.data_dir / "demo"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ports = (free_port(), free_port())
        self.processes: list[subprocess.Popen[bytes]] = []

    def with_push(self, settings: Settings) -> Settings:
        """The settings under which pushes go to the stand-in."""
        if not self.simulated_push:
            return settings
        known = settings.model_dump(exclude_unset=True)
        ca = settings.secrets_dir / "tls-ca.pem"
        return Settings.model_validate(known | {"apns_url": f"https://localhost:{self.ports[0]}", "apns_ca": ca})

    def start_push_service(self) -> None:
        """Start the APNs stand-in, unless a certificate from Apple is installed."""
        if not self.simulated_push:
            return
        secrets = self.runtime.settings.secrets_dir
        self._run(
            "mdm.push.testserver", "--port", str(self.ports[0]), "--listen-port", str(self.ports[1]),
            "--cert", str(secrets / "tls.pem"), "--key", str(secrets / "tls.key"), "--client-ca", str(secrets / "push-test-ca.pem"),
        )  # fmt: skip
        (self.folder / "push.json").write_text(json.dumps(self.ports))

    def invite(self) -> tuple[str, int]:
        """Invite a demo class, once, and keep a bench invitation for real tablets. Returns its address and the class's size."""
        codes = self.folder / "codes"
        with self.runtime.open_unit_of_work() as work:
            town = work.session.scalars(select(Town).order_by(Town.name).limit(1)).one()
            if not codes.exists():
                spec = InvitationSpec(InvitationKind.PUPIL, town.id, class_id=_demo_class(work), valid_days=1)
                codes.write_text("\n".join(row.code for row in joining.create_invitations(work, SYSTEM, spec)) + "\n")
            return joining.build_join_url(work, _bench(work, town)), len(codes.read_text().split())

    def start_tablets(self) -> None:
        """Let the class come: the same tablets each time, kept in a file."""
        self._tablets(self.folder / "codes", self.folder / "tablets.json")

    def _tablets(self, codes: Path, state: Path) -> None:
        settings = self.runtime.settings
        ca = settings.secrets_dir / "tls-ca.pem"
        push = ["--push", f"localhost:{self.ports[1]}"] if self.simulated_push else []
        self._run(
            "simulator", "--url", settings.public_url, "--codes-file", str(codes), "--ca", str(ca), *push,
            "--state-file", str(state), "--behaviour", "normal", "--reuse-keys", "4", "--quiet",
        )  # fmt: skip

    def _run(self, module: str, *arguments: str) -> None:
        log = (self.folder / f"{module}.log").open("ab")
        self.processes.append(
            subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=log, stderr=log)  # noqa: S603 - own modules
        )
        log.close()

    def stop(self) -> None:
        """End the companions."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


def _demo_class(work: UnitOfWork) -> UUID | None:
    """A class of the grade that has the demonstration bundle."""
    return work.session.scalar(
        select(Pupil.class_id).where(Pupil.grade == Grade.CE2, Pupil.class_id.is_not(None)).order_by(Pupil.class_id).limit(1)
    )


def _bench(work: UnitOfWork, town: Town) -> Invitation:
    """The invitation in the banner: made anew when the last one has ended."""
    found = work.session.scalar(
        select(Invitation)
        .where(Invitation.kind == InvitationKind.STOCK, Invitation.town_id == town.id, Invitation.expires_at > work.now)
        .where(Invitation.revoked_at.is_(None), Invitation.uses < Invitation.max_uses)
        .order_by(Invitation.created_at)
        .limit(1)
    )
    return found or joining.create_invitations(work, SYSTEM, InvitationSpec(InvitationKind.STOCK, town.id, max_uses=20))[0]


def simulate(count: int) -> int:
    """`make simulate`: more tablets for the running server, on a bench invitation of their own."""
    runtime = compose(Settings())
    kept = runtime.settings.data_dir / "public-url"
    url = kept.read_text().strip() if kept.exists() else runtime.settings.public_url
    with runtime.open_unit_of_work() as work:
        town = work.session.scalars(select(Town).order_by(Town.name).limit(1)).one()
        spec = InvitationSpec(InvitationKind.STOCK, town.id, max_uses=count, valid_days=1)
        code = joining.create_invitations(work, SYSTEM, spec)[0].code
    ports = runtime.settings.data_dir / "demo" / "push.json"
    push = ["--push", f"localhost:{json.loads(ports.read_text())[1]}"] if ports.exists() else []
    ca = str(runtime.settings.secrets_dir / "tls-ca.pem")
    command = [
        sys.executable,
        "-m",
        "simulator",
        "--url",
        url,
        "--code",
        code,
        "--count",
        str(count),
        "--ca",
        ca,
        *push,
        "--seed",
        code,
    ]
    return subprocess.call(command)  # noqa: S603 - own module
