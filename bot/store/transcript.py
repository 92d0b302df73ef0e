"""A conversation as it went: questions with their replies, and what staff sent later. For channels that show a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update

from bot.store.cases import WHY
from bot.store.engine import Transaction
from bot.store.outbox import OutboxState
from bot.store.questions import Said, said_in
from bot.store.schema import cases, conversations, outbox, questions


@dataclass(frozen=True)
class Exchange:
    """One question and its reply."""

    number: int
    root: int
    """The question that it settles, else its own number."""
    at: datetime
    text: str
    said: Said
    feedback: str
    case: int | None
    """Of the question, or of the one that it settles."""
    opened_at: datetime | None
    is_reason: bool
    """It says why an answer of staff did not satisfy."""


@dataclass(frozen=True)
class Letter:
    """What staff sent later."""

    id: int
    at: datetime
    text: str
    rates: int | None
    """The question whose answer it is, where it can be rated."""
    message: dict[str, Any]
    satisfaction: str
    waits: bool
    """Whether that question waits for another answer."""


async def transcript(connection: Transaction, conversation: int, most: int) -> list[Exchange | Letter]:
    """The latest of a conversation, oldest first."""
    asked = (await connection.execute(_QUESTIONS, {"conversation": conversation, "most": most})).all()
    sent = (await connection.execute(_LETTERS, {"conversation": conversation, "most": most})).all()
    found: list[Exchange | Letter] = [e for row in asked if (e := _exchange(row)) is not None]
    found += [_letter(row) for row in sent]
    return sorted(found, key=lambda one: one.at)[-most:]


async def note_seen(connection: Transaction, letters: Sequence[int], now: datetime) -> None:
    """The citizen's page has fetched these."""
    waiting = (outbox.c.id.in_(letters), outbox.c.state == OutboxState.QUEUED)
    await connection.execute(update(outbox).where(*waiting).values(state=OutboxState.SENT, sent_at=now))


async def unseen(connection: Transaction, letters: Sequence[int]) -> list[int]:
    """Those of the letters that no page has fetched before."""
    waiting = (outbox.c.id.in_(letters), outbox.c.state == OutboxState.QUEUED)
    return list((await connection.execute(select(outbox.c.id).where(*waiting))).scalars())


async def last_letter(connection: Transaction) -> int:
    """The number of the newest letter of all."""
    return int((await connection.execute(_LAST_LETTER)).scalar_one() or 0)


async def last_letter_to(connection: Transaction, conversation: int) -> int:
    """The number of the newest letter to a conversation."""
    return int((await connection.execute(_LAST_TO, {"conversation": conversation})).scalar_one() or 0)


async def waiting_after(connection: Transaction, channel: str, letter: int) -> dict[int, int]:
    """Conversations of a channel for which letters newer than that one wait, each with its newest."""
    rows = await connection.execute(_AFTER, {"letter": letter, "channel": channel, "state": OutboxState.QUEUED})
    return {row.conversation_id: row.newest for row in rows}


_Q, _C, _O, _ROOT = questions.c, cases.c, outbox.c, questions.alias("root")
_CASE = func.coalesce(_Q.case_id, _ROOT.c.case_id)
# built once: putting a statement together takes longer than running it
_QUESTIONS = (
    select(questions, _CASE.label("its_case"), _C.opened_at)
    .outerjoin(_ROOT, _ROOT.c.id == _Q.parent_id)
    .outerjoin(cases, _C.id == _CASE)
    .where(_Q.conversation_id == bindparam("conversation"), _Q.reply.is_not(None))
    .order_by(_Q.id.desc())
    .limit(bindparam("most"))
)
_LETTERS = (
    select(_O.id, _O.created_at, _O.message, _Q.satisfaction, _Q.settled_at)
    .outerjoin(questions, _Q.id == _O.question_id)
    .where(_O.conversation_id == bindparam("conversation"), _O.message.is_not(None))
    .order_by(_O.id.desc())
    .limit(bindparam("most"))
)
_LAST_LETTER = select(func.max(_O.id))
_LAST_TO = _LAST_LETTER.where(_O.conversation_id == bindparam("conversation"))
_AFTER = (
    select(_O.conversation_id, func.max(_O.id).label("newest"))
    .join(conversations, conversations.c.id == _O.conversation_id)
    .where(_O.id > bindparam("letter"), _O.state == bindparam("state"), conversations.c.channel == bindparam("channel"))
    .group_by(_O.conversation_id)
)


def _exchange(row: Any) -> Exchange | None:
    said = said_in(row)
    if said is None:
        return None
    return Exchange(
        row.id,
        row.parent_id or row.id,
        row.asked_at,
        row.text or "",
        said,
        row.feedback,
        row.its_case,
        row.opened_at,
        row.intent == WHY,
    )


def _letter(row: Any) -> Letter:
    return Letter(
        row.id,
        row.created_at,
        row.message.get("text", ""),
        row.message.get("rates"),
        row.message,
        row.satisfaction or "",
        row.settled_at is None,
    )
