"""Whether the keyboard's focus can be seen where it is."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

_SHOWS_FOCUS = """each => [each, each.nextElementSibling, each.parentElement].filter(Boolean).map(one => getComputedStyle(one))
  .some(style => (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none')"""
_LIST_INVISIBLE = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
  .filter(each => each.checkVisibility() && !each.disabled && each.offsetParent !== null).filter(each => {
    each.focus({focusVisible: true, preventScroll: true});
    return document.activeElement === each && !(SHOWS)(each);
  }).map(each => 'focus cannot be seen: ' + each.outerHTML.slice(0, 120))""".replace("SHOWS", _SHOWS_FOCUS)


def shows_focus(target: Locator) -> bool:
    """Return whether an outline or a shadow marks the element that has the focus, its neighbour or what surrounds it."""
    return bool(target.evaluate(_SHOWS_FOCUS))


def find_invisible_focus(page: Page) -> list[str]:
    """Return the fields, buttons and links that show nothing when the keyboard reaches them."""
    page.keyboard.press("Tab")
    return list(page.evaluate(_LIST_INVISIBLE))
