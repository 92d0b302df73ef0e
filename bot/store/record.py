"""All questions of a period, for people who look into them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from bot.store.engine import Store
from bot.store.schema import questions


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


async def rows(store: Store, since: datetime | None, until: datetime | None) -> list[Row]:
    """Every question of [since, until), oldest first; None leaves that side open."""
    period = [
        *([questions.c.asked_at >= since] if since else []),
        *([questions.c.asked_at < until] if until else []),
    ]
    columns = [questions.c[name] for name in Row.__dataclass_fields__]
    async with store.reading(long=True) as connection:
        found = (await connection.execute(select(*columns).where(*period).order_by(questions.c.id))).mappings()
        return [Row(**{**row, "reply": row["reply"] and row["reply"]["text"]}) for row in found]
