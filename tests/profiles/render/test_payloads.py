"""Rendering of settings as payloads: one per slot, stable UUIDs, valid references, nothing that a tablet does not support."""

from __future__ import annotations

import base64
import plistlib
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.catalog.composites import expand_composites
from profiles.catalog.kinds import PayloadCardinality
from profiles.catalog.settings import Setting, load_catalog
from profiles.render.apple import build_content, render_profile, split_common_content
from profiles.render.payloads import (
    Omission,
    OmissionReason,
    TabletCapabilities,
    build_payloads,
    group_by_type,
    plan_payloads,
    select_with_references,
)
from tests.profiles.catalog.test_settings import build_sample

CATALOG = load_catalog()
NEW = TabletCapabilities(os=(26, 4), supervised=True)
DER = base64.b64encode(b"a certificate").decode()
IDENTITY = {"PayloadDisplayName": "tablettes", "PayloadContent": DER, "Password": "secret"}
ANCHOR = {"PayloadDisplayName": "autorité de la ville", "PayloadContent": DER}
ENTERPRISE = {
    "SSID_STR": "Ecole",
    "PayloadCertificateUUID": "tablettes",
    "EAPClientConfiguration": {"AcceptEAPTypes": [13], "PayloadCertificateAnchorUUID": ["autorité de la ville"]},
}


def render_by_type(
    values: dict[str, Any], tablet: TabletCapabilities = NEW, owner: str = "town"
) -> tuple[dict[str, list[Any]], tuple[Omission, ...]]:
    """Return payloads by type as a tablet reads them, and the omissions."""
    plan = plan_payloads(values, CATALOG, tablet)
    payloads = build_payloads(owner, "fr.cartable.policy", plan.slots.values())
    return group_by_type(plistlib.loads(plistlib.dumps(payloads, fmt=plistlib.FMT_XML))), plan.omissions


@pytest.mark.parametrize("setting", CATALOG.values(), ids=CATALOG)
def test_every_setting_is_in_its_own_payload(setting: Setting) -> None:
    value = build_sample(setting)
    certificates = {key: [{"PayloadDisplayName": "nom", "PayloadContent": DER}] for key in ("security.root", "security.pkcs12")}
    newest = max(setting.minimum, (18, 0)) if setting.removed is None else setting.minimum
    payloads, omissions = render_by_type({**certificates, setting.key: value}, TabletCapabilities(newest, supervised=True))
    if not setting.payload_type.startswith("com.apple."):
        assert setting.payload_type not in payloads
        return
    assert not [each for each in omissions if each.reason is not OmissionReason.TOO_OLD]
    (rendered,) = payloads[setting.payload_type]
    assert rendered["PayloadVersion"] == 1
    keys = set(rendered) - {"PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID"}
    if setting.payload_key is not None:
        assert keys == {setting.payload_key}
    else:
        assert keys <= set(setting.fields)
        assert {key for key, sub_field in setting.fields.items() if sub_field.required} <= keys


def test_restrictions_share_one_payload_and_passcodes_another() -> None:
    payloads, omissions = render_by_type({"allowCamera": False, "safariAcceptCookies": 1, "minLength": 6, "forcePIN": True})
    assert not omissions
    (restrictions,), (passcode,) = payloads["com.apple.applicationaccess"], payloads["com.apple.mobiledevice.passwordpolicy"]
    assert restrictions["allowCamera"] is False
    assert isinstance(restrictions["safariAcceptCookies"], float)
    assert (passcode["minLength"], passcode["forcePIN"]) == (6, True)
    assert "minLength" not in restrictions


def test_a_network_keeps_its_uuid_when_other_settings_change() -> None:
    first = render_by_type({"wifi.managed": [{"SSID_STR": "Ecole", "Password": "premier mot"}]})[0]
    both = [{"SSID_STR": "Annexe"}, {"SSID_STR": "Ecole", "Password": "second mot"}]
    second = render_by_type({"wifi.managed": both, "allowCamera": False})[0]
    (before,) = first["com.apple.wifi.managed"]
    after = {each["SSID_STR"]: each for each in second["com.apple.wifi.managed"]}
    assert after["Ecole"]["PayloadUUID"] == before["PayloadUUID"] != after["Annexe"]["PayloadUUID"]
    assert after["Ecole"]["Password"] == "second mot"
    assert render_by_type({"wifi.managed": both}, owner="other")[0]["com.apple.wifi.managed"][0]["PayloadUUID"] not in {
        each["PayloadUUID"] for each in after.values()
    }


def test_references_are_the_uuids_of_certificates_in_the_same_profile() -> None:
    values = {"wifi.managed": [ENTERPRISE], "security.pkcs12": [IDENTITY], "security.root": [ANCHOR]}
    payloads, omissions = render_by_type(values)
    assert not omissions
    (wifi,), (identity,), (root,) = (
        payloads[f"com.apple.{each}"] for each in ("wifi.managed", "security.pkcs12", "security.root")
    )
    assert wifi["PayloadCertificateUUID"] == identity["PayloadUUID"]
    assert wifi["EAPClientConfiguration"]["PayloadCertificateAnchorUUID"] == [root["PayloadUUID"]]
    assert root["PayloadContent"] == b"a certificate"


def test_a_network_without_its_anchor_certificate_is_omitted() -> None:
    payloads, omissions = render_by_type({"wifi.managed": [ENTERPRISE, {"SSID_STR": "Ouvert"}], "security.pkcs12": [IDENTITY]})
    assert [each["SSID_STR"] for each in payloads["com.apple.wifi.managed"]] == ["Ouvert"]
    path = "wifi.managed[0].EAPClientConfiguration.PayloadCertificateAnchorUUID[0]"
    assert omissions == (Omission(path, OmissionReason.NO_CERTIFICATE),)


def test_unsupported_settings_are_omitted_and_listed() -> None:
    values = {
        "allowCamera": False,
        "allowSafariPrivateBrowsing": False,
        "forceDelayedSoftwareUpdates": True,
        "homescreenlayout": {"Pages": []},
        "minLength": 4,
        "noSuchKey": 1,
        "ratingMovies": "all",
        "wifi.managed": [{"SSID_STR": "Ecole", "DisableAssociationMACRandomization": True}],
    }
    assert {(str(each), each.reason) for each in render_by_type(values, TabletCapabilities((13, 0), supervised=False))[1]} == {
        ("allowSafariPrivateBrowsing", OmissionReason.UNSUPERVISED),
        ("forceDelayedSoftwareUpdates", OmissionReason.UNSUPERVISED),
        ("homescreenlayout", OmissionReason.UNSUPERVISED),
        ("noSuchKey", OmissionReason.UNKNOWN),
        ("ratingMovies", OmissionReason.INVALID),
        ("wifi.managed[0].DisableAssociationMACRandomization", OmissionReason.TOO_OLD),
    }
    newest, omissions = render_by_type(values, TabletCapabilities((27, 0), supervised=True, shared_ipad=True))
    assert {(str(each), each.reason) for each in omissions} == {
        ("forceDelayedSoftwareUpdates", OmissionReason.REMOVED),
        ("minLength", OmissionReason.SHARED_IPAD),
        ("noSuchKey", OmissionReason.UNKNOWN),
        ("ratingMovies", OmissionReason.INVALID),
    }
    assert newest["com.apple.wifi.managed"][0]["DisableAssociationMACRandomization"] is True


def test_a_tablet_without_known_facts_gets_every_setting_that_was_not_removed() -> None:
    payloads, omissions = render_by_type(
        {"allowSafariPrivateBrowsing": False, "forceDelayedSoftwareUpdates": True}, TabletCapabilities()
    )
    assert payloads["com.apple.applicationaccess"][0]["allowSafariPrivateBrowsing"] is False
    assert omissions == (Omission("forceDelayedSoftwareUpdates", OmissionReason.REMOVED),)


def test_older_systems_get_the_key_names_they_know() -> None:
    values = {
        "allowListedAppBundleIDs": ["fr.ville.app"],
        "airplay.AllowList": [{"DeviceID": "00:11:22:33:44:55"}],
        "webcontent-filter": [{"AutoFilterEnabled": True, "DenyListURLs": ["https://jeux.example"]}],
    }
    old, omissions = render_by_type(values, TabletCapabilities((14, 0), supervised=True))
    assert not omissions
    assert old["com.apple.applicationaccess"][0]["whitelistedAppBundleIDs"] == ["fr.ville.app"]
    assert old["com.apple.airplay"][0]["Whitelist"] == [{"DeviceID": "00:11:22:33:44:55"}]
    assert old["com.apple.webcontent-filter"][0]["BlacklistedURLs"] == ["https://jeux.example"]
    new, _ = render_by_type(values)
    assert "whitelistedAppBundleIDs" not in new["com.apple.applicationaccess"][0]
    assert new["com.apple.webcontent-filter"][0]["DenyListURLs"] == ["https://jeux.example"]
    assert render_by_type(values, TabletCapabilities((8, 0), supervised=True))[1][0] == Omission(
        "allowListedAppBundleIDs", OmissionReason.TOO_OLD
    )


def test_an_unknown_age_rating_becomes_the_next_stricter_one() -> None:
    assert (
        render_by_type({"ratingApps": 313}, TabletCapabilities((18, 0)))[0]["com.apple.applicationaccess"][0]["ratingApps"] == 300
    )
    assert (
        render_by_type({"ratingApps": 313}, TabletCapabilities((26, 4)))[0]["com.apple.applicationaccess"][0]["ratingApps"] == 313
    )


def test_setup_panes_that_a_system_does_not_have_are_omitted() -> None:
    key = "SetupAssistant.managed.SkipSetupItems"
    payloads, omissions = render_by_type(
        {key: ["Siri", "Intelligence", "WebContentFiltering"]}, TabletCapabilities((17, 0), supervised=True)
    )
    assert payloads["com.apple.SetupAssistant.managed"][0]["SkipSetupItems"] == ["Siri"]
    assert {str(each) for each in omissions} == {f"{key}.Intelligence", f"{key}.WebContentFiltering"}


def test_composites_become_payloads() -> None:
    values = expand_composites(
        {
            "ai": False, "browser": "guarded", "lock_screen_text": "Ville", "passcode": "four",
            "school_wifi": [{"name": "Ecole", "password": "12345678"}],
            "web_shortcuts": [{"name": "ENT", "url": "https://ent.example"}],
        }
    )  # fmt: skip
    payloads, omissions = render_by_type(values)
    assert {str(each) for each in omissions} == {"allowSiriAI"}
    assert {kind: len(each) for kind, each in payloads.items()} == {
        "com.apple.applicationaccess": 1,
        "com.apple.mobiledevice.passwordpolicy": 1,
        "com.apple.shareddeviceconfiguration": 1,
        "com.apple.webClip.managed": 1,
        "com.apple.wifi.managed": 1,
    }


_SAMPLES = {key: build_sample(setting) for key, setting in CATALOG.items()}


@given(
    st.sets(st.sampled_from(sorted(_SAMPLES))),
    st.tuples(st.integers(4, 28), st.integers(0, 4)),
    st.none() | st.booleans(),
    st.booleans(),
)
def test_every_setting_is_sent_or_listed_as_omitted_and_no_slot_is_used_twice(
    keys: set[str], os: tuple[int, int], supervised: bool | None, shared: bool
) -> None:
    plan = plan_payloads({key: _SAMPLES[key] for key in keys}, CATALOG, TabletCapabilities(os, supervised, shared))
    payloads = build_payloads("town", "fr.cartable.policy", plan.slots.values())
    plistlib.dumps(payloads)
    assert len({each["PayloadUUID"] for each in payloads}) == len(payloads)
    assert len({each["PayloadIdentifier"] for each in payloads}) == len(payloads)
    kinds = {each["PayloadType"] for each in payloads}
    omitted_keys = {str(each).split("[")[0] for each in plan.omissions}
    for key in keys:
        setting = CATALOG[key]
        assert (
            setting.payload_type in kinds or key in plan.product_settings or any(each.startswith(key) for each in omitted_keys)
        ), key
        if setting.cardinality is PayloadCardinality.ONE:
            assert [each["PayloadType"] for each in payloads].count(setting.payload_type) <= 1


def test_a_selected_slot_includes_its_certificates() -> None:
    values = {"wifi.managed": [ENTERPRISE], "security.pkcs12": [IDENTITY], "security.root": [ANCHOR], "minLength": 4}
    slots = plan_payloads(values, CATALOG, NEW).slots
    wifi = next(slot for slot in slots if slot.startswith("wifi."))
    assert {each.type for each in select_with_references(slots, [wifi])} == {
        "com.apple.wifi.managed", "com.apple.security.pkcs12", "com.apple.security.root",
    }  # fmt: skip
    alone = build_payloads("town", "fr.cartable.policy", [slots[wifi]])
    assert alone == []


def test_a_mode_with_its_own_network_includes_the_certificates() -> None:
    common = {"security.pkcs12": [IDENTITY], "security.root": [ANCHOR], "minLength": 4}
    modes: dict[str, dict[str, Any]] = {"school": {"wifi.managed": [ENTERPRISE]}, "home": {"allowCamera": True}}
    contents = {
        mode: build_content({**common, **mode_values}, CATALOG, {}, os=(26, 4), supervised=True)
        for mode, mode_values in modes.items()
    }
    base, by_mode = split_common_content(contents)
    parts = {"base": base, **by_mode}
    payloads = {
        name: group_by_type(plistlib.loads(rendered.plist)["PayloadContent"])
        for name, content in parts.items()
        if (rendered := render_profile("town", content, name)) is not None
    }
    assert set(payloads["base"]) == {
        "com.apple.mobiledevice.passwordpolicy", "com.apple.security.pkcs12", "com.apple.security.root",
    }  # fmt: skip
    assert set(payloads["school"]) == {"com.apple.wifi.managed", "com.apple.security.pkcs12", "com.apple.security.root"}
    assert set(payloads["home"]) == {"com.apple.applicationaccess"}
    (wifi,) = payloads["school"]["com.apple.wifi.managed"]
    assert wifi["PayloadCertificateUUID"] == payloads["school"]["com.apple.security.pkcs12"][0]["PayloadUUID"]


_DIGEST = """
import sys
from profiles.catalog.settings import load_catalog
from profiles.render.apple import build_content
from tests.profiles.render.test_payloads import ANCHOR, ENTERPRISE, IDENTITY
values = {"wifi.managed": [ENTERPRISE], "security.pkcs12": [IDENTITY], "security.root": [ANCHOR]}
print(build_content(values, load_catalog(), {}, os=(26, 4), supervised=True).digest)
"""


def test_the_same_content_has_the_same_digest_in_every_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64
