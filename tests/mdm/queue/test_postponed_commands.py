"""What a tablet puts off with NotNow: all of it is offered in the next conversation, and nothing twice in one."""

from __future__ import annotations

from cartable.unit_of_work import Runtime
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.queries import CertificateList, DeviceInformation, ProfileList, SecurityInfo
from tests.mdm.queue.connect_loop import enqueue_for, enroll_tablets, send_status

COMMANDS = ["DeviceInformation", "SecurityInfo", "CertificateList"]


def _hold_conversation(runtime: Runtime, enrollment: DeviceEnrollment, answers: dict[str, str]) -> list[str]:
    """Answer each delivered command until none is left. Returns their types."""
    types: list[str] = []
    command = send_status(runtime, enrollment)
    while command is not None:
        assert len(types) < 20, "a conversation ends"
        types.append(command[0])
        command = send_status(runtime, enrollment, answers.get(command[0], "NotNow"), command[1])
    return types


def test_a_tablet_that_is_unlocked_does_all_that_it_put_off_in_one_conversation(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        enrollment, other = enroll_tablets(work, 2)
    enqueue_for(runtime, [enrollment.id], DeviceInformation(queries=("OSVersion",)), SecurityInfo(), CertificateList())
    enqueue_for(runtime, [other.id], SecurityInfo(), CertificateList())
    for _ in range(2):
        assert _hold_conversation(runtime, enrollment, {}) == COMMANDS, "each once"
    assert _hold_conversation(runtime, other, {}) == COMMANDS[1:]
    enqueue_for(runtime, [enrollment.id], ProfileList())
    answers = dict.fromkeys(["ProfileList", "DeviceInformation", "CertificateList"], "Acknowledged")
    assert _hold_conversation(runtime, enrollment, answers) == [*COMMANDS, "ProfileList"]
    assert _hold_conversation(runtime, enrollment, {"SecurityInfo": "Acknowledged"}) == ["SecurityInfo"]
    assert _hold_conversation(runtime, enrollment, {}) == []
    assert _hold_conversation(runtime, other, dict.fromkeys(COMMANDS, "Acknowledged")) == COMMANDS[1:]
