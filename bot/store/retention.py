"""Forgetting: words and addresses go, counts stay."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, or_, select, update

from bot.store.cases import JOINABLE, OPEN, CaseState, Deed, note
from bot.store.engine import Transaction
from bot.store.inbox import InboxState
from bot.store.outbox import OutboxState
from bot.store.schema import cases, conversations, events, outbox, questions, updates

_EMPTIED: dict[str, Any] = {"state": InboxState.DONE, "raw": None, "text": "", "error": ""}
_WAITS = exists().where(
    questions.c.case_id == cases.c.id, questions.c.text.is_not(None), questions.c.settled_at.is_(None)
)
"""Whether somebody waits for the answer to a case."""
_ADDRESS: dict[str, Any] = {"chat_id": None, "user_id": None, "pending": [], "about": "", "region": ""}


async def forget_person(connection: Transaction, channel: str, user: int, now: datetime, who: str) -> int:
    """Deletes what one person wrote, in every chat; how many questions that were. `who` left, in the cases' history."""
    c = conversations.c
    theirs = select(c.id).where(c.channel == channel, c.user_id == user)
    ids = list((await connection.execute(theirs)).scalars())
    count = await _forget_questions(connection, questions.c.conversation_id.in_(ids))
    await connection.execute(delete(outbox).where(outbox.c.conversation_id.in_(ids)))
    await _withdraw(connection, ids, now, who)
    parked = (updates.c.user_id == user, updates.c.state.in_((InboxState.PARKED, InboxState.RETRY)))
    await connection.execute(update(updates).where(*parked).values(_EMPTIED))
    await connection.execute(update(conversations).where(c.id.in_(ids)).values(_ADDRESS))
    return count


async def forget_before(connection: Transaction, day: datetime) -> int:
    """Deletes the words of all questions before `day`, and who has been silent since; how many questions."""
    count = await _forget_questions(connection, questions.c.asked_at < day)
    over = outbox.c.state.in_((OutboxState.SENT, OutboxState.BLOCKED, OutboxState.FAILED))
    # by now the browser has forgotten who it is: nobody will come for these
    on_a_page = select(conversations.c.id).where(conversations.c.channel == "web")
    gone = (outbox.c.created_at < day, or_(over, outbox.c.conversation_id.in_(on_a_page)))
    await connection.execute(delete(outbox).where(*gone))
    silent = (conversations.c.seen_at < day, conversations.c.chat_id.is_not(None))
    waiting = select(outbox.c.conversation_id).where(outbox.c.state == OutboxState.QUEUED)
    await connection.execute(update(conversations).where(*silent, conversations.c.id.not_in(waiting)).values(_ADDRESS))
    await connection.execute(update(events).where(events.c.at < day).values(note=""))
    left = select(cases.c.id).where(cases.c.state.in_(OPEN), cases.c.opened_at < day, ~_WAITS)
    for case_id in (await connection.execute(left)).scalars().all():
        await _end(connection, case_id)
    old = (updates.c.received_at < day, updates.c.state == InboxState.PARKED)
    await connection.execute(update(updates).where(*old).values(_EMPTIED))
    return count


async def _forget_questions(connection: Transaction, which: ColumnElement[bool]) -> int:
    kept = or_(questions.c.text.is_not(None), questions.c.reply.is_not(None))
    gone = update(questions).where(which, kept).values(text=None, reply=None, message_id=None, vector=None)
    return (await connection.execute(gone)).rowcount


async def _withdraw(connection: Transaction, conversation_ids: Sequence[int], now: datetime, who: str) -> None:
    """They leave their open cases; a case in which nobody is left who waits is over."""
    q = questions.c
    theirs = select(q.case_id).where(q.conversation_id.in_(conversation_ids), q.settled_at.is_(None)).distinct()
    left = select(cases.c.id, _WAITS).where(cases.c.id.in_(theirs), cases.c.state.in_(JOINABLE))
    for case_id, others_wait in (await connection.execute(left)).all():
        await note(connection, case_id, now, who, Deed.WITHDRAWN)
        if not others_wait:
            await _end(connection, case_id)


async def _end(connection: Transaction, case_id: int) -> None:
    """Nobody waits for it any more; where others have their answer, it is answered."""
    q = questions.c
    settled = select(q.id).where(q.case_id == case_id, q.text.is_not(None), q.settled_at.is_not(None)).limit(1)
    has_answers = (await connection.execute(settled)).first() is not None
    state = CaseState.ANSWERED if has_answers else CaseState.WITHDRAWN
    await connection.execute(update(cases).where(cases.c.id == case_id).values(state=state))
