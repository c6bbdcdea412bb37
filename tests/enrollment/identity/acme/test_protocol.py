"""The frame of every request: keys, nonces, addresses, media types, accounts (RFC 8555 sections 6 and 7.3)."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cartable.clock import ManualClock
from simulator import jose
from tests.enrollment.identity.acme.client import Client, curve_key, problem, rsa_key
from tests.enrollment.identity.acme.conftest import Bench

#: It goes over the wire, and its SQL is in repositories. In what two meet, both databases count.
pytestmark = pytest.mark.one_database


def test_what_is_read_without_a_signature(bench: Bench) -> None:
    answer = bench.http.get("/acme/directory")
    assert set(answer.json()) == {"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "meta"}
    assert all(url.startswith(bench.server.url) for name, url in answer.json().items() if name != "meta")
    url = answer.json()["newNonce"]
    for method, status in (("HEAD", 200), ("GET", 204)):
        given = bench.http.request(method, url)
        assert (given.status_code, given.headers["cache-control"]) == (status, "no-store")
        assert given.headers["replay-nonce"]
    for path in ("order/x", "new-order", "nothing"):
        refused = bench.http.get(f"/acme/{path}")
        assert problem(refused) == (405, "malformed")
        assert refused.headers["replay-nonce"]
    assert problem(bench.http.put("/acme/new-order"))[0] == 405


@pytest.mark.parametrize("key", [curve_key(), rsa_key()])
def test_an_account_is_created_once_for_a_key(bench: Bench, key: jose.AcmeKey) -> None:
    client = Client(bench.http, key=key)
    assert problem(client.register(onlyReturnExisting=True)) == (400, "accountDoesNotExist")
    made = client.register(contact=["mailto:somebody@example.org"])
    assert (made.status_code, made.json()["status"], made.json()["contact"]) == (201, "valid", [])
    again = client.register(onlyReturnExisting=True)
    assert (again.status_code, again.headers["location"]) == (200, made.headers["location"])
    assert client.send(made.json()["orders"], None).json() == {"orders": []}
    order = client.order(bench.identifier()).headers["location"]
    assert client.send(made.json()["orders"], None).json() == {"orders": [order]}
    assert client.send(made.headers["location"], {"contact": []}).json() == made.json()
    other = bench.client()
    for url in (made.headers["location"], made.json()["orders"]):
        assert problem(other.send(url, None)) == (403, "unauthorized")
    gone = client.send(made.headers["location"], {"status": "deactivated"})
    assert gone.json()["status"] == "deactivated"
    assert problem(client.order(bench.identifier())) == (401, "unauthorized")
    assert problem(client.register()) == (401, "unauthorized")


def test_a_key_has_one_account_however_it_is_encoded(bench: Bench) -> None:
    client = bench.client()
    plain = jose.build_jwk(client.key)
    odd = {**plain, "x": plain["x"][:9] + "\x00" + plain["x"][9:] + "=", "use": "sig", "kid": "\x00"}
    answer = client.send(client.directory["newAccount"], {}, drop="kid", jwk=odd)
    assert (answer.status_code, answer.headers["location"]) == (200, client.kid)


@pytest.mark.each_database
def test_concurrent_requests_with_one_key_get_one_account(bench: Bench) -> None:
    key = curve_key()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: Client(bench.http, key=key).register(), range(4)))
    assert sorted(answer.status_code for answer in made) == [200, 200, 200, 201]
    assert len({answer.headers["location"] for answer in made}) == 1


def test_a_nonce_can_be_used_once_and_for_an_hour(bench: Bench, clock: ManualClock) -> None:
    client = bench.client()
    url = client.directory["newOrder"]
    used = client.nonce()
    assert problem(client.send(url, {"identifiers": []}, nonce=used)) == (400, "malformed"), "refused, but used up"
    again = client.send(url, {"identifiers": []}, nonce=used)
    assert problem(again) == (400, "badNonce")
    assert problem(client.send(url, {"identifiers": []}, nonce=again.headers["replay-nonce"])) == (400, "malformed")
    body = client.nonce()
    for wrong in ("x", "", "é", body[:-1] + ("A" if body[-1] != "A" else "B"), base64.urlsafe_b64encode(bytes(32)).decode()):
        assert problem(client.send(url, {}, nonce=wrong or "A"))[1] == "badNonce"
    assert problem(client.send(url, {}, drop="nonce"))[1] == "badNonce"
    late = client.nonce()
    clock.advance(timedelta(minutes=61))
    assert problem(client.send(url, {}, nonce=late))[1] == "badNonce"


@pytest.mark.each_database
def test_of_concurrent_replays_one_succeeds(bench: Bench) -> None:
    client = bench.client()
    url = client.directory["newOrder"]
    payload = {"identifiers": [{"type": "permanent-identifier", "value": bench.identifier()}]}
    signed = jose.sign_jws(client.key, {"kid": client.kid, "nonce": client.nonce(), "url": url}, payload)
    body = json.dumps(signed).encode()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.raw(url, body).status_code, range(4)))
    assert sorted(answers) == [201, 400, 400, 400]


def test_a_signature_is_accepted_only_in_the_form_of_the_protocol(bench: Bench) -> None:
    client, stranger = bench.client(), curve_key()
    url, jwk = client.directory["newOrder"], jose.build_jwk(client.key)
    refused = {
        "another key": client.send(url, {}, key=stranger),
        "jwk and kid": client.send(url, {}, jwk=jwk),
        "neither": client.send(url, {}, drop="kid"),
        "jwk where kid is wanted": client.send(url, {}, drop="kid", jwk=jwk),
        "crit": client.send(url, {}, crit=["exp"]),
        "b64": client.send(url, {}, b64=False),
        "another algorithm's name": client.send(url, {}, alg="RS256"),
        "kid for newAccount": client.send(client.directory["newAccount"], {}),
        "a list as payload": client.send(url, [1]),
        "no payload": client.send(url, None),
    }
    for why, answer in refused.items():
        assert problem(answer) == (400, "malformed"), why
    assert problem(client.send(url, {}, alg="none"))[1] == "badSignatureAlgorithm"
    assert problem(client.send(url, {}, alg="HS256"))[1] == "badSignatureAlgorithm"
    assert client.send(url, {}, alg="ES384").json()["algorithms"] == ["ES256", "RS256"]
    for kid in (client.kid + "0" if client.kid else "", f"{bench.server.url}/acme/account/{uuid4()}", "https://elsewhere/1"):
        assert problem(client.send(url, {}, kid=kid)) == (400, "accountDoesNotExist")
    elsewhere = client.http.post(
        url,
        content=json.dumps(jose.sign_jws(client.key, {"kid": client.kid, "nonce": client.nonce(), "url": url + "/"}, {})),
        headers={"Content-Type": "application/jose+json"},
    )
    assert problem(elsewhere) == (403, "unauthorized")


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "RSA", "n": "AQ", "e": "AQAB"},
        {"kty": ["EC"]},
        {},
        jose.build_jwk(curve_key(ec.SECP384R1)),
        jose.build_jwk(curve_key()) | {"d": "AA"},
    ],
)
def test_unsuitable_account_keys_are_refused(bench: Bench, jwk: dict[str, Any]) -> None:
    client = Client(bench.http)
    answer = client.send(client.directory["newAccount"], {}, jwk=jwk)
    assert problem(answer) == (400, "badPublicKey")


def test_requests_are_bounded_and_strict(bench: Bench) -> None:
    client = bench.client()
    url = client.directory["newOrder"]
    good = jose.sign_jws(client.key, {"kid": client.kid, "nonce": client.nonce(), "url": url}, {})
    body = json.dumps(good).encode()
    for kind in ("application/json", "", "text/plain"):
        assert problem(client.raw(url, body, kind)) == (415, "malformed")
    assert problem(client.raw(url, b"{" * 70_000)) == (413, "malformed")
    wrong: tuple[bytes, ...] = (
        b"",
        b"[]",
        b"null",
        b"[" * 60_000,
        b"\xff\xfe",
        b'{"a":NaN}',
        json.dumps({**good, "header": {}}).encode(),
        json.dumps({"payload": good["payload"], "signatures": [good]}).encode(),
        json.dumps({**good, "payload": good["payload"] + "="}).encode(),
        json.dumps({**good, "payload": None}).encode(),
        body.replace(b'{"protected"', b'{"payload":"","protected"'),
    )
    for broken in wrong:
        assert problem(client.raw(url, broken)) == (400, "malformed"), broken[:40]
    assert problem(client.raw(url, body))[0] == 400  # the frame is good, the order is not
    for path in ("order", "order/x", "order/x/finalize", f"order/{uuid4()}/other", "", "new-order/x", f"order/{{{uuid4()}}}"):
        assert problem(client.send(f"{bench.server.url}/acme/{path}", None))[0] == 404, path


def test_an_account_changes_its_key(bench: Bench) -> None:
    client, new = bench.client(), curve_key()
    url = client.directory["keyChange"]

    def inner(key: jose.AcmeKey, old: jose.AcmeKey, head: dict[str, Any] | None = None, **inner_payload: Any) -> dict[str, str]:
        payload = {"account": client.kid, "oldKey": jose.build_jwk(old), **inner_payload}
        return jose.sign_jws(key, {"jwk": jose.build_jwk(key), "url": url, **(head or {})}, payload)

    bad = (
        inner(new, new),
        inner(new, client.key, {"url": url + "x"}),
        inner(new, client.key, {"nonce": client.nonce()}),
        inner(new, client.key, account="https://elsewhere"),
        inner(new, client.key, oldKey="x"),
        inner(new, client.key, {"jwk": jose.build_jwk(curve_key())}),
        inner(new, client.key) | {"signature": "AA"},
        {"not": "a JWS"},
    )
    for each in bad:
        assert problem(client.send(url, each)) == (400, "malformed")
    taken = bench.client()
    conflict = client.send(url, inner(taken.key, client.key))
    assert (problem(conflict)[0], conflict.headers["location"]) == (409, taken.kid)
    assert client.send(url, inner(new, client.key)).status_code == 200
    old, client.key = client.key, new
    assert client.order(bench.identifier()).status_code == 201
    assert problem(client.send(client.directory["newOrder"], {}, key=old))[1] == "malformed"


def test_while_it_is_off_there_is_no_acme(engine: Any, tmp_path: Any) -> None:
    import ssl

    from tests.conftest import KEYRING
    from tests.support.server import start_live_server

    with start_live_server(engine, KEYRING, tmp_path / "data") as server:
        trust = ssl.create_default_context(cafile=str(server.ca))
        for path in ("directory", "new-nonce"):
            assert httpx.get(f"{server.url}/acme/{path}", verify=trust).status_code == 404
