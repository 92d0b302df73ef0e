"""One question, whole: state in, dialogue, then record, case and ticket in one transaction, and the reply out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import TypeVar

from bot import metrics, voice
from bot.casework import Casework
from bot.config import Config
from bot.dialogue import NONE_OF_THESE, Choice, Dialogue, Outcome, Question, Reply, State
from bot.errors import HotlineError
from bot.grouping import Grouping, Meaning
from bot.masking import mask
from bot.store import cases, conversations, questions, retention, transcript
from bot.store.cases import Opening, Reason, Satisfaction
from bot.store.conversations import Address, Conversation
from bot.store.engine import Conflict, Store, Transaction
from bot.store.questions import Feedback, NewQuestion, Record, Said, Ticket
from bot.store.transcript import Exchange, Letter
from bot.text import Script, clean, to_script
from bot.worktime import Clock, Worktime

log = logging.getLogger(__name__)
T = TypeVar("T")
MOST_TICKETS = 10
NONE = -1
"""The position of 都不是 among the buttons of a question."""


_TRIES = 3
_NO_NUMBER = "……"
_DOUBLE_TAP = timedelta(seconds=5)
_STILL_NEW = timedelta(minutes=10)
"""So long a ticket is told again as if for the first time: its first telling may not have arrived."""


class Declined(HotlineError):
    """Cannot be done, in words for the citizen."""


@dataclass(frozen=True)
class Edition:
    """What answers, and the name of its content."""

    dialogue: Dialogue
    version: str


@dataclass(frozen=True)
class Asked:
    """What somebody did, at the door: the same `update_key` is the same deed."""

    address: Address
    text: str
    at: datetime
    update_key: str
    message_id: int | None = None


@dataclass(frozen=True)
class Trial:
    """What would be said to a question, and how that comes about."""

    dialogue: Dialogue
    """The one that was asked: another may have come since."""
    reply: Reply
    said: Said
    """As a citizen would see it, but for its number."""


class Hotline:
    """Dialogue and record together: what every channel talks to."""

    def __init__(
        self,
        config: Config,
        dialogue: Dialogue,
        store: Store,
        casework: Casework,
        grouping: Grouping,
        clock: Clock,
        version: str,
    ) -> None:
        self.config, self.store, self.clock = config, store, clock
        self.edition = Edition(dialogue, version)
        self.casework, self.grouping = casework, grouping
        self.worktime = Worktime(config.time)
        self._mind = ThreadPoolExecutor(1, "dialogue")  # a question takes milliseconds: the others' messages go on
        self._second_thoughts = ThreadPoolExecutor(1, "grouping")  # nobody's new question waits for another's case

    @property
    def dialogue(self) -> Dialogue:
        """What answers now."""
        return self.edition.dialogue

    @property
    def version(self) -> str:
        """The name of its content."""
        return self.edition.version

    def use(self, dialogue: Dialogue, version: str) -> None:
        """Answers by another content from the next question on; what is being answered is finished by the old one."""
        self.edition = Edition(dialogue, version)
        self.casework.departments = dialogue.content.departments
        self.grouping.use(dialogue)

    # ---- questions: each gives the finished reply, or None when this very update was replied to before

    async def answer(self, asked: Asked) -> Said | None:
        """The reply to a message."""
        return await self._once(asked, lambda c: self._step(asked, c))

    async def answer_edited(self, asked: Asked) -> Said | None:
        """The reply to a message that was changed; None as well when it says the same as before."""
        async with self.store.reading() as connection:
            conversation = await conversations.load(connection, asked.address)
            before = await self._of_message(connection, conversation, asked)
        if before and before.text == kept(asked.text):
            return None
        return await self.answer(asked)

    async def pick(self, asked: Asked, number: int, position: int) -> Said | None:
        """The reply to a button of question `number`; raises Declined when it can no longer be told what it was."""
        record = await self.own(asked.address, number)
        choice = None if position == NONE else self._choice(record, position)
        title = choice.title if choice else NONE_OF_THESE

        async def tapped(conversation: Conversation) -> "_Turn | None":
            today, state, edition = self.clock().date(), conversation.state, self.edition
            if await self._just_tapped(conversation, record.root, title, asked.at):
                return None
            if choice is None:
                reply, after = edition.dialogue.turn_down(state)
            else:
                reply, after = edition.dialogue.pick(choice, today, state)
            return _Turn(edition, title, reply, after, record.root)

        return await self._once(asked, tapped)

    async def ask_about(self, asked: Asked, intent: str) -> Said | None:
        """The answer of an intent picked from a list; raises Declined when it is no longer there."""
        if intent not in self.dialogue.content.intents:
            raise Declined(voice.NO_TOPIC)
        title = self.dialogue.content.intents[intent].title

        async def listed(conversation: Conversation) -> "_Turn":
            today, state, edition = self.clock().date(), conversation.state, self.edition
            reply, after = edition.dialogue.choose(intent, "", today, state)
            return _Turn(edition, title, reply, after)

        return await self._once(asked, listed)

    async def ask_staff(self, asked: Asked) -> Said | None:
        """A question straight to staff; an emergency is still told whom to call."""

        async def handed(conversation: Conversation) -> "_Turn":
            turn = await self._step(asked, conversation)
            if turn.reply.outcome is Outcome.URGENT:
                return turn
            handed_over = Reply(Outcome.UNANSWERED, "", open=voice.ALL_RIGHT)
            after = replace(turn.after, pending=(), about="")  # what it offered was never shown
            return _Turn(turn.edition, turn.text, handed_over, after, reason=Reason.HUMAN)

        return await self._once(asked, handed)

    async def try_out(self, text: str, region: str) -> Trial:
        """What a citizen would hear who lives in `region`; nothing is put on record."""
        dialogue = self.dialogue
        reply, after = await self._think(dialogue, Question(text, self.clock()), State(region=region))
        said = self._said(reply, after)
        if reply.open:
            told = self.in_script(self._handed_over(reply.open, _NO_NUMBER, self.clock()), after)
            said = replace(said, text=self.with_notice(told, after))
        return Trial(dialogue, reply, said)

    # ---- what a citizen does about questions

    async def rate(self, address: Address, number: int, feedback: Feedback) -> Record:
        """Keeps 解决了 or 没解决; the question that was rated."""
        record = await self.own(address, number)
        await self.store.write(lambda c: questions.rate(c, number, feedback))
        return record

    async def hand_over(self, address: Address, number: int, reason: Reason) -> str:
        """Gives a question to staff, once; what the citizen is told."""
        record = await self.own(address, number)
        state = await self.state_of(address)
        root = await self.question(record.root)
        place, now = record.region or state.region, self.clock()
        meaning = await self._meaning(root.text if root and root.text else "")

        async def work(connection: Transaction) -> datetime:
            root = await questions.by_id(connection, record.root)
            if root and root.case is not None:
                return await cases.opened_at(connection, root.case)
            department = self.dialogue.department_of(record.intent)
            opening = Opening(reason, place, department, self.worktime.due(now))
            nearest = ((self.dialogue.title_of(record.intent), record.score or 0.0),) if record.intent else ()
            await self.grouping.place(connection, record.root, meaning, nearest, opening, now)
            return now

        opened = await self._place(work)
        if now - opened > _STILL_NEW:
            return self.in_script(voice.ALREADY_HANDED_OVER.format(record.root), state)
        return self.in_script(self._handed_over(voice.ALL_RIGHT, record.root, now), state)

    async def rate_staff(self, address: Address, number: int, how: Satisfaction) -> str:
        """Keeps what the citizen thinks of staff's answer; what they are told."""
        await self.own(address, number)
        await self.casework.rate(number, how, voice.CITIZEN)
        text = voice.WHY_NOT if how is Satisfaction.UNSATISFIED else voice.GLAD
        return self.in_script(text, await self.state_of(address))

    async def last_question(self, address: Address) -> Record | None:
        """What they asked last, if its words are still known."""
        async with self.store.reading() as connection:
            conversation = await conversations.load(connection, address)
            last = await questions.last_of(connection, conversation.id) if conversation.id else None
            root = await questions.by_id(connection, last.root) if last else None
        return root if root and root.text is not None else None

    async def question(self, number: int) -> Record | None:
        """One question on record."""
        async with self.store.reading() as connection:
            return await questions.by_id(connection, number)

    async def tickets(self, address: Address) -> list[Ticket]:
        """Their questions in staff's hands, newest first."""
        async with self.store.reading() as connection:
            conversation = await conversations.load(connection, address)
            return await questions.tickets_of(connection, conversation.id, MOST_TICKETS) if conversation.id else []

    async def conversation_of(self, address: Address) -> int | None:
        """The number of their conversation; None before their first question."""
        return (await self._conversation(address)).id

    async def transcript(self, address: Address, most: int) -> list[Exchange | Letter]:
        """Their conversation as it went, oldest first; staff's letters count as delivered with it."""
        async with self.store.reading() as connection:
            conversation = await conversations.load(connection, address)
            if conversation.id is None:
                return []
            shown = await transcript.transcript(connection, conversation.id, most)
            letters = [one.id for one in shown if isinstance(one, Letter)]
            unseen = await transcript.unseen(connection, letters) if letters else []
        if unseen:
            now = self.clock()
            await self.store.write(lambda c: transcript.note_seen(c, unseen, now))
        return shown

    async def note_replied(self, number: int) -> None:
        """The reply to a question has left."""
        now = self.clock()
        await self.store.write(lambda c: questions.note_replied(c, number, now))

    def promise(self, opened_at: datetime) -> str:
        """What was said about when staff answer a case that was opened then."""
        return self.worktime.promise(opened_at.astimezone(self.config.zone))

    async def said_before(self, update_key: str) -> Said | None:
        """The reply to a deed that is on record."""
        async with self.store.reading() as connection:
            record = await questions.by_key(connection, update_key)
        return record.said if record else None

    # ---- what a citizen sets

    def is_urgent(self, text: str) -> bool:
        """Whether somebody calls for help."""
        return bool(self.dialogue.emergencies.number(clean(text)))

    async def state_of(self, address: Address) -> State:
        """What is remembered of them."""
        return (await self._conversation(address)).state

    async def live_in(self, address: Address, region: str) -> None:
        """Remembers their city; the empty one forgets it."""
        await self._change(address, lambda state: replace(state, region=region, pending=(), about=""))

    async def write_in(self, address: Address, script: Script | None) -> None:
        """Answers in this script from now on; None: in the one they write."""
        await self._change(address, lambda state: replace(state, chosen_script=script, script=script))

    async def forget(self, address: Address) -> None:
        """Deletes what a person wrote, in every chat."""
        now = self.clock()

        async def work(connection: Transaction) -> None:
            theirs = await cases.of_person(connection, address.channel, address.user)
            await retention.forget_person(connection, address.channel, address.user, now, voice.CITIZEN)
            for case in theirs:
                await self.casework.cards.refresh(connection, case, now)

        await self.store.write(work)

    def in_script(self, text: str, state: State) -> str:
        """Our own sentence in their script."""
        return to_script(text, _script(state))

    def close(self) -> None:
        """Ends the threads that think."""
        self._mind.shutdown(cancel_futures=True)
        self._second_thoughts.shutdown(cancel_futures=True)

    # ---- inside

    async def _once(self, asked: Asked, take: "Callable[[Conversation], Awaitable[_Turn | None]]") -> Said | None:
        """Runs a turn unless its update has been here: then what was said, if that has not left yet."""
        start = perf_counter()
        for _ in range(_TRIES):
            async with self.store.reading() as connection:
                conversation = await conversations.load(connection, asked.address)
                before = await questions.by_key(connection, asked.update_key)
            if before:
                return None if before.replied else before.said
            turn = await take(conversation)
            if turn is None:
                return None
            try:
                said = await self._record(asked, conversation, turn)
            except Conflict:
                continue  # another process was a moment earlier with the same update or the same new person
            metrics.QUESTIONS.labels(said.outcome).inc()
            metrics.SECONDS.observe(perf_counter() - start)
            return said
        raise Declined(voice.NOT_HANDLED)

    async def _just_tapped(self, conversation: Conversation, root: int, title: str, at: datetime) -> bool:
        """Fingers are quick: the same button twice is one wish."""
        async with self.store.reading() as connection:
            last = await questions.last_of(connection, conversation.id) if conversation.id else None
        return bool(last and last.root == root != last.id and last.text == title and at - last.asked_at < _DOUBLE_TAP)

    async def _step(self, asked: Asked, conversation: Conversation) -> "_Turn":
        question, edition = Question(asked.text, self.clock()), self.edition
        reply, state = await self._think(edition.dialogue, question, conversation.state)
        until = conversation.explains_until
        if until and self.clock() <= until and reply.outcome in (Outcome.UNANSWERED, Outcome.SMALLTALK):
            thanks = Reply(Outcome.SMALLTALK, self.in_script(voice.TOLD_STAFF, state), cases.WHY)
            return _Turn(edition, asked.text, thanks, state, conversation.explains)
        root = None
        if reply.chosen and conversation.id:
            async with self.store.reading() as connection:
                last = await questions.last_of(connection, conversation.id)
            root = last.root if last else None
        return _Turn(edition, asked.text, reply, state, root)

    async def _think(self, dialogue: Dialogue, question: Question, state: State) -> tuple[Reply, State]:
        """What was asked before waits behind nobody's new question."""
        if dialogue.is_familiar(question.text):
            return dialogue.step(question, state)
        return await asyncio.get_running_loop().run_in_executor(self._mind, dialogue.step, question, state)

    async def _place(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        try:
            return await self.store.write(work)
        except BaseException:
            self.grouping.reset()
            raise

    async def _meaning(self, text: str) -> Meaning:
        if known := self.grouping.remembered(text):
            return known
        return await asyncio.get_running_loop().run_in_executor(self._second_thoughts, self.grouping.meaning, text)

    async def _record(self, asked: Asked, conversation: Conversation, turn: "_Turn") -> Said:
        now, reply = self.clock(), turn.reply
        said = self._said(reply, turn.after)
        place = reply.region or turn.after.region
        meaning = await self._meaning(kept(turn.text)) if reply.open else None

        async def work(connection: Transaction) -> Said:
            id_ = await conversations.save(connection, conversation, turn.after, now)
            number = await questions.add(connection, self._new_question(asked, turn, id_, said))
            if reply.none_of_these and turn.root:
                return await self._offer_staff(connection, replace(said, question=number), turn)
            if meaning is None:
                return replace(said, question=number)
            opening = Opening(
                turn.reason or _reason(reply), place, self.grouping.department(reply), self.worktime.due(now)
            )
            await self.grouping.place(connection, number, meaning, self.grouping.nearest(reply), opening, now)
            text = self.in_script(self._handed_over(reply.open, number, now), turn.after)
            ticketed = replace(said, question=number, text=self.with_notice(text, turn.after), ticket=number)
            await questions.keep_reply(connection, ticketed)
            return ticketed

        kept_as = await self._place(work)
        place_and_intent = " ".join(filter(None, (reply.intent, reply.region)))
        log.info("question %s: %s %s %s", kept_as.question, reply.outcome, place_and_intent, reply.score)
        return kept_as

    async def _offer_staff(self, connection: Transaction, said: Said, turn: "_Turn") -> Said:
        root = await questions.by_id(connection, turn.root or 0)
        about = voice.shortened(root.text or "" if root else "")
        text = self.in_script(voice.OFFER_STAFF_AFTER_NONE.format(about), turn.after)
        offered = replace(said, text=self.with_notice(text, turn.after), offers_staff=True)
        await questions.keep_reply(connection, offered)
        return offered

    def _new_question(self, asked: Asked, turn: "_Turn", conversation: int, said: Said) -> NewQuestion:
        above, reply = turn.edition.dialogue.matcher.above, turn.reply
        return NewQuestion(
            asked.update_key,
            conversation,
            asked.at,
            kept(turn.text),
            reply.outcome,
            reply.intent,
            reply.region,
            reply.score,
            above.answer,
            above.offer,
            turn.edition.version,
            said.as_json(),
            turn.root,
            asked.message_id,
        )

    def _said(self, reply: Reply, state: State) -> Said:
        text = reply.text if reply.outcome is Outcome.URGENT else self.with_notice(reply.text, state)
        return Said(
            0,
            reply.outcome,
            text,
            reply.choices,
            reply.follow_ups,
            script=_script(state),
            intent=reply.intent,
            region=reply.region,
            score=reply.score,
            sources=reply.sources,
            expired=reply.expired,
        )

    def with_notice(self, text: str, state: State) -> str:
        """The notice of these days before the text, while there is one."""
        notice = self.config.notice.on(self.clock().date())
        return f"{self.in_script(notice, state)}\n\n{text}" if notice else text

    def _handed_over(self, understood: str, number: int | str, now: datetime) -> str:
        return voice.HANDED_OVER.format(understood, number, self.worktime.promise(now))

    async def _conversation(self, address: Address) -> Conversation:
        async with self.store.reading() as connection:
            return await conversations.load(connection, address)

    async def _of_message(self, connection: Transaction, conversation: Conversation, asked: Asked) -> Record | None:
        if conversation.id is None or asked.message_id is None:
            return None
        return await questions.by_message(connection, conversation.id, asked.message_id, asked.update_key)

    async def own(self, address: Address, number: int) -> Record:
        """The question of that number, if its words are still known and it is theirs; raises Declined."""
        async with self.store.reading() as connection:
            record = await questions.by_id(connection, number)
            conversation = await conversations.load(connection, address)
        if record is None or record.said is None:
            raise Declined(voice.OLD_BUTTON)
        if record.conversation != conversation.id:
            raise Declined(voice.NOT_YOURS)
        return record

    def _choice(self, record: Record, position: int) -> Choice:
        buttons = (*record.said.choices, *record.said.follow_ups) if record.said else ()
        if position not in range(len(buttons)) or buttons[position].intent not in self.dialogue.content.intents:
            raise Declined(voice.OLD_BUTTON)
        return buttons[position]

    async def _change(self, address: Address, change: Callable[[State], State]) -> None:
        now = self.clock()

        async def work(connection: Transaction) -> None:
            conversation = await conversations.load(connection, address)
            await conversations.save(connection, conversation, change(conversation.state), now)

        await self.store.write(work)


@dataclass(frozen=True)
class _Turn:
    """One step of a conversation, not yet on record."""

    edition: "Edition"
    text: str
    reply: Reply
    after: State
    root: int | None = None
    """The question it settles."""
    reason: Reason | None = None


def _script(state: State) -> Script:
    return state.chosen_script or state.script or Script.SIMPLIFIED


def _reason(reply: Reply) -> Reason:
    return Reason.NO_REGION if reply.intent else Reason.NO_MATCH


def kept(text: str) -> str:
    """What is stored of a citizen's words."""
    return mask(clean(text))
