"""A town's policy as a file: nothing is lost on the way, what differs is published under the guards, hostile files name their line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartable.errors import SamePerson
from cartable.i18n import ENGLISH, list_available_languages
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.cli import policy
from mdm.cli.policy_yaml import MAX_BYTES, read_policy, write_policy
from profiles.effective import publishing
from profiles.effective.errors import CutsTabletsOff, RisksNotConfirmed
from profiles.effective.policy_files import PolicyEntry, PresetReference, export_policy
from profiles.policy import documents
from profiles.policy.content import PolicyContent, PresetUse
from profiles.policy.errors import BadPolicyFile
from profiles.policy.kinds import AppUse, PlaceKind, PresetKind, VersionState
from profiles.policy.models import PolicyVersion
from tests.profiles.policy.conftest import town, work
from tests.profiles.policy.places import PolicyTown, value_on
from tests.support.policy import publish_content, publish_document
from tests.support.sampling import count_examples

__all__ = ["town", "work"]
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
by_mode = st.dictionaries(st.sampled_from(["all", "school", "home"]), st.dictionaries(texts, values, max_size=4), max_size=3)
references = st.builds(
    PresetReference, st.tuples(st.sampled_from(PresetKind), texts.filter(bool)), texts, st.none() | st.sampled_from(AppUse)
)
document_entries = st.builds(
    PolicyEntry,
    st.tuples(st.sampled_from(PlaceKind), texts),
    by_mode,
    st.dictionaries(texts, st.lists(texts, unique=True).map(sorted), max_size=2),
    st.lists(references, max_size=2).map(tuple),
    label=st.text(max_size=12),
)
preset_entries = st.builds(PolicyEntry, st.tuples(st.sampled_from(PresetKind), texts), by_mode)


@settings(max_examples=count_examples(30))
@given(st.lists(preset_entries, max_size=3), st.lists(document_entries, max_size=3))
def test_nothing_is_lost_on_the_way_through_a_file(presets: list[PolicyEntry], places: list[PolicyEntry]) -> None:
    text = write_policy("ville", [*presets, *places], ENGLISH)
    assert read_policy(text.encode()) == ("ville", [*presets, *places])


HEAD = "format: cartable-policy-1\ntown: ville\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("format: other\n", 1),
        ("- a\n", 1),
        (HEAD + "a: &b [1]\nc: *b\n", 3),
        (HEAD + "a: !!python/object:os.system x\n", 3),
        (HEAD + "presets:\n- {kind: filter}\n", 4),
        (HEAD + "presets:\n- {kind: castle, name: a}\n", 4),
        (HEAD + "documents:\n- place: town\n  colour: red\n", 5),
        (HEAD + "documents:\n- place: town\n  values:\n    all:\n      until: 2026-01-01\n", 7),
        (HEAD + "documents:\n- place: town\n  values: [1]\n", 5),
        (HEAD + "documents:\n- place: town\n  presets:\n  - preset: filter\n", 6),
        (HEAD + "documents:\n- place: town\n  place: town\n", 5),
        (HEAD + "documents: [\n", 4),
        (HEAD + "x: " + "[" * 40, 3),
        (HEAD + "a: \x00\n", 1),
        ("x" * (MAX_BYTES + 1), 1),
    ],
)
def test_a_hostile_file_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(BadPolicyFile) as refusal:
        read_policy(text.encode())
    assert refusal.value.details["line"] == line


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    with pytest.raises(BadPolicyFile) as refusal:
        read_policy(b"format: x\ntown: \xff\n")
    assert refusal.value.details["line"] == 2


class PolicyFile:
    """The file of a town, and the commands on it."""

    def __init__(self, work: UnitOfWork, town: PolicyTown, folder: Path) -> None:
        self.work, self.town, self.path = work, town, folder / "policy.yaml"

    def export(self) -> str:
        """Write the town's policy into the file."""
        self.path.write_text(write_policy(self.town.town.slug, export_policy(self.work, self.town.town.id), ENGLISH))
        return self.path.read_text()

    def replace(self, old: str, new: str) -> None:
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))

    def run(self, action: str, **options: Any) -> None:
        given = {"confirm": None, "at_once": None, "accept_shortage": False, "author": "Ada", "reason": "a reason", **options}
        policy.run(self.work, argparse.Namespace(action=action, file=self.path, **given))

    def count_versions(self) -> int:
        return self.work.session.query(PolicyVersion).count()


@pytest.fixture
def file(work: UnitOfWork, town: PolicyTown, tmp_path: Path) -> PolicyFile:
    """The file of a town with a filter, a document that takes it in, and one of a class with a secret."""
    preset = documents.create_preset(work, SYSTEM, town.town.id, PresetKind.FILTER, "Cycle 2")
    publish_content(work, preset, PolicyContent({"all": {"web.denied": ["jeux.example"]}}))
    values = {"all": {"allowCamera": False}, "home": {"allowCamera": True}}
    publish_document(
        work, town.town.id, PlaceKind.GRADE, "CE2", values, locks={"home": ["allowCamera"]}, presets=[PresetUse(preset.id)]
    )
    network = {"SSID_STR": "ecole", "EncryptionType": "WPA2", "Password": "very secret"}
    town.publish(work, PlaceKind.CLASS, str(town.classes[0].id), {"wifi.managed": [network]})
    file = PolicyFile(work, town, tmp_path)
    file.export()
    return file


def test_an_exported_file_changes_nothing_and_holds_no_secret(file: PolicyFile, capsys: pytest.CaptureFixture[str]) -> None:
    assert "very secret" not in file.path.read_text()
    before = file.count_versions()
    file.run("plan")
    assert "3 of 3 entries change nothing" in capsys.readouterr().out
    file.run("apply")
    assert (capsys.readouterr().out, file.count_versions()) == ("Nothing differs.\n", before)


def test_a_plan_counts_tablets_and_stores_nothing(file: PolicyFile, capsys: pytest.CaptureFixture[str]) -> None:
    file.replace("- jeux.example", "- jeux.example\n      - autres.example")
    before = file.count_versions()
    file.run("plan")
    output = capsys.readouterr().out
    assert "filter Cycle 2: changed, 4 of 4 tablets get other rules" in output
    assert "values.all.web.denied" in output
    assert file.count_versions() == before


def test_applying_publishes_by_stages_once(file: PolicyFile, capsys: pytest.CaptureFixture[str]) -> None:
    file.replace("allowCamera: true", "allowCamera: false")
    file.run("apply")
    assert capsys.readouterr().out == "grade CE2: version 2 rolling\n"
    version = file.work.session.query(PolicyVersion).filter(PolicyVersion.state == VersionState.ROLLING).one()
    assert (version.author_name, version.reason, version.advances) == ("operator: Ada", "a reason", True)
    file.run("apply")
    assert capsys.readouterr().out == "Nothing differs.\n"


def test_a_secret_stays_as_it_was_when_something_beside_it_changes(file: PolicyFile) -> None:
    file.replace("SSID_STR: ecole", "SSID_STR: ecole\n        HIDDEN_NETWORK: true")
    with pytest.raises(RisksNotConfirmed) as refusal:
        file.run("apply")
    file.run("apply", confirm=refusal.value.details["confirmation"])
    version = file.work.session.query(PolicyVersion).filter(PolicyVersion.state == VersionState.ROLLING).one()
    assert version.values["all"]["wifi.managed"][0] == {
        "SSID_STR": "ecole", "EncryptionType": "WPA2", "Password": "very secret", "HIDDEN_NETWORK": True,
    }  # fmt: skip


def test_the_guards_of_publishing_hold(file: PolicyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.replace("allowCamera: false", "forceWiFiToAllowedNetworksOnly: true")
    with pytest.raises(CutsTabletsOff):
        file.run("apply")
    file.replace("forceWiFiToAllowedNetworksOnly: true", "allowChat: false")
    monkeypatch.setattr(publishing, "SECOND_PERSON_ABOVE", 1)
    with pytest.raises(SamePerson):
        file.run("apply", at_once="no time")


def test_a_file_may_bring_a_new_preset_and_the_document_that_takes_it_in(file: PolicyFile, town: PolicyTown) -> None:
    new = "presets:\n- kind: filter\n  name: Press\n  values: {all: {web.denied: [presse.example]}}\n"
    document = "documents:\n- place: pupil\n  target: {}\n  presets: [{{preset: filter/Press, mode: all}}]\n"
    target = town.pupil_of(file.work, town.tablets[2][0])
    file.path.write_text(f"format: cartable-policy-1\ntown: {town.town.slug}\n{new}{document.format(target)}")
    file.run("apply")
    assert value_on(file.work, town.tablets[2][0], "web.denied") == ["presse.example"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("allowCamera: true", "allowNothing: true"),
        ("target: CE2", "target: CE9"),
        ("preset: filter/Cycle 2", "preset: filter/None"),
    ],
)
def test_what_the_town_does_not_have_is_refused_with_the_line(file: PolicyFile, old: str, new: str) -> None:
    file.replace(old, new)
    with pytest.raises(BadPolicyFile) as refusal:
        file.run("apply")
    line = file.path.read_text().splitlines()[int(str(refusal.value.details["line"])) - 1]
    assert line.startswith("- place: grade")


def test_comments_are_in_the_language_asked_for(file: PolicyFile) -> None:
    french = next(language for language in list_available_languages() if language.code == "fr")
    entries = export_policy(file.work, file.town.town.id)
    assert write_policy("ville", entries, french) != write_policy("ville", entries, ENGLISH)
