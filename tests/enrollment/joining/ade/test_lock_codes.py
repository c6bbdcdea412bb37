"""Bypass codes of activation lock against two published vectors."""

from __future__ import annotations

import pytest

from enrollment.joining.ade.lock_codes import derive_escrow_key, format_bypass_code, generate_bypass_key


@pytest.mark.parametrize(
    ("raw", "code", "key"),
    [
        ("00" * 16, "00000-00000-0000-0000-0000-0000", "deab860d28deb5b7121d6d8fcf0f78e1471756d1b2c566c03277c23ea8930b4f"),
        (
            "1ea841db5edfafe6075b5ae0d845d254",
            "3UM43-PUYVY-QYD1-UVCC-HEHJ-FKA4",
            "6ab40d5eabe7218ec04182f461005600c7e3426bddd82cdb405bde9a1e0014b5",
        ),
    ],
)
def test_a_code_and_its_hash(raw: str, code: str, key: str) -> None:
    assert (format_bypass_code(bytes.fromhex(raw)), derive_escrow_key(bytes.fromhex(raw))) == (code, key)


def test_codes_are_random_and_without_similar_characters() -> None:
    made = {format_bypass_code(generate_bypass_key()) for _ in range(200)}
    assert len(made) == 200
    assert all(len(code) == 31 and not set(code) & set("BIOS") for code in made)
