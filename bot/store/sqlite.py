"""SQLite: long work over aiosqlite, in a thread; short work at once: a statement takes 20 us, the way there 450."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, Executable, Transaction, create_engine, event
from sqlalchemy.exc import OperationalError

BUSY_SECONDS = 5
WRITE, READ = "BEGIN IMMEDIATE", "BEGIN"
_TRIES = 100
_ASK_AGAIN_SECONDS = 0.005
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")


class AtOnce:
    """A transaction whose statements run in the event loop: nothing in it waits, for a reader never does under WAL and
    a writer has the lock from its begin on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[*tuple[Any, ...]]:
        """As SQLAlchemy's AsyncConnection does it, without leaving the loop."""
        return self._connection.execute(statement, parameters)


class ShortWork:
    """Connections to one file for transactions of a few statements: any number of readers, one writer at a time."""

    def __init__(self, file: Path) -> None:
        self._readers = _engine(file, READ, BUSY_SECONDS)
        self._writer = _engine(file, WRITE, 0)  # never waits for the lock: the event loop would wait with it
        self._disk = ThreadPoolExecutor(1, "disk")

    @contextmanager
    def reading(self) -> Iterator[AtOnce]:
        """For looking only."""
        with self._readers.connect() as connection:
            connection.begin()
            yield AtOnce(connection)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AtOnce]:
        """Committed at its end, all or not at all; only that goes to a thread, since it waits for the disk."""
        with self._writer.connect() as connection:
            transaction = await _begun(connection)
            yield AtOnce(connection)  # an error in there closes the connection, and that rolls back
            await asyncio.get_running_loop().run_in_executor(self._disk, transaction.commit)

    def close(self) -> None:
        """Gives back every connection."""
        self._disk.shutdown()
        self._readers.dispose()
        self._writer.dispose()


def _engine(file: Path, begin_with: str, busy_seconds: float) -> Engine:
    options = {"check_same_thread": False, "isolation_level": None, "timeout": busy_seconds}
    # a pool that is empty opens one more: waiting for one would stop the loop that gives them back
    engine = create_engine(f"sqlite:///{file}", connect_args=options, max_overflow=-1, hide_parameters=True)
    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine.execution_options(begin=begin_with)


async def _begun(connection: Connection) -> Transaction:
    """With the lock, as soon as the process that has it lets go."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return connection.begin()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


def begin(connection: Connection) -> None:
    """A writer takes the lock at once: a reader that turned writer half-way would fail."""
    connection.exec_driver_sql(connection.get_execution_options().get("begin", READ))


def prepare(connection: Any, _: object = None) -> None:
    """What a new connection needs to know of us."""
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        _set(cursor, pragma)
    cursor.close()


def _set(cursor: Any, pragma: str) -> None:
    """Patiently: two that open a new file at once get "locked" without the wait that a timeout promises."""
    for _ in range(_TRIES):
        try:
            cursor.execute(f"PRAGMA {pragma}")
            return
        except Exception as error:  # through aiosqlite it is not sqlite3's own
            if "locked" not in str(error):
                raise
        time.sleep(BUSY_SECONDS / _TRIES)
    cursor.execute(f"PRAGMA {pragma}")
