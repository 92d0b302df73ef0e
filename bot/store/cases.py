"""Cases: what staff must answer, who is at it, and everything that was done about it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, insert, or_, select, update

from bot.store.engine import Transaction
from bot.store.schema import cases, conversations, events, outbox, questions


class CaseState(StrEnum):
    """Where a case stands."""

    NEW = "new"
    CLAIMED = "claimed"
    ANSWERED = "answered"
    CLOSED = "closed"
    IGNORED = "ignored"
    """Not worth an answer; who asks the same later joins it silently."""
    MERGED = "merged"
    """Its questions belong to another case now."""
    WITHDRAWN = "withdrawn"
    """Nobody waits for it any more: all who asked had their data deleted."""


WHY = "why"
"""What stands as intent of a message that says why an answer did not satisfy."""
_MOST_DIGITS, _MOST_NAMED = 18, 1_000
_SOON, _OVER = 1, 2
"""How staff were reminded of a deadline."""
OPEN = (CaseState.NEW, CaseState.CLAIMED)
DONE = (CaseState.ANSWERED, CaseState.CLOSED)
JOINABLE = (*OPEN, CaseState.IGNORED)


class Reason(StrEnum):
    """Why a case was opened."""

    NO_MATCH = "no_match"
    NO_REGION = "no_region"
    NONE_OF_THESE = "none_of_these"
    UNSOLVED = "unsolved"
    OUTDATED = "outdated"
    HUMAN = "human"
    SPLIT = "split"


class Satisfaction(StrEnum):
    """What a citizen thinks of staff's answer."""

    SATISFIED = "satisfied"
    MOSTLY = "mostly"
    UNSATISFIED = "unsatisfied"


CONTENT = (Satisfaction.SATISFIED, Satisfaction.MOSTLY)


class Deed(StrEnum):
    """What can happen to a case."""

    OPENED = "opened"
    CLAIMED = "claimed"
    ASSIGNED = "assigned"
    SENT_BACK = "sent_back"
    NOTED = "noted"
    ANSWERED = "answered"
    IGNORED = "ignored"
    CAME_BACK = "came_back"
    """Ignored once, and asked by many again."""
    MERGED = "merged"
    SPLIT = "split"
    REOPENED = "reopened"
    RATED = "rated"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"


@dataclass(frozen=True)
class Case:
    """One line of staff's work list."""

    id: int
    state: CaseState
    reason: Reason
    region: str
    department: str
    """Its key in departments.yaml; empty where nothing suggested one."""
    claimed_by: str
    opened_at: datetime
    due_at: datetime | None
    reopened: int
    like_id: int | None
    """It may be the same matter as that case."""
    merged_into: int | None
    answer: str | None
    answered_by: str
    answered_at: datetime | None
    count: int
    """Questions."""
    askers: int
    """People, as far as they have not withdrawn."""
    waiting: int
    """Questions to which no answer is on its way."""
    first_asked_at: datetime | None
    last_asked_at: datetime | None
    ignored_people: int = 0
    card_id: int | None = None
    """The message in staff's chat that shows it."""

    def is_overdue(self, now: datetime) -> bool:
        """Still open after its deadline."""
        return self.state in OPEN and self.due_at is not None and self.due_at < now


@dataclass(frozen=True)
class CaseQuestion:
    """One question of a case, as staff see it."""

    id: int
    text: str | None
    """None once withdrawn or forgotten."""
    asked_at: datetime
    region: str
    conversation: int
    script: str
    chosen_script: str
    is_reachable: bool
    """Whether an answer can still be sent there, as far as we know."""
    settled_at: datetime | None
    satisfaction: str
    nearest: tuple[tuple[str, float], ...]
    """Titles of the intents and topics it was nearest to, with the matcher's scores."""
    delivery: str
    """Where the answer to it stands: an OutboxState, or empty."""
    why: str = ""
    """What the citizen wrote after 不满意."""
    channel: str = ""
    """Where they wrote."""


@dataclass(frozen=True)
class Event:
    """One step in a case's history."""

    at: datetime
    who: str
    what: Deed
    note: str


@dataclass(frozen=True)
class Filter:
    """Which cases to list; what is empty does not narrow."""

    states: tuple[CaseState, ...] = OPEN
    department: str = ""
    region: str = ""
    claimed_by: str = ""
    reason: str = ""
    text: str = ""
    overdue_at: datetime | None = None
    """Only those overdue at this moment."""
    most: int = 100
    skip: int = 0
    """So many of the first ones are left out."""


@dataclass(frozen=True)
class Opening:
    """What is known when a case is opened."""

    reason: Reason
    region: str = ""
    department: str = ""
    due_at: datetime | None = None
    like: int | None = None


async def add(connection: Transaction, opening: Opening, now: datetime) -> int:
    """Opens a case; its number is staff's, the citizen's is the question's."""
    values = {
        "state": CaseState.NEW,
        "reason": opening.reason,
        "region": opening.region,
        "department": opening.department,
        "due_at": opening.due_at,
        "like_id": opening.like,
        "opened_at": now,
    }
    return int((await connection.execute(_ADD, values)).scalar_one())


async def opened_at(connection: Transaction, case_id: int) -> datetime:
    """When a case was opened."""
    moment: datetime = (await connection.execute(select(cases.c.opened_at).where(cases.c.id == case_id))).scalar_one()
    return moment


async def by_id(connection: Transaction, case_id: int) -> Case | None:
    """One case with its counts."""
    row = (await connection.execute(_listed([cases.c.id == case_id]))).one_or_none()
    return _case(row) if row else None


async def of_ticket(connection: Transaction, ticket: int) -> int | None:
    """The case that a citizen's number belongs to."""
    found: int | None = (
        await connection.execute(select(questions.c.case_id).where(questions.c.id == ticket))
    ).scalar_one_or_none()
    return found


async def listed(connection: Transaction, which: Filter, now: datetime) -> list[Case]:
    """The most pressing first: overdue, not satisfied, asked by most, oldest."""
    c = cases.c
    where: list[ColumnElement[bool]] = [c.state.in_(which.states)]
    if which.department:
        where.append(c.department == which.department)
    if which.region:
        where.append(c.region.startswith(which.region, autoescape=True))
    if which.claimed_by:
        where.append(c.claimed_by == which.claimed_by)
    if which.reason:
        where.append(c.reason == which.reason)
    if which.overdue_at:
        where.append(and_(c.due_at < which.overdue_at, c.state.in_(OPEN)))
    if which.text:
        told = select(questions.c.case_id).where(questions.c.text.contains(which.text, autoescape=True))
        where.append(or_(c.id.in_(told), c.answer.contains(which.text, autoescape=True), *_numbered(which.text)))
    # which ones first, over the index alone; then everything about these few
    asked = select(questions.c.case_id, func.count().label("count")).where(questions.c.case_id.is_not(None))
    counted = asked.group_by(questions.c.case_id).subquery()
    late = case((and_(c.due_at < now, c.state.in_(OPEN)), 0), else_=1)
    pressing = (late, c.reopened.desc(), func.coalesce(counted.c.count, 0).desc(), c.opened_at, c.id)
    query = select(c.id).outerjoin(counted, counted.c.case_id == c.id).where(*where).order_by(*pressing)
    if which.most:
        query = query.limit(which.most).offset(which.skip)
    ids = list((await connection.execute(query)).scalars())
    found = {row.id: _case(row) for part in _parts(ids) for row in await connection.execute(_listed([c.id.in_(part)]))}
    return [found[case_id] for case_id in ids]


def _parts(ids: Sequence[int]) -> list[Sequence[int]]:
    """So many at once as a statement may name."""
    return [ids[n : n + _MOST_NAMED] for n in range(0, len(ids), _MOST_NAMED)]


def _numbered(text: str) -> list[ColumnElement[bool]]:
    """The case of that number, and the one of the question of that number."""
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        return []
    return [cases.c.id == int(text), cases.c.id.in_(select(questions.c.case_id).where(questions.c.id == int(text)))]


async def questions_of(connection: Transaction, case_ids: Sequence[int]) -> dict[int, list[CaseQuestion]]:
    """The questions of these cases, oldest first."""
    if len(case_ids) > _MOST_NAMED:
        return {n: qs for part in _parts(case_ids) for n, qs in (await questions_of(connection, part)).items()}
    q, v = questions.c, conversations.c
    query = (
        select(
            q.case_id, q.id, q.text, q.asked_at, q.region, q.conversation_id, v.script, v.chosen_script,
            and_(v.chat_id.is_not(None), v.blocked_at.is_(None)).label("is_reachable"), q.settled_at, q.satisfaction,
            q.nearest, v.channel,
        )
        .join(conversations, v.id == q.conversation_id)
        .where(q.case_id.in_(case_ids))
        .order_by(q.id)
    )  # fmt: skip
    rows, deliveries = (await connection.execute(query)).all(), await _deliveries(connection, case_ids)
    reasons = await _reasons(connection, case_ids)
    found: dict[int, list[CaseQuestion]] = {case_id: [] for case_id in case_ids}
    for row in rows:
        found[row.case_id].append(
            CaseQuestion(
                row.id, row.text, row.asked_at, row.region, row.conversation_id, row.script, row.chosen_script,
                bool(row.is_reachable), row.settled_at, row.satisfaction,
                tuple((title, float(score)) for title, score in row.nearest or ()), deliveries.get(row.id, ""),
                "；".join(reasons.get(row.id, ())), row.channel,
            )
        )  # fmt: skip
    return found


async def _deliveries(connection: Transaction, case_ids: Sequence[int]) -> dict[int, str]:
    """Where the last answer to each question stands."""
    q, o = questions.c, outbox.c
    query = select(o.question_id, o.state).join(questions, q.id == o.question_id).where(q.case_id.in_(case_ids))
    return {row.question_id: row.state for row in await connection.execute(query.order_by(o.id))}


async def _reasons(connection: Transaction, case_ids: Sequence[int]) -> dict[int, list[str]]:
    """What citizens wrote after 不满意, by question."""
    asked, said = questions.alias(), questions.c
    query = (
        select(said.parent_id, said.text)
        .join(asked, asked.c.id == said.parent_id)
        .where(asked.c.case_id.in_(case_ids), said.intent == WHY, said.text.is_not(None))
        .order_by(said.id)
    )
    found: dict[int, list[str]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.parent_id, []).append(row.text)
    return found


async def history(connection: Transaction, case_id: int) -> list[Event]:
    """Every step, oldest first."""
    e = events.c
    rows = await connection.execute(select(e.at, e.who, e.what, e.note).where(e.case_id == case_id).order_by(e.id))
    return [Event(row.at, row.who, Deed(row.what), row.note) for row in rows]


async def note(connection: Transaction, case_id: int, now: datetime, who: str, what: Deed, text: str = "") -> int:
    """One more step in a case's history; its number."""
    values = {"case_id": case_id, "at": now, "who": who, "what": what, "note": text}
    return int((await connection.execute(_NOTE, values)).scalar_one())


async def lock(connection: Transaction, *case_ids: int) -> None:
    """Nobody else works on these until the transaction ends: what is read from here on stays true."""
    query = select(cases.c.id).where(cases.c.id.in_(case_ids)).order_by(cases.c.id)
    await connection.execute(query.with_for_update())


async def change(
    connection: Transaction, case_id: int, among: Iterable[CaseState], values: dict[str, Any], *who: str
) -> bool:
    """Changes a case if it is still in one of these states, and claimed by one of `who` where any are named.

    False: somebody was a moment earlier.
    """
    where = [cases.c.id == case_id, cases.c.state.in_(tuple(among))]
    if who:
        where.append(cases.c.claimed_by.in_(who))
    return (await connection.execute(update(cases).where(*where).values(values))).rowcount == 1


async def move_questions(connection: Transaction, question_ids: Sequence[int], to: int) -> None:
    """Gives questions to another case."""
    await connection.execute(update(questions).where(questions.c.id.in_(question_ids)).values(case_id=to))


async def take_question(
    connection: Transaction,
    question: int,
    case_id: int,
    region: str,
    vector: bytes,
    encoder: str,
    nearest: Sequence[Any],
) -> None:
    """A question becomes one of a case's, with its place and what it means to the encoder."""
    values = {
        "case_id": case_id, "region": region, "vector": vector, "encoder": encoder, "nearest": list(nearest)
    }  # fmt: skip
    await connection.execute(_TAKE, {**values, "number": question})


async def settle(connection: Transaction, question_ids: Sequence[int], now: datetime | None) -> None:
    """Staff's answer to these is on its way; None: they wait again."""
    await connection.execute(update(questions).where(questions.c.id.in_(question_ids)).values(settled_at=now))


async def satisfied(connection: Transaction, question_ids: Sequence[int], how: str) -> None:
    """What the citizen thinks of staff's answer to these."""
    await connection.execute(update(questions).where(questions.c.id.in_(question_ids)).values(satisfaction=how))


async def keep_card(connection: Transaction, case_id: int, message: int) -> None:
    """The message in staff's chat that shows a case."""
    await connection.execute(update(cases).where(cases.c.id == case_id).values(card_id=message))


async def to_remind(connection: Transaction, now: datetime, soon: datetime, most: int) -> list[tuple[int, bool]]:
    """Open cases whose deadline is near or over, of which nobody has been reminded yet: number, and whether over."""
    c = cases.c
    over = and_(c.due_at <= now, c.reminded < _OVER)
    near = and_(c.due_at > now, c.due_at <= soon, c.reminded < _SOON)
    query = select(c.id, c.due_at).where(c.state.in_(OPEN), or_(over, near)).order_by(c.due_at).limit(most)
    found = [(row.id, row.due_at <= now) for row in await connection.execute(query)]
    for how, is_over in ((_SOON, False), (_OVER, True)):
        which = [number for number, over_ in found if over_ is is_over]
        await connection.execute(update(cases).where(c.id.in_(which)).values(reminded=how))
    return found


async def of_person(connection: Transaction, channel: str, user: int) -> list[int]:
    """The open cases in which a person asked something."""
    query = (
        select(questions.c.case_id)
        .join(conversations, conversations.c.id == questions.c.conversation_id)
        .join(cases, cases.c.id == questions.c.case_id)
        .where(conversations.c.channel == channel, conversations.c.user_id == user, cases.c.state.in_(OPEN))
    )
    return sorted(set((await connection.execute(query)).scalars()))


async def close_answered_before(connection: Transaction, moment: datetime) -> int:
    """Closes cases answered before `moment`; how many."""
    over = (cases.c.state == CaseState.ANSWERED, cases.c.answered_at < moment)
    return (await connection.execute(update(cases).where(*over).values(state=CaseState.CLOSED))).rowcount


@dataclass(frozen=True)
class Place:
    """A case that may be joined."""

    case: int
    state: CaseState
    region: str
    text: str | None
    """Its first question."""


async def places(connection: Transaction, case_ids: Sequence[int]) -> dict[int, Place]:
    """Those of the cases that may be joined."""
    rows = await connection.execute(_PLACES, {"numbers": list(case_ids)})
    return {row.id: Place(row.id, CaseState(row.state), row.region, row.text) for row in rows}


async def join(connection: Transaction, case_id: int, region: str) -> bool:
    """Somebody may join the case, which is about this place from now on; False: it was answered a moment ago."""
    return (await connection.execute(_JOIN, {"number": case_id, "place": region})).rowcount == 1


@dataclass(frozen=True)
class Kept:
    """What is kept of a question's meaning."""

    question: int
    case: int
    vector: bytes


async def unread(connection: Transaction, encoder: str, most: int) -> list[tuple[int, str]]:
    """The latest questions of joinable cases that this encoder has not read: number and words."""
    q = questions.c
    query = select(q.id, q.text).join(cases, cases.c.id == q.case_id)
    query = query.where(cases.c.state.in_(JOINABLE), q.text.is_not(None), q.encoder != encoder)
    return [(row.id, row.text) for row in await connection.execute(query.order_by(q.id.desc()).limit(most))]


async def keep_vectors(connection: Transaction, vectors: Mapping[int, bytes], encoder: str) -> None:
    """What questions mean to the encoder."""
    for number, vector in vectors.items():
        await connection.execute(_TAKE, {"number": number, "vector": vector, "encoder": encoder})


async def meanings(connection: Transaction, encoder: str, among: Sequence[int] | None = None) -> list[Kept]:
    """Of every question in a case that may be joined, or in one of these, as this encoder read it."""
    q = questions.c
    query = select(q.id, q.case_id, q.vector).join(cases, cases.c.id == q.case_id)
    which = [cases.c.id.in_(among)] if among is not None else []
    query = query.where(cases.c.state.in_(JOINABLE), q.vector.is_not(None), q.encoder == encoder, *which)
    return [Kept(*row) for row in await connection.execute(query.order_by(q.id))]


async def answered_meanings(connection: Transaction, encoder: str, most: int) -> list[Kept]:
    """What was asked first in the cases answered last, as this encoder read it."""
    q, c = questions.c, cases.c
    first = select(func.min(q.id)).where(q.encoder == encoder, q.vector.is_not(None)).group_by(q.case_id)
    query = (
        select(q.id, q.case_id, q.vector)
        .join(cases, c.id == q.case_id)
        .where(q.id.in_(first), c.state.in_(DONE), c.answer.is_not(None))
        .order_by(c.answered_at.desc())
        .limit(most)
    )
    return [Kept(row.id, row.case_id, row.vector) for row in await connection.execute(query)]


async def vector_of(connection: Transaction, case_id: int, encoder: str) -> bytes | None:
    """What the first question of a case means to this encoder; None when it has not read it."""
    q = questions.c
    query = select(q.vector).where(q.case_id == case_id, q.encoder == encoder, q.vector.is_not(None)).order_by(q.id)
    vector: bytes | None = (await connection.execute(query.limit(1))).scalar_one_or_none()
    return vector


async def before(connection: Transaction, question: int, most: int) -> list[tuple[int, str, str]]:
    """What was said in a conversation before one of its questions: number, words, reply; oldest first."""
    q = questions.c
    here = select(q.conversation_id).where(q.id == question).scalar_subquery()
    query = select(q.id, q.text, q.reply).where(q.conversation_id == here, q.id < question, q.text.is_not(None))
    rows = (await connection.execute(query.order_by(q.id.desc()).limit(most))).all()
    return [(row.id, row.text, (row.reply or {}).get("text", "")) for row in reversed(rows)]


async def last_event(connection: Transaction) -> int:
    """The number of the last step in any case's history."""
    return int((await connection.execute(select(func.max(events.c.id)))).scalar_one() or 0)


async def last_steps(connection: Transaction) -> tuple[int, int]:
    """Changes whenever something becomes of any case: the last step in a history, the last question in a case."""
    row = (await connection.execute(_LAST_STEPS)).one()
    return row[0] or 0, row[1] or 0


async def touched_after(connection: Transaction, event: int) -> tuple[list[int], int]:
    """Cases whose history went on after that step, and the last step now."""
    rows = (await connection.execute(_TOUCHED, {"last": event})).all()
    return sorted({row.case_id for row in rows}), max((row.id for row in rows), default=event)


_OWN = [cases.c[name] for name in (
    "id", "state", "reason", "region", "department", "claimed_by", "opened_at", "due_at", "reopened", "like_id",
    "merged_into", "answer", "answered_by", "answered_at", "ignored_people", "card_id",
)]  # fmt: skip
_COUNT = func.count(questions.c.id)
_ADD = insert(cases).returning(cases.c.id)
_NOTE = insert(events).returning(events.c.id)
_HARMLESS = (Deed.NOTED, Deed.CLAIMED, Deed.ASSIGNED, Deed.SENT_BACK, Deed.RATED)
"""Deeds after which a case has the same questions and may still be joined."""
_TOUCHED = select(events.c.id, events.c.case_id).where(events.c.id > bindparam("last"), events.c.what.not_in(_HARMLESS))
_LAST_STEPS = select(
    select(func.max(events.c.id)).scalar_subquery(),
    select(func.max(questions.c.id)).where(questions.c.case_id.is_not(None)).scalar_subquery(),
)
_FIRST = questions.alias()
_BEGUN = (
    select(func.min(questions.c.id))
    .where(questions.c.case_id == cases.c.id, questions.c.text.is_not(None))
    .correlate(cases)
    .scalar_subquery()
)
# built once: putting a statement together takes longer than running it
_PLACES = (
    select(cases.c.id, cases.c.state, cases.c.region, _FIRST.c.text)
    .select_from(cases.outerjoin(_FIRST, _FIRST.c.id == _BEGUN))
    .where(cases.c.id.in_(bindparam("numbers", expanding=True)), cases.c.state.in_(JOINABLE))
)
_JOIN = (
    update(cases)
    .where(cases.c.id == bindparam("number"), cases.c.state.in_(JOINABLE))
    .values(region=bindparam("place"))
)
_TAKE = update(questions).where(questions.c.id == bindparam("number"))


def _listed(where: Sequence[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    q = questions.c
    return (
        select(
            *_OWN,
            _COUNT.label("count"),
            func.count(func.distinct(case((q.text.is_not(None), q.conversation_id)))).label("askers"),
            func.count(case((and_(q.text.is_not(None), q.settled_at.is_(None)), q.id))).label("waiting"),
            func.min(q.asked_at).label("first_asked_at"),
            func.max(q.asked_at).label("last_asked_at"),
        )
        .outerjoin(questions, q.case_id == cases.c.id)
        .where(*where)
        .group_by(cases.c.id)  # all the rest of a case depends on it
    )


def _case(row: Any) -> Case:
    values = row._asdict()
    return Case(**{**values, "state": CaseState(row.state), "reason": Reason(row.reason)})
