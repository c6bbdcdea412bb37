"""Test helper: one enrolled tablet that answers commands and declarative requests as a test says, without HTTPS."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.unit_of_work import Runtime
from enrollment.tablets.models import Tablet
from mdm.channel.declarative import handle_declarative_request
from mdm.channel.messages import ChannelResponse
from mdm.devices.models import DeclarativeState, DeviceEnrollment
from mdm.protocol.checkin import DeclarativeRequest, EnrollmentIds
from mdm.reconcile import service as reconcile
from mdm.reconcile.models import TabletProfile
from mdm.worker.drains import drain
from mdm.worker.schedule import HOUSEKEEPING
from profiles.render.apple import PROFILE_IDENTIFIER
from tests.mdm.queue.connect_loop import build_request, enroll_tablets, process_batch
from tests.support.installation import install

Answer = Callable[[dict[str, Any]], dict[str, Any]]
REFUSAL = {
    "Status": "Error",
    "ErrorChain": [
        {"ErrorCode": 4001, "ErrorDomain": "MCInstallationErrorDomain", "LocalizedDescription": "Profile Installation Failed"},
        {"ErrorCode": 4010, "ErrorDomain": "MCProfileErrorDomain", "LocalizedDescription": "not now"},
    ],
}
PLURALS = {"Activations": "activation", "Configurations": "configuration", "Assets": "asset", "Management": "management"}


class EnrolledTablet:
    """A tablet on a runtime. `answers` overrides the result of a request type; `installed` are its profiles, UUID by identifier."""

    def __init__(self, runtime: Runtime, clock: ManualClock, *, os_version: str = "26.1") -> None:
        install(runtime)
        self.runtime, self.clock = runtime, clock
        with runtime.open_unit_of_work() as work:
            [self.enrollment] = enroll_tablets(work, os_version=os_version)
            self.tablet_id = self.enrollment.tablet_id
            work.session.expunge(self.enrollment)
        self.answers: dict[str, Answer] = {}
        self.installed: dict[str, str] = {}
        self.lost_mode = False
        self.received: list[str] = []
        self.tokens: list[dict[str, Any]] = []
        with runtime.open_unit_of_work() as work:
            reconcile.on_enrolled(work, self.enrollment.id)

    def run_worker(self) -> None:
        for _ in range(3):
            if not sum(drain(self.runtime, topic) for topic in (Topic.ENROLLED, Topic.COMMAND_RESULT, Topic.RECONCILE)):
                return

    def connect(self) -> list[str]:
        """Run the worker and one conversation, twice. Returns the request types that were delivered."""
        before = len(self.received)
        for _ in range(2):
            self.run_worker()
            self.converse()
        self.run_worker()
        return self.received[before:]

    def wait(self, **duration: float) -> list[str]:
        """Let time pass, run the housekeeping jobs that look at tablets again, and connect."""
        self.clock.advance(timedelta(**duration))
        for job in ("reap", "checks", "lost_cases", "rollouts"):
            with self.runtime.open_unit_of_work() as work:
                HOUSEKEEPING[job](work)
        return self.connect()

    def converse(self) -> None:
        """Ask for commands and answer them until there are none."""
        message: dict[str, Any] = {"status": "Idle"}
        while True:
            [response] = process_batch(self.runtime, [build_request(self.enrollment, **message)])
            assert response.status == 200
            if not response.body:
                return
            document = plistlib.loads(response.body)
            command = document["Command"]
            self.received.append(command["RequestType"])
            answer = dict(self.answers.get(command["RequestType"], self._execute)(command))
            message = {"status": answer.pop("Status", "Acknowledged"), "uuid": document["CommandUUID"], **answer}

    def _execute(self, command: dict[str, Any]) -> dict[str, Any]:
        match command["RequestType"]:
            case "InstallProfile":
                start = command["Payload"].index(b"<?xml")
                profile = plistlib.loads(command["Payload"][start : command["Payload"].index(b"</plist>") + 8])
                self.installed[profile["PayloadIdentifier"]] = profile["PayloadUUID"]
            case "RemoveProfile":
                self.installed.pop(command["Identifier"], None)
            case "ProfileList":
                rows = [{"PayloadIdentifier": name, "PayloadUUID": uuid} for name, uuid in self.installed.items()]
                return {"ProfileList": rows}
            case "DeviceInformation":
                return {"QueryResponses": {"IsMDMLostModeEnabled": self.lost_mode}}
            case "EnableLostMode":
                self.lost_mode = True
            case "DisableLostMode":
                self.lost_mode = False
            case "DeclarativeManagement":
                self.tokens.append(json.loads(command["Data"])["SyncTokens"])
            case _:
                pass
        return {}

    def holds_policy_profile(self) -> bool:
        return PROFILE_IDENTIFIER in self.installed

    def ask(self, endpoint: str, data: Any = None) -> ChannelResponse:
        """Send one declarative request."""
        ids = EnrollmentIds(udid=self.enrollment.udid)
        message = DeclarativeRequest(
            ids=ids, endpoint=endpoint, data=None if data is None else json.dumps(data).encode(), unknown_keys={}
        )
        with self.runtime.open_unit_of_work() as work:
            enrollment = work.session.get_one(DeviceEnrollment, self.enrollment.id)
            return handle_declarative_request(work, message, enrollment)

    def fetch_manifest(self) -> dict[str, list[dict[str, Any]]]:
        """Fetch the manifest. Returns the entries of each kind."""
        return dict(json.loads(self.ask("declaration-items").body)["Declarations"])

    def fetch(self, kind: str, identifier: str) -> dict[str, Any]:
        return dict(json.loads(self.ask(f"declaration/{kind}/{identifier}").body))

    def report(self, changes: dict[str, dict[str, Any]] | None = None, *, kinds: tuple[str, ...] = tuple(PLURALS)) -> None:
        """Fetch the manifest and report its declarations as active and valid, with changed columns by identifier or part of it."""
        self.send_report(self.fetch_manifest(), changes, kinds=kinds)

    def send_report(
        self,
        manifest: dict[str, list[dict[str, Any]]],
        changes: dict[str, dict[str, Any]] | None = None,
        *,
        kinds: tuple[str, ...] = tuple(PLURALS),
    ) -> None:
        """Report these declarations without asking for the manifest."""
        mode = next((self.fetch("management", row["Identifier"])["Payload"].get("mode") for row in manifest["Management"]
                     if row["Identifier"].endswith(".properties")), None)  # fmt: skip
        rows = {kind.lower(): [self._build_row(entry, kind, mode, changes or {}) for entry in manifest[kind]] for kind in kinds}
        assert self.ask("status", {"StatusItems": {"management": {"declarations": rows}}, "Errors": []}).status == 200

    def _build_row(
        self, entry: dict[str, Any], kind: str, mode: str | None, changes: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        active = kind != "Activations" or self._is_active(entry["Identifier"], mode)
        row = {"identifier": entry["Identifier"], "server-token": entry["ServerToken"], "active": active, "valid": "valid"}
        for part, change in changes.items():
            row |= change if part in entry["Identifier"] else {}
        return row

    def _is_active(self, identifier: str, mode: str | None) -> bool:
        predicate = self.fetch("activation", identifier)["Payload"].get("Predicate")
        return predicate is None or f'"{mode}"' in predicate

    def prove(self) -> None:
        """Report an empty set, which proves that the tablet supports declarations, and receive the announcement of its own."""
        self.connect()
        self.send_report({kind: [] for kind in PLURALS})
        self.connect()

    def load_state(self) -> DeclarativeState:
        with self.runtime.open_unit_of_work() as work:
            state = work.session.get_one(DeclarativeState, self.enrollment.id)
            work.session.expunge(state)
            return state

    def load_profile(self) -> TabletProfile | None:
        with self.runtime.open_unit_of_work() as work:
            row = work.session.get(TabletProfile, self.tablet_id)
            if row is not None:
                work.session.expunge(row)
            return row

    def load_tablet(self) -> Tablet:
        with self.runtime.open_unit_of_work() as work:
            tablet = work.session.get_one(Tablet, self.tablet_id)
            work.session.expunge(tablet)
            return tablet
