"""Pure rules of attestation: which tablets can attest a key, and whether an attestation is sufficient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from cartable.settings import Acme
from enrollment.identity.acme.attestation import AttestedDevice

#: `iPad8,x` and later have an A11 chip or newer; `iPad7,x` have an A10 or A10X.
FIRST_IPAD = 8
#: Managed device attestation needs iPadOS 16; its builds begin with 20.
FIRST_OS, FIRST_BUILD = 16, 20


def can_attest(product: str | None, os_version: str | None, build: str | None) -> bool:
    """Return whether a tablet can attest a key; False when unknown, because SCEP works with every tablet.

    `product` is Apple's model identifier (`iPad13,18`). Before iPadOS 17 the version is missing and `build` decides.
    """
    model = re.fullmatch(r"iPad(\d{1,3}),\d{1,3}", product or "")
    if model is None or int(model[1]) < FIRST_IPAD:
        return False
    version = re.match(r"\d{1,3}", os_version or "")
    if version is not None:
        return int(version[0]) >= FIRST_OS
    number = re.match(r"\d{1,3}", build or "")
    return number is not None and int(number[0]) >= FIRST_BUILD


@dataclass(frozen=True, slots=True)
class ExpectedDevice:
    """The device that an order is for, as far as it is known."""

    serial: str | None
    udid: str | None


class AttestationOutcome(Enum):
    """Outcome of a response to the challenge."""

    ATTESTED = "attested"
    UNATTESTED = "unattested"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AttestationVerdict:
    """The decision on a response. `reason`: what is missing; empty for a sufficient attestation."""

    outcome: AttestationOutcome
    reason: str = ""


def judge_attestation(policy: Acme, expected: ExpectedDevice, attested: AttestedDevice | None, why: str) -> AttestationVerdict:
    """Return the decision on a response. `attested` is None without a valid attestation; `why` is then the reason.

    An attestation of another device is refused under every policy. A missing or incomplete one is refused only if attestation
    is required: if it is optional, a dishonest client would simply send none.
    """
    if attested is not None:
        if _differs(expected.serial, attested.serial) or _differs(expected.udid, attested.udid):
            return AttestationVerdict(AttestationOutcome.REFUSED, "the attestation is of another device")
        why = _find_missing_proof(attested)
        if not why:
            return AttestationVerdict(AttestationOutcome.ATTESTED)
    return AttestationVerdict(AttestationOutcome.REFUSED if policy is Acme.REQUIRED else AttestationOutcome.UNATTESTED, why)


def _differs(expected: str | None, attested: str | None) -> bool:
    return expected is not None and attested is not None and expected.upper() != attested.upper()


def _find_missing_proof(attested: AttestedDevice) -> str:
    if not attested.is_fresh:
        return "the attestation answers another challenge"
    if attested.serial is None or attested.udid is None:
        return "the attestation leaves out serial number or UDID"
    return ""
