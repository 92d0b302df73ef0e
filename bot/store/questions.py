"""Every question on record, with its reply: what citizens wrote is masked before it comes here."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, bindparam, insert, select, update

from bot.dialogue import Choice, Outcome, Source
from bot.store.engine import Transaction
from bot.store.schema import cases, questions
from bot.text import Script


class Feedback(StrEnum):
    """What the citizen said of an answer."""

    SOLVED = "solved"
    UNSOLVED = "unsolved"


@dataclass(frozen=True)
class Said:
    """A finished reply as it is kept, sent and sent again."""

    question: int
    outcome: Outcome
    text: str
    choices: tuple[Choice, ...] = ()
    follow_ups: tuple[Choice, ...] = ()
    ticket: int | None = None
    offers_staff: bool = False
    """The citizen may hand the question to staff with one tap."""
    script: Script = Script.SIMPLIFIED
    """The one it is written in; its buttons follow."""
    intent: str = ""
    region: str = ""
    score: float | None = None
    sources: tuple[Source, ...] = ()
    expired: bool = False

    def as_json(self) -> dict[str, Any]:
        """What is stored; the question's number is the row's."""
        return {
            "text": self.text,
            "choices": [[c.title, c.intent, c.region] for c in self.choices],
            "follow_ups": [[c.title, c.intent, c.region] for c in self.follow_ups],
            "ticket": self.ticket,
            "offers_staff": self.offers_staff,
            "script": self.script,
            "sources": [[s.title, s.publisher, s.published] for s in self.sources],
            "expired": self.expired,
        }


@dataclass(frozen=True)
class Record:
    """One question as it was asked."""

    id: int
    conversation: int
    root: int
    """The question this one settles (a tapped choice, a city), else its own number."""
    asked_at: datetime
    text: str | None
    """None once forgotten."""
    said: Said | None
    replied: bool
    region: str
    case: int | None
    intent: str = ""
    score: float | None = None


@dataclass(frozen=True)
class NewQuestion:
    """What is known of a question when it is put on record."""

    update_key: str
    conversation: int
    asked_at: datetime
    text: str
    outcome: Outcome
    intent: str
    region: str
    score: float | None
    above_answer: float
    above_offer: float
    content_version: str
    reply: dict[str, Any]
    root: int | None = None
    message_id: int | None = None


@dataclass(frozen=True)
class Ticket:
    """A citizen's question in staff's hands."""

    number: int
    text: str | None
    asked_at: datetime
    state: str
    is_settled: bool
    """Whether staff's answer is on its way."""


async def add(connection: Transaction, new: NewQuestion) -> int:
    """The question's number, which is also its ticket's."""
    values = {
        "update_key": new.update_key,
        "conversation_id": new.conversation,
        "parent_id": new.root,
        "message_id": new.message_id,
        "asked_at": new.asked_at,
        "text": new.text,
        "outcome": new.outcome,
        "intent": new.intent,
        "region": new.region,
        "score": new.score,
        "above_answer": new.above_answer,
        "above_offer": new.above_offer,
        "content_version": new.content_version,
        "reply": new.reply,
    }
    return int((await connection.execute(_ADD, values)).scalar_one())


async def keep_reply(connection: Transaction, said: Said) -> None:
    """Stores the finished reply of a question."""
    await connection.execute(_KEEP_REPLY, {"number": said.question, "reply": said.as_json()})


async def note_replied(connection: Transaction, number: int, now: datetime) -> None:
    """The reply has left."""
    await connection.execute(_REPLIED, {"number": number, "replied_at": now})


async def by_key(connection: Transaction, update_key: str) -> Record | None:
    """The question that came with this update, if it was handled before."""
    row = (await connection.execute(_BY_KEY, {"key": update_key})).one_or_none()
    return _record(row) if row else None


async def by_id(connection: Transaction, number: int) -> Record | None:
    """The question of this number."""
    return await _one(connection, questions.c.id == number)


async def last_of(connection: Transaction, conversation: int) -> Record | None:
    """What was asked last in a conversation; a thank-you is no question."""
    q = questions.c
    return await _one(connection, q.conversation_id == conversation, q.outcome != Outcome.SMALLTALK)


async def by_message(connection: Transaction, conversation: int, message_id: int, but: str) -> Record | None:
    """The question last made of this message by another deed than `but`: an edited one has several."""
    q = questions.c
    return await _one(connection, q.conversation_id == conversation, q.message_id == message_id, q.update_key != but)


async def tickets_of(connection: Transaction, conversation: int, most: int) -> list[Ticket]:
    """A citizen's questions in staff's hands, newest first."""
    query = (
        select(
            questions.c.id, questions.c.text, questions.c.asked_at, cases.c.state, questions.c.settled_at.is_not(None)
        )
        .join(cases, cases.c.id == questions.c.case_id)
        .where(questions.c.conversation_id == conversation)
        .order_by(questions.c.id.desc())
        .limit(most)
    )
    return [Ticket(*row) for row in await connection.execute(query)]


async def rate(connection: Transaction, number: int, feedback: Feedback) -> None:
    """Keeps what the citizen said of an answer; the last word counts."""
    await connection.execute(update(questions).where(questions.c.id == number).values(feedback=feedback))


# built once: putting a statement together takes longer than running it
_ADD = insert(questions).returning(questions.c.id)
_KEEP_REPLY = update(questions).where(questions.c.id == bindparam("number"))
_REPLIED = update(questions).where(questions.c.id == bindparam("number"))
_BY_KEY = select(questions).where(questions.c.update_key == bindparam("key"))


async def _one(connection: Transaction, *where: ColumnElement[bool]) -> Record | None:
    query = select(questions).where(*where).order_by(questions.c.id.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return _record(row) if row else None


def _record(row: Any) -> Record:
    return Record(
        row.id,
        row.conversation_id,
        row.parent_id or row.id,
        row.asked_at,
        row.text,
        said_in(row),
        row.replied_at is not None,
        row.region,
        row.case_id,
        row.intent,
        row.score,
    )


def said_in(row: Any) -> Said | None:
    """The reply in a row of questions; None once forgotten."""
    if row.reply is None:
        return None
    kept = row.reply
    choices, follow_ups = (tuple(Choice(*c[:3]) for c in kept.get(key, ())) for key in ("choices", "follow_ups"))
    return Said(
        row.id,
        Outcome(row.outcome),
        kept.get("text", ""),
        choices,
        follow_ups,
        kept.get("ticket"),
        kept.get("offers_staff", False),
        Script(kept.get("script", Script.SIMPLIFIED)),
        row.intent,
        row.region,
        row.score,
        tuple(Source(*source[:3]) for source in kept.get("sources", ())),
        kept.get("expired", False),
    )
