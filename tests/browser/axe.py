"""Judges a page by axe-core, whose rules are those of WCAG; each structure of a page once in a process, because it takes half a second."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

_AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
#: A page's elements with what rules look at, without its texts.
_READ_STRUCTURE = """() => [...document.querySelectorAll('body > :not(header), body > :not(header) *')].map(each =>
  [each.tagName, each.className.baseVal ?? each.className, each.hidden, each.type, each.getAttribute('role'), each.getAttribute('aria-current')]
  .join('.')).filter((each, index, all) => each !== all[index - 1]).join(' ')"""
_RUN = """async rules => (await axe.run(document, {resultTypes: ['violations'], ...rules})).violations
  .flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target} ${node.failureSummary}`))"""
_seen: set[tuple[str, str]] = set()


def find_axe_faults(page: Page, *rules: str, scheme: str = "light") -> list[str]:
    """Return the findings of axe-core, of all rules or of the named ones; none for a structure that was judged before."""
    structure = str(page.evaluate(_READ_STRUCTURE))
    if (scheme, structure) in _seen:
        return []
    _seen.add((scheme, structure))
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.evaluate(f"() => {{ {_AXE} }}")
    options: dict[str, Any] = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    return list(page.evaluate(_RUN, options))
