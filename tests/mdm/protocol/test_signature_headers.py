"""`Mdm-Signature` as clients spell it: alphabets of base64, spaces, padding, and where the algorithm is named."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable
from textwrap import wrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm.protocol import cms
from mdm.protocol.cms import verify_detached
from mdm.protocol.errors import BadSignature
from simulator.signature import SignatureShape
from tests.mdm.protocol.test_flat_readers import BODY, build_signature, get_identity

_SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "standard": base64.b64encode,
    "URL-safe": base64.urlsafe_b64encode,
    "without padding": lambda der: base64.b64encode(der).rstrip(b"="),
    "URL-safe without padding": lambda der: base64.urlsafe_b64encode(der).rstrip(b"="),
    "wrapped with spaces": lambda der: " ".join(wrap(base64.b64encode(der).decode(), 64)).encode(),
    "wrapped with tabs": lambda der: "\t".join(wrap(base64.b64encode(der).decode(), 76)).encode(),
}


@pytest.mark.parametrize("spelling", list(_SPELLINGS))
@pytest.mark.parametrize("shape", SignatureShape)
def test_every_spelling_of_base64_is_read(shape: SignatureShape, spelling: str) -> None:
    header = _SPELLINGS[spelling](build_signature(shape))
    assert verify_detached(header, BODY).certificate_der == get_identity(elliptic=False).certificate_der
    with pytest.raises(BadSignature):
        verify_detached(header, BODY + b" ")


def test_the_algorithm_of_the_signature_may_stand_for_that_of_the_digest() -> None:
    digest, signature = bytes.fromhex("0609608648016503040201"), bytes.fromhex("06092a864886f70d01010b")
    header = base64.b64encode(build_signature(SignatureShape.BER_SHA256).replace(digest, signature))
    assert verify_detached(header, BODY).certificate_der == get_identity(elliptic=False).certificate_der


@given(st.binary(max_size=80).map(base64.b64encode) | st.text("AQgw+/-_= \t\n", max_size=40).map(str.encode))
def test_standard_base64_is_read_fast_as_any_other_spelling(header: bytes) -> None:
    with contextlib.suppress(binascii.Error):
        fast = binascii.a2b_base64(header, strict_mode=True)
        assert fast == cms._decode_any_spelling(header)
        assert fast == cms._decode_header(header)
