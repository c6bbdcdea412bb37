"""Obtains a certificate for a client identifier with certbot's ACME library; run by the machine's own Python.

The library knows nothing about tablets: identifier and challenge types are registered as its documentation says. The calling
test makes the attestation: this program prints token and key as one line of JSON, and reads the attestation object.
"""

# mypy: ignore-errors
# ruff: noqa: T201, DTZ005, PT017, ICN001 - it is a program of its own, in the ways of that library

from __future__ import annotations

import datetime
import json
import sys

import josepy
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

KIND = "device-attest-01"
PERMANENT = messages.IdentifierType("permanent-identifier")


@challenges.Challenge.register
class DeviceAttest(challenges._TokenChallenge):
    typ = KIND


@challenges.ChallengeResponse.register
class DeviceAttestResponse(challenges.ChallengeResponse):
    typ = KIND
    att_obj: str = josepy.field("attObj")


def main(directory_url: str, identifier: str) -> None:
    account = josepy.JWKRSA(key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    net = client.ClientNetwork(account, user_agent="interop")
    directory = client.ClientV2.get_directory(directory_url, net)
    acme = client.ClientV2(directory, net)
    registration = acme.new_account(messages.NewRegistration.from_data(email="x@example.org", terms_of_service_agreed=True))
    assert acme.query_registration(registration).body.status == "valid"
    try:
        again = client.ClientV2(directory, client.ClientNetwork(account, user_agent="interop"))
        again.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
    except errors.ConflictError as conflict:
        assert conflict.location == registration.uri
    else:
        raise AssertionError("the same key got a second account")

    def order(value: str) -> object:
        new_order = messages.NewOrder(identifiers=[messages.Identifier(typ=PERMANENT, value=value)])
        return net.post(directory["newOrder"], new_order, new_nonce_url=directory["newNonce"])

    try:
        order("somebody else's")
    except messages.Error as refused:
        assert refused.code == "rejectedIdentifier", refused
    else:
        raise AssertionError("an unknown identifier was accepted")

    answer = order(identifier)
    body = messages.Order.from_json(answer.json())
    [url] = body.authorizations
    fetched = net.post(url, None, new_nonce_url=directory["newNonce"])
    authorization = messages.AuthorizationResource(body=messages.Authorization.from_json(fetched.json()), uri=url)
    [challenge] = authorization.body.challenges
    assert isinstance(challenge.chall, DeviceAttest)

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    token = challenge.chall.to_partial_json()["token"]
    print(json.dumps({"token": token, "key": pem.decode()}), flush=True)
    acme.answer_challenge(challenge, DeviceAttestResponse(att_obj=sys.stdin.readline().strip()))

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tablet")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    resource = messages.OrderResource(
        body=body, uri=answer.headers["Location"], authorizations=[authorization],
        csr_pem=csr.public_bytes(serialization.Encoding.PEM),
    )  # fmt: skip
    deadline = datetime.datetime.now() + datetime.timedelta(seconds=30)
    resource = acme.poll_authorizations(resource, deadline)
    done = acme.finalize_order(resource, deadline)
    acme.deactivate_registration(registration)
    print(json.dumps({"chain": done.fullchain_pem}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
