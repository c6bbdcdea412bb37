"""`cartable ready`: asks the server process of this machine whether it can serve, for the health checks of containers."""

from __future__ import annotations

import argparse

import httpx

from cartable.settings import Settings

_TIMEOUT_SECONDS = 8


def run(_parsed: argparse.Namespace) -> int:
    """Print what the server lacks. Returns 0 when it can serve, 1 when it cannot or does not answer."""
    settings = Settings()
    scheme = "https" if settings.serve_tls else "http"
    try:
        # The certificate is for the public name, and nobody stands between a process and its own machine.
        answer = httpx.get(f"{scheme}://127.0.0.1:{settings.bind_port}/readyz", verify=False, timeout=_TIMEOUT_SECONDS)  # noqa: S501
    except httpx.HTTPError as error:
        print(f"no answer: {error}")
        return 1
    print(answer.text)
    return 0 if answer.status_code == httpx.codes.OK else 1
