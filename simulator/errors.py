"""What can go wrong on a simulated tablet. Answers to commands that fail are no exceptions of the tablet: see `commands.base`."""

from __future__ import annotations


class SimulatorError(Exception):
    """Anything that stops a simulated tablet from doing what it was about to do."""


class Disconnected(SimulatorError):
    """The connection could not be opened, was closed early, or spoke no HTTP."""


class UnexpectedResponse(SimulatorError):
    """The server answered with another status than the one a tablet needs to go on."""

    def __init__(self, what: str, status: int, body: bytes = b"") -> None:
        self.what = what
        self.status = status
        self.body = body
        super().__init__(f"{what}: HTTP {status} {body[:200]!r}")


class InvalidProfile(SimulatorError):
    """What was served as a profile is none, or one that an iPad would refuse."""


class InvalidSignedData(SimulatorError):
    """A CMS message does not parse or its signature does not verify."""


class ScepFailed(SimulatorError):
    """The SCEP server refused, or its answer is wrong. `fail_info` is RFC 8894's number when there was one."""

    def __init__(self, words: str, fail_info: int | None = None) -> None:
        self.fail_info = fail_info
        super().__init__(words if fail_info is None else f"{words} (failInfo {fail_info})")


class AcmeFailed(SimulatorError):
    """The ACME server refused, or its answer is wrong."""


class TabletNotEnrolled(SimulatorError):
    """The tablet has no MDM profile, so there is nobody to talk to."""
