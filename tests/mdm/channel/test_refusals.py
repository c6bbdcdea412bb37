"""What the device channel refuses, and that it never says 401 or 410: a tablet is not unenrolled by accident."""

from __future__ import annotations

import contextlib
import itertools
import plistlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from mdm.protocol import plist
from mdm.protocol.cms import verify_detached
from mdm.protocol.errors import BadPlist, BadSignature
from mdm.queue.rules import new_nonce, parse_uuid, uuid_of
from tests.conftest import KEYRING
from tests.support.server import LiveServer, live_server

IDLE = plistlib.dumps({"UDID": "00008101-000000000000001E", "Status": "Idle"})
BOMB = b'<!DOCTYPE a [<!ENTITY b "c">]><plist version="1.0"><dict><key>Status</key><string>&b;</string></dict></plist>'


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


HEADERS = [{}, {"Mdm-Signature": "AAAA"}, {"Mdm-Signature": "not base64"}, {"Client-Cert": ":AAAA:"}]
BODIES = [IDLE, b"", b"garbage", BOMB, b"bplist00" + bytes(40)]


def test_without_a_proven_identity_nothing_is_said(server: LiveServer) -> None:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(verify=trust) as client:
        for headers, body, method in itertools.product(HEADERS, BODIES, ("PUT", "POST")):
            answer = client.request(method, f"{server.url}/mdm", content=body, headers=headers)
            assert (answer.status_code, answer.content) == (400, b"")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_plist_or_a_refusal(data: bytes) -> None:
    for start in (b"", b"bplist00", b"<plist><dict>"):
        with contextlib.suppress(BadPlist):
            assert isinstance(plist.loads(start + data), dict)


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_any_bytes_are_refused_as_a_signature(header: bytes, body: bytes) -> None:
    with pytest.raises(BadSignature):
        verify_detached(header, body)


def test_deep_and_entity_bombed_plists_are_refused() -> None:
    for data in (BOMB, b"<plist><dict><key>a</key>" + b"<array>" * 100_000):
        with pytest.raises(BadPlist):
            plist.loads(data)


@given(st.integers(1, 2**40))
def test_a_command_uuid_names_its_row(number: int) -> None:
    nonce = new_nonce()
    assert parse_uuid(uuid_of(nonce, number)) == (nonce, number)
    assert parse_uuid("00000000-0000-0000-0000-000000000000") is None
