"""Staff's side: a card for each case in their chat, answered by replying to it; nobody else sees that it exists."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import date
from typing import Any

from telegram import CallbackQuery, Update
from telegram.error import BadRequest
from telegram.ext import (
    Application,
    ApplicationHandlerStop,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    filters,
)

from bot import chart, report, voice
from bot.buttons import Rows, by_short_id, in_rows, short_id
from bot.casework import Casework, File, Refused
from bot.config import Person
from bot.content.load import Content
from bot.entrance import make_link
from bot.errors import HotlineError
from bot.store import cases
from bot.store.cases import OPEN, CaseState, Filter
from bot.store.figures import daily
from bot.teaching import Unteachable
from bot.telegram.citizens import change_buttons, toast
from bot.telegram.render import markup
from bot.telegram.send import Sender

Context = ContextTypes.DEFAULT_TYPE
Deed = Callable[[int, Person, list[str], CallbackQuery], Awaitable[str]]
_BEFORE_ALL_OTHERS = -1
_MOST_LISTED = 10
_MOST_WORDINGS = 5
_MOST_RECEIVERS = 20
_MOST_IN_A_BOX = 200
_ANSWER = "\n答复：\n"
_BUTTON = re.compile(r"^w:[acdDbiImrsox]:\d+(:\w+)?$")
_ON_A_CARD = re.compile(r"事项 (\d+)")


class StaffRoom:
    """The conversation with staff, over the same PTB application as the citizens'."""

    def __init__(
        self,
        application: Application[Any, Any, Any, Any, Any, Any],
        casework: Casework,
        sender: Sender,
        content: Callable[[], Content],
    ) -> None:
        self.bot, self.casework, self.sender, self.content = application.bot, casework, sender, content
        self.settings = casework.config.staff
        self.lessons_for: Callable[[File], Rows] = lambda file: []
        """What the bot can be taught from a case that is done with."""
        new = filters.UpdateType.MESSAGE
        commands: dict[str, Callable[[Update, Context], Coroutine[Any, Any, None]]] = {
            "cases": self.listed,
            "case": self.shown,
            "mine": self.mine,
            "console": self.console,
        }
        for name, handler in commands.items():
            application.add_handler(CommandHandler(name, handler, filters=new), _BEFORE_ALL_OTHERS)
        application.add_handler(CallbackQueryHandler(self.tapped, pattern=_BUTTON), _BEFORE_ALL_OTHERS)
        words = new & filters.REPLY & filters.TEXT & ~filters.COMMAND
        application.add_handler(MessageHandler(words, self.replied), _BEFORE_ALL_OTHERS)

    # ---- cards

    async def show(self, chat: int, number: int) -> None:
        """Posts a case's card, or brings it up to date where it stands."""
        file = await self.casework.file(number)
        text, rows = self._card(file), self.deeds_for(file)
        if file.case.card_id and await self.sender.edit(chat, file.case.card_id, text, rows):
            return
        posted = await self.sender.post(chat, text, rows)
        await self.casework.store.write(lambda c: cases.keep_card(c, number, posted))

    async def report(self, chat: int, day: date) -> None:
        """Sends a day's report, its picture first where there is a font to draw it with."""
        casework, content = self.casework, self.content()
        zone = casework.config.zone
        found = await daily(casework.store, day, zone, casework.clock())
        titles = {key: intent.title for key, intent in content.intents.items()}
        departments = {key: department.name for key, department in content.departments.items()}
        whole = report.report(found, titles, departments, zone)
        with suppress(chart.NoFont):
            await self.sender.photo(chat, await asyncio.to_thread(chart.draw, found.days))
        await self.sender.deliver(chat, report.as_text(whole))

    def _card(self, file: File) -> str:
        case, zone = file.case, self.casework.config.zone
        state = voice.CASE_STATES[case.state] + (f"（{case.claimed_by}）" if case.claimed_by else "")
        late = "超时" if case.is_overdue(self.casework.clock()) else ""
        again = "有人不满意" if case.reopened else ""
        until = f"{case.due_at.astimezone(zone):%m-%d %H:%M}前" if case.due_at and case.state in OPEN else ""
        lines = [
            " · ".join(filter(None, (f"事项 {case.id}", state, f"{case.askers} 人", until, late, again))),
            *(f"「{voice.shortened(words, 60)}」" for words in file.wordings[:_MOST_WORDINGS]),
        ]
        if len(file.wordings) > _MOST_WORDINGS:
            lines.append(f"……共 {len(file.wordings)} 种问法")
        department = f"派单 {self.casework.called(case.department)}" if case.department else ""
        lines.append(" · ".join(filter(None, (case.region, voice.REASONS[case.reason], department))))
        if case.first_asked_at and case.last_asked_at:
            first, last = (f"{at.astimezone(zone):%m-%d %H:%M}" for at in (case.first_asked_at, case.last_asked_at))
            lines.append(f"问于 {first}" + (f"，最近 {last}" if last != first else ""))
        nearest = file.questions[0].nearest if file.questions else ()
        if nearest:
            lines.append("机器人觉得最像：" + "、".join(f"{title} {score:.2f}" for title, score in nearest))
        if case.like_id:
            lines.append(f"可能与事项 {case.like_id} 相同")
        if case.answer:
            lines.append(f"答复（{case.answered_by}）：{voice.shortened(case.answer, 200)}")
            if address := self.casework.config.web.public_url:
                lines.append(f"教机器人：{address}/staff/cases/{case.id}/learn")
        return "\n".join(lines)

    def deeds_for(self, file: File) -> Rows:
        """The buttons below a card."""
        case = file.case
        if case.state is CaseState.IGNORED:
            return [[(voice.REOPEN, f"w:r:{case.id}")], *self.lessons_for(file)]
        if case.state not in OPEN:
            return self.lessons_for(file)
        claim = [(voice.CLAIM, f"w:c:{case.id}")] if case.state is CaseState.NEW else []
        others = [
            (voice.ANSWER, f"w:a:{case.id}"),
            (voice.DISPATCH, f"w:d:{case.id}"),
            (voice.IGNORE, f"w:i:{case.id}"),
        ]
        merge = [[(f"并入事项 {case.like_id}", f"w:m:{case.id}:{case.like_id}")]] if case.like_id else []
        return [[*claim, *others], *merge]

    # ---- who and where

    def person(self, update: Update) -> Person | None:
        """Who of staff it is; nobody who writes in the name of a chat."""
        user, message = update.effective_user, update.message
        if user is None or (message is not None and message.sender_chat is not None):
            return None
        return self.casework.roster.with_id(user.id)

    def is_ours(self, update: Update) -> bool:
        """Staff's own chat, or one of them in private."""
        chat, user = update.effective_chat, update.effective_user
        return chat is not None and user is not None and chat.id in {self.settings.chat_id, user.id}

    async def say(self, update: Update, text: str, rows: Rows = (), *, reply_to: int | None = None) -> None:
        """A message to where an update came from."""
        chat = update.effective_chat
        assert chat is not None
        await self.sender.say(chat.id, text, rows, reply_to=reply_to)

    # ---- messages

    async def listed(self, update: Update, context: Context) -> None:
        """The most pressing cases."""
        await self._list(update, Filter(most=_MOST_LISTED))

    async def mine(self, update: Update, context: Context) -> None:
        """What the one who asks has claimed."""
        person = self.person(update)
        await self._list(update, Filter(claimed_by=person.name if person else "", most=_MOST_LISTED))

    async def console(self, update: Update, context: Context) -> None:
        """A one-time link into the console, in private: in a group everybody could use it."""
        person, chat = self.person(update), update.effective_chat
        if person is None or chat is None or not self.is_ours(update):
            return
        casework = self.casework
        if chat.id == self.settings.chat_id:
            told = voice.CONSOLE_IN_PRIVATE
        elif not casework.config.web.public_url:
            told = voice.CONSOLE_ON_THE_MACHINE
        else:
            try:
                told = await make_link(casework.config, casework.store, person.name, casework.clock())
            except HotlineError as error:
                told = str(error)
        await self.say(update, told)
        raise ApplicationHandlerStop

    async def shown(self, update: Update, context: Context) -> None:
        """One case's card, by its number; the number of a citizen's question finds its case too."""
        if self.person(update) is None or not self.is_ours(update):
            return
        number = (context.args or [""])[0]
        try:
            if not number.isdecimal():
                raise Refused("请写事项的号码，例如：/case 12")
            file, of_ticket = await self._by_either_number(int(number))
            await self.say(update, self._card(file) + of_ticket, self.deeds_for(file))
        except Refused as refusal:
            await self.say(update, str(refusal))
        raise ApplicationHandlerStop

    async def _by_either_number(self, number: int) -> tuple[File, str]:
        """The case of that number, and a line about the one that the question of the same number is in."""
        try:
            case = await self.casework.of_ticket(number)
        except Refused:
            return await self.casework.file(number), ""
        try:
            file = await self.casework.file(number)
        except Refused:
            return await self.casework.file(case), ""
        return file, "" if case == number else f"\n市民的编号 {number} 在事项 {case} 里：/case {case}"

    async def replied(self, update: Update, context: Context) -> None:
        """The answer to a card, to be confirmed."""
        message = update.effective_message
        card = message.reply_to_message if message else None
        ours = card is not None and card.from_user is not None and card.from_user.id == self.bot.id
        found = _ON_A_CARD.match(card.text or "") if card and ours and self.is_ours(update) else None
        person = self.person(update)
        if message is None or (found is None and not (person and ours and self._is_room(update))):
            return
        if found is None:
            hint = "要答复市民，请回复「事项」卡片；要教机器人，请回复它问您的那一条。"
            await self.say(update, hint, reply_to=message.message_id)
        elif person is not None:
            try:
                await self._ask_to_confirm(update, int(found[1]), message.text or "", message.message_id)
            except Refused as refusal:
                await self.say(update, str(refusal))
        raise ApplicationHandlerStop

    async def _list(self, update: Update, which: Filter) -> None:
        if self.person(update) is None or not self.is_ours(update):
            return
        files = await self.casework.listed(which)
        lines = [self._card(file).split("\n")[0] + f" {self._first_words(file)}" for file in files]
        await self.say(update, "\n".join(lines) or "没有事项")
        raise ApplicationHandlerStop

    async def _ask_to_confirm(self, update: Update, number: int, answer: str, reply_to: int | None) -> None:
        file = await self.casework.file(number)
        if file.case.state not in OPEN:
            raise Refused(f"事项 {number} 现在是「{voice.CASE_STATES[file.case.state]}」")
        text, rows = _confirmation(file, answer)
        await self.say(update, text, rows, reply_to=reply_to)

    # ---- buttons

    async def tapped(self, update: Update, context: Context) -> None:
        """A button of ours; pressed by anybody else, or forwarded elsewhere, it does nothing."""
        deeds: dict[str, Deed] = {
            "c": self._claimed,
            "a": self._to_answer,
            "d": self._to_dispatch,
            "D": self._dispatched,
            "b": self._back,
            "i": self._to_ignore,
            "I": self._ignored,
            "m": self._merged,
            "r": self._reopened,
            "s": self._sent,
            "o": self._left_out,
            "x": self._called_off,
        }
        await self.obey(update, _BUTTON, deeds)

    async def obey(self, update: Update, buttons: re.Pattern[str], deeds: Mapping[str, Deed]) -> None:
        """Does what a button says whose data is `x:deed:number…`, and tells who tapped it how that went."""
        query, person = update.callback_query, self.person(update)
        assert query is not None
        if not buttons.match(query.data or ""):
            return  # without any data PTB asks no pattern
        told, alert = "", False
        if person is not None and self.is_ours(update):
            _, kind, number, *rest = (query.data or "").split(":")
            try:
                told = await deeds[kind](int(number), person, rest, query)
            except (Refused, Unteachable) as refusal:
                told, alert = str(refusal), True
        await toast(query, told[:_MOST_IN_A_BOX], alert=alert)
        raise ApplicationHandlerStop

    async def _claimed(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        await self.casework.claim(number, person.name)
        return "已认领"

    async def _to_answer(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        raise Refused("请回复这张卡片，写出答复；发送前会再确认一次。")

    async def _to_dispatch(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        listed = [(d.name, f"w:D:{number}:{short_id(key)}") for key, d in self.casework.departments.items()]
        await change_buttons(query, [*in_rows(listed, 2), [(voice.BACK, f"w:b:{number}")]])
        return ""

    async def _dispatched(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        key = by_short_id(self.casework.departments, *rest)
        if key is None:
            raise Refused("派单清单里没有这个部门了")
        await self.casework.assign(number, key, person.name)
        return f"已派给{self.casework.called(key)}"

    async def _back(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        await change_buttons(query, self.deeds_for(await self.casework.file(number)))
        return ""

    async def _to_ignore(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        reasons = [(reason, f"w:I:{number}:{which}") for which, reason in enumerate(voice.WHY_IGNORED)]
        await change_buttons(query, [reasons, [(voice.BACK, f"w:b:{number}")]])
        return ""

    async def _ignored(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        await self.casework.ignore(number, person.name, voice.WHY_IGNORED[int(rest[0])])
        return "已忽略"

    async def _merged(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        await self.casework.merge(number, int(rest[0]), person.name)
        return f"已并入事项 {rest[0]}"

    async def _reopened(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        await self.casework.reopen(number, person.name)
        return "已重新处理"

    async def _sent(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        answer = _answer_in(query)
        file = await self.casework.file(number)
        if rest != [_digest(file)]:  # somebody has come or gone since
            await change_text(query, *_confirmation(file, answer))
            raise Refused("刚才又有人加入或撤回，请再看一遍再发。")
        people = await self.casework.answer(number, answer, person.name, seen=[q.id for q in file.waiting])
        await change_text(query, f"事项 {number} 的答复已发给 {people} 人（{person.name}）。{_ANSWER}{answer}", [])
        return "已发送"

    async def _left_out(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        new = await self.casework.split(number, [int(rest[0])], person.name)
        await change_text(query, *_confirmation(await self.casework.file(number), _answer_in(query)))
        return f"编号 {rest[0]} 另立为事项 {new}"

    async def _called_off(self, number: int, person: Person, rest: list[str], query: CallbackQuery) -> str:
        await change_text(query, f"事项 {number} 的答复没有发送。", [])
        return ""

    # ---- inside

    def _is_room(self, update: Update) -> bool:
        chat = update.effective_chat
        return chat is not None and chat.id == self.settings.chat_id

    def _first_words(self, file: File) -> str:
        return f"「{voice.shortened(file.wordings[0], 20)}」" if file.wordings else "（已撤回）"


def _confirmation(file: File, answer: str) -> tuple[str, Rows]:
    """What would be sent to whom, and the buttons that decide; the answer stands in it, to outlive a restart."""
    number, waiting = file.case.id, file.waiting
    people = len({q.conversation for q in waiting})
    lines = [f"编号 {q.id} {voice.shortened(q.text or '', 60)}" for q in waiting[:_MOST_RECEIVERS]]
    if len(waiting) > _MOST_RECEIVERS:
        lines.append(f"……共 {len(waiting)} 个问题")
    text = "\n".join([f"事项 {number} 的答复会发给 {people} 人：", *lines]) + f"{_ANSWER}{answer}"
    out = [(f"不发给编号 {q.id}", f"w:o:{number}:{q.id}") for q in waiting[:_MOST_WORDINGS]] if len(waiting) > 1 else []
    decide = [(voice.SEND, f"w:s:{number}:{_digest(file)}"), (voice.CALL_OFF, f"w:x:{number}")]
    return text, [decide, *in_rows(out, 2)]


def _digest(file: File) -> str:
    """Names those who wait at the moment."""
    return short_id(",".join(str(q.id) for q in file.waiting))


def _answer_in(query: CallbackQuery) -> str:
    text = getattr(query.message, "text", None) or ""
    answer: str = text.partition(_ANSWER)[2]
    return answer


async def change_text(query: CallbackQuery, text: str, rows: Rows) -> None:
    """Another text and other buttons in the place of a message."""
    with suppress(BadRequest):  # it stands there already: two taps in a hurry
        await query.edit_message_text(text, reply_markup=markup(rows))
