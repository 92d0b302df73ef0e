"""The figures and what exactly they count: one definition for every place that shows them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Label, Select, and_, case, exists, func, or_, select

from bot.dialogue import Outcome
from bot.store.cases import CONTENT, DONE, OPEN, CaseState, Deed
from bot.store.engine import Store, Transaction
from bot.store.questions import Feedback
from bot.store.schema import cases, events, outbox, questions, updates

_ASKED_BACK = (Outcome.CHOICES, Outcome.ASK_REGION)
RISING_FROM = 3
RISING_TIMES = 2
RISING_OVER_DAYS = 7
"""What is asked RISING_FROM times in a day, and RISING_TIMES as often as on average in so many days before, rises."""


@dataclass(frozen=True)
class Figures:
    """Questions asked and cases worked on in a period, and where everything else stands now.

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
    opened: int
    """Cases opened in the period, those split off included, whatever became of them."""
    cases_answered: int
    """Cases whose answer was given in the period and stands: one that was reopened counts again once answered."""
    on_time: int
    """Of these, the ones answered at or before their deadline."""
    late: int
    """Of these, the ones answered after it. One without a deadline is neither."""
    reopened: int
    """Cases that were taken up again in the period, by a citizen or by staff."""
    rated: int
    """Questions whose last staff answer was given in the period and was rated, whenever that was."""
    satisfied: int
    """Of these, the ones rated satisfied or mostly satisfied."""
    intents: dict[str, int]
    """The most answered ones, most first."""
    regions: dict[str, int]
    departments: dict[str, int]
    """Of the cases opened, most first; empty key: of none. Together they are `opened`."""
    cases: dict[str, int]
    """By state, now."""
    outbox: dict[str, int]
    updates: dict[str, int]

    @property
    def on_time_share(self) -> float | None:
        """Of the cases answered; None when none was, or none had a deadline."""
        return _share(self.on_time, self.on_time + self.late)

    @property
    def satisfied_share(self) -> float | None:
        """Of the ratings; None when there is none."""
        return _share(self.satisfied, self.rated)

    def as_json(self) -> dict[str, Any]:
        """Everything, the shares included."""
        return {**asdict(self), "on_time_share": self.on_time_share, "satisfied_share": self.satisfied_share}


@dataclass(frozen=True)
class Day:
    """One day's questions, for a row of days."""

    day: date
    received: int
    answered: int
    """Directly or after a choice."""
    unanswered: int


@dataclass(frozen=True)
class Rise:
    """An intent or an open case that is asked about clearly more often than in the days before."""

    intent: str
    """Its key; empty where it is a case."""
    case: int | None
    text: str | None
    """Of a case: what the first one wrote whose words are still there."""
    count: int
    before: int
    """In all RISING_OVER_DAYS days before together."""

    @property
    def usual(self) -> float:
        """On an average day before."""
        return self.before / RISING_OVER_DAYS


@dataclass(frozen=True)
class LateCase:
    """An open case after its deadline."""

    id: int
    text: str | None
    department: str
    """Its key; empty where none has it."""
    due_at: datetime


@dataclass(frozen=True)
class Overdue:
    """Open cases after their deadline."""

    count: int
    cases: tuple[LateCase, ...]
    """The longest overdue."""


@dataclass(frozen=True)
class Daily:
    """Everything about one day."""

    day: date
    now: datetime
    """When it was looked at: where cases stand is where they stood then."""
    is_over: bool
    figures: Figures
    days: tuple[Day, ...]
    """It and the RISING_OVER_DAYS days before, oldest first."""
    rising: tuple[Rise, ...]
    overdue: Overdue


@dataclass(frozen=True)
class Standing:
    """Where everything stands at one moment."""

    cases: dict[str, int]
    """By state."""
    overdue: int
    outbox: dict[str, int]
    """By state."""

    @property
    def open(self) -> int:
        """Cases without an answer."""
        return sum(self.cases.get(state, 0) for state in OPEN)


async def standing(store: Store, now: datetime) -> Standing:
    """Where everything stands."""
    late = select(func.count()).select_from(cases).where(cases.c.state.in_(OPEN), cases.c.due_at < now)
    async with store.reading() as connection:
        return Standing(
            await _by_state(connection, cases.c.state),
            int((await connection.execute(late)).scalar_one()),
            await _by_state(connection, outbox.c.state),
        )


async def daily(store: Store, day: date, zone: ZoneInfo, now: datetime) -> Daily:
    """Everything about one day of the office's."""
    since, until = period(day, zone)
    return Daily(
        day,
        now,
        now >= until,
        await figures(store, since, until),
        await by_day(store, day, zone),
        await rising(store, since, until),
        await overdue(store, now),
    )


def period(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A day's first moment and the next day's."""
    return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(days=1), time(), zone)


async def figures(store: Store, since: datetime | None, until: datetime | None, most: int = 10) -> Figures:
    """The figures of [since, until); None leaves that side open."""
    asked = _within(questions.c.asked_at, since, until)
    async with store.reading(long=True) as connection:
        counts: dict[str, Any] = {}
        for query in (_counts().where(*asked), _answers(since, until), _reopened(since, until), _ratings(since, until)):
            counts |= (await connection.execute(query)).one()._asdict()
        departments = await _departments(connection, since, until)
        return Figures(
            **{name: int(value or 0) for name, value in counts.items()},
            opened=sum(departments.values()),
            intents=await _top(connection, questions.c.intent, asked, most),
            regions=await _top(connection, questions.c.region, asked, most),
            departments=departments,
            cases=await _by_state(connection, cases.c.state),
            outbox=await _by_state(connection, outbox.c.state),
            updates=await _by_state(connection, updates.c.state),
        )


async def by_day(store: Store, last: date, zone: ZoneInfo, days: int = RISING_OVER_DAYS + 1) -> tuple[Day, ...]:
    """So many days up to `last`, oldest first; days without questions too."""
    dates = [last - timedelta(days=n) for n in reversed(range(days))]
    # by the moments at which the office's days begin: the database counts in UTC
    ends = [(questions.c.asked_at < period(day, zone)[1], n) for n, day in enumerate(dates)]
    number: Label[int] = case(*ends).label("number")
    asked = _within(questions.c.asked_at, period(dates[0], zone)[0], period(last, zone)[1])
    query = _counts().add_columns(number).where(*asked).group_by("number")
    async with store.reading(long=True) as connection:
        found = {row.number: row for row in await connection.execute(query)}
    return tuple(
        Day(day, int(row.received), int(row.answered + row.by_choice), int(row.unanswered))
        if (row := found.get(n))
        else Day(day, 0, 0, 0)
        for n, day in enumerate(dates)
    )


async def rising(store: Store, since: datetime, until: datetime, most: int = 10) -> tuple[Rise, ...]:
    """What rises in [since, until), a day: intents and open cases, the most asked first."""
    q = questions.c
    asked = (q.intent != "", q.outcome.in_((Outcome.ANSWERED, Outcome.UNANSWERED)))
    intents = _rising(q.intent, since, until).where(*asked)
    matters = _rising_cases(since, until)
    async with store.reading(long=True) as connection:
        risen = [Rise(key, None, None, int(n), int(m)) for key, n, m in await connection.execute(intents.limit(most))]
        rows = (await connection.execute(matters.limit(most))).all()
        texts = await _wordings(connection, [row[0] for row in rows])
    risen += [Rise("", number, texts.get(number), int(n), int(m)) for number, n, m in rows]
    return tuple(sorted(risen, key=lambda rise: -rise.count))


async def overdue(store: Store, now: datetime, most: int = 10) -> Overdue:
    """Open cases whose deadline is before `now`."""
    c = cases.c
    late = (c.state.in_(OPEN), c.due_at < now)
    query = select(c.id, c.department, c.due_at).where(*late).order_by(c.due_at, c.id).limit(most)
    async with store.reading(long=True) as connection:
        count = (await connection.execute(select(func.count()).select_from(cases).where(*late))).scalar_one()
        rows = (await connection.execute(query)).all()
        texts = await _wordings(connection, [row.id for row in rows])
    return Overdue(count, tuple(LateCase(r.id, texts.get(r.id), r.department, r.due_at) for r in rows))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _within(
    moment: ColumnElement[datetime | None], since: datetime | None, until: datetime | None
) -> list[ColumnElement[bool]]:
    return [*([moment >= since] if since else []), *([moment < until] if until else [])]


def _number_of(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((and_(*conditions), 1), else_=0))


def _counts() -> Select[*tuple[Any, ...]]:
    asked = questions.c.parent_id.is_(None)
    later = questions.alias()
    settled = exists().where(later.c.parent_id == questions.c.id, later.c.outcome == Outcome.ANSWERED)
    back = questions.c.outcome.in_(_ASKED_BACK)
    return select(
        _number_of(asked).label("received"),
        func.count(func.distinct(questions.c.conversation_id)).label("people"),
        _number_of(asked, questions.c.outcome == Outcome.ANSWERED).label("answered"),
        _number_of(asked, back, settled).label("by_choice"),
        _number_of(asked, back, ~settled).label("asked_back"),
        _number_of(asked, questions.c.outcome == Outcome.UNANSWERED).label("unanswered"),
        _number_of(asked, questions.c.outcome == Outcome.URGENT).label("urgent"),
        _number_of(asked, questions.c.outcome == Outcome.SMALLTALK).label("smalltalk"),
        _number_of(questions.c.case_id.is_not(None)).label("handed_over"),
        _number_of(questions.c.feedback == Feedback.SOLVED).label("solved"),
        _number_of(questions.c.feedback == Feedback.UNSOLVED).label("unsolved"),
    )


def _answers(since: datetime | None, until: datetime | None) -> Select[*tuple[Any, ...]]:
    """While an answer stands nobody moves its deadline; reopening sets a new one."""
    c = cases.c
    return select(
        func.count().label("cases_answered"),
        _number_of(c.answered_at <= c.due_at).label("on_time"),
        _number_of(c.answered_at > c.due_at).label("late"),
    ).where(c.state.in_(DONE), *_within(c.answered_at, since, until))


def _reopened(since: datetime | None, until: datetime | None) -> Select[*tuple[Any, ...]]:
    count = func.count(func.distinct(events.c.case_id)).label("reopened")
    return select(count).where(events.c.what == Deed.REOPENED, *_within(events.c.at, since, until))


def _ratings(since: datetime | None, until: datetime | None) -> Select[*tuple[Any, ...]]:
    """Who is not satisfied waits again, so their question is not settled: the case knows when it was answered.

    Not satisfied and settled: answered anew since, and nothing was said of that yet.
    """
    q, c = questions.c, cases.c
    content = q.satisfaction.in_(CONTENT)
    answered_at = func.coalesce(q.settled_at, c.answered_at)
    rated = (q.satisfaction != "", or_(content, q.settled_at.is_(None)), *_within(answered_at, since, until))
    # a case is answered last when its last question is, or later: naming these cases spares a look at every question
    since_then = q.case_id.in_(select(c.id).where(*_within(c.answered_at, since, None)))
    return (
        select(func.count().label("rated"), _number_of(content).label("satisfied"))
        .select_from(questions.join(cases, q.case_id == c.id))
        .where(*rated, since_then)
    )


async def _departments(connection: Transaction, since: datetime | None, until: datetime | None) -> dict[str, int]:
    # naming every state lets both databases find the days in the index over (state, opened_at)
    opened = (cases.c.state.in_(tuple(CaseState)), *_within(cases.c.opened_at, since, until))
    query = select(cases.c.department, func.count()).where(*opened).group_by(cases.c.department)
    rows = await connection.execute(query.order_by(func.count().desc(), cases.c.department))
    return {department: int(count) for department, count in rows}


def _rising_cases(since: datetime, until: datetime) -> Select[*tuple[Any, ...]]:
    """The few that rise first, then which of them are open: going through all open cases would take longer."""
    found = _rising(questions.c.case_id, since, until).where(questions.c.case_id.is_not(None)).subquery()
    open_ones = select(found).join(cases, cases.c.id == found.c.key).where(cases.c.state.in_(OPEN))
    return open_ones.order_by(found.c.count.desc(), found.c.key)


def _rising(key: ColumnElement[Any], since: datetime, until: datetime) -> Select[*tuple[Any, ...]]:
    asked_at = questions.c.asked_at
    count, before = _number_of(asked_at >= since), _number_of(asked_at < since)
    return (
        select(key.label("key"), count.label("count"), before.label("before"))
        .where(*_within(asked_at, since - timedelta(days=RISING_OVER_DAYS), until))
        .group_by(key)
        .having(and_(count >= RISING_FROM, count * RISING_OVER_DAYS >= before * RISING_TIMES))
        .order_by(count.desc(), key)
    )


async def _wordings(connection: Transaction, case_ids: Sequence[int]) -> dict[int, str]:
    """What was first asked in each, as far as its words are still there."""
    q = questions.c
    first = select(func.min(q.id)).where(q.case_id.in_(case_ids), q.text.is_not(None)).group_by(q.case_id)
    rows = await connection.execute(select(q.case_id, q.text).where(q.id.in_(first))) if case_ids else ()
    return {row.case_id: row.text for row in rows}


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
