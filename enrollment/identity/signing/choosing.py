"""Which adapter of `DeviceSigner` uses the key of the issuing CA: where the key is decides, no setting."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cartable.unit_of_work import UnitOfWork
from enrollment.identity.ca import Authority
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.signing.in_process import InProcessSigner
from enrollment.identity.signing.port import DeviceSigner
from enrollment.identity.signing.remote import RemoteSigner


def get_device_signer(work: UnitOfWork, authority: Authority) -> DeviceSigner:
    """Return the signer of an authority: in this process while the database has its key, else the process `cartable signer`."""
    row = IdentityRepository(work.session).get_authority(authority.id)
    if row.private_key is None:
        return RemoteSigner(authority.certificate, work.settings.signer_socket)
    return InProcessSigner(authority.certificate, _load_key(row.private_key), work.settings, work.now)


@lru_cache(maxsize=4)
def _load_key(der: bytes) -> rsa.RSAPrivateKey:
    # Its numbers were checked when it was made or imported, and are sealed since.
    loaded = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise TypeError("the device CA has an RSA key")
    return loaded
