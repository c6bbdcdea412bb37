"""Checks of certificates and tokens: kind, names, and the days that are left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cartable import expiry
from cartable.certificates import read_certificates_pem
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import tls
from enrollment.identity.ca import get_issuing_authority
from enrollment.identity.profile_signing import get_signer_file
from enrollment.identity.server_names import list_tablet_names
from enrollment.joining.ade.service import list_servers_needing_attention
from mdm.cli.doctor.diagnosis import Diagnosis, failed, good, warning
from mdm.push.certificates import get_certificate_health
from profiles.apps.apps_and_books.repository import AppsAndBooksRepository

#: A TLS certificate of Let's Encrypt is renewed 30 days before its end: with fewer days left something is wrong.
TLS_DAYS = 14


def check_certificates(work: UnitOfWork) -> Iterator[Diagnosis]:
    """Yield the state of every certificate and token of the server."""
    yield from check_tls(work.settings, work.now, list_tablet_names(work))
    yield from _check_signer(work.settings, work.now)
    authority = get_issuing_authority(work)
    if authority is None:
        yield warning("device CA", "there is none yet", "It is made at the first start.")
    elif authority.certificate.not_valid_after_utc < work.now + timedelta(days=2 * 365):
        end = f"{authority.certificate.not_valid_after_utc:%Y-%m-%d}"
        yield warning("device CA", f"ends {end}", "Import a new one well before: every tablet must renew under it.")
    else:
        yield good("device CA", f"until {authority.certificate.not_valid_after_utc:%Y-%m-%d}")
    yield _check_push(work)
    yield from _check_tokens(work)


def check_tls(settings: Settings, now: datetime, hosts: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield whether the TLS certificate is in date, has the names at which tablets reach the server, and fits its key."""
    if not settings.serve_tls:
        yield good("TLS", "a proxy ends it")
        return
    chain_file, key_file = tls.get_server_files(settings)
    if not chain_file.exists():
        yield warning("TLS", "there is no certificate yet", "It is made at the first start.")
        return
    try:
        certificate = read_certificates_pem(chain_file.read_bytes())[0]
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        yield failed(
            "TLS",
            f"certificate or key cannot be read ({type(error).__name__})",
            f"Look at {chain_file} and {key_file}: PEM, no password.",
        )
        return
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        yield failed("TLS", "iPads accept RSA and elliptic keys only", "Have a certificate made with one of them.")
    elif certificate.public_key() != key.public_key():
        yield failed("TLS", "the key does not belong to the certificate", f"Look at {chain_file} and {key_file}.")
    for host in hosts:
        if not _covers(certificate, host):
            yield failed("TLS", f"the certificate does not name {host}, the address of tablets", "Have one made with this name.")
    yield _describe_end(
        "TLS", certificate.not_valid_after_utc, now, TLS_DAYS, "Renew it; the embedded CA does so at the next start."
    )


def _covers(certificate: x509.Certificate, host: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    known = {str(name).lower() for kind in (x509.DNSName, x509.IPAddress) for name in names.get_values_for_type(kind)}
    return host in known or f"*.{host.partition('.')[2]}" in known


def _describe_end(check: str, end: datetime, now: datetime, days: int, remedy: str) -> Diagnosis:
    left = (end - now).days
    if end <= now:
        return failed(check, f"has ended on {end:%Y-%m-%d}", remedy)
    if left < days:
        return warning(check, f"ends in {left} days", remedy)
    return good(check, f"until {end:%Y-%m-%d}")


def _check_signer(settings: Settings, now: datetime) -> Iterator[Diagnosis]:
    file: Path = settings.profile_certificate or get_signer_file(settings)
    if not settings.sign_profiles or not file.exists():
        return
    end = read_certificates_pem(file.read_bytes())[0].not_valid_after_utc
    yield _describe_end("profile signer", end, now, 30, "Give a new one; that of the embedded CA is renewed by itself.")


def _check_push(work: UnitOfWork) -> Diagnosis:
    health = get_certificate_health(work)
    remedy = "Renew the same entry at Apple's portal with the same Apple account, then `cartable push-import`."
    if not health.installed:
        return failed("push certificate", "there is none: no real tablet is ever woken", "See docs/operator/README.md.")
    if health.simulated:
        return warning("push certificate", "simulated: no real tablet is ever woken", "See docs/operator/README.md.")
    days = health.days_left or 0
    if days <= 0:
        return failed("push certificate", "it has ended: no tablet is woken", remedy)
    return (
        warning("push certificate", f"ends in {days} days", remedy)
        if health.warning
        else good("push certificate", f"{days} days left")
    )


def _check_tokens(work: UnitOfWork) -> Iterator[Diagnosis]:
    for server, days in list_servers_needing_attention(work, SYSTEM):
        text = server.alarm.value if server.alarm is not None else f"its token ends in less than {days} days"
        yield warning("device assignment", f"server {server.id}: {text}", "See docs/operator/apple-school-manager.en.md.")
    for town_id, expires in AppsAndBooksRepository(work.session).list_token_ends():
        if expiry.get_warning_days(work.now, expires) is not None:
            yield warning(
                "licences token", f"that of town {town_id} ends {expires:%Y-%m-%d}", "Download a new one in Apple School Manager."
            )
