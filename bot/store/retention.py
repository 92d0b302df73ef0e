"""Forgetting: words and addresses go, counts stay."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select, update

from bot.store.cases import CaseState
from bot.store.engine import Transaction
from bot.store.inbox import InboxState
from bot.store.outbox import OutboxState
from bot.store.schema import cases, conversations, outbox, questions, updates

_EMPTIED: dict[str, Any] = {"state": InboxState.DONE, "raw": None, "text": "", "error": ""}
_ADDRESS: dict[str, Any] = {"chat_id": None, "user_id": None, "pending": [], "about": "", "region": ""}


async def forget_person(connection: Transaction, channel: str, user: int) -> int:
    """Deletes what one person wrote, in every chat; how many questions that were."""
    c = conversations.c
    theirs = select(c.id).where(c.channel == channel, c.user_id == user)
    ids = list((await connection.execute(theirs)).scalars())
    count = await _forget_questions(connection, questions.c.conversation_id.in_(ids))
    await connection.execute(delete(outbox).where(outbox.c.conversation_id.in_(ids)))
    await _withdraw(connection, ids)
    parked = (updates.c.user_id == user, updates.c.state.in_((InboxState.PARKED, InboxState.RETRY)))
    await connection.execute(update(updates).where(*parked).values(_EMPTIED))
    await connection.execute(update(conversations).where(c.id.in_(ids)).values(_ADDRESS))
    return count


async def forget_before(connection: Transaction, day: datetime) -> int:
    """Deletes the words of all questions before `day`, and who has been silent since; how many questions."""
    count = await _forget_questions(connection, questions.c.asked_at < day)
    over = (OutboxState.SENT, OutboxState.BLOCKED, OutboxState.FAILED)
    await connection.execute(delete(outbox).where(outbox.c.created_at < day, outbox.c.state.in_(over)))
    silent = (conversations.c.seen_at < day, conversations.c.chat_id.is_not(None))
    waiting = select(outbox.c.conversation_id).where(outbox.c.state == OutboxState.QUEUED)
    await connection.execute(update(conversations).where(*silent, conversations.c.id.not_in(waiting)).values(_ADDRESS))
    old = (updates.c.received_at < day, updates.c.state == InboxState.PARKED)
    await connection.execute(update(updates).where(*old).values(_EMPTIED))
    return count


async def _forget_questions(connection: Transaction, which: ColumnElement[bool]) -> int:
    kept = or_(questions.c.text.is_not(None), questions.c.reply.is_not(None))
    gone = update(questions).where(which, kept).values(text=None, reply=None, message_id=None)
    return (await connection.execute(gone)).rowcount


async def _withdraw(connection: Transaction, conversation_ids: Sequence[int]) -> None:
    """Cases in which nobody is left who waits."""
    others = select(questions.c.case_id).where(
        questions.c.case_id.is_not(None), questions.c.conversation_id.not_in(conversation_ids)
    )
    theirs = select(questions.c.case_id).where(questions.c.conversation_id.in_(conversation_ids))
    await connection.execute(
        update(cases).where(cases.c.id.in_(theirs), cases.c.id.not_in(others)).values(state=CaseState.WITHDRAWN)
    )
