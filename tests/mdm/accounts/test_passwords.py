"""Password hashes: their cost, and that a missing password is treated as a wrong one."""

from __future__ import annotations

import pytest

from mdm.accounts.passwords import NO_PASSWORD, hash_password, verify_password
from tests.support.accounts import PASSWORD, SERVER_HASHER


def test_the_server_hashes_at_the_cost_that_owasp_recommends() -> None:
    assert SERVER_HASHER.hash(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("password_hash", [None, NO_PASSWORD, "no hash"])
def test_without_a_hash_no_password_is_right(password_hash: str | None) -> None:
    assert verify_password(hash_password(PASSWORD), PASSWORD)
    assert not verify_password(password_hash, PASSWORD)
    assert not verify_password(password_hash, "nobody")
