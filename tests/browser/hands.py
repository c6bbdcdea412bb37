"""A person in front of a page, by the pointer or by the keyboard alone; each act takes a bounded number of clicks, or of Enter and Space."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.focus import shows_focus

MOST_CLICKS = 5
#: So many times a person would press Tab at most, before giving up.
MOST_STOPS = 150


def find_chapter(page: Page, address: str) -> Locator:
    """Return the link of a chapter in the menu."""
    return page.locator(f"#menu {_select_link(address)}").first


def find_group(page: Page, address: str) -> Locator:
    """Return the title of the menu's group in which a chapter stands."""
    return page.locator(f"#menu details:has({_select_link(address)}) summary")


def _select_link(address: str) -> str:
    return f"a:is([href='{address}'], [href^='{address}?'])"


def open_chapter(page: Page, address: str) -> None:
    """Open a chapter of the menu by the pointer."""
    page.wait_for_load_state()
    if not find_chapter(page, address).is_visible():
        find_group(page, address).click()
    find_chapter(page, address).click()


@dataclass
class Hand(ABC):
    """A person at work: counts the clicks of each act, without those that give the password once more."""

    page: Page
    password: str
    clicks: dict[str, int] = field(default_factory=dict)
    act: str = ""

    def begin(self, act: str) -> None:
        """Begin an act, whose clicks are counted from here."""
        self.act, self.clicks[act] = act, 0

    def open_chapter(self, address: str) -> None:
        """Open a chapter of the menu, after the group in which it stands."""
        self.page.wait_for_load_state()
        if not find_chapter(self.page, address).is_visible():
            self.activate(find_group(self.page, address))
        self.activate(find_chapter(self.page, address))

    def link(self, name: str) -> None:
        """Follow the first link of this name."""
        self.activate(self.page.get_by_role("link", name=name, exact=True).first)

    def button(self, name: str) -> None:
        """Press the first button of this name, and give the password once more where it is asked for."""
        self.activate(self.page.get_by_role("button", name=name, exact=True).first)
        self.page.wait_for_load_state()
        if self.page.locator("#confirm_password").count():
            self.fill(self.page.locator("#confirm_password"), self.password)
            self._click(self.page.get_by_role("button", name="Continuer"))

    def unfold(self, name: str) -> None:
        """Open what stands below a title."""
        self.activate(self.page.locator("summary").filter(has_text=re.compile(rf"^\s*{re.escape(name)}")).first)

    def search(self, text: str) -> None:
        """Search by the bar, which the key `/` leads to, and open the page of results."""
        self.page.locator("main").press("/")
        expect(self.page.locator("#find")).to_be_focused()
        self.page.keyboard.type(text)
        self._count()
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/search?*")

    def activate(self, target: Locator) -> None:
        """Click a link, a button or a title, or press Enter on it."""
        self._count()
        self._click(target)

    def expect_status(self, text: str) -> None:
        """See a result, and that the focus stands on it, so that nobody has to look for it."""
        status = self.page.get_by_role("status").first
        expect(status).to_contain_text(text)
        expect(status).to_be_focused()

    @abstractmethod
    def _click(self, target: Locator) -> None: ...

    @abstractmethod
    def fill(self, target: Locator, text: str) -> None:
        """Replace what a field contains."""

    @abstractmethod
    def check(self, target: Locator) -> None:
        """Tick a box."""

    @abstractmethod
    def choose(self, target: Locator, value: str) -> None:
        """Choose an option by its value."""

    @abstractmethod
    def attach(self, target: Locator, file: Any) -> None:
        """Choose a file."""

    def _count(self) -> None:
        self.clicks[self.act] += 1
        assert self.clicks[self.act] <= MOST_CLICKS, self.act


class Pointer(Hand):
    """A person with a mouse or a finger."""

    def _click(self, target: Locator) -> None:
        target.click()

    def fill(self, target: Locator, text: str) -> None:
        target.fill(text)

    def check(self, target: Locator) -> None:
        target.check()

    def choose(self, target: Locator, value: str) -> None:
        target.select_option(value)

    def attach(self, target: Locator, file: Any) -> None:
        target.set_input_files(file)


class Keyboard(Hand):
    """A person without a pointer, who sees where the focus is at each stop."""

    def _click(self, target: Locator) -> None:
        self._reach(target)
        target.press("Enter")  # waits for the page to which it leads

    def fill(self, target: Locator, text: str) -> None:
        self._reach(target)
        if target.get_attribute("type") == "time":
            self.page.keyboard.type(re.sub(r"\D", "", text))
        else:
            self.page.keyboard.press("Control+A")
            self.page.keyboard.type(text)

    def check(self, target: Locator) -> None:
        self._reach(target)
        self.page.keyboard.press("Space")
        expect(target).to_be_checked()

    def choose(self, target: Locator, value: str) -> None:
        self._reach(target)
        self.page.keyboard.press("Home")
        for _ in range(target.locator("option").count()):
            if target.input_value() == value:
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"no option {value} by the arrows")

    def attach(self, target: Locator, file: Any) -> None:
        self._reach(target)
        with self.page.expect_file_chooser() as choosing:
            target.press("Space")
        choosing.value.set_files(file)

    def _reach(self, target: Locator) -> None:
        """Move the focus by Tab, or back by Shift and Tab, until it is on the target, where it must be seen."""
        expect(target).to_be_visible()
        self.page.wait_for_load_state()
        element = target.element_handle()
        for _ in range(MOST_STOPS):
            key = element.evaluate(_CHOOSE_KEY)
            if key is None:
                break
            self.page.keyboard.press(key)
        else:
            raise AssertionError(f"{self.act}: the keyboard does not reach {target}")
        assert shows_focus(target), f"{self.act}: the focus is not seen on {target}"


#: The key that leads from where the focus is towards an element; null once it is there.
_CHOOSE_KEY = """each => document.activeElement === each ? null
  : document.activeElement.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_PRECEDING ? 'Shift+Tab' : 'Tab'"""
