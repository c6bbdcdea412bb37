"""Mutated messages: whatever bytes come, the answer is 200 with a CertRep or 400, never a 500."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartable.unit_of_work import Runtime
from enrollment.identity.ca import ensure_authority
from enrollment.identity.scep import service, wire
from simulator import scep_message
from simulator.scep_message import EnvelopeCipher, PkiMessageType
from simulator.signature import SHA256
from tests.enrollment.identity.scep.conftest import csr, rsa_key, self_signed
from tests.support.sampling import count_examples


def _message(authority: bytes) -> bytes:
    return scep_message.build_request(
        self_signed(rsa_key()), csr(rsa_key(), "wrong"), authority, kind=PkiMessageType.PKCS_REQ, cipher=EnvelopeCipher.AES_128,
        digest=SHA256, transaction="T",
    ).message  # fmt: skip


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_mutations_never_break_the_server(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        genuine = _message(ensure_authority(work).der)

    @settings(max_examples=count_examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(st.integers(0, len(genuine) - 1), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 40))
    def mutated(changes: list[tuple[int, int]], cut: int) -> None:
        broken = bytearray(genuine)
        for place, value in changes:
            broken[place] = value
        with runtime.open_unit_of_work() as work:
            try:
                answer = service.handle_pki_operation(work, bytes(broken[: len(broken) - cut]))
            except wire.NotScep:
                return
        assert answer.startswith(b"\x30")

    mutated()


@given(st.binary(max_size=400))
@settings(max_examples=count_examples(200), deadline=None)
def test_any_bytes_are_not_scep_or_read(data: bytes) -> None:
    try:
        wire.parse_message(data)
    except wire.NotScep:
        return
