"""What every page must keep: a language, one first heading, headings in order, names for fields and buttons, tables with headers,
nothing that runs off a narrow screen. Asked in the browser, so that the page itself is judged.
"""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.axe import find_axe_faults

_FAULTS = """() => {
  const faults = [];
  if (!document.documentElement.lang) faults.push('no language');
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
  let last = 1;
  for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) faults.push('heading leaps: ' + heading.textContent);
    last = level;
  }
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
    if (!field.labels?.length && !field.getAttribute('aria-label')) faults.push('no label: ' + field.name);
  for (const button of document.querySelectorAll('button, a'))
    if (!(button.textContent.trim() || button.getAttribute('aria-label'))) faults.push('no name: ' + button.outerHTML);
  for (const table of document.querySelectorAll('table'))
    if (!table.querySelector('thead th[scope=col]')) faults.push('table without headers');
  for (const radio of document.querySelectorAll('input[type=radio]'))
    if (!radio.closest('fieldset')?.querySelector('legend')) faults.push('radio without legend');
  const seen = {};
  for (const each of document.querySelectorAll('[id]')) { if (seen[each.id]) faults.push('id twice: ' + each.id); seen[each.id] = 1; }
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    const wide = [...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > width + 1 && !each.closest('.wrap'));
    faults.push('runs off the screen: ' + (wide.at(-1)?.outerHTML.slice(0, 200) ?? 'something in a scrolling box'));
  }
  return faults;
}"""


def check_page(page: Page) -> None:
    """Judge the page at a desk's width and at a tablet's, and by axe-core."""
    page.wait_for_load_state()  # a click returns when the next page begins, and it may still be empty
    for width in (1280, 820):
        page.set_viewport_size({"width": width, "height": 900})
        assert find_faults(page) == [], (page.url, width)
    assert find_axe_faults(page) == [], page.url


def find_faults(page: Page) -> list[str]:
    """Return what the page lacks at its present width."""
    return list(page.evaluate(_FAULTS))
