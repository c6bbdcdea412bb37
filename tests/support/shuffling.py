"""Lets each SELECT return its rows in another order where its ORDER BY leaves that open. Nothing of it runs unless it is asked for.

PostgreSQL returns rows of an equal order as it finds them, which changes with the machine and the load: a test, or the product,
that relies on the order of yesterday fails one time in thirty. With `TEST_SHUFFLE=1` it fails nearly always.
"""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Select, event, func

SHUFFLE_VARIABLE = "TEST_SHUFFLE"


def shuffle_if_asked() -> None:
    """Shuffle the results of all engines of this process if the environment asks for it."""
    if os.environ.get(SHUFFLE_VARIABLE):
        event.listen(Engine, "before_execute", _break_ties, retval=True)


def _break_ties(
    _connection: Connection, statement: Executable, multiparams: Any, params: Any, _options: Any
) -> tuple[Executable, Any, Any]:
    """Order rows at random where they are equal. A SELECT DISTINCT may be ordered only by what it selects, and is left alone."""
    if isinstance(statement, Select) and not statement._distinct:
        statement = statement.order_by(func.random())
    return statement, multiparams, params
