"""Questions on record, for people who look into them: all of a period, or those that are looked for."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select

from bot.store.engine import Store, Transaction
from bot.store.schema import questions
from bot.text import Script, fold, to_script

LOOKED_THROUGH = 30_000
"""So many questions are looked through for one page: what nobody asked would else be looked for in all of them."""
_IN_A_PART = 1000
_BEYOND = 2**63 - 1


@dataclass(frozen=True)
class Row:
    """One question with everything that is known of it."""

    id: int
    asked_at: datetime
    text: str | None
    outcome: str
    intent: str
    region: str
    score: float | None
    above_answer: float
    above_offer: float
    content_version: str
    reply: str | None
    replied_at: datetime | None
    feedback: str
    case_id: int | None
    parent_id: int | None


async def recent_words(store: Store, most: int) -> list[str]:
    """What people asked last, each wording once, the latest first."""
    q = questions.c
    last = func.max(q.id)
    query = select(q.text).where(q.text.is_not(None), q.parent_id.is_(None)).group_by(q.text).order_by(last.desc())
    async with store.reading(long=True) as connection:
        return list((await connection.execute(query.limit(most))).scalars())


@dataclass(frozen=True)
class Which:
    """What a list of questions is narrowed to; empty: by nothing."""

    text: str = ""
    """Part of what was written, in either script."""
    outcome: str = ""
    intent: str = ""
    region: str = ""
    feedback: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment after it."""


@dataclass(frozen=True)
class Page:
    """Some of the record, newest first."""

    rows: tuple[Row, ...]
    before: int | None
    """What comes next is below this number; None where nothing does."""
    is_full: bool
    """False: LOOKED_THROUGH questions were looked through, or all."""


async def rows(store: Store, since: datetime | None, until: datetime | None) -> list[Row]:
    """Every question of [since, until), oldest first; None leaves that side open."""
    return [row async for part in in_parts(store, Which(since=since, until=until)) for row in part]


async def in_parts(store: Store, which: Which) -> AsyncIterator[list[Row]]:
    """All of them, oldest first, some at a time: however many there are, few are in memory."""
    last: int | None = 0
    where = _where(which)
    while last is not None:
        query = _ROWS.where(questions.c.id > last, *where).order_by(questions.c.id).limit(_IN_A_PART)
        async with store.reading(long=True) as connection:
            part = await _read(connection, query)
        if part:
            yield part
        last = part[-1].id if len(part) == _IN_A_PART else None


async def page(store: Store, which: Which, before: int | None, most: int) -> Page:
    """The newest ones below number `before`."""
    async with store.reading(long=True) as connection:
        first, newest = await _ends(connection, which)
        top = min(newest, (before or _BEYOND) - 1)
        bottom = max(first, top - LOOKED_THROUGH + 1)
        query = _ROWS.where(questions.c.id.between(bottom, top), *_where(which))
        found = await _read(connection, query.order_by(questions.c.id.desc()).limit(most + 1))
    if len(found) > most:
        return Page(tuple(found[:most]), found[most - 1].id, is_full=True)
    return Page(tuple(found), bottom if bottom > first else None, is_full=False)


_ROWS = select(*(questions.c[name] for name in Row.__dataclass_fields__))


async def _read(connection: Transaction, query: Any) -> list[Row]:
    found = (await connection.execute(query)).mappings()
    return [Row(**{**row, "reply": row["reply"] and row["reply"]["text"]}) for row in found]


async def _ends(connection: Transaction, which: Which) -> tuple[int, int]:
    """The lowest and the highest number in the period; from where to where to look."""
    period, number = _period(which), questions.c.id
    if not period:
        return 1, (await connection.execute(select(func.max(number)))).scalar_one() or 0
    first, last = (await connection.execute(select(func.min(number), func.max(number)).where(*period))).one()
    return first or 1, last or 0


def _where(which: Which) -> list[ColumnElement[bool]]:
    q = questions.c
    where = _period(which)
    if which.text:
        wordings = {which.text, *(to_script(fold(which.text), script) for script in Script)}
        where.append(or_(*(q.text.contains(wording, autoescape=True) for wording in sorted(wordings))))
    named = (
        (q.outcome, which.outcome),
        (q.intent, which.intent),
        (q.region, which.region),
        (q.feedback, which.feedback),
    )
    return [*where, *(column == name for column, name in named if name)]


def _period(which: Which) -> list[ColumnElement[bool]]:
    asked_at = questions.c.asked_at
    return [*([asked_at >= which.since] if which.since else []), *([asked_at < which.until] if which.until else [])]
