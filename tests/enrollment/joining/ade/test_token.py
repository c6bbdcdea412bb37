"""Token files as the portal makes them, sealed by other programs than ours, and all that is none."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from enrollment.joining.ade import token
from enrollment.joining.ade.errors import InvalidServerToken
from enrollment.joining.ade.testserver import Portal, build_token_message

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
TOLD = {
    "consumer_key": "CK_1", "consumer_secret": "CS_1", "access_token": "AT_1", "access_secret": "AS_1",
    "access_token_expiry": "2027-09-01T10:00:00Z",
}  # fmt: skip
KEY, CERTIFICATE = token.create_key_pair("Cartable test", NOW)


def sealed(folder: Path, plain: bytes, cipher: str = "-aes256", certificate: str = CERTIFICATE, form: str = "SMIME") -> bytes:
    """What openssl makes of it."""
    (folder / "c.pem").write_text(certificate)
    (folder / "plain").write_bytes(plain)
    asked = [
        "openssl",
        "smime",
        "-encrypt",
        "-binary",
        cipher,
        "-in",
        str(folder / "plain"),
        "-outform",
        form,
        str(folder / "c.pem"),
    ]
    return subprocess.run(asked, check=True, capture_output=True).stdout


@pytest.mark.parametrize("cipher", ["-des3", "-aes128", "-aes192", "-aes256"])
def test_a_file_is_read_with_every_cipher_of_the_portal(tmp_path: Path, cipher: str) -> None:
    secrets_read = token.read_token(sealed(tmp_path, build_token_message(json.dumps(TOLD)), cipher), KEY, CERTIFICATE)
    assert (secrets_read.secrets.consumer_key, secrets_read.secrets.access_secret) == ("CK_1", "AS_1")
    assert secrets_read.expires_at == datetime(2027, 9, 1, 10, 0, tzinfo=UTC)


def test_a_file_of_another_library_and_bare_forms_are_read(tmp_path: Path) -> None:
    portal = Portal(now=NOW.timestamp)
    assert token.read_token(portal.build_token_file(CERTIFICATE), KEY, CERTIFICATE).secrets.consumer_key == portal.consumer_key
    der = sealed(tmp_path, build_token_message(json.dumps(TOLD)), form="DER")
    unix = sealed(tmp_path, build_token_message(json.dumps(TOLD))).replace(b"\r\n", b"\n")
    dos = unix.replace(b"\n", b"\r\n")
    for form in (der, base64.encodebytes(der), unix, dos, b"\n\n" + unix):
        assert token.read_token(form, KEY, CERTIFICATE).secrets.access_token == "AT_1"


def test_the_inner_text_may_be_encoded_too(tmp_path: Path) -> None:
    message = f"-----BEGIN MESSAGE-----\n{json.dumps(TOLD)}\n-----END MESSAGE-----\n".encode()
    mime = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(message)
    assert token.read_token(sealed(tmp_path, mime), KEY, CERTIFICATE).secrets.consumer_key == "CK_1"


def read_reason(file: bytes) -> str:
    with pytest.raises(InvalidServerToken) as refusal:
        token.read_token(file, KEY, CERTIFICATE)
    return str(refusal.value.details["why"])


def test_a_file_that_is_no_token_is_refused_with_the_reason(tmp_path: Path) -> None:
    good = sealed(tmp_path, build_token_message(json.dumps(TOLD)))
    _, other = token.create_key_pair("Cartable test", NOW)
    assert read_reason(b"") == "not_smime"
    assert read_reason(b"MIME-Version: 1.0\nContent-Type: text/plain\n\nhello, no base64!") == "not_smime"
    assert read_reason(b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\n--a--\n") == "not_smime"
    assert read_reason(b"x" * (token.MAX_FILE + 1)) == "too_large"
    assert read_reason(good[: len(good) // 2]) in ("not_smime", "not_for_this_key")
    assert read_reason(sealed(tmp_path, build_token_message(json.dumps(TOLD)), certificate=other)) == "not_for_this_key"
    assert read_reason(base64.encodebytes(b"\x30\x03\x02\x01\x05")) == "not_for_this_key"
    assert read_reason(sealed(tmp_path, b"Content-Type: text/plain\r\n\r\nhello")) == "no_message"
    assert read_reason(sealed(tmp_path, b"-----BEGIN MESSAGE-----\n{}\n")) == "no_message"


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[]",
        '"text"',
        "{}",
        json.dumps({**TOLD, "consumer_key": 7}),
        json.dumps({**TOLD, "access_secret": ""}),
        json.dumps({**TOLD, "access_secret": "é"}),
        json.dumps({**TOLD, "access_token": "x" * 600}),
        json.dumps({**TOLD, "access_token_expiry": "soon"}),
        json.dumps({**TOLD, "access_token_expiry": "2027-09-01T10:00:00"}),
        "[" * 20_000,
    ],
)
def test_a_message_of_another_shape_is_refused(tmp_path: Path, message: str) -> None:
    assert read_reason(sealed(tmp_path, build_token_message(message))) == "wrong_shape"


def test_damaged_files_are_refused_and_nothing_else_escapes(tmp_path: Path) -> None:
    good, chance = sealed(tmp_path, build_token_message(json.dumps(TOLD)), form="DER"), random.Random(3)
    for _ in range(200):
        damaged = bytearray(good)
        for _ in range(chance.randint(1, 5)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            token.read_token(bytes(damaged[: chance.randint(1, len(damaged))]), KEY, CERTIFICATE)
        except InvalidServerToken:
            continue
