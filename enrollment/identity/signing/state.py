"""Where the private key of the issuing CA is, and whether it can be used. Changes nothing."""

from __future__ import annotations

from enum import StrEnum

from cartable.certificates import read_certificate
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.signing.port import SignerUnavailable
from enrollment.identity.signing.remote import RemoteSigner


class SignerState(StrEnum):
    """NONE: no signer is configured. NOT_MOVED: one is, and the database still has the key."""

    NONE = "none"
    NOT_MOVED = "not_moved"
    ANSWERING = "answering"
    AWAY = "away"


def load_remote_signer(work: UnitOfWork) -> RemoteSigner | None:
    """Return the signer's process when it has the key of the issuing CA, else None."""
    row = IdentityRepository(work.session).get_issuing_authority()
    if row is None or row.private_key is not None:
        return None
    return RemoteSigner(read_certificate(row.certificate), work.settings.signer_socket)


def find_signer_state(work: UnitOfWork) -> SignerState:
    """Return the state of the signer, after asking it when it has the key."""
    signer = load_remote_signer(work)
    if signer is None:
        return SignerState.NONE if work.settings.signer_socket is None else SignerState.NOT_MOVED
    try:
        signer.check()
    except SignerUnavailable:
        return SignerState.AWAY
    return SignerState.ANSWERING
