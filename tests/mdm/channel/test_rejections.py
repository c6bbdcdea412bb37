"""What the device channel rejects, and that it never answers 401 or 410, which would unenroll a tablet by accident."""

from __future__ import annotations

import contextlib
import itertools
import plistlib
import ssl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm.protocol import plist
from mdm.protocol.cms import verify_detached
from mdm.protocol.errors import BadPlist, BadSignature
from mdm.queue.rules import build_command_uuid, create_nonce, parse_command_uuid
from tests.support.server import LiveServer

IDLE = plistlib.dumps({"UDID": "00008101-000000000000001E", "Status": "Idle"})
BOMB = b'<!DOCTYPE a [<!ENTITY b "c">]><plist version="1.0"><dict><key>Status</key><string>&b;</string></dict></plist>'


HEADERS = [{}, {"Mdm-Signature": "AAAA"}, {"Mdm-Signature": "not base64"}, {"Client-Cert": ":AAAA:"}]
BODIES = [IDLE, b"", b"garbage", BOMB, b"bplist00" + bytes(40)]


def test_without_verified_identity_the_response_is_an_empty_400(server: LiveServer) -> None:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(verify=trust) as client:
        for headers, body, method in itertools.product(HEADERS, BODIES, ("PUT", "POST")):
            response = client.request(method, f"{server.url}/mdm", content=body, headers=headers)
            assert (response.status_code, response.content) == (400, b"")


@given(st.binary(max_size=400))
def test_any_bytes_are_parsed_or_raise_bad_plist(data: bytes) -> None:
    for start in (b"", b"bplist00", b"<plist><dict>"):
        with contextlib.suppress(BadPlist):
            assert isinstance(plist.loads(start + data), dict)


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_any_bytes_are_rejected_as_a_signature(header: bytes, body: bytes) -> None:
    with pytest.raises(BadSignature):
        verify_detached(header, body)


def test_deep_plists_and_entity_bombs_are_rejected() -> None:
    for data in (BOMB, b"<plist><dict><key>a</key>" + b"<array>" * 100_000):
        with pytest.raises(BadPlist):
            plist.loads(data)


@given(st.integers(1, 2**40))
def test_a_command_uuid_contains_nonce_and_id(number: int) -> None:
    nonce = create_nonce()
    assert parse_command_uuid(build_command_uuid(nonce, number)) == (nonce, number)
    assert parse_command_uuid("00000000-0000-0000-0000-000000000000") is None
