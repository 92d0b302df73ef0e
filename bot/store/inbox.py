"""Telegram updates, kept from before they are confirmed until they are finished."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Update, bindparam, delete, select, update

from bot.store.engine import Store, Transaction
from bot.store.schema import questions, updates


class InboxState(StrEnum):
    """Where an update stands."""

    NEW = "new"
    RETRY = "retry"
    """Parked once and sent back by a person; a running `serve` looks for these."""
    DONE = "done"
    OVER = "over"
    """Beyond the citizen's limit: told, not answered."""
    PARKED = "parked"


@dataclass(frozen=True)
class Incoming:
    """One update as it came, who sent it, and the chat whose order it keeps."""

    update_id: int
    chat_id: int
    user_id: int
    raw: dict[str, Any]
    state: InboxState = InboxState.NEW


@dataclass(frozen=True)
class Parked:
    """An update that could not be handled, for a person to see."""

    update_id: int
    received_at: datetime
    kind: str
    error: str
    text: str
    """Masked."""


async def add(store: Store, bot: int, incoming: Sequence[Incoming], now: datetime) -> set[int]:
    """Stores what is new, in one commit; the ids that are to be handled: repeats of finished ones are not."""
    rows = [
        {
            "bot_id": bot,
            "update_id": i.update_id,
            "chat_id": i.chat_id,
            "user_id": i.user_id,
            "state": i.state,
            "received_at": now,
            "raw": i.raw if i.state is InboxState.NEW else None,
        }
        for i in incoming
    ]
    asked = {"bot": bot, "numbers": [i.update_id for i in incoming], "state": InboxState.NEW}

    async def work(connection: Transaction) -> set[int]:
        await connection.execute(store.insert_new(updates), rows)
        return set((await connection.execute(_TO_DO, asked)).scalars())

    return await store.write(work) if rows else set()


async def unfinished(store: Store, bot: int, *states: InboxState) -> list[Incoming]:
    """What is still to be handled, in the order it came."""
    u = updates.c
    query = select(u.update_id, u.chat_id, u.user_id, u.raw).where(u.bot_id == bot, u.state.in_(states))
    async with store.reading(long=True) as connection:
        rows = await connection.execute(query.order_by(u.update_id))
        return [Incoming(row.update_id, row.chat_id, row.user_id, row.raw or {}) for row in rows]


async def finish(connection: Transaction, bot: int, update_id: int, update_key: str, now: datetime) -> None:
    """The reply is out: the update's words go, its question is marked as replied."""
    await connection.execute(_FINISH, {"bot": bot, "number": update_id, "state": InboxState.DONE, "raw": None})
    await connection.execute(_REPLIED, {"key": update_key, "replied_at": now})


async def park(connection: Transaction, bot: int, update_id: int, kind: str, error: str, text: str) -> None:
    """Sets an update aside with its reason; `raw` stays, for `retry`."""
    values = {"state": InboxState.PARKED, "kind": kind, "error": error, "text": text}
    await connection.execute(_change(bot, update_id).values(values))


async def parked(store: Store) -> list[Parked]:
    """Everything that was set aside, oldest first."""
    columns = (updates.c.update_id, updates.c.received_at, updates.c.kind, updates.c.error, updates.c.text)
    query = select(*columns).where(updates.c.state == InboxState.PARKED).order_by(updates.c.update_id)
    async with store.reading(long=True) as connection:
        return [Parked(*row) for row in await connection.execute(query)]


async def retry(connection: Transaction, update_ids: Iterable[int]) -> int:
    """Sends parked updates back; how many there were."""
    return await _move(connection, update_ids, {"state": InboxState.RETRY, "error": "", "text": ""})


async def drop(connection: Transaction, update_ids: Iterable[int]) -> int:
    """Gives parked updates up, with their words; how many there were."""
    return await _move(connection, update_ids, {"state": InboxState.DONE, "raw": None, "text": ""})


# built once: putting a statement together takes longer than running it
_TO_DO = select(updates.c.update_id).where(
    updates.c.bot_id == bindparam("bot"),
    updates.c.update_id.in_(bindparam("numbers", expanding=True)),
    updates.c.state == bindparam("state"),
)
_FINISH = update(updates).where(updates.c.bot_id == bindparam("bot"), updates.c.update_id == bindparam("number"))
_REPLIED = update(questions).where(questions.c.update_key == bindparam("key"), questions.c.replied_at.is_(None))


def _change(bot: int, update_id: int) -> Update:
    return update(updates).where(updates.c.bot_id == bot, updates.c.update_id == update_id)


async def _move(connection: Transaction, update_ids: Iterable[int], values: dict[str, Any]) -> int:
    which = (updates.c.update_id.in_(list(update_ids)), updates.c.state == InboxState.PARKED)
    return (await connection.execute(update(updates).where(*which).values(values))).rowcount


async def prune(connection: Transaction, before: datetime) -> None:
    """Forgets finished ids that Telegram can no longer repeat."""
    over = (InboxState.DONE, InboxState.OVER)
    await connection.execute(delete(updates).where(updates.c.received_at < before, updates.c.state.in_(over)))
