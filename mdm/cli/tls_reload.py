"""Lets a running server take up a certificate that was renewed, or that has the name of another town. Decides nothing of its content."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import structlog
from uvicorn import Config

log = structlog.get_logger()


def create_reloading_context(config: Config, create_default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return the server's TLS context, which reads its files again when they have changed. For uvicorn's `ssl_context_factory`."""
    assert config.ssl_certfile is not None
    chain = Path(config.ssl_certfile)
    context = loaded = create_default()
    known = chain.stat().st_mtime_ns

    def choose_context(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal loaded, known
        changed = chain.stat().st_mtime_ns
        if changed != known:
            try:
                loaded = create_default()
                known = changed
            except (OSError, ssl.SSLError):  # the key was written and the chain not yet: the next connection tries again
                log.warning("tls.reload_failed", exc_info=True)
        connection.context = loaded

    context.sni_callback = choose_context
    return context
