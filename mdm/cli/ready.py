"""`cartable ready`: asks the server process of this machine whether it can serve, for the health checks of containers."""

from __future__ import annotations

import argparse
import time

import httpx

from cartable.settings import Settings

_TIMEOUT_SECONDS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="ask again until it can serve, so long")


def run(parsed: argparse.Namespace) -> int:
    """Print what the server lacks. Returns 0 when it can serve, 1 when it cannot or does not answer."""
    settings, end = Settings(), time.monotonic() + parsed.wait
    while not (is_ready := _ask(settings)) and time.monotonic() < end:
        time.sleep(0.5)
    return 0 if is_ready else 1


def _ask(settings: Settings) -> bool:
    scheme = "https" if settings.serve_tls else "http"
    try:
        # The certificate is for the public name, and nobody stands between a process and its own machine.
        answer = httpx.get(f"{scheme}://127.0.0.1:{settings.bind_port}/readyz", verify=False, timeout=_TIMEOUT_SECONDS)  # noqa: S501
    except httpx.HTTPError as error:
        print(f"no answer: {error}")
        return False
    print(answer.text)
    return answer.status_code == httpx.codes.OK
