"""`hotline migrate`, `backup` and `forget`: looking after the database."""

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from bot.config import Config
from bot.errors import HotlineError
from bot.store import published, retention
from bot.store.engine import Store

T = TypeVar("T")


def with_store(config: Config, work: Callable[[Store], Awaitable[T]], *, checked: bool = True) -> T:
    """What `work` gives for the configured database; raises HotlineError unless its tables are up to date."""

    async def opened() -> T:
        store = Store(config.database.url.get_secret_value())
        try:
            if checked:
                await store.check()
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def migrate(config: Config) -> int:
    """Brings the tables up to date."""
    revision = with_store(config, lambda store: store.migrate(), checked=False)
    print(f"数据库已是最新({revision})")
    return 0


async def last_published(store: Store) -> dict[str, bytes] | None:
    """The content that was live last; None before the first start."""
    await store.migrate()
    async with store.reading(long=True) as connection:
        last = await published.latest(connection)
        return await published.files_of(connection, last.id) if last else None


def backup(config: Config, file: Path) -> int:
    """A copy of the database as it is at this moment, while it is in use."""
    if file.exists():
        raise HotlineError(f"{file} 已存在;请换一个文件名")
    file.parent.mkdir(parents=True, exist_ok=True)
    with_store(config, _nothing)
    url = config.database.url.get_secret_value()
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    _copy_sqlite(url, file) if url.startswith("sqlite") else _dump_postgresql(url, file)
    print(f"已备份到 {file}({file.stat().st_size:,} 字节)")
    return 0


def forget(config: Config, before: date) -> int:
    """Deletes the words and addresses of everything before a day."""
    start = datetime.combine(before, time(), config.zone)
    count = with_store(config, lambda store: store.write(lambda c: retention.forget_before(c, start), long=True))
    print(f"{before} 以前的提问原文和联系方式已删除:{count} 条;计数保留")
    return 0


async def _nothing(_store: Store) -> None:
    """The check before it is all that is wanted."""


def _copy_sqlite(url: str, file: Path) -> None:
    database = url.partition(":///")[2]
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(file)) as copy:
            source.backup(copy)
    except (sqlite3.Error, OSError) as error:
        file.unlink(missing_ok=True)
        raise HotlineError(f"备份没有成功:{error}") from None


def _dump_postgresql(url: str, file: Path) -> None:
    parts = urlsplit(url)
    account, _, where = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    # without the password: what a program is called with can be read by everybody on the machine
    named = parts._replace(scheme="postgresql", netloc=f"{user}@{where}" if user else where).geturl()
    secret = {"PGPASSWORD": unquote(password)} if password else {}
    command = ["pg_dump", "--format=custom", f"--file={file}", named]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **secret})
    except FileNotFoundError:
        file.unlink(missing_ok=True)
        raise HotlineError("找不到 pg_dump;请安装 postgresql-client") from None
    except subprocess.CalledProcessError as error:
        file.unlink(missing_ok=True)
        raise HotlineError(f"备份没有成功:{error.stderr.strip()}") from None
