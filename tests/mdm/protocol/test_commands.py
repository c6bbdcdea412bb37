"""Every command: arguments are stored and restored, the payload is a plist, bad responses are refused."""

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

_NAMES = sorted(COMMANDS)
#: Removed from iPadOS by 27: their successors are declarations (docs/domain/commands.md#removed-commands).
_REMOVED = {"ScheduleOSUpdate", "AvailableOSUpdates", "OSUpdateStatus", "ScheduleOSUpdateScan"}


def _sample_value(hint: Any) -> Any:
    text = str(hint)
    for argument, value in (
        ("bytes", b"\x00\xff"),
        ("bool", True),
        ("int", 7),
        ("tuple", ("a.b",)),
        ("dict", {"a": 1}),
        ("str", "text"),
    ):
        if argument in text:
            return value
    return "text"


def _create_full_command(command_type: type[Command]) -> Command:
    """Return the command with every argument that it may have, one of each exclusive group."""
    hints = get_type_hints(command_type)
    values: dict[str, Any] = {}
    for argument in dataclasses.fields(command_type):
        values[argument.name] = _sample_value(hints[argument.name])
    try:
        return command_type(**values)
    except BadArguments:
        pass
    for name in [argument.name for argument in dataclasses.fields(command_type)]:  # exactly one of several: try each alone
        required = {p.name: values[p.name] for p in dataclasses.fields(command_type) if p.metadata.get("required")}
        try:
            return command_type(**{**required, name: values[name]})
        except (BadArguments, TypeError):
            continue
    return command_type()


@pytest.mark.parametrize("name", _NAMES)
def test_arguments_survive_storage_and_payload_is_a_plist(name: str) -> None:
    command = _create_full_command(COMMANDS[name])
    restored = build_command(name, command.to_args())
    assert restored == command
    payload = plistlib.loads(plistlib.dumps({"Command": command.build_payload()}))["Command"]
    assert payload["RequestType"] == name


@pytest.mark.parametrize("name", _NAMES)
def test_unknown_arguments_are_refused(name: str) -> None:
    with pytest.raises(BadArguments):
        COMMANDS[name].from_args({"no_such_argument": 1})


_JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sampled_from(_NAMES),
    st.dictionaries(
        st.sampled_from(["QueryResponses", "ProfileList", "SecurityInfo", "InstalledApplicationList", "Latitude", "x"]),
        _JSON_LIKE,
    ),
)
def test_parse_response_raises_only_protocol_errors(name: str, body: dict[str, Any]) -> None:
    command = _create_full_command(COMMANDS[name])
    try:
        command.parse_response(body)
    except (BadMessage, ProtocolError):
        return


def test_commands_removed_by_apple_are_absent_and_needed_ones_present() -> None:
    assert not _REMOVED & set(COMMANDS)
    assert {
        "DeviceInformation", "SecurityInfo", "ProfileList", "CertificateList", "InstalledApplicationList", "ManagedApplicationList",
        "InstallProfile", "RemoveProfile", "InstallApplication", "RemoveApplication", "DeviceLock", "ClearPasscode", "EraseDevice",
        "EnableLostMode", "DisableLostMode", "DeviceLocation", "PlayLostModeSound", "RestartDevice", "ShutDownDevice", "Settings",
        "DeviceConfigured", "DeclarativeManagement",
    } <= set(COMMANDS)  # fmt: skip


@pytest.mark.parametrize("name", _NAMES)
def test_each_command_declares_its_attributes(name: str) -> None:
    command_type = COMMANDS[name]
    assert command_type.request_type == name
    assert command_type.timeout.total_seconds() > 0
    assert command_type.__doc__
    if command_type.flushes_queue:
        assert command_type.destructive
