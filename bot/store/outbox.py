"""What must arrive later: kept until it was taken, in order per conversation."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update

from bot.store.conversations import Address
from bot.store.engine import Store, Transaction
from bot.store.schema import conversations, outbox


class OutboxState(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    SENT = "sent"
    BLOCKED = "blocked"
    FAILED = "failed"


@dataclass(frozen=True)
class Letter:
    """One message on its way."""

    id: int
    conversation: int
    address: Address
    message: dict[str, Any]
    attempts: int
    due_at: datetime


async def put(
    store: Store,
    connection: Transaction,
    key: str,
    conversation: int,
    message: dict[str, Any],
    now: datetime,
    question: int | None = None,
) -> None:
    """Queues a message, which may answer a question; the same `key` again changes nothing."""
    values = {
        "key": key,
        "conversation_id": conversation,
        "state": OutboxState.QUEUED,
        "message": message,
        "question_id": question,
        "created_at": now,
        "due_at": now,
    }
    await connection.execute(store.insert_new(outbox), values)


async def put_again(
    store: Store, connection: Transaction, key: str, conversation: int, message: dict[str, Any], now: datetime
) -> None:
    """Queues a message, or the one of this `key` once more: what it shows is then brought up to date."""
    again = {"state": OutboxState.QUEUED, "due_at": now, "attempts": 0, "error": ""}
    if not (await connection.execute(update(outbox).where(outbox.c.key == key).values(again))).rowcount:
        await put(store, connection, key, conversation, message, now)


async def due(store: Store, channel: str, now: datetime, most: int) -> list[Letter]:
    """The oldest waiting message of each conversation, where its time has come."""
    queued = outbox.c.state == OutboxState.QUEUED
    oldest = select(func.min(outbox.c.id)).where(queued).group_by(outbox.c.conversation_id)
    o, c = outbox.c, conversations.c
    query = (
        select(o.id, o.conversation_id, c.chat_id, c.user_id, o.message, o.attempts, o.due_at)
        .join(conversations, c.id == o.conversation_id)
        .where(o.id.in_(oldest), o.due_at <= now, c.channel == channel)
        .order_by(o.id)
        .limit(most)
    )
    async with store.reading() as connection:
        rows = (await connection.execute(query)).all()
    return [
        Letter(r.id, r.conversation_id, Address(channel, r.chat_id, r.user_id), r.message, r.attempts, r.due_at)
        for r in rows
    ]


async def settle(connection: Transaction, letter: Letter, state: OutboxState, now: datetime, error: str = "") -> None:
    """It arrived, or never will; one that was queued again meanwhile stays queued."""
    sent = now if state is OutboxState.SENT else None
    same = (outbox.c.id == letter.id, outbox.c.due_at == letter.due_at)
    await connection.execute(update(outbox).where(*same).values(state=state, sent_at=sent, error=error))


async def postpone(connection: Transaction, letter: int, now: datetime, seconds: float, error: str) -> None:
    """It will be tried again; what follows it in its conversation waits with it."""
    await connection.execute(
        update(outbox)
        .where(outbox.c.id == letter)
        .values(due_at=now + timedelta(seconds=seconds), attempts=outbox.c.attempts + 1, error=error)
    )
