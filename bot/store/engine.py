"""One database, SQLite or PostgreSQL: opened by URL, read and written in short transactions, migrated under a lock."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from alembic import command
from alembic.config import Config as Alembic
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, CursorResult, Executable, Insert, Table, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from bot.errors import HotlineError, reason
from bot.store import sqlite

T = TypeVar("T")
_MIGRATION_LOCK = 12345
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


class Conflict(HotlineError):
    """Somebody else wrote the same a moment earlier: read again."""


class DatabaseUnavailable(HotlineError):
    """The database does not answer at the moment; the same again may work later."""


class Transaction(Protocol):
    """What the functions of this package need of a connection."""

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[*tuple[Any, ...]]:
        """Runs one statement."""


class Store:
    """A database; `reading` and `write` are the only ways in."""

    def __init__(self, url: str) -> None:
        self.url = _with_driver(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        # parameters are citizens' words: an error must not carry them into a log
        self._engine = create_async_engine(self.url, pool_size=16, max_overflow=0, hide_parameters=True, **self._more())
        self._short = sqlite.ShortWork(self._file()) if self.is_sqlite else None
        self._waiting: list[_Piece[Any]] = []
        self._draining: asyncio.Task[None] | None = None
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", sqlite.prepare)
            event.listen(self._engine.sync_engine, "begin", sqlite.begin)
            self._writer = self._engine.execution_options(begin=sqlite.WRITE)
        else:
            self._writer = self._engine

    def _more(self) -> dict[str, Any]:
        if not self.is_sqlite:
            return {"pool_pre_ping": True}
        _make_private(self._file())
        return {"connect_args": {"isolation_level": None, "timeout": sqlite.BUSY_SECONDS}}

    def _file(self) -> Path:
        return Path(self.url.database or "")

    @asynccontextmanager
    async def reading(self, *, long: bool = False) -> AsyncIterator[Transaction]:
        """For looking only; `long` where it goes through many rows."""
        with _in_plain_words():
            if self._short and not long:
                with self._short.reading() as transaction:
                    yield transaction
                return
            async with self._engine.connect() as connection:
                yield connection

    async def write(self, work: Callable[[Transaction], Awaitable[T]], *, long: bool = False) -> T:
        """What `work` gives; its changes are committed all or not at all. Keep network and matcher out of it.

        SQLite has one writer and a commit waits for the disk: what gathers meanwhile shares the next commit, so `work`
        may run a second time if a neighbour fails. `long`, where it goes through many rows, shares with nobody.
        """
        if long or not self._short:
            with _in_plain_words():
                async with self._writer.begin() as connection:
                    return await work(connection)
        piece: _Piece[T] = _Piece(work, asyncio.get_running_loop().create_future())
        self._waiting.append(piece)
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
        return await piece.done

    async def _drain(self) -> None:
        while self._waiting:
            pieces, self._waiting = [p for p in self._waiting if not p.done.cancelled()], []
            await self._commit_together(pieces)

    async def _commit_together(self, pieces: Sequence["_Piece[Any]"]) -> None:
        assert self._short
        try:
            with _in_plain_words():
                async with self._short.writing() as transaction:
                    results = [await piece.work(transaction) for piece in pieces]
        except DatabaseUnavailable as error:  # it would be no other for each alone, but later
            for piece in pieces:
                if not piece.done.cancelled():
                    piece.done.set_exception(error)
            return
        except Exception as error:
            if len(pieces) == 1 and not pieces[0].done.cancelled():
                pieces[0].done.set_exception(error)
            for piece in pieces if len(pieces) > 1 else []:
                await self._commit_together([piece])
            return
        for piece, result in zip(pieces, results, strict=True):
            if not piece.done.cancelled():
                piece.done.set_result(result)

    async def migrate(self) -> str:
        """Brings the tables up to this program; the revision they have now."""

        with _in_plain_words():
            async with self._writer.begin() as connection:
                if not self.is_sqlite:
                    await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
                return await connection.run_sync(_upgrade)

    async def check(self) -> None:
        """Raises HotlineError unless the tables are those of this program."""
        with _in_plain_words():
            async with self._engine.connect() as connection:
                current = await connection.run_sync(_revision)
        _refuse_unknown(current)
        if current != newest():
            raise HotlineError("数据库还没有建立或版本较旧;请先运行 hotline migrate(hotline serve 也会自动升级)")

    def insert_new(self, table: Table) -> Insert:
        """INSERT that leaves alone what is there."""
        return _insert_new(table, is_sqlite=self.is_sqlite)

    async def close(self) -> None:
        """Commits what waits and gives back every connection."""
        if self._draining:
            await self._draining
        if self._short:
            self._short.close()
        await self._engine.dispose()


@dataclass(frozen=True)
class _Piece(Generic[T]):
    """Work that waits for the next commit."""

    work: Callable[[Transaction], Awaitable[T]]
    done: "asyncio.Future[T]"


@cache  # putting a statement together takes longer than running it
def _insert_new(table: Table, *, is_sqlite: bool) -> Insert:
    """Both databases know it, under two names."""
    statement: Insert = (sqlite_dialect if is_sqlite else postgresql).insert(table).on_conflict_do_nothing()
    return statement


def newest() -> str:
    """The revision that this program needs."""
    return str(ScriptDirectory.from_config(_alembic()).get_current_head())


def _alembic(connection: Connection | None = None) -> Alembic:
    settings = Alembic(attributes={"connection": connection})
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return settings


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> str:
    _refuse_unknown(_revision(connection))
    command.upgrade(_alembic(connection), "head")
    return str(_revision(connection))


def _refuse_unknown(revision: str | None) -> None:
    """A newer program has been here: this one would misread what it wrote."""
    known = {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}
    if revision and revision not in known:
        raise HotlineError(f"数据库是更新的版本({revision})建立的;请更新程序,或恢复升级前的备份")


@contextmanager
def _in_plain_words() -> Iterator[None]:
    """The database's troubles as our own errors; nothing outside this package knows its library."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
        raise DatabaseUnavailable(f"数据库暂时用不了:{_first_line(error)}") from error
    except IntegrityError as error:
        raise Conflict(f"数据库里已经有了:{_first_line(error)}") from error
    except DBAPIError as error:
        if _is_passing(error):
            raise DatabaseUnavailable(f"数据库暂时用不了:{_first_line(error)}") from error
        raise


def _is_passing(error: DBAPIError) -> bool:
    """Connection, resources, shutdown, rollback and sign-in, by PostgreSQL's classes of errors."""
    state = getattr(error.orig, "sqlstate", None) or ""
    closed = "connection" in str(error.orig) and "closed" in str(error.orig)
    return error.connection_invalidated or closed or state[:2] in {"08", "28", "3D", "40", "53", "57", "58"}


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _with_driver(url: str) -> URL:
    try:
        parsed = make_url(url)
        driver = _DRIVERS[parsed.get_backend_name()]
    except (ArgumentError, KeyError, ValueError):
        raise HotlineError("database.url 看不懂;请写 sqlite:///文件 或 postgresql://用户:密码@主机/库") from None
    query = dict(parsed.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")  # libpq's name for it and asyncpg's
    return parsed.set(drivername=driver, query=query)


def _make_private(file: Path) -> None:
    """Citizens' words are in it: for the owner's eyes only, from the first byte."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise HotlineError(f"数据库文件 {file} 打不开:{reason(error)}") from None
