"""aiosqlite with fewer trips to its thread: a statement takes some 20 us, the way there and back up to 450 us."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

import aiosqlite
from sqlalchemy import Connection

BUSY_SECONDS = 5
_TRIES = 100
# two spellings each: the second says that the whole transaction is long
WRITE, WRITE_LONG, READ, READ_LONG = "BEGIN IMMEDIATE", "BEGIN IMMEDIATE TRANSACTION", "BEGIN", "BEGIN TRANSACTION"
_PRAGMAS = (
    f"busy_timeout={BUSY_SECONDS * 1000}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
)


class QuickConnection(aiosqlite.Connection):
    """Only what may wait, for the disk, another process or a long list, goes through the thread.

    Within a short transaction nothing waits: a reader never does under WAL, a writer has the lock from its begin on.
    """

    def __init__(self, file: str) -> None:
        super().__init__(lambda: _connected(file), 64)
        self._thread.daemon = True  # as SQLAlchemy does: a hanging disk must not keep the process alive
        self._long = False

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._may_wait(getattr(fn, "__name__", ""), args[0] if args else ""):
            return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return fn(*args, **kwargs)

    def _may_wait(self, name: str, sql: str) -> bool:
        if self._conn.in_transaction:
            return self._long or name == "commit"
        self._long = sql in {READ_LONG, WRITE_LONG}
        return name not in {"cursor", "rollback", "commit"} and sql != READ


def _connected(file: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    for pragma in _PRAGMAS:
        _set(connection, pragma)
    return connection


def _set(connection: sqlite3.Connection, pragma: str) -> None:
    """Patiently: two that open a new file at once get "locked" without the wait that busy_timeout promises."""
    for _ in range(_TRIES):
        try:
            connection.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError:
            time.sleep(BUSY_SECONDS / _TRIES)
    connection.execute(f"PRAGMA {pragma}")


def begin(connection: Connection) -> None:
    """A writer takes the lock at once: a reader that turned writer half-way would fail."""
    connection.exec_driver_sql(connection.get_execution_options().get("begin", READ))
