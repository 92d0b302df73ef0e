"""Citizens' side: commands, questions, buttons; each handler finishes what it does before the update counts as done."""

import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from telegram import BotCommand, CallbackQuery, Message, Update
from telegram.error import TelegramError
from telegram.ext import (
    Application,
    ApplicationHandlerStop,
    CallbackQueryHandler,
    ChatMemberHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    filters,
)

from bot import voice
from bot.buttons import CITIES_IN_A_ROW, Rows, by_short_id, in_rows, rows_of, short_id
from bot.hotline import Asked, Declined, Hotline
from bot.store.cases import Reason, Satisfaction
from bot.store.conversations import Address
from bot.store.questions import Feedback, Said
from bot.telegram.receive import update_key
from bot.telegram.render import markup
from bot.telegram.send import CHANNEL, Sender
from bot.text import Script

App = Application[Any, Any, Any, Any, Any, Any]
Context = ContextTypes.DEFAULT_TYPE
Tapped = Callable[[Update, CallbackQuery, list[str]], Awaitable[str]]
_MOST_CITIES = 24
_MOST_ALBUMS = 1_000
log = logging.getLogger(__name__)


class Citizens:
    """The conversation with citizens, over one PTB application."""

    def __init__(
        self, application: Application[Any, Any, Any, Any, Any, Any], hotline: Hotline, sender: Sender
    ) -> None:
        self.application, self.hotline, self.sender = application, hotline, sender
        self._errors: dict[int, Exception] = {}
        self._albums: deque[str | None] = deque(maxlen=_MOST_ALBUMS)
        new, changed = filters.UpdateType.MESSAGE, filters.UpdateType.EDITED_MESSAGE
        commands: dict[str, Callable[[Update, Context], Coroutine[Any, Any, None]]] = {
            "start": self.start,
            "help": self.help,
            "topics": self.topics,
            "city": self.city,
            "status": self.status,
            "human": self.human,
            "privacy": self.privacy,
            "forget": self.forget,
            "script": self.script,
        }
        for name, handler in commands.items():
            application.add_handler(CommandHandler(name, handler, filters=new))
        # Note: order matters
        application.add_handler(CallbackQueryHandler(self.tapped))
        application.add_handler(MessageHandler(new & filters.StatusUpdate.MIGRATE, self.migrated))
        application.add_handler(MessageHandler(new & filters.COMMAND, self.unknown_command))
        application.add_handler(MessageHandler(new & filters.TEXT, self.asked))
        application.add_handler(MessageHandler(changed & filters.TEXT & ~filters.COMMAND, self.edited))
        application.add_handler(MessageHandler(new & ~filters.StatusUpdate.ALL, self.not_text))
        application.add_handler(ChatMemberHandler(self.came_or_went, ChatMemberHandler.MY_CHAT_MEMBER))
        application.add_error_handler(self._note)

    async def introduce(self) -> None:
        """Puts the commands into the menu."""
        await self.application.bot.set_my_commands([BotCommand(name, what) for name, what in voice.COMMANDS.items()])

    # ---- what the receiving side needs

    async def process(self, update: Update) -> Exception | None:
        """Handles one update; the error that stopped it, if any."""
        await self.application.process_update(update)
        return self._errors.pop(update.update_id, None)

    async def too_fast(self, address: Address) -> None:
        """Tells somebody to wait."""
        await self.sender.say(
            address.chat, self.hotline.in_script(voice.TOO_FAST, await self.hotline.state_of(address))
        )

    async def sorry(self, address: Address) -> None:
        """Tells somebody that their message could not be handled."""
        await self.sender.say(
            address.chat, self.hotline.in_script(voice.NOT_HANDLED, await self.hotline.state_of(address))
        )

    async def _note(self, update: object, context: Context) -> None:
        if isinstance(update, Update) and context.error is not None:
            self._errors[update.update_id] = context.error
        raise ApplicationHandlerStop  # it is done again as a whole, or set aside: no other handler may take it up

    # ---- commands

    async def start(self, update: Update, context: Context) -> None:
        """What I can do, three examples, privacy."""
        examples = self.hotline.config.chat.examples
        rows = in_rows((example, f"e:{short_id(example)}") for example in examples)
        await self._tell(update, voice.WELCOME + (voice.EXAMPLES_BELOW if rows else ""), rows, with_notice=True)

    async def help(self, update: Update, context: Context) -> None:
        """How to use me."""
        await self._tell(update, voice.HELP)

    async def privacy(self, update: Update, context: Context) -> None:
        """What is kept, and for how long."""
        await self._tell(update, voice.PRIVACY.format(self.hotline.config.limits.keep_days))

    async def topics(self, update: Update, context: Context) -> None:
        """The departments that we have answers of."""
        await self._tell(update, voice.WHICH_TOPIC, self._topics())

    async def city(self, update: Update, context: Context) -> None:
        """Remembers a city, or asks for one."""
        name, address = " ".join(context.args or []), _address(update)
        if not name:
            here = (await self.hotline.state_of(address)).region
            text = voice.CITY_NOW.format(here) if here else voice.WHICH_CITY
            await self._tell(update, text, self._cities(forgettable=bool(here)))
            return
        region = self.hotline.dialogue.find_region(name)
        if region:
            await self.hotline.live_in(address, region)
        await self._tell(
            update, voice.CITY_KEPT.format(region) if region else voice.NO_SUCH_CITY.format(voice.shortened(name))
        )

    async def status(self, update: Update, context: Context) -> None:
        """Where their tickets stand."""
        tickets = await self.hotline.tickets(_address(update))
        await self._tell(update, voice.status(tickets, self.hotline.config.zone))

    async def human(self, update: Update, context: Context) -> None:
        """Hands the last question, or the one after the command, to staff."""
        words = " ".join(context.args or [])
        if words:
            await self._reply(update, await self.hotline.ask_staff(self._asked(update, words)))
            return
        last = await self.hotline.last_question(_address(update))
        if last is None:
            await self._tell(update, voice.NOTHING_TO_HAND_OVER)
            return
        await self._say(update, await self.hotline.hand_over(_address(update), last.id, Reason.HUMAN))

    async def forget(self, update: Update, context: Context) -> None:
        """Asks whether they are sure."""
        user = _address(update).user
        await self._tell(update, voice.SURE_TO_FORGET, [[(voice.FORGET, f"x:{user}:1"), (voice.KEEP, f"x:{user}:0")]])

    async def script(self, update: Update, context: Context) -> None:
        """Which script to answer in."""
        await self._tell(update, voice.WHICH_SCRIPT, [[(name, f"s:{code}") for code, name in voice.SCRIPTS.items()]])

    async def unknown_command(self, update: Update, context: Context) -> None:
        """A slip of the finger; in a group it is another bot's."""
        if update.effective_chat and update.effective_chat.id > 0:
            await self._tell(update, voice.UNKNOWN_COMMAND)

    # ---- messages

    async def asked(self, update: Update, context: Context) -> None:
        """A question."""
        await self._reply(update, await self.hotline.answer(self._asked(update, self._words(update))))

    async def edited(self, update: Update, context: Context) -> None:
        """A question put differently."""
        await self._reply(update, await self.hotline.answer_edited(self._asked(update, self._words(update))))

    async def not_text(self, update: Update, context: Context) -> None:
        """A photo, a voice, a place; a cry for help below it is heard, and of an album one line is enough."""
        message = _message(update)
        if self.hotline.is_urgent(message.caption or ""):
            await self.asked(update, context)
        elif message.media_group_id is None or message.media_group_id not in self._albums:
            self._albums.append(message.media_group_id)
            await self._tell(update, voice.TEXT_ONLY)

    async def migrated(self, update: Update, context: Context) -> None:
        """A group became a supergroup."""
        message = _message(update)
        if message.migrate_to_chat_id:
            await self.sender.move(message.chat.id, message.migrate_to_chat_id)

    async def came_or_went(self, update: Update, context: Context) -> None:
        """Somebody blocked us, or let us in again."""
        change = update.my_chat_member
        if change is not None:
            gone = change.new_chat_member.status in {"kicked", "left"}
            await self.sender.mark(change.chat.id, blocked=gone)

    # ---- buttons

    async def tapped(self, update: Update, context: Context) -> None:
        """A button, however old: it works, or it is said kindly why not."""
        query = update.callback_query
        assert query is not None
        kind, *rest = (query.data or "").split(":")
        handlers: dict[str, Tapped] = {
            "q": self._picked,
            "y": self._solved,
            "n": self._unsolved,
            "h": self._handed_over,
            "k": self._left_alone,
            "r": self._rated,
            "t": self._topic_picked,
            "i": self._intent_picked,
            "c": self._city_picked,
            "s": self._script_picked,
            "e": self._example_picked,
            "x": self._forget_answered,
        }
        try:
            if kind not in handlers:
                raise Declined(voice.OLD_BUTTON)
            told = await handlers[kind](update, query, rest)
        except (Declined, ValueError) as sorry:
            text = str(sorry) if isinstance(sorry, Declined) else voice.OLD_BUTTON
            await self._excuse(update, query, await self._in_script(update, text))
            return
        await toast(query, told)

    async def _picked(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        number, position = map(int, rest)
        await self._reply(update, await self.hotline.pick(self._asked(update, ""), number, position))
        return ""

    async def _solved(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        (number,) = map(int, rest)
        record = await self.hotline.rate(_address(update), number, Feedback.SOLVED)
        await self._without_rating(query, record.said)
        return await self._in_script(update, voice.GLAD)

    async def _unsolved(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        (number,) = map(int, rest)
        record = await self.hotline.rate(_address(update), number, Feedback.UNSOLVED)
        root = await self.hotline.question(record.root) or record
        await self._without_rating(query, record.said)
        rows = [
            [(voice.TO_STAFF, f"h:{number}:{Reason.UNSOLVED}"), (voice.OUTDATED, f"h:{number}:{Reason.OUTDATED}")],
            [(voice.NO_THANKS, f"k:{number}")],
        ]
        await self._tell(update, voice.OFFER_STAFF.format(voice.shortened(root.text or "")), rows)
        return ""

    async def _handed_over(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        number, reason = rest
        told = await self.hotline.hand_over(_address(update), int(number), Reason(reason))
        await self._say(update, told)
        await change_buttons(query, [])
        return ""

    async def _rated(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        number, how = int(rest[0]), Satisfaction(rest[1])
        told = await self.hotline.rate_staff(_address(update), number, how)
        await change_buttons(query, [])
        if how is not Satisfaction.UNSATISFIED:
            return told
        await self._say(update, told)
        return ""

    async def _left_alone(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        (number,) = map(int, rest)
        await self.hotline.own(_address(update), number)
        await change_buttons(query, [])
        return await self._in_script(update, voice.LEFT_ALONE)

    async def _topic_picked(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        content = self.hotline.dialogue.content
        department = by_short_id(content.departments, *rest)
        listed = [(i.title, f"i:{short_id(key)}") for key, i in content.intents.items() if i.department == department]
        if department is None or not listed:
            raise Declined(voice.NO_TOPIC)
        await self._tell(update, voice.WHICH_MATTER.format(content.departments[department].name), in_rows(listed))
        return ""

    async def _intent_picked(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        intent = by_short_id(self.hotline.dialogue.content.intents, *rest)
        await self._reply(update, await self.hotline.ask_about(self._asked(update, ""), intent or ""))
        return ""

    async def _city_picked(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        wanted = "".join(rest)
        region = by_short_id(self._places(), wanted) if wanted else ""
        if region is None:
            raise Declined(voice.OLD_BUTTON)
        await self.hotline.live_in(_address(update), region)
        await self._tell(update, voice.CITY_KEPT.format(region) if region else voice.CITY_GONE)
        return ""

    async def _script_picked(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        code = "".join(rest)
        await self.hotline.write_in(_address(update), Script(code) if code else None)
        await self._tell(update, voice.SCRIPT_KEPT.format(voice.SCRIPTS[code]) if code else voice.SCRIPT_AUTO)
        return ""

    async def _example_picked(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        example = by_short_id(self.hotline.config.chat.examples, *rest)
        if example is None:
            raise Declined(voice.OLD_BUTTON)
        await self._reply(update, await self.hotline.answer(self._asked(update, example)))
        return ""

    async def _forget_answered(self, update: Update, query: CallbackQuery, rest: list[str]) -> str:
        user, sure = map(int, rest)
        if user != _address(update).user:
            raise Declined(voice.NOT_YOURS)
        if sure:
            state = await self.hotline.state_of(_address(update))
            await self.hotline.forget(_address(update))
            await self._say(update, self.hotline.in_script(voice.FORGOTTEN, state))
        else:
            await self._tell(update, voice.NOT_FORGOTTEN)
        await change_buttons(query, [])
        return ""

    # ---- inside

    def _asked(self, update: Update, words: str) -> Asked:
        message = None if update.callback_query else _message(update)
        key = update_key(self.application.bot.id, update.update_id)
        at = (message.edit_date or message.date) if message else self.hotline.clock()
        return Asked(_address(update), words, at, key, message.message_id if message else None)

    def _words(self, update: Update) -> str:
        """Their text, without our name in it."""
        message = _message(update)
        return re.sub(
            rf"@{re.escape(self.application.bot.username)}\b", " ", message.text or message.caption or "", flags=re.I
        )

    async def _reply(self, update: Update, said: Said | None) -> None:
        if said is not None:
            await self._say(update, said.text, rows_of(said))

    async def _tell(self, update: Update, text: str, rows: Rows = (), *, with_notice: bool = False) -> None:
        """A sentence of our own, in their script."""
        state = await self.hotline.state_of(_address(update))
        said = self.hotline.in_script(text, state)
        await self._say(
            update,
            self.hotline.with_notice(said, state) if with_notice else said,
            [[(self.hotline.in_script(label, state), data) for label, data in row] for row in rows],
        )

    async def _say(self, update: Update, text: str, rows: Rows = ()) -> None:
        """Sends it, in a group as a reply to the one who asked."""
        chat, message = update.effective_chat, update.effective_message
        assert chat is not None
        to = message.message_id if message and chat.id < 0 else None
        await self.sender.say(chat.id, text, rows, reply_to=to)

    async def _in_script(self, update: Update, text: str) -> str:
        return self.hotline.in_script(text, await self.hotline.state_of(_address(update)))

    async def _excuse(self, update: Update, query: CallbackQuery, text: str) -> None:
        """As a box over the chat, or, when it is too late for that, as a message."""
        if not await toast(query, text, alert=True):
            await self._say(update, text)

    async def _without_rating(self, query: CallbackQuery, said: Said | None) -> None:
        await change_buttons(query, rows_of(said)[:-1] if said else [])

    def _topics(self) -> list[list[tuple[str, str]]]:
        content = self.hotline.dialogue.content
        used = dict.fromkeys(i.department for i in content.intents.values())
        return in_rows((content.departments[d].name, f"t:{short_id(d)}") for d in used if d in content.departments)

    def _cities(self, *, forgettable: bool) -> Rows:
        buttons = [(place, f"c:{short_id(place)}") for place in self._places()]
        return [*in_rows(buttons, CITIES_IN_A_ROW), *([[(voice.FORGET_CITY, "c:")]] if forgettable else [])]

    def _places(self) -> list[str]:
        """Cities with an answer of their own, those with most first."""
        named = [a.region for i in self.hotline.dialogue.content.intents.values() for a in i.answers]
        cities = [region for region in dict.fromkeys(named) if region.endswith("市")]
        return sorted(cities, key=lambda city: -named.count(city))[:_MOST_CITIES]


def _address(update: Update) -> Address:
    chat, user, message = update.effective_chat, update.effective_user, update.message or update.edited_message
    assert chat is not None
    sender = message.sender_chat if message and message.sender_chat else user  # anonymous admins share one user
    return Address(CHANNEL, chat.id, sender.id if sender else chat.id)


def _message(update: Update) -> Message:
    message = update.effective_message
    assert message is not None
    return message


async def toast(query: CallbackQuery, text: str, *, alert: bool = False) -> bool:
    """Ends the button's waiting; False when Telegram did not take it, mostly because it is too late."""
    try:
        await query.answer(text or None, show_alert=alert)
    except TelegramError:  # what was asked for is done: it must not be done again for this
        return False
    return True


async def change_buttons(query: CallbackQuery, rows: Rows) -> None:
    """Takes away buttons that have had their say; where Telegram refuses, they stay and still work."""
    try:
        await query.edit_message_reply_markup(markup(rows))
    except TelegramError as error:
        log.info("buttons stay: %s", type(error).__name__)
