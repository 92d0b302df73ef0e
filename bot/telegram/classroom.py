"""Staff teach the bot from a card: what it learns is shown first, and an admin's tap puts it live through the gate."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from telegram import CallbackQuery, Update
from telegram.error import TelegramError
from telegram.ext import (
    Application,
    ApplicationHandlerStop,
    CallbackQueryHandler,
    ContextTypes,
    MessageHandler,
    filters,
)

from bot import voice
from bot.buttons import Rows, by_short_id, in_rows, short_id
from bot.casework import File, Refused
from bot.config import Person
from bot.errors import HotlineError
from bot.lessons import Lessons
from bot.store.cases import CaseState
from bot.teaching import FEWEST_NEW, Kind, Proposal, wordings
from bot.telegram.citizens import change_buttons, toast
from bot.telegram.staff import StaffRoom, change_text

Context = ContextTypes.DEFAULT_TYPE
log = logging.getLogger(__name__)
Deed = Callable[[Update, int, Person, list[str], CallbackQuery], Awaitable[str]]
_BEFORE_ALL_OTHERS = -1
_MOST_NEAREST = 3
_MOST_IN_A_BOX = 200
_BUTTON = re.compile(r"^l:[tpnruz]:\d+(:\w+)?$")
_ASKED = re.compile(r"教机器人 · 事项 (\d+) · (加问法|新意图)「(.+)」\n")


class Classroom:
    """The conversation about what is to be learnt; for those who work in `room` only."""

    def __init__(
        self, application: Application[Any, Any, Any, Any, Any, Any], room: StaffRoom, lessons: Lessons
    ) -> None:
        self.room, self.lessons, self.casework = room, lessons, lessons.casework
        self._learning: set[asyncio.Task[None]] = set()
        room.lessons_for = self.buttons_for
        words = filters.UpdateType.MESSAGE & filters.REPLY & filters.TEXT & ~filters.COMMAND
        application.add_handler(CallbackQueryHandler(self.tapped, pattern=_BUTTON), _BEFORE_ALL_OTHERS)
        application.add_handler(MessageHandler(words, self.replied), _BEFORE_ALL_OTHERS - 1)

    async def close(self) -> None:
        """Ends what is being learnt; it stays proposed."""
        for task in self._learning:
            task.cancel()
        if self._learning:
            await asyncio.wait(self._learning)

    def buttons_for(self, file: File) -> Rows:
        """Below the card of a case that is done with."""
        number = file.case.id
        if file.case.state is CaseState.IGNORED:
            return [[(f"{voice.TEACH}：{voice.LESSONS['refuse']}", f"l:r:{number}")]]
        return [[(voice.TEACH, f"l:t:{number}")]] if file.case.answer else []

    # ---- buttons

    async def tapped(self, update: Update, context: Context) -> None:
        """A button of ours; pressed by anybody else it does nothing."""
        query, person = update.callback_query, self.room.person(update)
        assert query is not None
        if not _BUTTON.match(query.data or ""):
            return  # without any data PTB asks no pattern
        deeds: dict[str, Deed] = {
            "t": self._ways,
            "p": self._phrase_of,
            "n": self._new_intent,
            "r": self._refuse,
            "u": self._taken_up,
            "z": self._turned_down,
        }
        told, alert = "", False
        if person is not None and self.room.is_ours(update):
            _, kind, number, *rest = (query.data or "").split(":")
            try:
                told = await deeds[kind](update, int(number), person, rest, query)
            except HotlineError as refusal:
                told, alert = str(refusal), True
        await toast(query, told[:_MOST_IN_A_BOX], alert=alert)
        raise ApplicationHandlerStop

    async def _ways(self, update: Update, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        file = await self.casework.file(number)
        near = [(f"加问法「{title}」", f"l:p:{number}:{short_id(key)}") for key, title in await self._nearest(file)]
        back = [(voice.LESSONS["intent"], f"l:n:{number}"), (voice.BACK, f"w:b:{number}")]
        await change_buttons(query, [*in_rows(near), back])
        return ""

    async def _phrase_of(
        self, update: Update, number: int, person: Person, rest: list[str], query: CallbackQuery
    ) -> str:
        intents = self.lessons.hotline.dialogue.content.intents
        key = by_short_id(intents, *rest)
        if key is None:
            raise Refused("没有这个意图了")
        file = await self.casework.file(number)
        if len(wordings(file.wordings)[1]):
            return await self._propose(update, file, Kind.PHRASE, key, person)
        ask = "只有一种问法。请回复这条消息，用别的说法写一句，当作检查题。"
        await self.room.say(update, f"教机器人 · 事项 {number} · 加问法「{intents[key].title}」\n{_known(file)}{ask}")
        return ""

    async def _new_intent(
        self, update: Update, number: int, person: Person, rest: list[str], query: CallbackQuery
    ) -> str:
        file, departments = await self.casework.file(number), self.casework.departments
        key = by_short_id(departments, *rest) if rest else file.case.department
        if not key or key not in departments:
            listed = [(d.name, f"l:n:{number}:{short_id(key)}") for key, d in departments.items()]
            await change_buttons(query, [*in_rows(listed, 2), [(voice.BACK, f"w:b:{number}")]])
            return "归哪个部门？"
        more = max(0, FEWEST_NEW + 1 - sum(map(len, wordings(file.wordings))))
        ask = "用已发的答复来答。请回复这条消息，第一行写标题" + (
            f"，再用别的说法写 {more} 句，一行一句" if more else ""
        )
        name = departments[key].name
        await self.room.say(update, f"教机器人 · 事项 {number} · 新意图「{name}」\n{_known(file)}{ask}。")
        return ""

    async def _refuse(self, update: Update, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        return await self._propose(update, await self.casework.file(number), Kind.REFUSE, "", person)

    async def _taken_up(
        self, update: Update, number: int, person: Person, rest: list[str], query: CallbackQuery
    ) -> str:
        await self._by_admin(number, person)
        task = asyncio.create_task(self._learn(number, person.name, query))
        self._learning.add(task)
        task.add_done_callback(self._learning.discard)
        return "正在检查，结果会写在这条消息里"

    async def _turned_down(
        self, update: Update, number: int, person: Person, rest: list[str], query: CallbackQuery
    ) -> str:
        await self._by_admin(number, person)
        await self.lessons.reject([number], person.name)
        await change_text(query, f"{_text_of(query)}\n\n{voice.TURN_DOWN}（{person.name}）", [])
        return voice.TURN_DOWN

    async def _by_admin(self, number: int, person: Person) -> None:
        if person.role != "admin":
            raise Refused(voice.ADMINS_ONLY)
        if number not in {kept.id for kept in await self.lessons.waiting()}:
            raise Refused("已经处理过了")

    async def _learn(self, number: int, who: str, query: CallbackQuery) -> None:
        """Beside everything else: the gate takes seconds, and others tap meanwhile."""
        text = _text_of(query).partition("\n\n没有上线：")[0]
        try:
            refused = await self.lessons.approve([number], who)
            if why := refused.get(number):
                await change_text(query, f"{text}\n\n没有上线：{why}", _decision(number))
            else:
                await change_text(query, f"{text}\n\n已上线（{who}）", [])
        except (HotlineError, TelegramError) as error:
            log.warning("proposal %s: %s", number, error)  # what became of it stands in the console

    # ---- messages

    async def replied(self, update: Update, context: Context) -> None:
        """What was asked for: further wordings, and the title of a new intent."""
        message, person = update.effective_message, self.room.person(update)
        asked = message.reply_to_message if message else None
        ours = asked is not None and asked.from_user is not None and asked.from_user.id == self.room.bot.id
        found = _ASKED.match(asked.text or "") if asked and ours and self.room.is_ours(update) else None
        if found is None or message is None:
            return
        if person is not None:
            lines = [line.strip() for line in (message.text or "").splitlines() if line.strip()]
            try:
                file = await self.casework.file(int(found[1]))
                await self._propose(update, file, _KINDS[found[2]], found[3], person, lines)
            except HotlineError as refusal:
                await self.room.say(update, str(refusal), reply_to=message.message_id)
        raise ApplicationHandlerStop

    # ---- inside

    async def _propose(
        self, update: Update, file: File, kind: Kind, about: str, person: Person, lines: Sequence[str] = ()
    ) -> str:
        """Keeps it and shows what would be learnt; `about`: an intent, or the department of a new one."""
        proposal = self._proposal(file, kind, about, lines)
        number = await self.lessons.propose(proposal, person.name)
        await self.room.say(update, self._shown(proposal, person), _decision(number))
        return "请看一遍再上线" if person.role == "admin" else "已提交给管理员"

    def _proposal(self, file: File, kind: Kind, about: str, lines: Sequence[str]) -> Proposal:
        if kind is Kind.INTENT:
            title, *lines = [*lines] or [""]
            phrases, checks = _parted(wordings([*file.wordings, *lines]), FEWEST_NEW)
            department, region = self.casework.department(about), file.case.region
            key = f"case.n{file.case.id}"
            more = {"intent": key, "title": title, "department": department, "region": region}
            return self.lessons.proposal(file, kind, phrases, checks, **more)
        titles = {intent.title: key for key, intent in self.lessons.hotline.dialogue.content.intents.items()}
        phrases, checks = wordings([*file.wordings, *lines])
        return self.lessons.proposal(file, kind, phrases, checks, intent=titles.get(about, about))

    def _shown(self, proposal: Proposal, person: Person) -> str:
        content = self.lessons.hotline.dialogue.content
        known, department = content.intents.get(proposal.intent), self.casework.called(proposal.department)
        what = {
            Kind.PHRASE: f"加问法「{known.title if known else proposal.intent}」",
            Kind.INTENT: f"新意图「{proposal.title}」（{department}），答复：{proposal.answer}",
            Kind.REFUSE: f"{voice.LESSONS['refuse']}，转给工作人员",
        }[proposal.kind]
        lines = [f"{person.name}提议教机器人（事项 {proposal.case}）：", what, f"问法：{'；'.join(proposal.phrases)}"]
        if proposal.checks:
            lines.append(f"检查题：{'；'.join(proposal.checks)}")
        return "\n".join(lines)

    async def _nearest(self, file: File) -> list[tuple[str, str]]:
        """Keys and titles of the intents that its first wording is nearest to."""
        words = next(iter(wordings(file.wordings)[0]), "")
        trial = await self.lessons.hotline.try_out(words, file.case.region)
        match, intents = trial.reply.trace.match, trial.dialogue.content.intents
        near = sorted((-near, key) for key, near in match.nearness.items() if key in intents) if match else []
        return [(key, intents[key].title) for _, key in near[:_MOST_NEAREST]]


_KINDS = {"加问法": Kind.PHRASE, "新意图": Kind.INTENT}


def _decision(number: int) -> Rows:
    return [[(voice.TAKE_UP, f"l:u:{number}"), (voice.TURN_DOWN, f"l:z:{number}")]]


def _known(file: File) -> str:
    phrases, checks = wordings(file.wordings)
    return "".join(f"「{words}」\n" for words in [*phrases, *checks])


def _parted(both: tuple[list[str], list[str]], most: int) -> tuple[list[str], list[str]]:
    """So many phrases, and what is left as check questions."""
    whole = [*both[0], *both[1]]
    return whole[:most], whole[most:]


def _text_of(query: CallbackQuery) -> str:
    return getattr(query.message, "text", None) or ""
