"""Staff teach the bot from a card: what it learns is shown first, and an admin's tap puts it live through the gate."""

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any

from telegram import CallbackQuery, Update
from telegram.error import NetworkError, RetryAfter, TelegramError
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
from bot.content.edit import free_name
from bot.lessons import MOOT, Lessons
from bot.store.cases import CaseState
from bot.teaching import FEWEST_NEW, Kind, Proposal, Unteachable, wordings
from bot.telegram.citizens import change_buttons
from bot.telegram.send import seconds
from bot.telegram.staff import Deed, StaffRoom

Context = ContextTypes.DEFAULT_TYPE
log = logging.getLogger(__name__)
_BEFORE_ALL_OTHERS = -1
_MOST_NEAREST = 3
_MOST_WORDINGS = 5
_LONGEST_WORDING, _LONGEST_ANSWER, _LONGEST_REASON = 60, 200, 500
_TRIES = 5
_BUTTON = re.compile(r"^l:(?:[tnruz]:\d+(:\w+)?|p:\d+:\w+)$")
_ASKED = re.compile(r"教机器人 · 事项 (\d+) · (加问法|新意图)「(.+)」\n")
_REFUSED = "\n\n没有上线："


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
        deeds: dict[str, Deed] = {
            "t": self._ways,
            "p": self._phrase_of,
            "n": self._new_intent,
            "r": self._refuse,
            "u": self._taken_up,
            "z": self._turned_down,
        }
        await self.room.obey(update, _BUTTON, deeds)

    async def _ways(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        file = await self.casework.file(number)
        near = [(f"加问法「{title}」", f"l:p:{number}:{short_id(key)}") for key, title in await self._nearest(file)]
        back = [(voice.LESSONS["intent"], f"l:n:{number}"), (voice.BACK, f"w:b:{number}")]
        await change_buttons(query, [*in_rows(near), back])
        return ""

    async def _phrase_of(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        intents = self.lessons.hotline.dialogue.content.intents
        key = by_short_id(intents, *rest)
        if key is None:
            raise Refused("没有这个意图了")
        file, title = await self.casework.file(number), intents[key].title
        if wordings(file.wordings)[1]:
            return await self._propose(_chat(query), file, Kind.PHRASE, key, person)
        ask = "只有一种问法。请回复这条消息，用别的说法写一句，当作检查题。"
        await self.room.sender.say(_chat(query), f"{_heading(number, '加问法', title)}{_known(file)}{ask}")
        return ""

    async def _new_intent(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
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
        heading = _heading(number, "新意图", departments[key].name)
        await self.room.sender.say(_chat(query), f"{heading}{_known(file)}{ask}。")
        return ""

    async def _refuse(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        return await self._propose(_chat(query), await self.casework.file(number), Kind.REFUSE, "", person)

    async def _taken_up(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        await self._by_admin(number, person)
        task = asyncio.create_task(self._learn(number, person.name, query))
        self._learning.add(task)
        task.add_done_callback(self._learning.discard)
        return "正在检查，结果会写在这条消息里"

    async def _turned_down(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        await self._by_admin(number, person)
        await self.lessons.reject([number], person.name)
        await self._rewrite(query, f"{_text_of(query)}\n\n{voice.TURN_DOWN}（{person.name}）")
        return voice.TURN_DOWN

    async def _by_admin(self, number: int, person: Person) -> None:
        if person.role != "admin":
            raise Refused(voice.ADMINS_ONLY)
        await self.lessons.check_open(number)

    async def _learn(self, number: int, who: str, query: CallbackQuery) -> None:
        """Beside everything else: the gate takes seconds, and others tap meanwhile. The buttons stay that long."""
        try:
            why = (await self.lessons.approve([number], who)).get(number)
        except Exception as error:
            log.exception("proposal %s", number)
            why = f"出了错（{type(error).__name__}），请再试一次"
        text = _text_of(query).partition(_REFUSED)[0]
        if why is None:
            await self._rewrite(query, f"{text}\n\n已上线（{who}）")
        elif why not in MOOT:
            await self._rewrite(query, text + _REFUSED + voice.shortened(why, _LONGEST_REASON), _decision(number))

    async def _rewrite(self, query: CallbackQuery, text: str, rows: Rows = ()) -> None:
        """Another text in the place of a message, however often Telegram has to be asked."""
        message = query.message
        for _ in range(_TRIES if message else 0):
            assert message is not None
            try:
                if await self.room.sender.edit(message.chat.id, message.message_id, text, rows):
                    return
                break
            except (RetryAfter, NetworkError) as error:
                await asyncio.sleep(seconds(error) if isinstance(error, RetryAfter) else 1)
            except TelegramError:
                break
        log.warning("what became of a proposal could not be told; it stands in the console")

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
            number, kind, about = int(found[1]), found[2], found[3]
            lines = [line.strip() for line in (message.text or "").splitlines() if line.strip()]
            try:
                file = await self.casework.file(number)
                told = await self._propose(message.chat.id, file, _KINDS[kind], about, person, lines)
                if not self._is_seen_by_admins(message.chat.id, person):
                    await self.room.say(update, told, reply_to=message.message_id)
            except Unteachable as refusal:  # headed like what was asked: the next reply may go to either
                told = f"{_heading(number, kind, about)}{refusal}。请回复这条消息，全部再写一遍。"
                await self.room.say(update, told, reply_to=message.message_id)
            except Refused as refusal:
                await self.room.say(update, str(refusal), reply_to=message.message_id)
        raise ApplicationHandlerStop

    # ---- inside

    async def _propose(
        self, chat: int, file: File, kind: Kind, about: str, person: Person, lines: Sequence[str] = ()
    ) -> str:
        """Keeps it and shows what would be learnt; `about`: an intent, or the department of a new one."""
        proposal = self._proposal(file, kind, about, lines)
        number = await self.lessons.propose(proposal, person.name)
        where = chat if self._is_seen_by_admins(chat, person) else self.room.settings.chat_id
        await self.room.sender.say(where, self._shown(proposal, person), _decision(number))
        return "请看一遍再上线" if person.role == "admin" else "已提交给管理员"

    def _is_seen_by_admins(self, chat: int, person: Person) -> bool:
        """What others propose in private goes to the group, where there is one."""
        return person.role == "admin" or chat == self.room.settings.chat_id or not self.room.settings.chat_id

    def _proposal(self, file: File, kind: Kind, about: str, lines: Sequence[str]) -> Proposal:
        intents = self.lessons.hotline.dialogue.content.intents
        if kind is Kind.INTENT:
            title, *lines = lines or [""]
            first, others = wordings([*file.wordings, *lines])
            return self.lessons.proposal(
                file,
                kind,
                [*first, *others[: FEWEST_NEW - 1]],
                others[FEWEST_NEW - 1 :],
                intent=free_name(f"case.n{file.case.id}", intents),
                title=title,
                department=self.casework.department(about),
                region=file.case.region,
            )
        key = next((key for key, intent in intents.items() if about in (key, intent.title)), about)
        phrases, checks = wordings([*file.wordings, *lines])
        return self.lessons.proposal(file, kind, phrases, checks, intent=key)

    def _shown(self, proposal: Proposal, person: Person) -> str:
        known = self.lessons.hotline.dialogue.content.intents.get(proposal.intent)
        lines = [f"{person.name}提议教机器人（事项 {proposal.case}）："]
        match proposal.kind:
            case Kind.PHRASE:
                lines.append(f"加问法「{known.title if known else proposal.intent}」")
            case Kind.INTENT:
                where = proposal.region or "不分地区"
                lines.append(f"新意图「{proposal.title}」（{self.casework.called(proposal.department)}，{where}）")
                lines.append(f"答复：{voice.shortened(proposal.answer, _LONGEST_ANSWER)}")
            case Kind.REFUSE:
                lines.append(f"{voice.LESSONS['refuse']}，转给工作人员")
        lines.append(f"问法：{_listed(proposal.phrases)}")
        if proposal.checks:
            lines.append(f"检查题：{_listed(proposal.checks)}")
        return "\n".join(lines)

    async def _nearest(self, file: File) -> list[tuple[str, str]]:
        """Keys and titles of the intents that its first wording is nearest to."""
        words = next(iter(wordings(file.wordings)[0]), "")
        trial = await self.lessons.hotline.try_out(words, file.case.region)
        match, intents = trial.reply.trace.match, trial.dialogue.content.intents
        near = sorted((-near, key) for key, near in match.nearness.items() if key in intents) if match else []
        return [(key, intents[key].title) for _, key in near[:_MOST_NEAREST]]


_KINDS = {"加问法": Kind.PHRASE, "新意图": Kind.INTENT}


def _heading(number: int, kind: str, about: str) -> str:
    """By which a reply is told from all others."""
    return f"教机器人 · 事项 {number} · {kind}「{about}」\n"


def _decision(number: int) -> Rows:
    return [[(voice.TAKE_UP, f"l:u:{number}"), (voice.TURN_DOWN, f"l:z:{number}")]]


def _known(file: File) -> str:
    first, others = wordings(file.wordings)
    shown = [f"「{voice.shortened(words, _LONGEST_WORDING)}」" for words in [*first, *others][:_MOST_WORDINGS]]
    return "".join(f"{line}\n" for line in shown)


def _listed(texts: Sequence[str]) -> str:
    shown = [voice.shortened(text, _LONGEST_WORDING) for text in texts[:_MOST_WORDINGS]]
    return "；".join(shown) + (f"……共 {len(texts)} 句" if len(texts) > len(shown) else "")


def _chat(query: CallbackQuery) -> int:
    message = query.message
    if message is None:
        raise Refused("这张卡片太旧了，请用 /case 再打开")
    return message.chat.id


def _text_of(query: CallbackQuery) -> str:
    return getattr(query.message, "text", None) or ""
