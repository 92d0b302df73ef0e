"""Who talks with us, where, and what was said so far that still matters."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from bot.dialogue import Choice, State
from bot.store.engine import Transaction
from bot.store.schema import conversations, questions
from bot.text import Script


@dataclass(frozen=True)
class Address:
    """One person in one chat; in a private chat both numbers are the same."""

    channel: str
    chat: int
    user: int


@dataclass(frozen=True)
class Conversation:
    """An address that has written before, or is about to: then without `id`."""

    address: Address
    id: int | None = None
    state: State = field(default_factory=State)
    blocked: bool = False
    """Nothing can be sent there, as far as we know."""
    explains: int | None = None
    """The question whose answer did not satisfy them: what they write next says why …"""
    explains_until: datetime | None = None
    """… until then."""


async def load(connection: Transaction, address: Address) -> Conversation:
    """The conversation with this address; a fresh one where there is none yet."""
    row = (await connection.execute(_LOAD, asdict(address))).one_or_none()
    if row is None:
        return Conversation(address)
    return Conversation(address, row.id, _state(row), row.blocked_at is not None, row.explains, row.explains_until)


async def save(connection: Transaction, conversation: Conversation, state: State, now: datetime) -> int:
    """Keeps the new state; the conversation's id."""
    known = {**_columns(state), "seen_at": now, "blocked_at": None, "explains": None}
    if conversation.id is not None:
        await connection.execute(_CHANGE, {**known, "number": conversation.id})
        return conversation.id
    a = conversation.address
    values = {**known, "channel": a.channel, "chat_id": a.chat, "user_id": a.user}
    return int((await connection.execute(_ADD, values)).scalar_one())


async def expect_why(connection: Transaction, question: int, until: datetime | None) -> None:
    """What is written next in a question's conversation says why its answer did not satisfy; None: no more."""
    here = select(questions.c.conversation_id).where(questions.c.id == question).scalar_subquery()
    await connection.execute(
        update(conversations).where(conversations.c.id == here).values(explains=question, explains_until=until)
    )


async def block(connection: Transaction, channel: str, chat: int, since: datetime | None) -> None:
    """Nothing can be sent there until they write again; None: it can."""
    c = conversations.c
    await connection.execute(
        update(conversations).where(c.channel == channel, c.chat_id == chat).values(blocked_at=since)
    )


async def move(connection: Transaction, channel: str, old: int, new: int) -> None:
    """A group became a supergroup: everything known of the old number holds for the new one.

    Who has already written there under the new number keeps that conversation; the old one loses its address.
    """
    c = conversations.c
    there = select(c.user_id).where(c.channel == channel, c.chat_id == new).scalar_subquery()
    old_ones = (c.channel == channel, c.chat_id == old)
    await connection.execute(update(conversations).where(*old_ones, c.user_id.not_in(there)).values(chat_id=new))
    await connection.execute(update(conversations).where(*old_ones).values(chat_id=None, user_id=None))


_CHOICE_FIELDS = 2
_C = conversations.c
# built once: putting a statement together takes longer than running it
_LOAD = select(conversations).where(
    _C.channel == bindparam("channel"), _C.chat_id == bindparam("chat"), _C.user_id == bindparam("user")
)
_CHANGE = update(conversations).where(_C.id == bindparam("number"))
_ADD = insert(conversations).returning(_C.id)


def _state(row: Any) -> State:
    return State(
        row.region,
        Script(row.script) if row.script else None,
        Script(row.chosen_script) if row.chosen_script else None,
        tuple(Choice(*choice[:3]) for choice in row.pending if len(choice) >= _CHOICE_FIELDS),
        row.about,
    )


def _columns(state: State) -> dict[str, Any]:
    return {
        "region": state.region,
        "script": state.script or "",
        "chosen_script": state.chosen_script or "",
        "pending": [[c.title, c.intent, c.region] for c in state.pending],
        "about": state.about,
    }
