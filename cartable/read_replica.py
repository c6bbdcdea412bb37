"""The optional read replica: a streaming standby of PostgreSQL that bears long readings, while it is recent enough."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger()
#: A standby that is further behind is not read: an export would miss what the person has just done.
MAX_LAG = timedelta(seconds=30)
#: Seconds that a standby is behind; null when it is none, or receives nothing. With nothing left to replay it is not behind, however
#: long ago the last change was.
_SELECT_LAG = """
SELECT CASE
    WHEN NOT pg_is_in_recovery() OR NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN NULL
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp())
END
"""


class ReadReplica:
    """The standby behind one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def measure_lag(self) -> timedelta | None:
        """Return how far the standby is behind; None when it does not answer, is no standby, or has lost its primary."""
        try:
            with self.engine.connect() as connection:
                seconds = connection.scalar(text(_SELECT_LAG))
        except SQLAlchemyError as error:
            log.warning("replica.unreachable", error=type(error).__name__)
            return None
        return None if seconds is None else timedelta(seconds=max(0.0, float(seconds)))

    def is_recent(self) -> bool:
        """Return whether the standby may be read now."""
        lag = self.measure_lag()
        return lag is not None and lag <= MAX_LAG
