"""Declarative requests of many tablets cost a constant number of statements, and each gets the response that it would get alone."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.unit_of_work import Runtime
from mdm.channel.declarative_statements import DeclarativeStatements, RequestKey
from mdm.channel.messages import ChannelRequest, ChannelResponse
from mdm.devices.models import DeclarationStatus, DeclarativeState, DeviceEnrollment, EnrollmentState
from mdm.protocol.checkin import CheckOut, DeclarativeRequest, EnrollmentIds
from mdm.protocol.commands.actions import DeclarativeManagement
from mdm.protocol.commands.queries import SecurityInfo
from profiles.effective.models import DeclarationSet
from profiles.render.declarations import PROPERTIES_IDENTIFIER, build_declarations, build_set_items
from profiles.schedule.modes import Mode
from tests.mdm.queue.connect_loop import build_request, enqueue_for, enroll_tablets, process_batch, send_status
from tests.support.statements import count_statements

SHARED = [
    {"Kind": each.kind.value, **each.to_document()}
    for each in build_declarations("https://mdm.test", "Cartable", "c" * 64, {Mode.SCHOOL: "a" * 64, Mode.HOME: "b" * 64})
]


@pytest.fixture
def enrollments(runtime: Runtime) -> list[DeviceEnrollment]:
    """Tablets of one town to which the same set was announced, half of them in each of two modes."""
    with runtime.open_unit_of_work() as work:
        enrolled = enroll_tablets(work, 8)
        work.session.add(
            DeclarationSet(
                sha256="5" * 64,
                town_id=enrolled[0].town_id,
                items=SHARED,
                profiles=[],
                created_at=work.now,
                last_used_at=work.now,
            )
        )
        for number, each in enumerate(enrolled):
            mode = (Mode.SCHOOL if number % 2 else Mode.HOME).value
            work.session.add(
                DeclarativeState(
                    enrollment_id=each.id,
                    town_id=each.town_id,
                    set_sha256="5" * 64,
                    mode=mode,
                    publication=1,
                    published_at=work.now,
                )
            )
        work.session.flush()
        work.session.expunge_all()
    return enrolled


def build_declarative(
    enrollment: DeviceEnrollment, endpoint: str, report: object = None, fingerprint: str = ""
) -> ChannelRequest:
    data = None if report is None else json.dumps(report).encode()
    message = DeclarativeRequest(ids=EnrollmentIds(udid=enrollment.udid), endpoint=endpoint, data=data)
    return ChannelRequest(message, fingerprint or enrollment.fingerprint, b"")


def build_report(mode: Mode) -> object:
    """Return a report of a tablet that has applied everything in this mode."""
    rows: dict[str, list[dict[str, object]]] = {kind: [] for kind in ("activations", "configurations", "assets", "management")}
    plurals = {"activation": "activations", "configuration": "configurations", "management": "management"}
    for item in build_set_items(SHARED, mode):
        row = {"identifier": item["Identifier"], "server-token": item["ServerToken"], "active": True, "valid": "valid"}
        rows[plurals[item["Kind"]]].append(row)
    return {"StatusItems": {"management": {"declarations": rows}, "device": {"model": "iPad"}}, "Errors": []}


def build_round(enrollments: Sequence[DeviceEnrollment], endpoint: str) -> list[ChannelRequest]:
    return [
        build_declarative(
            each, endpoint, build_report(Mode.SCHOOL if number % 2 else Mode.HOME) if endpoint == "status" else None
        )
        for number, each in enumerate(enrollments)
    ]


ENDPOINTS = ("tokens", "declaration-items", f"declaration/management/{PROPERTIES_IDENTIFIER}", "declaration/asset/none", "status")


def test_the_number_of_statements_does_not_grow_with_the_tablets(runtime: Runtime, enrollments: list[DeviceEnrollment]) -> None:
    for endpoint in ENDPOINTS:
        with count_statements(runtime.engine) as for_two:
            process_batch(runtime, build_round(enrollments[:2], endpoint))
        with count_statements(runtime.engine) as for_six:
            process_batch(runtime, build_round(enrollments[2:], endpoint))
        assert len(for_six) == len(for_two) <= 6, endpoint


def test_a_batch_answers_as_single_requests_do(runtime: Runtime, enrollments: list[DeviceEnrollment]) -> None:
    together, alone = enrollments[:4], enrollments[4:]
    for endpoint in ENDPOINTS:
        in_batch: list[ChannelResponse] = process_batch(runtime, build_round(together, endpoint))
        one_by_one = [process_batch(runtime, [request])[0] for request in build_round(alone, endpoint)]
        assert in_batch == one_by_one, endpoint
    assert in_batch[0].status == 200
    with runtime.open_unit_of_work() as work:
        states = [work.session.get_one(DeclarativeState, each.id) for each in enrollments]
        assert {state.status for state in states} == {DeclarationStatus.CONFIRMED}
        assert [state.confirmed_mode for state in states] == ["home", "school"] * 4
        assert all(state.served == state.announced for state in states)
        assert all((state.status_items or {})["device"] == {"model": "iPad"} for state in states)
        jobs = work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.RECONCILE)
        assert {job.key for job in jobs} == {str(each.tablet_id) for each in enrollments}, "the first report proves the support"


def test_requests_whose_order_counts_or_whose_sender_is_doubtful_are_answered_one_by_one(
    runtime: Runtime, enrollments: list[DeviceEnrollment]
) -> None:
    first, second, third, fourth = enrollments[:4]
    with runtime.open_unit_of_work() as work:
        work.session.get_one(DeviceEnrollment, fourth.id).state = EnrollmentState.CHECKED_OUT
    responses = process_batch(
        runtime,
        [
            build_declarative(first, "declaration-items"),
            build_declarative(second, "declaration-items", fingerprint="of another certificate"),
            build_declarative(third, "declaration-items"),
            ChannelRequest(CheckOut(ids=EnrollmentIds(udid=third.udid)), third.fingerprint, b""),
            build_declarative(fourth, "declaration-items"),
            build_request(first),
        ],
    )
    assert [response.status for response in responses] == [200, 400, 200, 200, 400, 200]
    with runtime.open_unit_of_work() as work:
        served = [work.session.get_one(DeclarativeState, each.id).served_at is not None for each in (first, second, fourth)]
        assert served == [True, False, False]
        assert work.session.get_one(DeviceEnrollment, third.id).state is EnrollmentState.CHECKED_OUT


def test_a_report_of_a_former_enrollment_changes_nothing(runtime: Runtime, enrollments: list[DeviceEnrollment]) -> None:
    tablet = enrollments[0]
    with runtime.open_unit_of_work() as work:
        key = RequestKey(tablet.channel_key, tablet.fingerprint, is_report=True)
        [sender] = DeclarativeStatements(work.session).load_senders([key], work.now).values()
    with runtime.open_unit_of_work() as work:
        work.session.get_one(DeviceEnrollment, tablet.id).generation += 1
    with runtime.open_unit_of_work() as work:
        values = {"errors": [{"late": True}], "reported_at": work.now}
        assert DeclarativeStatements(work.session).save_reported([(sender, values)]) == set()


def test_an_acknowledged_announcement_leaves_no_job(
    runtime: Runtime, clock: ManualClock, enrollments: list[DeviceEnrollment]
) -> None:
    tablet = enrollments[0]

    def list_jobs() -> list[str]:
        with runtime.open_unit_of_work() as work:
            return [row.key for row in work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.COMMAND_RESULT)]

    enqueue_for(runtime, [tablet.id], DeclarativeManagement(data=b"{}"))
    delivered = send_status(runtime, tablet)
    assert delivered is not None
    assert send_status(runtime, tablet, "Acknowledged", delivered[1]) is None
    assert list_jobs() == []
    for status, command in (("Error", DeclarativeManagement(data=b"{}")), ("Acknowledged", SecurityInfo())):
        enqueue_for(runtime, [tablet.id], command)
        delivered = send_status(runtime, tablet)
        assert delivered is not None
        send_status(runtime, tablet, status, delivered[1])
    assert len(list_jobs()) == 2
