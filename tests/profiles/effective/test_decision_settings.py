"""Every setting that the code of decisions reads is in the list of those that end a kept decision."""

from __future__ import annotations

import re
from pathlib import Path

from cartable.settings import Settings
from profiles.effective.decision_settings import DECISION_SETTINGS, describe_decision_settings

ROOT = Path(__file__).parents[3]
#: Settings that these packages read for other work.
OTHER_WORK = {
    "apps_and_books_url": "where licences are compared",
    "challenge_minutes": "how long the renewal of an identity may take",
    "filter_lists_checksum_url": "where lists come from; what they contain is a release",
    "filter_lists_max_megabytes": "where lists come from",
    "filter_lists_url": "where lists come from",
}


def test_the_list_has_every_setting_that_decisions_read() -> None:
    sources = [path for folder in ("profiles", "mdm/reconcile") for path in (ROOT / folder).rglob("*.py")]
    found = {name for path in sources for name in re.findall(r"\bsettings\.([a-z_]+)", path.read_text())}
    read = found & Settings.model_fields.keys()
    assert read == set(DECISION_SETTINGS) | OTHER_WORK.keys()


def test_another_value_is_another_description() -> None:
    settings = Settings()
    described = describe_decision_settings(settings)
    assert described == describe_decision_settings(Settings())
    for name in DECISION_SETTINGS:
        former = getattr(settings, name)
        other = not former if isinstance(former, bool) else ("b.example",) if isinstance(former, tuple) else f"{former}b"
        assert describe_decision_settings(settings.model_copy(update={name: other})) != described, name
