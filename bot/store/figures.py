"""The figures and what exactly they count: one definition for every place that shows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, select

from bot.dialogue import Outcome
from bot.store.engine import Store, Transaction
from bot.store.questions import Feedback
from bot.store.schema import cases, outbox, questions, updates

_ASKED_BACK = (Outcome.CHOICES, Outcome.ASK_REGION)


@dataclass(frozen=True)
class Figures:
    """Questions asked in a period, and where everything else stands now.

    A question counts once: a tapped choice or a city settles the question it belongs to. So
    received = answered + by_choice + asked_back + unanswered + urgent + smalltalk.
    """

    received: int
    people: int
    """Conversations with at least one question."""
    answered: int
    """Directly, without a question back."""
    by_choice: int
    """After the citizen chose an intent or a city."""
    asked_back: int
    """A question back that was not settled."""
    unanswered: int
    urgent: int
    smalltalk: int
    handed_over: int
    """With a ticket, whether unanswered or handed over by the citizen."""
    solved: int
    unsolved: int
    intents: dict[str, int]
    """The most answered ones, most first."""
    regions: dict[str, int]
    cases: dict[str, int]
    """By state, now."""
    outbox: dict[str, int]
    updates: dict[str, int]


async def figures(store: Store, since: datetime | None, until: datetime | None, most: int = 10) -> Figures:
    """The figures of [since, until); None leaves that side open."""
    period = [
        *([questions.c.asked_at >= since] if since else []),
        *([questions.c.asked_at < until] if until else []),
    ]
    async with store.reading(long=True) as connection:
        counts = (await connection.execute(_counts(period))).one()._asdict()
        return Figures(
            **{name: int(value or 0) for name, value in counts.items()},
            intents=await _top(connection, questions.c.intent, period, most),
            regions=await _top(connection, questions.c.region, period, most),
            cases=await _by_state(connection, cases.c.state),
            outbox=await _by_state(connection, outbox.c.state),
            updates=await _by_state(connection, updates.c.state),
        )


def _counts(period: list[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    asked = questions.c.parent_id.is_(None)
    later = questions.alias()
    settled = exists().where(later.c.parent_id == questions.c.id, later.c.outcome == Outcome.ANSWERED)
    back = questions.c.outcome.in_(_ASKED_BACK)

    def count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((and_(*conditions), 1), else_=0))

    return select(
        count(asked).label("received"),
        func.count(func.distinct(questions.c.conversation_id)).label("people"),
        count(asked, questions.c.outcome == Outcome.ANSWERED).label("answered"),
        count(asked, back, settled).label("by_choice"),
        count(asked, back, ~settled).label("asked_back"),
        count(asked, questions.c.outcome == Outcome.UNANSWERED).label("unanswered"),
        count(asked, questions.c.outcome == Outcome.URGENT).label("urgent"),
        count(asked, questions.c.outcome == Outcome.SMALLTALK).label("smalltalk"),
        count(questions.c.case_id.is_not(None)).label("handed_over"),
        count(questions.c.feedback == Feedback.SOLVED).label("solved"),
        count(questions.c.feedback == Feedback.UNSOLVED).label("unsolved"),
    ).where(*period)


async def _top(
    connection: Transaction, column: ColumnElement[str], period: list[ColumnElement[bool]], most: int
) -> dict[str, int]:
    query = (
        select(column, func.count())
        .where(questions.c.outcome == Outcome.ANSWERED, column != "", *period)
        .group_by(column)
        .order_by(func.count().desc(), column)
        .limit(most)
    )
    return {name: int(count) for name, count in await connection.execute(query)}


async def _by_state(connection: Transaction, column: ColumnElement[str]) -> dict[str, int]:
    query = select(column, func.count()).group_by(column).order_by(column)
    return {state: int(count) for state, count in await connection.execute(query)}
