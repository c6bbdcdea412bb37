"""Signatures against the examples of RFC 5849 and of OAuth Core 1.0a, appendix A."""

from __future__ import annotations

from enrollment.joining.ade import oauth
from enrollment.joining.ade.oauth import TokenSecrets, build_authorization_header, build_base_string, compute_signature


def test_the_base_string_of_rfc_5849_section_3_4_1() -> None:
    url = "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b"
    parameters = [
        ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
        ("c2", ""),
        ("a3", "2 q"),
    ]
    assert build_base_string("post", url, parameters) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D"
        "%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1"
        "%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_the_signature_of_rfc_5849_section_1_2() -> None:
    parameters = {
        "oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_token": "nnch734d00sl2jdk", "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "137131202", "oauth_nonce": "chapoH",
    }  # fmt: skip
    url = "http://photos.example.net/photos?file=vacation.jpg&size=original"
    made = compute_signature("GET", url, parameters.items(), "kd94hf93k423kf44", "pfkkdhi9sl3r4s00")
    assert made == "MdpQcU8iPSUjWoN/UDMsK2sui9I="


def test_the_signature_of_oauth_core_appendix_a() -> None:
    parameters = {
        "oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_token": "nnch734d00sl2jdk", "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "1191242096", "oauth_nonce": "kllo9940pd9333jh", "oauth_version": "1.0",
    }  # fmt: skip
    url = "http://photos.example.net/photos?file=vacation.jpg&size=original"
    assert (
        compute_signature("GET", url, parameters.items(), "kd94hf93k423kf44", "pfkkdhi9sl3r4s00")
        == "tR3+Ty81lMeYAr/Fid0kMTYa/WM="
    )


def test_the_header_names_the_realm_and_encodes_its_values() -> None:
    secrets = TokenSecrets("CK/1", "CS&", "AT+", "AS=")
    header = build_authorization_header(secrets, "GET", "https://a.example/session", realm="ADM", timestamp=7, nonce="n")
    assert header.startswith('OAuth realm="ADM", oauth_consumer_key="CK%2F1", oauth_token="AT%2B"')
    assert 'oauth_timestamp="7", oauth_nonce="n", oauth_version="1.0", oauth_signature="' in header
    assert build_base_string("GET", "https://a.example:443/session", []) == build_base_string(
        "GET", "https://a.example/session", []
    )
    assert build_base_string("GET", "https://a.example:8443/session", []).startswith("GET&https%3A%2F%2Fa.example%3A8443%2F")
    assert "CS&" not in repr(secrets)
    assert oauth.METHOD in header
