"""Who is given ACME, and what an attestation is worth. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from cartable.settings import Acme
from enrollment.identity.acme.attestation import Attested

#: The first iPads with an A11 or later; those of the seventh generation of names have an A10 or A10X.
FIRST_IPAD = 8
#: Managed device attestation came with iPadOS 16, whose builds begin with 20.
FIRST_OS, FIRST_BUILD = 16, 20


def can_attest(product: str | None, os_version: str | None, build: str | None) -> bool:
    """Whether a tablet can attest a key (scep-acme.md section 2). Unknown is no: SCEP serves every tablet.

    `product` is Apple's name of the model (`iPad13,18`); `build` counts where the version is not told (before iPadOS 17).
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
class Expected:
    """Which device an order is for, as far as it is known."""

    serial: str | None
    udid: str | None


class Worth(Enum):
    """What comes of a response to the challenge."""

    ATTESTED = "attested"
    UNATTESTED = "unattested"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` says what was missing; empty when the attestation is sound."""

    worth: Worth
    why: str = ""


def judge(policy: Acme, expected: Expected, attested: Attested | None, why: str) -> Verdict:
    """Decide on a response. `attested` is None when there was no genuine attestation; `why` then says why.

    Proof that the key lies in another device is refused whatever the policy: no honest tablet gets there. All else is lack of
    proof, which the policy may bear: who wants to lie under `offered` sends nothing at all.
    """
    if attested is not None:
        if _differs(expected.serial, attested.serial) or _differs(expected.udid, attested.udid):
            return Verdict(Worth.REFUSED, "the attestation is of another device")
        why = _lacking(attested)
        if not why:
            return Verdict(Worth.ATTESTED)
    return Verdict(Worth.REFUSED if policy is Acme.REQUIRED else Worth.UNATTESTED, why)


def _differs(expected: str | None, said: str | None) -> bool:
    return expected is not None and said is not None and expected.upper() != said.upper()


def _lacking(attested: Attested) -> str:
    if not attested.is_fresh:
        return "the attestation answers another challenge"
    if attested.serial is None or attested.udid is None:
        return "the attestation leaves out serial number or UDID"
    return ""
