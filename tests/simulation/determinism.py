"""Takes chance and threads out of a process for a while: bytes come from a seed, endpoints run on the thread of the event loop."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest import mock

import anyio.to_thread

T = TypeVar("T")


@contextmanager
def remove_chance(seed: int) -> Iterator[None]:
    """Let identifiers, codes, nonces and tokens follow from `seed`, and run no endpoint in a thread. Keys of OpenSSL stay random."""
    source = random.Random(f"bytes/{seed}")
    with (
        mock.patch.object(os, "urandom", source.randbytes),
        mock.patch.object(random, "_urandom", source.randbytes),  # where `secrets` gets its bytes from
        mock.patch.object(anyio.to_thread, "run_sync", _run_inline),
    ):
        yield


async def _run_inline(act: Callable[..., T], *args: Any, **_options: Any) -> T:
    return act(*args)
