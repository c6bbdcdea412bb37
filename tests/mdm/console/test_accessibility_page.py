"""The accessibility statement: open to everybody, in both languages, and what the operator has declared."""

from __future__ import annotations

import asyncio
import html

import httpx
import pytest

from cartable.settings import AccessibilityLevel, Settings
from cartable.unit_of_work import Runtime
from mdm.web import create_app


def read_page(runtime: Runtime, path: str, language: str) -> str:
    async def send() -> str:
        transport = httpx.ASGITransport(app=create_app(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
            return html.unescape((await client.get(path, headers={"Accept-Language": language})).text)

    return asyncio.run(send())


def test_the_statement_says_its_state_and_the_ways_of_redress(runtime: Runtime) -> None:
    french, english = (read_page(runtime, "/accessibility", language) for language in ("fr", "en"))
    assert "aucun audit de conformité n'a encore été réalisé" in french
    assert "Défenseur des droits, Libre réponse 71120, 75342 Paris CEDEX 07" in french
    assert "no audit of its compliance has been made yet" in english
    assert "Write to the person at the town" in english


@pytest.mark.parametrize("level", AccessibilityLevel)
def test_every_page_links_the_statement_by_the_declared_level(runtime: Runtime, level: AccessibilityLevel) -> None:
    declared = {"accessibility_level": level, "accessibility_contact": "accessibilite@ville.test"}
    runtime.settings = Settings.model_validate(runtime.settings.model_dump() | declared)
    words = {
        AccessibilityLevel.NONE: "non conforme",
        AccessibilityLevel.PARTIAL: "partiellement conforme",
        AccessibilityLevel.FULL: "totalement conforme",
    }
    assert f'<a href="/accessibility">Accessibilité : {words[level]}</a>' in read_page(runtime, "/sign-in", "fr")
    assert "accessibilite@ville.test" in read_page(runtime, "/accessibility", "fr")
