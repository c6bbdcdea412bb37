"""Every command: its arguments survive storage, its payload is a plist, nothing secret is audited, garbage never reads."""

from __future__ import annotations

import dataclasses
import plistlib
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdm.protocol.commands.base import BadArguments, Command
from mdm.protocol.commands.registry import COMMANDS, build_command
from mdm.protocol.errors import BadMessage, ProtocolError

_SECRET = b"a secret that must never be audited"
_NAMES = sorted(COMMANDS)
#: Removed from iPadOS by 27: their successors are declarations (commands.md).
_REMOVED = {"ScheduleOSUpdate", "AvailableOSUpdates", "OSUpdateStatus", "ScheduleOSUpdateScan"}


def _value(hint: Any) -> Any:
    text = str(hint)
    for part, value in (("bytes", _SECRET), ("bool", True), ("int", 7), ("tuple", ("a.b",)), ("dict", {"a": 1}), ("str", "text")):
        if part in text:
            return value
    return "text"


def _full(kind: type[Command]) -> Command:
    """The command with every argument that it may have, one of each exclusive group."""
    hints = get_type_hints(kind)
    given_values: dict[str, Any] = {}
    for part in dataclasses.fields(kind):
        given_values[part.name] = _value(hints[part.name])
    try:
        return kind(**given_values)
    except BadArguments:
        pass
    for name in [part.name for part in dataclasses.fields(kind)]:  # exactly one of several: try each alone
        required = {p.name: given_values[p.name] for p in dataclasses.fields(kind) if p.metadata.get("required")}
        try:
            return kind(**{**required, name: given_values[name]})
        except (BadArguments, TypeError):
            continue
    return kind()


@pytest.mark.parametrize("name", _NAMES)
def test_arguments_survive_storage_and_make_a_plist(name: str) -> None:
    order = _full(COMMANDS[name])
    again = build_command(name, order.to_args())
    assert again == order
    payload = plistlib.loads(plistlib.dumps({"Command": order.build_payload()}))["Command"]
    assert payload["RequestType"] == name


@pytest.mark.parametrize("name", _NAMES)
def test_the_audit_holds_no_bytes_and_no_unaudited_argument(name: str) -> None:
    order = _full(COMMANDS[name])
    audited = {part.name for part in dataclasses.fields(order) if part.metadata.get("audited")}
    assert set(order.to_audited_args()) <= audited
    assert "b64" not in str(order.to_audited_args())


@pytest.mark.parametrize("name", _NAMES)
def test_unknown_arguments_are_refused(name: str) -> None:
    with pytest.raises(BadArguments):
        COMMANDS[name].from_args({"no_such_argument": 1})


_JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sampled_from(_NAMES),
    st.dictionaries(
        st.sampled_from(["QueryResponses", "ProfileList", "SecurityInfo", "InstalledApplicationList", "Latitude", "x"]), _JSONISH
    ),
)
def test_no_answer_whatever_it_holds_breaks_the_reader(name: str, body: dict[str, Any]) -> None:
    order = _full(COMMANDS[name])
    try:
        order.parse_response(body)
    except (BadMessage, ProtocolError):
        return


def test_removed_commands_are_not_offered_and_the_needed_ones_are() -> None:
    assert not _REMOVED & set(COMMANDS)
    assert {
        "DeviceInformation", "SecurityInfo", "ProfileList", "CertificateList", "InstalledApplicationList", "ManagedApplicationList",
        "InstallProfile", "RemoveProfile", "InstallApplication", "RemoveApplication", "DeviceLock", "ClearPasscode", "EraseDevice",
        "EnableLostMode", "DisableLostMode", "DeviceLocation", "PlayLostModeSound", "RestartDevice", "ShutDownDevice", "Settings",
        "DeviceConfigured", "DeclarativeManagement",
    } <= set(COMMANDS)  # fmt: skip


@pytest.mark.parametrize("name", _NAMES)
def test_each_declares_its_nature(name: str) -> None:
    kind = COMMANDS[name]
    assert kind.request_type == name
    assert kind.timeout.total_seconds() > 0
    assert kind.__doc__
    if kind.flushes_queue:
        assert kind.destructive
