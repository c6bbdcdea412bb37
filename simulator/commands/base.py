"""What every answer needs: the request, the refusals with their ErrorChain, and the table of answers by RequestType."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Protocol, TypeAlias

from simulator.device import DeviceState
from simulator.profile import ConfigurationProfile

ResultBody: TypeAlias = dict[str, Any]


class CommandStatus(StrEnum):
    """The words of protocol.md section 8.1."""

    IDLE = "Idle"
    ACKNOWLEDGED = "Acknowledged"
    ERROR = "Error"
    FORMAT_ERROR = "CommandFormatError"
    NOT_NOW = "NotNow"


class AccessRight(IntEnum):
    """Access rights (protocol.md section 4.1)."""

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
    """Error codes. Only 12021 and 4001 were seen on genuine devices; the others are plausible, not a contract."""

    MALFORMED_PROFILE = 1000
    INSTALLATION_FAILED = 4001
    UNKNOWN_COMMAND = 12021
    NOT_PERMITTED = 12005
    NOT_SUPERVISED = 12019
    NOT_LOST = 12067
    NO_SUCH_PROFILE = 12075
    NO_SUCH_APP = 12026
    WRONG_STATE = 12064


class CommandFailed(Exception):
    """An answer with Status Error. `chain` is outermost first (protocol.md section 8.1)."""

    def __init__(self, *chain: dict[str, Any]) -> None:
        self.error_chain = list(chain)
        super().__init__(chain[-1]["USEnglishDescription"])


class CommandMalformed(Exception):
    """An answer with Status CommandFormatError."""


class CommandNetwork(Protocol):
    """What a command may need of the network."""

    async def fetch(self, url: str) -> bytes:
        """What is at an https address. Raises `SimulatorError`."""
        ...

    async def obtain_identity(self, profile: ConfigurationProfile) -> None:
        """Enrol anew by the SCEP payload of an updated MDM profile. Raises `SimulatorError`."""
        ...


@dataclass(frozen=True)
class ReceivedCommand:
    """One command as it arrived: `arguments` are the keys of the Command dictionary."""

    device: DeviceState
    arguments: dict[str, Any]
    network: CommandNetwork

    def require_argument(self, key: str, kind: type) -> Any:
        """A required argument of that type. Raises `Malformed`."""
        value = self.arguments.get(key)
        if not isinstance(value, kind):
            raise CommandMalformed(f"{key} must be {kind.__name__}")
        return value


CommandFunction: TypeAlias = Callable[[ReceivedCommand], ResultBody | Awaitable[ResultBody]]


@dataclass(frozen=True)
class CommandRule:
    """One row of the table: the answer and what must hold before it is asked."""

    execute: CommandFunction
    right: int = 0
    supervised: bool = False
    shared_only: bool = False
    minimum_os: int = 0
    removed_in_os: int = 99


COMMANDS: dict[str, CommandRule] = {}


def command(
    request_type: str,
    *,
    right: int = 0,
    supervised: bool = False,
    shared_only: bool = False,
    minimum_os: int = 0,
    removed_in_os: int = 99,
) -> Callable[[CommandFunction], CommandFunction]:
    """Enter a function into the table. `minimum` and `removed_in` are major versions of the system."""

    def enter(answer: CommandFunction) -> CommandFunction:
        COMMANDS[request_type] = CommandRule(answer, right, supervised, shared_only, minimum_os, removed_in_os)
        return answer

    return enter


def build_error(code: int, words: str, domain: str = "MCMDMErrorDomain") -> dict[str, Any]:
    """One member of an ErrorChain."""
    return {"ErrorCode": int(code), "ErrorDomain": domain, "LocalizedDescription": words, "USEnglishDescription": words}


def profile_installation_failed(words: str, identifier: str = "") -> CommandFailed:
    """The two links that a failed InstallProfile has."""
    outer = f"Profile {identifier or 'unknown'} could not be installed."
    return CommandFailed(
        build_error(ErrorCode.INSTALLATION_FAILED, outer, "MCInstallationErrorDomain"),
        build_error(ErrorCode.MALFORMED_PROFILE, words, "MCProfileErrorDomain"),
    )
