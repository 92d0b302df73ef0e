"""Who may come into the console: links that work once, sessions that end; of both only digests are kept."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from bot.store.engine import Transaction
from bot.store.schema import links, sessions

_SEEN_EVERY = timedelta(minutes=1)


async def make_link(connection: Transaction, name: str, now: datetime, until: datetime) -> str:
    """A new key that signs `name` in once; what is over is thrown away."""
    key = secrets.token_urlsafe(32)
    await connection.execute(delete(links).where(links.c.until < now))
    await connection.execute(links.insert(), {"digest": _digest(key), "name": name, "until": until})
    return key


async def whose_link(connection: Transaction, key: str, now: datetime) -> str | None:
    """Whom a link would sign in; it stays as it is."""
    name: str | None = (
        await connection.execute(select(links.c.name).where(links.c.digest == _digest(key), links.c.until >= now))
    ).scalar_one_or_none()
    return name


async def use_link(connection: Transaction, key: str, now: datetime) -> str | None:
    """Whom a link signs in; it is used up. None: it was used, is over, or never was."""
    used = delete(links).where(links.c.digest == _digest(key), links.c.until >= now).returning(links.c.name)
    name: str | None = (await connection.execute(used)).scalar_one_or_none()
    return name


async def open_session(connection: Transaction, name: str, now: datetime, idle: timedelta) -> str:
    """The key of a new session; those that have been idle too long are thrown away."""
    key = secrets.token_urlsafe(32)
    await connection.execute(delete(sessions).where(sessions.c.seen_at < now - idle))
    await connection.execute(sessions.insert(), {"digest": _digest(key), "name": name, "seen_at": now})
    return key


async def whose_session(connection: Transaction, key: str, now: datetime, idle: timedelta) -> tuple[str, bool] | None:
    """Who is signed in with it, and whether it is time to note that they were seen."""
    query = select(sessions.c.name, sessions.c.seen_at).where(sessions.c.digest == _digest(key))
    row = (await connection.execute(query)).one_or_none()
    if row is None or row.seen_at < now - idle:
        return None
    return row.name, row.seen_at < now - _SEEN_EVERY


async def seen(connection: Transaction, key: str, now: datetime) -> None:
    """They did something."""
    await connection.execute(update(sessions).where(sessions.c.digest == _digest(key)).values(seen_at=now))


async def close_sessions(connection: Transaction, name: str) -> None:
    """Signs somebody out everywhere, and their links open nothing any more."""
    await connection.execute(delete(sessions).where(sessions.c.name == name))
    await connection.execute(delete(links).where(links.c.name == name))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
