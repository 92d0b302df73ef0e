"""What staff do about cases: claim, dispatch, answer once for everybody who asked, ignore, merge, split, reopen."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from bot import voice
from bot.config import Config, Person
from bot.content.models import Department
from bot.errors import HotlineError
from bot.roster import Roster
from bot.store import cases, conversations, outbox
from bot.store.cases import (
    CONTENT,
    Case,
    CaseQuestion,
    CaseState,
    Deed,
    Event,
    Filter,
    Opening,
    Reason,
    Satisfaction,
)
from bot.store.conversations import Address
from bot.store.engine import Store, Transaction
from bot.text import Script, clean, to_script
from bot.worktime import Clock, Worktime

T = TypeVar("T")
Work = Callable[[Transaction, datetime], Awaitable[T]]
_REOPENABLE = (*cases.DONE, CaseState.IGNORED, CaseState.WITHDRAWN)
_STAFF_CHANNEL = "telegram"
_MOST_REMINDED = 20
_WHY_WITHIN = timedelta(minutes=15)


class Refused(HotlineError):
    """Cannot be done, in words for staff."""


@dataclass(frozen=True)
class File:
    """Everything about one case."""

    case: Case
    questions: tuple[CaseQuestion, ...]
    history: tuple[Event, ...] = ()

    @property
    def wordings(self) -> list[str]:
        """What people wrote, each once, oldest first."""
        return list(dict.fromkeys(q.text for q in self.questions if q.text is not None))

    @property
    def is_dispatched(self) -> bool:
        """Whether staff gave it to its department; what the bot suggests is no more than that."""
        steps = [e.what for e in self.history if e.what in (Deed.ASSIGNED, Deed.SENT_BACK)]
        return bool(self.case.department) and steps[-1:] == [Deed.ASSIGNED]

    @property
    def waiting(self) -> list[CaseQuestion]:
        """Those to whom no answer is on its way, and who have not withdrawn."""
        return [q for q in self.questions if q.settled_at is None and q.text is not None]


class Cards:
    """Has the cards in staff's chat brought up to date; without such a chat it does nothing."""

    def __init__(self, store: Store, chat: int) -> None:
        self.store, self.chat = store, chat

    async def refresh(self, connection: Transaction, number: int, now: datetime) -> None:
        """Queues a case's card, once however much happens to it meanwhile."""
        await self._queue(outbox.put_again, connection, f"card:{number}", {"card": number}, now)

    async def tell(self, connection: Transaction, key: str, text: str, now: datetime) -> None:
        """Queues a message to staff."""
        await self._queue(outbox.put, connection, key, {"text": text}, now)

    async def report(self, connection: Transaction, day: date, now: datetime) -> None:
        """Queues a day's report, once."""
        await self._queue(outbox.put, connection, f"report:{day}", {"report": day.isoformat()}, now)

    async def _queue(
        self,
        put: Callable[[Store, Transaction, str, int, dict[str, Any], datetime], Awaitable[None]],
        connection: Transaction,
        key: str,
        message: dict[str, Any],
        now: datetime,
    ) -> None:
        if self.chat:
            room = await conversations.load(connection, Address(_STAFF_CHANNEL, self.chat, self.chat))
            number = room.id or await conversations.save(connection, room, room.state, now)
            await put(self.store, connection, key, number, message, now)


def person(config: Config, name: str) -> Person:
    """One of the people in the settings; raises Refused for anybody else."""
    found = next((p for p in config.staff.people if p.name == name), None)
    if found is None:
        names = "、".join(p.name for p in config.staff.people)
        raise Refused(f"config.yaml 的 staff.people 里没有「{name}」;有:{names}")
    return found


class Casework:
    """The work list, for every place where staff work."""

    def __init__(self, config: Config, departments: Mapping[str, Department], store: Store, clock: Clock) -> None:
        self.config, self.departments, self.store, self.clock = config, departments, store, clock
        self.cards, self.roster = Cards(store, config.staff.chat_id), Roster(config)
        self.worktime = Worktime(config.time)

    # ---- looking

    def department(self, name: str) -> str:
        """The key of a department, by its key or its name; raises Refused for any other."""
        if name in self.departments:
            return name
        found = next((key for key, d in self.departments.items() if d.name == name), "")
        if not found:
            known = "、".join(f"{d.name}({key})" for key, d in self.departments.items())
            raise Refused(f"派单清单里没有「{name}」;有:{known}")
        return found

    def called(self, department: str) -> str:
        """What a department is called."""
        return self.departments[department].name if department in self.departments else department

    async def listed(self, which: Filter) -> list[File]:
        """The most pressing first, without their history."""
        async with self.store.reading(long=True) as connection:
            found = await cases.listed(connection, which, self.clock())
            questions = await cases.questions_of(connection, [case.id for case in found]) if found else {}
        return [File(case, tuple(questions[case.id])) for case in found]

    async def file(self, number: int) -> File:
        """One case with everything; raises Refused when there is none."""
        async with self.store.reading() as connection:
            return await self._file(connection, number)

    async def of_ticket(self, ticket: int) -> int:
        """The case that a citizen's number belongs to; raises Refused when there is none."""
        async with self.store.reading() as connection:
            found = await cases.of_ticket(connection, ticket)
        if found is None:
            raise Refused(f"编号 {ticket} 不在任何事项里")
        return found

    # ---- doing; each raises Refused with the reason when somebody was a moment earlier

    async def claim(self, number: int, who: str) -> None:
        """Takes a case: it is theirs until they answer it or send it back."""

        async def work(connection: Transaction, now: datetime) -> None:
            mine = {"state": CaseState.CLAIMED, "claimed_by": who}
            if not await cases.change(connection, number, (CaseState.NEW,), mine):
                await self._too_late(connection, number)
            await self._note(connection, number, now, who, Deed.CLAIMED)

        await self._do(work)

    async def assign(self, number: int, department: str, who: str, remark: str = "") -> None:
        """Dispatches a case; everybody who waits is told where it went and when to expect an answer."""
        key = self.department(department)

        async def work(connection: Transaction, now: datetime) -> None:
            due = self.worktime.due(now)
            there = {"department": key, "due_at": due, "reminded": 0}
            if not await cases.change(connection, number, cases.OPEN, there, "", who):
                await self._too_late(connection, number)
            what = "：".join(filter(None, (self.called(key), remark)))
            step = await self._note(connection, number, now, who, Deed.ASSIGNED, what)
            file = await self._file(connection, number)
            for theirs in _by_person(file.waiting):
                last, numbers = theirs[-1], _numbers(q.id for q in theirs)
                words, when = voice.shortened(last.text or ""), voice.moment(due)
                text = voice.DISPATCHED.format(words, numbers, self.called(key), when)
                await self._write_to(connection, f"assigned:{step}:{last.id}", last, text, now)

        await self._do(work)

    async def send_back(self, number: int, who: str, reason: str) -> None:
        """A department says that it is not theirs: the case is new again and needs another one."""

        async def work(connection: Transaction, now: datetime) -> None:
            file = await self._locked(connection, number)
            again = {"state": CaseState.NEW, "claimed_by": "", "department": ""}
            if not await cases.change(connection, number, cases.OPEN, again):
                await self._too_late(connection, number)
            note = "：".join(filter(None, (self.called(file.case.department), reason)))
            await self._note(connection, number, now, who, Deed.SENT_BACK, note)

        await self._do(work)

    async def note(self, number: int, who: str, text: str) -> None:
        """A remark for colleagues."""
        if not clean(text):
            raise Refused("备注是空的")

        async def work(connection: Transaction, now: datetime) -> None:
            await self._file(connection, number)
            await self._note(connection, number, now, who, Deed.NOTED, text)

        await self._do(work)

    async def answer(
        self, number: int, text: str, who: str, *, leave_out: Sequence[int] = (), seen: Sequence[int] | None = None
    ) -> int:
        """One answer for everybody who waits; how many people it goes to.

        `leave_out`: questions that ask something else: they get a case of their own. `seen`: the waiting questions that
        were looked at; when others have come since, nothing is sent.
        """
        words = clean(text)
        if not words:
            raise Refused("答复是空的")
        if len(words) > self.config.cases.answer_length:
            raise Refused(f"答复超过 {self.config.cases.answer_length} 字(config.yaml 的 cases.answer_length)")

        async def work(connection: Transaction, now: datetime) -> int:
            file = await self._locked(connection, number)
            if seen is not None and {q.id for q in file.waiting} != set(seen):
                raise Refused("刚才又有人加入或撤回,请再看一遍再发")
            if leave_out:
                await self._split(connection, file, leave_out, who, now)
            receivers = [q for q in file.waiting if q.id not in leave_out]
            if not receivers and file.case.state in cases.OPEN:
                raise Refused(f"事项 {number} 里没有等答复的人")
            done = {
                "state": CaseState.ANSWERED, "claimed_by": who, "answer": words, "answered_by": who, "answered_at": now,
                "reopened": 0,
            }  # fmt: skip
            if not await cases.change(connection, number, cases.OPEN, done, "", who):
                await self._too_late(connection, number)
            step = await self._note(connection, number, now, who, Deed.ANSWERED, words)
            await cases.settle(connection, [q.id for q in receivers], now)
            return await self._send_answer(connection, file, receivers, words, step, now)

        return await self._do(work)

    async def ignore(self, number: int, who: str, reason: str = "") -> None:
        """Not worth an answer: the case is gone from the list, and comes back only when many more people ask."""

        async def work(connection: Transaction, now: datetime) -> None:
            file = await self._locked(connection, number)
            gone = {"state": CaseState.IGNORED, "claimed_by": "", "ignored_people": file.case.askers, "like_id": None}
            if not await cases.change(connection, number, cases.OPEN, gone, "", who):
                await self._too_late(connection, number)
            await self._note(connection, number, now, who, Deed.IGNORED, reason)

        await self._do(work)

    async def merge(self, number: int, into: int, who: str) -> None:
        """The questions of one case go to another one: they ask the same."""
        if number == into:
            raise Refused("不能并到自己")

        async def work(connection: Transaction, now: datetime) -> None:
            await cases.lock(connection, number, into)
            file, target = await self._file(connection, number), await self._file(connection, into)
            if target.case.state not in cases.OPEN:
                await self._too_late(connection, into)
            gone = {"state": CaseState.MERGED, "merged_into": into}
            if not await cases.change(connection, number, cases.JOINABLE, gone, "", who):
                await self._too_late(connection, number)
            await cases.move_questions(connection, [q.id for q in file.questions], into)
            earliest = min(filter(None, (file.case.due_at, target.case.due_at)), default=None)
            region = target.case.region or file.case.region
            together = {"due_at": earliest, "like_id": None, "region": region}
            await cases.change(connection, into, cases.OPEN, together)
            await self._note(connection, number, now, who, Deed.MERGED, f"并入事项 {into}")
            await self._note(connection, into, now, who, Deed.MERGED, f"并入了事项 {number}")

        await self._do(work)

    async def split(self, number: int, question_ids: Sequence[int], who: str) -> int:
        """Some questions ask something else: the case that they now have for themselves."""

        async def work(connection: Transaction, now: datetime) -> int:
            return await self._split(connection, await self._locked(connection, number), question_ids, who, now)

        return await self._do(work)

    async def reopen(self, number: int, who: str, reason: str = "") -> None:
        """The answer was not right, or the matter is worth one after all: everybody waits again."""

        async def work(connection: Transaction, now: datetime) -> None:
            file = await self._locked(connection, number)
            if not await cases.change(connection, number, _REOPENABLE, self._again(now)):
                await self._too_late(connection, number)
            await cases.settle(connection, [q.id for q in file.questions], None)
            await self._note(connection, number, now, who, Deed.REOPENED, reason)

        await self._do(work)

    # ---- what citizens say of an answer

    async def rate(self, question: int, how: Satisfaction, citizen: str) -> None:
        """Keeps what the citizen thinks of staff's answer; who is not satisfied waits again, on top of the list."""

        async def work(connection: Transaction, now: datetime) -> None:
            number = await cases.of_ticket(connection, question)
            if number is None:
                return
            file = await self._locked(connection, number)
            rated = next((q for q in file.questions if q.id == question), None)
            if rated is None or not (rated.settled_at or rated.satisfaction):
                return  # nobody has answered it yet
            person = rated.conversation
            theirs = [q.id for q in file.questions if q.conversation == person and (q.settled_at or q.id == question)]
            await cases.satisfied(connection, theirs, how)
            await self._note(
                connection, number, now, citizen, Deed.RATED, f"编号 {question}：{voice.SATISFACTION[how]}"
            )
            if how is Satisfaction.UNSATISFIED:
                await self._wait_again(connection, file, question, citizen, now)
                return
            await conversations.expect_why(connection, question, None)
            others = (q.satisfaction for q in file.questions if q.text is not None and q.id not in theirs)
            closed = {"state": CaseState.CLOSED}
            if all(o in CONTENT for o in others) and await cases.change(
                connection, number, (CaseState.ANSWERED,), closed
            ):
                await self._note(connection, number, now, citizen, Deed.CLOSED, "都满意")

        await self._do(work)

    async def _wait_again(self, connection: Transaction, file: File, question: int, who: str, now: datetime) -> None:
        await cases.settle(connection, [question], None)
        await conversations.expect_why(connection, question, now + _WHY_WITHIN)
        again = {**self._again(now), "reopened": file.case.reopened + 1}
        if await cases.change(connection, file.case.id, _REOPENABLE, again):
            await self._note(connection, file.case.id, now, who, Deed.REOPENED, f"编号 {question} 不满意")

    async def remind(self) -> int:
        """Tells staff's chat which deadlines are near or over, each once; how many."""
        soon = self.clock() + timedelta(hours=self.config.cases.remind_hours_before)

        async def work(connection: Transaction, now: datetime) -> int:
            found = await cases.to_remind(connection, now, soon, _MOST_REMINDED)
            for heading, is_over in ((voice.DUE_SOON, False), (voice.OVERDUE, True)):
                numbers = [number for number, over in found if over is is_over]
                if numbers:
                    key = f"remind:{heading}:{now.timestamp()}"
                    await self.cards.tell(connection, key, f"{heading}：事项 {_numbers(numbers)}", now)
                for number in numbers:
                    await self.cards.refresh(connection, number, now)
            return len(found)

        return await self._do(work)

    async def report(self) -> None:
        """Has today's report sent to staff's chat."""
        await self._do(lambda connection, now: self.cards.report(connection, now.date(), now))

    async def close_old(self) -> int:
        """Closes what was answered so long ago that nobody will complain any more; how many cases."""
        before = self.clock() - timedelta(days=self.config.cases.close_after_days)

        async def work(connection: Transaction, now: datetime) -> int:
            return await cases.close_answered_before(connection, before)

        return await self._do(work)

    # ---- inside

    def _again(self, now: datetime) -> dict[str, object]:
        return {"state": CaseState.NEW, "claimed_by": "", "due_at": self.worktime.due(now), "reminded": 0}

    async def _note(
        self, connection: Transaction, number: int, now: datetime, who: str, what: Deed, text: str = ""
    ) -> int:
        """One more step in a case's history, and its card shows it."""
        await self.cards.refresh(connection, number, now)
        return await cases.note(connection, number, now, who, what, text)

    async def _split(
        self, connection: Transaction, file: File, question_ids: Sequence[int], who: str, now: datetime
    ) -> int:
        case, own = file.case, {q.id for q in file.questions}
        if strangers := set(question_ids) - own:
            raise Refused(f"编号 {_numbers(strangers)} 不在事项 {case.id} 里")
        if case.state not in cases.OPEN or case.claimed_by not in {"", who}:
            await self._too_late(connection, case.id)
        if not own - set(question_ids):
            raise Refused("至少要留下一个问题")
        if not {q.id for q in file.waiting} & set(question_ids):
            raise Refused("这些编号都已答复或撤回,不用拆")
        region = next((q.region for q in file.questions if q.id in question_ids and q.region), case.region)
        new = await cases.add(connection, Opening(Reason.SPLIT, region, case.department, case.due_at), now)
        await cases.move_questions(connection, question_ids, new)
        kept = [q.region for q in file.questions if q.id not in question_ids]
        if case.region not in kept:  # it went with those that were about it
            await cases.change(connection, case.id, cases.OPEN, {"region": next(filter(None, kept), "")})
        await self._note(connection, new, now, who, Deed.SPLIT, f"从事项 {case.id} 拆出")
        await self._note(connection, case.id, now, who, Deed.SPLIT, f"编号 {_numbers(question_ids)} 拆到事项 {new}")
        return new

    async def _send_answer(
        self,
        connection: Transaction,
        file: File,
        receivers: Sequence[CaseQuestion],
        words: str,
        step: int,
        now: datetime,
    ) -> int:
        people = _by_person(receivers)
        who = self.called(file.case.department) if file.is_dispatched else voice.STAFF
        for theirs in people:
            last, numbers = theirs[-1], _numbers(q.id for q in theirs)
            text = voice.STAFF_ANSWER.format(voice.shortened(last.text or ""), numbers, who, words)
            await self._write_to(connection, f"answer:{step}:{last.id}", last, text, now, rated=True)
        return len(people)

    async def _write_to(
        self,
        connection: Transaction,
        key: str,
        question: CaseQuestion,
        text: str,
        now: datetime,
        *,
        rated: bool = False,
    ) -> None:
        script = Script(question.chosen_script or question.script or Script.SIMPLIFIED)
        message = {"text": to_script(text, script), "rates": question.id if rated else None, "script": script}
        about = question.id if rated else None
        await outbox.put(self.store, connection, key, question.conversation, message, now, about)

    async def _locked(self, connection: Transaction, number: int) -> File:
        await cases.lock(connection, number)
        return await self._file(connection, number)

    async def _file(self, connection: Transaction, number: int) -> File:
        case = await cases.by_id(connection, number)
        if case is None:
            raise Refused(f"没有事项 {number};hotline cases list 看有哪些")
        questions = await cases.questions_of(connection, [number])
        return File(case, tuple(questions[number]), tuple(await cases.history(connection, number)))

    async def _too_late(self, connection: Transaction, number: int) -> None:
        case = (await self._file(connection, number)).case
        match case.state:
            case CaseState.CLAIMED:
                raise Refused(f"事项 {number} 已由{case.claimed_by}认领")
            case CaseState.ANSWERED | CaseState.CLOSED:
                raise Refused(f"事项 {number} 已由{case.answered_by}答复")
            case CaseState.MERGED:
                raise Refused(f"事项 {number} 已并入事项 {case.merged_into}")
        raise Refused(f"事项 {number} 现在是「{voice.CASE_STATES[case.state]}」,做不了这一步")

    async def _do(self, work: Work[T]) -> T:
        now = self.clock()
        return await self.store.write(lambda connection: work(connection, now))


def _by_person(questions: Iterable[CaseQuestion]) -> list[list[CaseQuestion]]:
    people: dict[int, list[CaseQuestion]] = {}
    for question in questions:
        people.setdefault(question.conversation, []).append(question)
    return list(people.values())


def _numbers(numbers: Iterable[int]) -> str:
    return "、".join(map(str, sorted(numbers)))
