"""Checks where the private key of the device CA is, and whether the process that has it answers."""

from __future__ import annotations

from collections.abc import Iterator

from cartable.unit_of_work import UnitOfWork
from enrollment.identity.signing.state import SignerState, find_signer_state
from mdm.cli.doctor.diagnosis import Diagnosis, failed, good, warning

_GUIDE = "See docs/operator/signer.md."


def check_signer(work: UnitOfWork) -> Iterator[Diagnosis]:
    """Yield the state of the signer; nothing for an installation that has none."""
    match find_signer_state(work):
        case SignerState.AWAY:
            yield failed("signer", "it does not answer: no tablet can enroll or renew", f"Start `cartable signer`. {_GUIDE}")
        case SignerState.NOT_MOVED:
            yield warning("signer", "the database still has the key of the device CA", f"Run `cartable keys move-ca`. {_GUIDE}")
        case SignerState.ANSWERING:
            yield good("signer", "it answers, with the key of the device CA")
        case SignerState.NONE:
            return
