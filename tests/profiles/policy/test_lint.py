"""Every rule of the lint, by its name."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.policy.checks import lint_content
from profiles.policy.content import PolicyContent
from profiles.policy.lint import LintRule


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"exam": {"single_app": "fr.b", "allowed_apps": ["fr.a"]}}, LintRule.APP_NOT_SHOWN),
        ({"all": {"allowed_apps": ["fr.a"]}, "exam": {"exam_apps": ["fr.a", "fr.b"]}}, LintRule.APP_NOT_SHOWN),
        ({"all": {"blocked_apps": ["fr.b"]}, "exam": {"single_app": "fr.b"}}, LintRule.APP_HIDDEN),
        ({"all": {"apps.blocked": ["fr.b"], "single_app": "fr.b"}}, LintRule.APP_HIDDEN),
        (
            {"all": {"web.blocked_categories": ["games"], "web.permitted_categories": ["games"]}},
            LintRule.CATEGORY_OPEN_AND_CLOSED,
        ),
        ({"all": {"web.permitted_categories": ["adult"]}}, LintRule.BASELINE_CATEGORY),
        ({"all": {"web.permitted_categories": ["vpn"]}}, LintRule.BASELINE_CATEGORY),
        (
            {"all": {"web.delivery": {"kind": "dns", "protocol": "HTTPS", "server": "http://plain.example"}}},
            LintRule.DNS_WITHOUT_HTTPS,
        ),
    ],
)
def test_a_rule_finds_its_contradiction(values: dict[str, dict[str, Any]], rule: LintRule) -> None:
    assert {finding.rule for finding in lint_content(PolicyContent(values), {})} == {rule}


def test_what_does_not_contradict_itself_passes() -> None:
    values: dict[str, dict[str, Any]] = {
        "all": {"allowed_apps": ["fr.a", "fr.b"], "web.blocked_categories": ["games"], "web.permitted_categories": ["press"]},
        "exam": {"single_app": "fr.b"},
        "home": {"web.blocked_categories": [], "web.permitted_categories": ["games"]},
    }
    assert lint_content(PolicyContent(values), {}) == []
