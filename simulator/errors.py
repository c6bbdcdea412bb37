"""Errors of a simulated tablet. A command that fails on the tablet raises `CommandFailed` of `commands.base` instead."""

from __future__ import annotations


class SimulatorError(Exception):
    """Base of all errors that stop a simulated tablet from what it was doing."""


class Disconnected(SimulatorError):
    """The connection could not be opened, was closed early, or is not HTTP."""


class UnexpectedResponse(SimulatorError):
    """The server's response is not the one that a tablet needs to continue."""

    def __init__(self, what: str, status: int, body: bytes = b"") -> None:
        self.what = what
        self.status = status
        self.body = body
        super().__init__(f"{what}: HTTP {status} {body[:200]!r}")


class InvalidProfile(SimulatorError):
    """The profile is malformed, or an iPad would refuse it."""


class InvalidSignedData(SimulatorError):
    """A CMS message does not parse or its signature does not verify."""


class ScepFailed(SimulatorError):
    """The SCEP server refused, or its response is wrong. `fail_info` is the failInfo number of RFC 8894, if there was one."""

    def __init__(self, words: str, fail_info: int | None = None) -> None:
        self.fail_info = fail_info
        super().__init__(words if fail_info is None else f"{words} (failInfo {fail_info})")


class AcmeFailed(SimulatorError):
    """The ACME server refused, or its response is wrong."""


class ResolverAway(SimulatorError):
    """The encrypted DNS resolver that the tablet must ask does not answer, or refuses to."""


class ShortcutClosed(SimulatorError):
    """A person touches a web shortcut, and the rules on the tablet keep it closed."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"{url}: {reason}")


class SimulatedTabletNotEnrolled(SimulatorError):
    """The tablet has no MDM profile, so it has no server to connect to."""
