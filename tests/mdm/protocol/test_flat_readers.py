"""The fast readers of usual messages read what the general ones read, or decline."""

from __future__ import annotations

import base64
import plistlib
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mdm.protocol import cms, plist
from mdm.protocol.errors import BadSignature
from mdm.protocol.flat_cms import parse_flat_signature
from mdm.protocol.flat_plist import parse_flat_plist
from mdm.protocol.nested_plist import parse_nested_plist
from simulator.identity import Identity
from simulator.signature import SignatureShape, build_mdm_signature
from tests.enrollment.identity.scep.conftest import self_signed
from tests.support.sampling import count_examples

BODY = plistlib.dumps({"UDID": "00008101-000A", "Status": "Acknowledged", "CommandUUID": "0" * 36})
CHECKIN = plistlib.dumps(
    {"MessageType": "TokenUpdate", "UDID": "U", "Token": b"\x00\xff" * 40, "AwaitingConfiguration": False, "Empty": ""},
    sort_keys=False,
)
ANSWER = plistlib.dumps(
    {
        "CommandUUID": "0" * 36, "Status": "Acknowledged", "UDID": "U",
        "QueryResponses": {"DeviceName": "iPad de Chloé", "BatteryLevel": 0.82, "IsSupervised": True, "Empty": {}, "Uptime": -5},
        "List": [{"Name": "a", "Size": 12345678901, "Icon": b"\x00\x01"}, [], ["b", False, [{"C": []}]]],
    },
    sort_keys=False,
)  # fmt: skip


@cache
def get_identity(*, elliptic: bool = False) -> Identity:
    key: Any = (
        ec.generate_private_key(ec.SECP384R1()) if elliptic else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    return self_signed(key)


@cache
def build_signature(shape: SignatureShape, *, elliptic: bool = False) -> bytes:
    return base64.b64decode(build_mdm_signature(get_identity(elliptic=elliptic), BODY, shape, datetime(2026, 11, 23, tzinfo=UTC)))


def read_generally(data: bytes) -> object:
    """Return the parts of a signature as the general reader finds them; None for one that it refuses."""
    try:
        signed = cms._parse_any_signed_data(data)
    except (BadSignature, ValueError, KeyError, IndexError, StopIteration, TypeError):
        return None
    signer = signed.signer
    if signed.content is not None or signer.attributes is not None or signer.is_key_identifier or len(signed.certificates) != 1:
        return None
    return (signed.certificates[0], signer.identifier, signer.digest_oid, signer.algorithm_oid, signer.signature)


@pytest.mark.parametrize("elliptic", [False, True], ids=["RSA", "EC"])
@pytest.mark.parametrize("shape", SignatureShape)
def test_the_signatures_of_ipads_are_read_fast_and_others_declined(shape: SignatureShape, elliptic: bool) -> None:
    data = build_signature(shape, elliptic=elliptic)
    usual = parse_flat_signature(data)
    assert (usual is not None) is (shape in (SignatureShape.IPAD, SignatureShape.BER_SHA256))
    assert usual is None or usual == read_generally(data)
    assert cms.verify_detached(base64.b64encode(data), BODY).fingerprint


@settings(max_examples=count_examples(400))
@given(
    st.sampled_from([False, True]),
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=3),
    st.integers(0, 12),
)
def test_a_damaged_signature_is_declined_or_read_as_the_general_reader_does(
    elliptic: bool, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(build_signature(SignatureShape.IPAD, elliptic=elliptic))
    for position, value in changes:
        data[position % len(data)] = value
    damaged = bytes(data[: len(data) - cut] if cut < 11 else data + b"\0" * (cut - 10))
    usual = parse_flat_signature(damaged)
    assert usual is None or usual == read_generally(damaged)


def test_the_structure_survives_a_change_of_any_byte_of_it() -> None:
    whole = build_signature(SignatureShape.IPAD)
    for position in [*range(60), *range(len(whole) - 330, len(whole))]:
        for value in (0, 0x7F, 0x80, 0x81, 0x82, 0xFF, whole[position] ^ 1):
            damaged = whole[:position] + bytes([value]) + whole[position + 1 :]
            usual = parse_flat_signature(damaged)
            assert usual is None or usual == read_generally(damaged), (position, value)


def test_only_certificates_that_are_kept_are_cached() -> None:
    certificates = cms.SignerCertificateCache(1)
    signer = cms.verify_detached(base64.b64encode(build_signature(SignatureShape.IPAD)), BODY, certificates).signer
    assert certificates.get(signer.der) is None, "who is not trusted fills no cache"
    certificates.keep(signer)
    assert cms.verify_detached(base64.b64encode(build_signature(SignatureShape.IPAD)), BODY, certificates).signer is signer
    certificates.keep(cms.load_signer_certificate(get_identity(elliptic=True).certificate_der))
    assert certificates.get(signer.der) is None, "the oldest goes first"


def read_plist_generally(data: bytes) -> object:
    try:
        return plistlib.loads(data, fmt=plistlib.FMT_XML)
    except Exception:  # noqa: BLE001  (it raises a dozen unrelated types)
        return None


@pytest.mark.parametrize("data", [BODY, CHECKIN], ids=["connect", "check-in"])
def test_usual_messages_are_read_fast(data: bytes) -> None:
    assert parse_flat_plist(data) == read_plist_generally(data)


@pytest.mark.parametrize("message", [{"A": {"B": "C"}}, {"A": 1}, {"A": ["b"]}, {"A": "é"}, {"A": "a&b"}, {"A": "<"}], ids=str)
def test_other_messages_are_declined(message: dict[str, object]) -> None:
    assert parse_flat_plist(plistlib.dumps(message)) is None


def test_usual_answers_are_read_fast() -> None:
    assert parse_flat_plist(ANSWER) is None
    assert parse_nested_plist(ANSWER, 32) == plistlib.loads(ANSWER)


@pytest.mark.parametrize(
    "message",
    [{"A": {"B": "a&b"}}, {"A": [datetime(2026, 11, 27, tzinfo=UTC).replace(tzinfo=None)]}, {"A": {"B": "<"}}, {"A": 2**63}, {"A": [1e300]}],
    ids=str,
)  # fmt: skip
def test_other_answers_are_declined(message: dict[str, object]) -> None:
    assert parse_nested_plist(plistlib.dumps(message), 32) is None


def test_an_answer_nested_too_deeply_is_declined() -> None:
    def nest(levels: int) -> bytes:
        inner = b"<array>" * (levels - 1) + b"</array>" * (levels - 1)
        return b'<plist version="1.0"><dict><key>A</key>' + inner + b"</dict></plist>"

    assert parse_nested_plist(nest(32), 32) == plistlib.loads(nest(32))
    assert parse_nested_plist(nest(33), 32) is None


PIECES = (
    b"<dict>", b"</dict>", b"<key>", b"</key>", b"A", b"UDID", b"<string>", b"</string>", b"<true/>", b"<data>", b"</data>", b"QUI=",
    b"QQ", b" ", b"\n", b'<plist version="1.0">', b"</plist>", b"&amp;", b"<!-- -->", b"<string/>", b"\x00", b"\xc3\xa9", b"<integer>1</integer>",
    b"]]>", b"\xef\xbf\xbf", b"\xed\xa0\x80", b"<array>", b"</array>", b"<array/>", b"<dict/>", b"<real>1.5</real>", b"<integer>0x1</integer>",
)  # fmt: skip


@settings(max_examples=count_examples(400))
@given(
    st.sampled_from([BODY, CHECKIN, ANSWER]),
    st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 12), st.sampled_from(PIECES)), max_size=3),
)
@example(b'<plist version="1.0"><dict><key>A</key><data></data><key>A</key><string></string></dict></plist>', [])
def test_a_changed_message_is_declined_or_read_as_the_general_reader_does(
    message: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    for position, length, piece in changes:
        at = position % len(message)
        message = message[:at] + piece + message[at + length :]
    for read in (parse_flat_plist(message), parse_nested_plist(message, 32)):
        assert read is None or read == read_plist_generally(message)


@given(st.lists(st.tuples(st.sampled_from(["A", "B"]), st.text(" \n\tAb", max_size=4) | st.booleans() | st.binary(max_size=4))))
def test_repeated_keys_and_empty_values_are_read_alike(pairs: list[tuple[str, str | bool | bytes]]) -> None:
    def spell(value: str | bool | bytes) -> str:
        if isinstance(value, bool):
            return f"<{str(value).lower()}/>"
        return f"<data>{base64.b64encode(value).decode()}</data>" if isinstance(value, bytes) else f"<string>{value}</string>"

    content = "".join(f"<key>{key}</key>{spell(value)}" for key, value in pairs)
    data = f'<plist version="1.0"><dict>{content}</dict></plist>'.encode()
    flat = parse_flat_plist(data)
    assert flat is None or flat == read_plist_generally(data)


PLAIN = (
    st.text(max_size=6)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=6)
)


@given(
    st.dictionaries(
        st.text(max_size=3), st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner))
    )
)
def test_any_answer_is_declined_or_read_as_the_general_reader_does(message: dict[str, Any]) -> None:
    try:
        data = plistlib.dumps(message, sort_keys=False)
    except ValueError:  # control characters
        return
    nested = parse_nested_plist(data, 32)
    assert nested is None or nested == plist.loads(data) == read_plist_generally(data)
