"""Certificates obtained by programs that share nothing with this project: scepclient, strongSwan's pki, certmonger, openssl."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography import x509

from simulator import scep_message
from simulator.scep_message import EnvelopeCipher, PkiMessageType
from simulator.signature import SHA256, build_signed_data
from tests.enrollment.identity.scep.conftest import Requester, self_signed
from tests.interop.conftest import require_program, run_command
from tests.support.server import LiveServer


def _write_authority(scep: Requester, folder: Path) -> Path:
    path = folder / "ca.der"
    path.write_bytes(scep.http.get("/scep?operation=GetCACert").content)
    return path


def test_scepclient_enrols_and_a_wrong_challenge_is_refused(scep: Requester, plain_url: str, tmp_path: Path) -> None:
    """Debian's scepclient: single DES and SHA-1."""
    client = require_program("scepclient")
    options = ("-server-url", plain_url, "-private-key", "key.pem", "-keySize", "2048")
    run_command(client, *options, "-certificate", "cert.pem", "-challenge", scep.challenge(), folder=tmp_path)
    issued = x509.load_pem_x509_certificate((tmp_path / "cert.pem").read_bytes())
    issuer = x509.load_der_x509_certificate(_write_authority(scep, tmp_path).read_bytes())
    issued.verify_directly_issued_by(issuer)
    elsewhere = tmp_path / "elsewhere"  # it keeps its request in the folder
    elsewhere.mkdir()
    run_command(client, *options, "-certificate", "cert.pem", "-challenge", "wrong", folder=elsewhere, wrong=True)


def test_strongswan_enrols_and_renews(scep: Requester, plain_url: str, tmp_path: Path) -> None:
    pki, openssl, ca = require_program("pki"), require_program("openssl"), _write_authority(scep, tmp_path)
    for name in ("one", "two"):
        run_command(openssl, "genrsa", "-traditional", "-out", f"{name}.pem", "2048", folder=tmp_path)
    common = ("--scep", "--url", plain_url, "--dn", "C=FR, O=Test, CN=tablet", "--cacert-enc", ca, "--cacert-sig", ca)
    for cipher, digest in (("aes", "sha256"), ("des3", "sha1")):
        command = (pki, *common, "--in", "one.pem", "--password", scep.challenge(), "--cipher", cipher, "--digest", digest)
        (tmp_path / "one.der").write_bytes(_run_for_bytes(*command, folder=tmp_path))
    first = x509.load_der_x509_certificate((tmp_path / "one.der").read_bytes())
    renewed = _run_for_bytes(pki, *common, "--in", "two.pem", "--cert", "one.der", "--key", "one.pem", folder=tmp_path)
    assert x509.load_der_x509_certificate(renewed).subject == first.subject
    run_command(pki, *common, "--in", "two.pem", "--password", "wrong", folder=tmp_path, wrong=True)


def test_certmonger_reads_the_capabilities_and_sends_by_get(scep: Requester, plain_url: str, tmp_path: Path) -> None:
    """certmonger's helper: GetCACaps, GetCACert, and PKIOperation by GET."""
    submit = require_program("/usr/lib/certmonger/scep-submit", "/usr/libexec/certmonger/scep-submit")
    output = run_command(submit, "-u", plain_url, "-c", folder=tmp_path)
    assert {"AES", "SHA-256", "Renewal", "SCEPStandard"} <= set(output.split())
    ca = _write_authority(scep, tmp_path)
    certificates = run_command(submit, "-u", plain_url, "-C", folder=tmp_path)
    assert "BEGIN CERTIFICATE" in certificates
    pem = tmp_path / "ca.pem"
    pem.write_text(certificates[certificates.index("-----BEGIN") :])
    request = scep.request(scep.challenge())
    message = base64.encodebytes(request.message).decode()
    (tmp_path / "message.pem").write_text(f"-----BEGIN PKCS7-----\n{message}-----END PKCS7-----\n")
    answer = run_command(submit, "-u", plain_url, "-r", pem, "-N", pem, "-g", "message.pem", folder=tmp_path)
    assert ca.exists()
    assert "BEGIN PKCS7" in answer or "BEGIN CERTIFICATE" in answer or len(answer) > 500


def test_openssl_builds_the_request_and_reads_the_certificate(scep: Requester, tmp_path: Path) -> None:
    """`openssl req` and `openssl cms` make the request's inner parts; `openssl verify` believes the result."""
    openssl, ca = require_program("openssl"), _write_authority(scep, tmp_path)
    run_command(openssl, "x509", "-inform", "DER", "-in", ca, "-out", "ca.pem", folder=tmp_path)
    (tmp_path / "req.cnf").write_text(
        f"[req]\nprompt=no\ndistinguished_name=dn\nattributes=at\n[dn]\nCN=tablet\n[at]\nchallengePassword={scep.challenge()}\n"
    )
    run_command(openssl, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-outform", "DER", "-out", "csr.der",
        "-config", "req.cnf", folder=tmp_path)  # fmt: skip
    run_command(openssl, "cms", "-encrypt", "-binary", "-aes-256-cbc", "-in", "csr.der", "-outform", "DER", "-out", "enveloped.der",
        "ca.pem", folder=tmp_path)  # fmt: skip
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signer = self_signed(key)
    template = scep.request("unused", key=key, signer=signer, cipher=EnvelopeCipher.AES_256)
    message = build_signed_data(
        signer, (tmp_path / "enveloped.der").read_bytes(), SHA256, scep_message.build_request_attributes(PkiMessageType.PKCS_REQ, template),
        attached=True,
    )  # fmt: skip
    answer = scep.send(message)
    (tmp_path / "answer.der").write_bytes(answer.content)
    run_command(openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", "answer.der", "-CAfile", "ca.pem", "-purpose", "any",
        "-no_check_time", "-out", "inner.der", folder=tmp_path)  # fmt: skip
    (tmp_path / "signer.pem").write_bytes(_to_pem(signer.certificate_der))
    run_command(openssl, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", "inner.der", "-inkey", "key.pem", "-out", "certs.der",
        folder=tmp_path)  # fmt: skip
    run_command(openssl, "pkcs7", "-inform", "DER", "-in", "certs.der", "-print_certs", "-out", "cert.pem", folder=tmp_path)
    assert "OK" in run_command(openssl, "verify", "-CAfile", "ca.pem", "cert.pem", folder=tmp_path)


def test_openssl_verifies_the_signature_of_the_enrolment_profile(server: LiveServer, scep: Requester, tmp_path: Path) -> None:
    from tests.enrollment.identity.scep.test_joining import _code

    openssl = require_program("openssl")
    answer = scep.http.get(f"/join/{_code(server)}/profile")
    assert answer.headers["content-type"] == "application/x-apple-aspen-config"
    (tmp_path / "profile.mobileconfig").write_bytes(answer.content)
    run_command(openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", "profile.mobileconfig", "-CAfile", server.ca, "-purpose", "any",
        "-out", "plain.plist", folder=tmp_path)  # fmt: skip
    assert b"com.apple.mdm" in (tmp_path / "plain.plist").read_bytes()


def _run_for_bytes(*command: str | Path, folder: Path) -> bytes:
    import subprocess

    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def _to_pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
