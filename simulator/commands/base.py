"""What every command needs: the received command, errors with their ErrorChain, and the registry by RequestType."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Protocol, TypeAlias

from simulator.device import DeviceState
from simulator.profile import ConfigurationProfile

ResultBody: TypeAlias = dict[str, Any]


class ResultStatus(StrEnum):
    """The Status of a command result."""

    IDLE = "Idle"
    ACKNOWLEDGED = "Acknowledged"
    ERROR = "Error"
    FORMAT_ERROR = "CommandFormatError"
    NOT_NOW = "NotNow"


class AccessRight(IntEnum):
    """The AccessRights bits of the MDM payload."""

    INSPECT_PROFILES = 1
    INSTALL_PROFILES = 2
    LOCK = 4
    ERASE = 8
    INFORMATION = 16
    NETWORK = 32
    INSPECT_PROVISIONING = 64
    INSTALL_PROVISIONING = 128
    APPS = 256
    RESTRICTIONS = 512
    SECURITY = 1024
    SETTINGS = 2048
    MANAGE_APPS = 4096


class ErrorCode(IntEnum):
    """Error codes of an ErrorChain, as Apple once published them; where none fits, that of an internal inconsistency."""

    MALFORMED_PROFILE = 1000
    INSTALLATION_FAILED = 4001
    UNKNOWN_COMMAND = 12021
    NOT_PERMITTED = 12007
    NOT_SUPERVISED = 12019
    NOT_LOST = 12067
    NO_SUCH_PROFILE = 12075
    NO_SUCH_APP = 12029
    WRONG_STATE = 12010


class CommandFailed(Exception):
    """The command fails: the result has Status Error. The outermost error of `error_chain` is first."""

    def __init__(self, *chain: dict[str, Any]) -> None:
        self.error_chain = list(chain)
        super().__init__(chain[-1]["USEnglishDescription"])


class CommandMalformed(Exception):
    """The command is malformed: the result has Status CommandFormatError."""


class CommandNetwork(Protocol):
    """The network access that a command may need."""

    async def fetch(self, url: str) -> bytes:
        """Return what is at an https URL. Raises `SimulatorError`."""
        ...

    async def obtain_identity(self, profile: ConfigurationProfile) -> None:
        """Obtain the identity that an updated MDM profile names. Raises `SimulatorError`."""
        ...


@dataclass(frozen=True)
class ReceivedCommand:
    """A command that the tablet received. `arguments` are the keys of its Command dictionary."""

    device: DeviceState
    arguments: dict[str, Any]
    network: CommandNetwork

    def require_argument(self, key: str, kind: type) -> Any:
        """Return a required argument of a type. Raises `CommandMalformed`."""
        value = self.arguments.get(key)
        if not isinstance(value, kind):
            raise CommandMalformed(f"{key} must be {kind.__name__}")
        return value


CommandFunction: TypeAlias = Callable[[ReceivedCommand], ResultBody | Awaitable[ResultBody]]


@dataclass(frozen=True)
class CommandRule:
    """The function of a command, and what the tablet must be and allow before it executes the command."""

    execute: CommandFunction
    right: int = 0
    supervised: bool = False
    shared_only: bool = False
    minimum_os: int = 0
    removed_in_os: int = 99


COMMANDS: dict[str, CommandRule] = {}


def answers_command(
    request_type: str,
    *,
    right: int = 0,
    supervised: bool = False,
    shared_only: bool = False,
    minimum_os: int = 0,
    removed_in_os: int = 99,
) -> Callable[[CommandFunction], CommandFunction]:
    """Register the decorated function as the one that executes a command.

    `minimum_os` and `removed_in_os` are major versions of the system.
    """

    def register(answer: CommandFunction) -> CommandFunction:
        COMMANDS[request_type] = CommandRule(answer, right, supervised, shared_only, minimum_os, removed_in_os)
        return answer

    return register


def build_error(code: int, words: str, domain: str = "MCMDMErrorDomain") -> dict[str, Any]:
    """Build one member of an ErrorChain."""
    return {"ErrorCode": int(code), "ErrorDomain": domain, "LocalizedDescription": words, "USEnglishDescription": words}


def profile_installation_failed(words: str, identifier: str = "") -> CommandFailed:
    """Return the error of an InstallProfile that failed, with the two members that its ErrorChain has."""
    outer = f"Profile {identifier or 'unknown'} could not be installed."
    return CommandFailed(
        build_error(ErrorCode.INSTALLATION_FAILED, outer, "MCInstallationErrorDomain"),
        build_error(ErrorCode.MALFORMED_PROFILE, words, "MCProfileErrorDomain"),
    )
