"""Child processes of the demonstration: a simulated APNs server and one class of simulated tablets."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from uuid import UUID

from sqlalchemy import select

from cartable.errors import NotFound
from cartable.loopback_server import find_free_port
from cartable.private_files import ensure_private_folder
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining import service as joining
from enrollment.joining.models import Invitation, InvitationKind
from enrollment.joining.targets import InvitationSpec
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, Town
from mdm.composition import compose
from mdm.push.certificates import ensure_simulated_certificate


class DemoFleet:
    """Starts and stops the child processes of `make run`."""

    def __init__(self, runtime: Runtime, *, simulated_push: bool) -> None:
        self.runtime = runtime
        self.simulated_push = simulated_push
        self.folder = runtime.settings.data_dir / "demo"
        ensure_private_folder(self.folder)
        self.ports = (find_free_port(), find_free_port())
        self.processes: list[subprocess.Popen[bytes]] = []

    def redirect_push(self, settings: Settings) -> Settings:
        """Return the settings with the simulated APNs server, unless a certificate from Apple is installed."""
        if not self.simulated_push:
            return settings
        known = settings.model_dump(exclude_unset=True)
        ca = settings.secrets_dir / "tls-ca.pem"
        return Settings.model_validate(known | {"apns_url": f"https://localhost:{self.ports[0]}", "apns_ca": ca})

    def start_push_service(self) -> None:
        """Start the simulated APNs server, unless a certificate from Apple is installed."""
        if not self.simulated_push:
            return
        secrets = self.runtime.settings.secrets_dir
        self._start_process(
            "mdm.push.testserver", "--port", str(self.ports[0]), "--listen-port", str(self.ports[1]),
            "--cert", str(secrets / "tls.pem"), "--key", str(secrets / "tls.key"), "--client-ca", str(secrets / "push-test-ca.pem"),
        )  # fmt: skip
        (self.folder / "push.json").write_text(json.dumps(self.ports))

    def create_invitations(self, town_id: UUID) -> tuple[str, int]:
        """Create invitations for a class of the demonstration town, once, and one for real tablets.

        Returns the address of the latter and the size of the class.
        """
        codes = self.folder / "codes"
        with self.runtime.open_unit_of_work() as work:
            town = work.session.get_one(Town, town_id)
            if not codes.exists():
                spec = InvitationSpec(InvitationKind.PUPIL, town.id, class_id=_find_demo_class(work, town.id), valid_days=1)
                codes.write_text("\n".join(row.code for row in joining.create_invitations(work, SYSTEM, spec)) + "\n")
            return joining.build_join_url(work, _get_bench_invitation(work, town)), len(codes.read_text().split())

    def start_tablets(self) -> None:
        """Start the simulated tablets of the class; their state is url_file in a file between runs."""
        settings = self.runtime.settings
        ca = settings.secrets_dir / "tls-ca.pem"
        push = ["--push", f"localhost:{self.ports[1]}"] if self.simulated_push else []
        self._start_process(
            "simulator", "--url", settings.public_url, "--codes-file", str(self.folder / "codes"), "--ca", str(ca), *push,
            "--state-file", str(self.folder / "tablets.json"), "--behaviour", "normal", "--reuse-keys", "4", "--quiet",
        )  # fmt: skip

    def _start_process(self, module: str, *arguments: str) -> None:
        log = (self.folder / f"{module}.log").open("ab")
        # Its standard input is a pipe of this process: it ends when the pipe does, however this process ends.
        self.processes.append(
            subprocess.Popen(  # noqa: S603 - own modules
                [sys.executable, "-m", module, *arguments, "--end-with-stdin"], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        )
        log.close()

    def stop(self) -> None:
        """Terminate the child processes."""
        for process in self.processes:
            process.terminate()
            if process.stdin is not None:
                process.stdin.close()
        for process in self.processes:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


def _find_demo_class(work: UnitOfWork, town_id: UUID) -> UUID | None:
    """Return a class of the grade that has the demonstration bundle."""
    statement = select(Pupil.class_id).where(Pupil.town_id == town_id, Pupil.grade == Grade.CE2, Pupil.class_id.is_not(None))
    return work.session.scalar(statement.order_by(Pupil.class_id).limit(1))


def _get_bench_invitation(work: UnitOfWork, town: Town) -> Invitation:
    """Return the open invitation for the banner, or create one."""
    invitation = work.session.scalar(
        select(Invitation)
        .where(Invitation.kind == InvitationKind.STOCK, Invitation.town_id == town.id, Invitation.expires_at > work.now)
        .where(Invitation.revoked_at.is_(None), Invitation.uses < Invitation.max_uses)
        .order_by(Invitation.created_at)
        .limit(1)
    )
    return invitation or joining.create_invitations(work, SYSTEM, InvitationSpec(InvitationKind.STOCK, town.id, max_uses=20))[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable simulate`."""
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument(
        "--behaviour", default="normal", metavar="NAME[:NUMBER]", help="how they misbehave; `mix`: like a class in the field"
    )
    parser.add_argument("--town", metavar="SLUG", help="short name of the town; without it the first by name")


def run(parsed: argparse.Namespace) -> int:
    """Enroll simulated tablets in a town of the running server, by an invitation of their own (`make simulate`).

    A server without a push certificate gets a simulated one. Returns an exit code.
    """
    runtime = compose(Settings())
    url_file = runtime.settings.data_dir / "public-url"
    url = url_file.read_text().strip() if url_file.exists() else runtime.settings.public_url
    with runtime.open_unit_of_work() as work:
        statement = select(Town).order_by(Town.name).limit(1)
        town = work.session.scalar(statement.where(Town.slug == parsed.town) if parsed.town else statement)
        if town is None:
            raise NotFound(field="town")
        ensure_simulated_certificate(work)  # without any certificate nothing enrolls
        spec = InvitationSpec(InvitationKind.STOCK, town.id, max_uses=parsed.count, valid_days=1)
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
        str(parsed.count),
        "--ca",
        ca,
        *push,
        "--seed",
        code,
        "--behaviour",
        parsed.behaviour,
    ]
    return subprocess.call(command)  # noqa: S603 - own module
