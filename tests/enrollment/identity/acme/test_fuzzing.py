"""Whatever bytes come, the answer is a document or a problem, never a 500: frames, payloads, attestations, requests, CBOR."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartable.settings import Acme
from cartable.unit_of_work import Runtime
from enrollment.identity import csr
from enrollment.identity import service as identity
from enrollment.identity.acme import attestation, cbor, jws, requests
from enrollment.identity.acme.documents import AcmeResponse
from enrollment.identity.acme.errors import AcmeProblem, InvalidAttestation
from enrollment.identity.acme.nonces import create_nonce
from enrollment.identity.models import ChallengePurpose, IdentityProtocol
from simulator import Attester, jose
from simulator.attestation import encode_cbor as encode
from tests.enrollment.identity.acme.client import Attestation, curve_key
from tests.enrollment.identity.acme.client import csr as request_for
from tests.enrollment.identity.acme.conftest import ipad
from tests.support.sampling import count_examples
from tests.support.world import TownFactory

BASE = "https://mdm.test:8443/acme"
PATIENT = settings(
    max_examples=count_examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    ["identifiers", "csr", "attObj", "certificate", "reason", "status", "account", "oldKey", "contact", "error", "protected",
     "payload", "signature", "onlyReturnExisting"]
)  # fmt: skip
_WORDS = st.sampled_from(["deactivated", "permanent-identifier", "", "AAAA", "é", "\x00"])
_PAYLOADS = st.dictionaries(_NAMES, _JSON | _WORDS, max_size=4)


def _mutations(genuine: bytes) -> st.SearchStrategy[bytes]:
    """`genuine` with a few bytes changed and some of its end cut off."""

    def broken(changes: list[tuple[int, int]], cut: int) -> bytes:
        data = bytearray(genuine)
        for place, value in changes:
            data[place] = value
        return bytes(data[: len(data) - cut])

    places = st.tuples(st.integers(0, len(genuine) - 1), st.integers(0, 255))
    return st.builds(broken, st.lists(places, min_size=1, max_size=6), st.integers(0, 30))


class Requester:
    """One account, whose every request is signed and sent without a network: what is tried is what the server makes of it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime, self.key = runtime, curve_key()
        self.kid: str | None = None
        self.kid = self.ask("new-account", {}).headers["Location"]

    def send(self, path: str, body: bytes) -> AcmeResponse:
        """As the endpoint does it: a problem is a good answer, anything else that is raised is none."""
        with self.runtime.open_unit_of_work() as work:
            try:
                return requests.handle_request(work, path, body)
            except AcmeProblem as problem:
                return AcmeResponse(problem.status, problem.document)

    def frame(self, path: str, payload: Any) -> bytes:
        who = {"kid": self.kid} if self.kid else {"jwk": jose.build_jwk(self.key)}
        nonce = create_nonce(self.runtime.keyring, self.runtime.clock.now())
        return json.dumps(jose.sign_jws(self.key, {**who, "nonce": nonce, "url": f"{BASE}/{path}"}, payload)).encode()

    def ask(self, path: str, payload: Any) -> AcmeResponse:
        return self.send(path, self.frame(path, payload))

    def order(self) -> dict[str, Any]:
        with self.runtime.open_unit_of_work() as work:
            tablet = TownFactory(work).create_tablet(TownFactory(work).create_town())
            secret = identity.create_challenge(
                work, purpose=ChallengePurpose.ENROLLMENT, protocol=IdentityProtocol.ACME, tablet_id=tablet.id
            )
        made = self.ask("new-order", {"identifiers": [{"type": "permanent-identifier", "value": secret}]})
        assert isinstance(made.body, dict)
        return made.body


@pytest.fixture
def requester(runtime: Runtime, tmp_path: Path) -> Requester:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(Attester().root_pem)
    runtime.settings = runtime.settings.model_copy(update={"acme": Acme.OFFERED, "attestation_roots": roots})
    return Requester(runtime)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_mutated_requests_never_break_the_server(requester: Requester) -> None:
    genuine = requester.frame("new-order", {"identifiers": []})

    @PATIENT
    @given(_mutations(genuine) | st.binary(max_size=300))
    def run(body: bytes) -> None:
        assert 400 <= requester.send("new-order", body).status < 500

    run()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_signed_nonsense_never_breaks_the_server(requester: Requester) -> None:
    """The frame is good and the signature holds; the payload, the header or the address is anything."""
    order = requester.order()
    number = str(order["finalize"]).split("/")[-2]
    paths = ["new-account", "new-order", "revoke-cert", "key-change", f"order/{number}", f"order/{number}/finalize",
             f"authz/{number}", f"challenge/{number}", f"certificate/{number}", str(requester.kid).removeprefix(f"{BASE}/")]  # fmt: skip

    @PATIENT
    @given(st.sampled_from(paths) | st.text(max_size=20), _PAYLOADS | _JSON)
    def run(path: str, payload: Any) -> None:
        if not str(path).startswith("account/"):  # it would be given up
            assert requester.ask(path, payload).status < 500

    run()

    @PATIENT
    @given(st.dictionaries(st.sampled_from(["alg", "jwk", "kid", "nonce", "url", "crit"]), _JSON | _WORDS, max_size=3))
    def heads(changed: dict[str, Any]) -> None:
        head = {
            "kid": requester.kid,
            "nonce": create_nonce(requester.runtime.keyring, requester.runtime.clock.now()),
            "url": f"{BASE}/new-order",
        }
        body = json.dumps(jose.sign_jws(requester.key, {**head, **changed}, {})).encode()
        assert 400 <= requester.send("new-order", body).status < 500

    heads()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_mutated_attestations_and_csrs_are_refused_with_problems(requester: Requester) -> None:
    key, real = curve_key(), Attester()
    token = "x" * 43
    genuine = Attestation(real, ipad()).object(key, token)
    now = datetime.now(UTC)

    @PATIENT
    @given(_mutations(genuine) | st.binary(max_size=200))
    def attestations(data: bytes) -> None:
        try:
            attestation.verify_attestation(data, token, [real.root], now)
        except InvalidAttestation:
            return

    attestations()

    @PATIENT
    @given(_mutations(request_for(key)) | st.binary(max_size=200))
    def certification_requests(data: bytes) -> None:
        try:
            csr.parse_request(data)
        except csr.InvalidRequest:
            return

    certification_requests()

    @settings(PATIENT, max_examples=count_examples(40))
    @given(_mutations(genuine), _mutations(request_for(key)))
    def run_order(attested: bytes, asked: bytes) -> None:
        order = requester.order()
        number = str(order["finalize"]).split("/")[-2]
        assert requester.ask(f"challenge/{number}", {"attObj": jose.encode_base64url(attested)}).status == 200
        assert requester.ask(f"order/{number}/finalize", {"csr": jose.encode_base64url(asked)}).status < 500

    run_order()


@given(st.binary(max_size=300))
@settings(max_examples=count_examples(400), deadline=None)
def test_any_bytes_are_cbor_or_not(data: bytes) -> None:
    try:
        cbor.loads(data)
    except cbor.NotCbor:
        return


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x18\x64", 100),
        (b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 2**64 - 1),
        (b"\x39\x03\xe7", -1000),
        (b"\x44\x01\x02\x03\x04", b"\x01\x02\x03\x04"),
        (b"\x63\xe6\xb0\xb4", "水"),
        (b"\x82\x01\x82\x02\x03", [1, [2, 3]]),
        (b"\xa2\x61a\x01\x02\xf5", {"a": 1, 2: True}),
        (b"\xf6", None),
    ],
)
def test_values_of_the_standard(data: bytes, value: object) -> None:
    """RFC 8949, appendix A."""
    assert cbor.loads(data) == value


@pytest.mark.parametrize(
    "data",
    [b"", b"\x18", b"\x9f\xff", b"\x5f\xff", b"\xc0\x00", b"\xf9\x00\x00", b"\xf7", b"\x00\x00", b"\xa2\x01\x01\x01\x01",
     b"\xa1\xf5\x01", b"\xa1\x80\x01", b"\x61\xff", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
     b"\x81" * 50 + b"\x00", b"\x99\x01\x00" + b"\x00" * 256],
)  # fmt: skip
def test_unsupported_cbor_is_refused(data: bytes) -> None:
    with pytest.raises(cbor.NotCbor):
        cbor.loads(data)


@given(st.dictionaries(st.text(max_size=6), st.binary(max_size=300) | st.text(max_size=30) | st.integers(0, 2**40), max_size=5))
@settings(deadline=None)
def test_values_of_an_independent_encoder_are_decoded(value: dict[str, Any]) -> None:
    assert cbor.loads(encode(value)) == value


@given(st.text(max_size=60))
@settings(deadline=None)
def test_only_the_one_encoding_of_bytes_is_base64url(text: str) -> None:
    reader: Callable[[str], bytes] = jws.decode_base64url
    try:
        data = reader(text)
    except AcmeProblem:
        return
    assert jws.encode_base64url(data) == text
