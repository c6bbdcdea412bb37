"""An answer that cannot be read ends its command and never stops the queue: odd bytes, damaged and oversized messages."""

from __future__ import annotations

import asyncio
import plistlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from cartable.unit_of_work import Runtime
from mdm.channel.messages import ChannelRequest
from mdm.channel.unreadable import build_unreadable_request
from mdm.protocol import plist
from mdm.protocol.commands.queries import DeviceInformation, ProfileList, SecurityInfo
from mdm.protocol.connect import CHECKIN_TYPE, parse_connect
from mdm.protocol.errors import BadMessage, BadPlist
from mdm.queue.models import CommandResult, CommandState, QueuedCommand
from mdm.queue.rules import MAX_DELIVERIES, UNREADABLE_ANSWER
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.mdm.queue.connect_loop import enqueue_for, enroll_tablets, process_batch, send_status
from tests.support.enrolled import enqueue, list_note_kinds, parse_command, read_command, run_scenario, send_idle
from tests.support.server import LiveServer, start_live_server

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
    '<plist version="1.0">\n'
)
ANSWER = (
    HEAD + "<dict><key>CommandUUID</key><string>{uuid}</string><key>QueryResponses</key><dict><key>OSVersion</key>"
    "<string>18.1</string><key>X</key>{odd}</dict><key>Status</key><string>Acknowledged</string>"
    "<key>UDID</key><string>{udid}</string></dict></plist>\n"
)
#: One value that a strict parser refuses; the answer around it is still read.
ODD_VALUES = {
    "U+0000 in a carrier name": b"<array><dict><key>CurrentCarrierNetwork</key><string>a\x00\x00</string></dict></array>",
    "U+0000 as a reference": b"<string>a&#0;b</string>",
    "a control character": b"<string>a\x1bb</string>",
    "a surrogate as a reference": b"<string>&#xD800;</string>",
    "U+FFFE": "<string>\ufffe</string>".encode(),
    "a byte that is no UTF-8": b"<string>caf\xe9</string>",
    "a lone ampersand": b"<string>AT&T</string>",
    "an unknown entity": b"<string>&nbsp;</string>",
    "a lone bracket": b"<string>a <3</string>",
    "a date of year 0": b"<date>0000-12-30T00:00:00Z</date>",
    "a date with a fraction": b"<date>2014-02-23T09:21:06.034Z</date>",
    "an empty date": b"<date/>",
    "a number that is none": b"<integer>many</integer>",
    "an empty number": b"<integer></integer>",
    "a real that is none": b"<real>1,5</real>",
    "damaged data": b"<data>A</data>",
    "an unknown element": b"<uid>1</uid>",
}


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


def _build_answer(odd: bytes, uuid: str, udid: str) -> bytes:
    before, after = ANSWER.format(uuid=uuid, udid=udid, odd="{odd}").encode().split(b"{odd}")
    return before + odd + after


def test_one_odd_value_costs_that_value_and_nothing_else(server: LiveServer) -> None:
    """Failure table: one odd byte in an answer."""

    async def scenario(tablet: SimulatedTablet) -> None:
        for number, (name, odd) in enumerate(ODD_VALUES.items()):
            enqueue(server, DeviceInformation(queries=(f"Q{number}",)))
            delivered = await send_idle(tablet)
            assert delivered is not None, name
            following = parse_command(await tablet.channel.send_connect(_build_answer(odd, delivered[1], tablet.udid)))
            assert following is None or following[1] != delivered[1], name
            assert read_command(server, delivered[1]) == (CommandState.ACKNOWLEDGED, None), name
            if following is not None:
                done = {"UDID": tablet.udid, "Status": "Error", "CommandUUID": following[1]}
                await tablet.channel.send_connect(tablet.channel.serialize_plist(done))
        await asyncio.to_thread(server.run_worker)

    run_scenario(server, scenario)


#: Bodies that nobody can read, from the readable answer.
DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "cut in the middle": lambda answer: answer[: len(answer) * 2 // 3],
    "cut before the status": lambda answer: answer[: answer.index(b"<key>Status")],
    "a missing bracket": lambda answer: answer.replace(b"</dict></plist>", b"</plist>"),
    "nested too deeply": lambda answer: answer.replace(b"<string>18.1", b"<array>" * 50 + b"</array>" * 50 + b"<string>18.1"),
    "a list as the root": lambda answer: answer.replace(b"<dict><key>CommandUUID", b"<array><dict><key>CommandUUID", 1),
    "without Status": lambda answer: answer.replace(b"<key>Status</key>", b"<key>Sta\x00tu</key>"),
    "an unknown Status": lambda answer: answer.replace(b"Acknowledged", b"Perhaps"),
    "a Status that is a list": lambda answer: answer.replace(b"<string>Acknowledged</string>", b"<array/>"),
    "a UDID that is a number": lambda answer: answer.replace(b"<key>UDID</key><string>", b"<key>UDID</key><integer>1</integer><key>x</key><string>"),
    "UTF-16 with damage": lambda answer: (answer[:-20].decode()).encode("utf-16"),
    "binary, without its end": lambda answer: plistlib.dumps(plistlib.loads(answer), fmt=plistlib.FMT_BINARY)[:-9],
    "the CommandUUID lost": lambda answer: b"<plist><dict><key>Comm",
    "not XML": lambda _answer: b"\x00\xff\x13\x37" * 20,
    "empty": lambda _answer: b"",
}  # fmt: skip


@pytest.mark.parametrize("name", list(DAMAGED))
def test_an_answer_that_nobody_can_read_ends_its_command(runtime: Runtime, name: str) -> None:
    """Failure table: the head of the queue is blocked by an unreadable answer."""
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    enqueue_for(runtime, [row.id], DeviceInformation(queries=("OSVersion",)), SecurityInfo())
    first = send_status(runtime, row)
    assert first is not None
    raw = DAMAGED[name](_build_answer(b"<string>x</string>", first[1], row.udid))
    request = build_unreadable_request(raw, row.fingerprint)
    assert request is not None
    [response] = process_batch(runtime, [request])
    following = parse_command_bytes(response.status, response.body)
    assert following is not None, "the next command follows at once"
    assert following[1] != first[1]
    with runtime.open_unit_of_work() as work:
        command = work.session.query(QueuedCommand).order_by(QueuedCommand.id).first()
        assert command is not None
        assert (command.state, command.state_reason) == (CommandState.FAILED, UNREADABLE_ANSWER)
        result = work.session.get_one(CommandResult, command.id)
        assert result.body is not None
        assert zlib.decompress(result.body) == raw, "the bytes are kept"


def parse_command_bytes(status: int, body: bytes) -> tuple[str, str] | None:
    """Return the delivered command as (RequestType, CommandUUID)."""
    assert status == 200
    if not body:
        return None
    command = plistlib.loads(body)
    return command["Command"]["RequestType"], command["CommandUUID"]


def test_damaged_answers_over_the_wire_are_answered_with_the_next_command(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        for number, (name, damage) in enumerate(DAMAGED.items()):
            enqueue(server, DeviceInformation(queries=(f"Q{number}",)))
            delivered = await send_idle(tablet)
            assert delivered is not None, name
            raw = damage(_build_answer(b"<string>x</string>", delivered[1], tablet.udid))
            following = parse_command(await tablet.channel.send_connect(raw))
            assert following is None or following[1] != delivered[1], name
            assert read_command(server, delivered[1]) == (CommandState.FAILED, UNREADABLE_ANSWER), name
            if following is not None:
                done = {"UDID": tablet.udid, "Status": "Error", "CommandUUID": following[1]}
                await tablet.channel.send_connect(tablet.channel.serialize_plist(done))
        assert UNREADABLE_ANSWER in list_note_kinds(server)
        await asyncio.to_thread(server.run_worker)

    run_scenario(server, scenario)


@pytest.mark.parametrize(
    "damage", [zlib.compress, lambda body: body[20:60], lambda _body: b""], ids=["compressed", "a part", "empty"]
)
def test_a_check_in_that_cannot_be_read_is_never_confirmed(server: LiveServer, damage: Callable[[bytes], bytes]) -> None:
    """A push token in it would be lost: the tablet takes 200 for a success. A rejected message is sent again."""

    async def scenario(tablet: SimulatedTablet) -> None:
        body = tablet.channel.serialize_plist({"MessageType": "TokenUpdate", "UDID": tablet.udid})
        response = await tablet.channel.send_signed(
            tablet.channel.enrollment.mdm_settings.checkin_url, damage(body), CHECKIN_TYPE
        )
        assert response.status == 400

    run_scenario(server, scenario)


@pytest.mark.parametrize("appended", [b"\r\n", b"\0\0", b"  \n", b"<junk/>"])
@pytest.mark.parametrize("plist_format", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_bytes_behind_a_message_are_no_part_of_it(plist_format: plistlib.PlistFormat, appended: bytes) -> None:
    message = {"UDID": "A", "Status": "Idle", "Numbers": [1, 2]}
    data = plistlib.dumps(message, fmt=plist_format) + appended
    if plist_format is plistlib.FMT_BINARY and appended == b"<junk/>":
        with pytest.raises(BadPlist):
            plist.loads_leniently(data)
    else:
        assert plist.loads_leniently(data) == message


def test_an_oversized_answer_ends_its_command(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        delivered = await send_idle(tablet)
        assert delivered is not None
        odd = b"<string>" + b"x" * plist.MAX_BYTES + b"</string>"
        following = parse_command(await tablet.channel.send_connect(_build_answer(odd, delivered[1], tablet.udid)))
        assert following is not None
        assert following[1] != delivered[1]
        assert read_command(server, delivered[1]) == (CommandState.FAILED, UNREADABLE_ANSWER)

    run_scenario(server, scenario)


def test_an_unreadable_answer_of_one_tablet_ends_no_command_of_another(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        row, other_row = enroll_tablets(work, 2)
    enqueue_for(runtime, [other_row.id], SecurityInfo())
    delivered = send_status(runtime, other_row)
    assert delivered is not None
    request = build_unreadable_request(_build_answer(b"<", delivered[1], other_row.udid), row.fingerprint)
    assert request is not None
    assert process_batch(runtime, [request])[0].body == b""
    assert send_status(runtime, other_row) == delivered


def test_a_command_that_is_never_answered_is_delivered_a_limited_number_of_times(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    enqueue_for(runtime, [row.id], SecurityInfo(), ProfileList())
    first = send_status(runtime, row)
    for _ in range(MAX_DELIVERIES - 1):
        assert send_status(runtime, row) == first
    following = send_status(runtime, row)
    assert following is not None
    assert following[0] == "ProfileList"
    with runtime.open_unit_of_work() as work:
        capped = work.session.query(QueuedCommand).order_by(QueuedCommand.id).first()
        assert capped is not None
        assert (capped.state, capped.delivery_count) == (CommandState.FAILED, MAX_DELIVERIES)


def test_not_now_is_an_answer_and_does_not_count_towards_the_limit(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    enqueue_for(runtime, [row.id], SecurityInfo())
    first = send_status(runtime, row)
    assert first is not None
    for _ in range(2 * MAX_DELIVERIES):
        assert send_status(runtime, row, "NotNow", first[1]) is None
        assert send_status(runtime, row) == first


READABLE = _build_answer(b"<array><string>a</string><integer>1</integer></array>", "{uuid}", "{udid}")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(READABLE)), st.integers(0, 8), st.binary(max_size=8)), min_size=1, max_size=6))
def test_a_mutated_answer_is_read_or_names_its_sender(changes: list[tuple[int, int, bytes]]) -> None:
    """Any mutation of an answer ends in a message of the connect loop, never in an exception."""
    for binary in (False, True):
        data = plistlib.dumps(plistlib.loads(READABLE), fmt=plistlib.FMT_BINARY) if binary else READABLE
        for position, removed, inserted in changes:
            data = data[:position] + inserted + data[position + removed :]
        request: ChannelRequest | None
        try:
            request = ChannelRequest(parse_connect(plist.loads_leniently(data)), "fingerprint", data)
        except (BadPlist, BadMessage):
            request = build_unreadable_request(data, "fingerprint")
        assert request is None or request.fingerprint == "fingerprint"


@given(st.binary(max_size=300))
def test_any_binary_plist_is_read_or_raises_bad_plist(data: bytes) -> None:
    good = plistlib.dumps({"a": [1, 2.5, "x", b"y", {"b": True}]}, fmt=plistlib.FMT_BINARY)
    for candidate in (b"bplist00" + data, good[: len(good) // 2] + data + good[len(good) // 2 :], good[:-32] + data[:32]):
        try:
            assert isinstance(plist.loads_leniently(candidate), dict)
        except BadPlist:
            continue
