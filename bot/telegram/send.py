"""Sending: at our own pace, with Telegram's refusals understood; the outbox for what must arrive later."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from telegram import Bot
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, NetworkError, RetryAfter

from bot.buttons import Rows, rows_of_letter
from bot.errors import HotlineError
from bot.store import conversations, outbox
from bot.store.engine import Store
from bot.store.outbox import Letter, OutboxState
from bot.telegram.pace import Pace
from bot.telegram.render import as_html, keyboard, pieces
from bot.worktime import Clock

CHANNEL = "telegram"
LETTERS_AT_ONCE = 8
_MOST_LOOKED_AT = 200
_LOOK_SECONDS = 1.0
_MOST_DOUBLINGS = 9
"""The wait between two tries grows from one second to eight and a half minutes."""
_GRACE_SECONDS = 1.0
_GONE = ("chat not found", "user is deactivated", "chat was deactivated", "peer_id_invalid", "no rights to send")
"""Refusals that are for good, by Telegram's own words."""
log = logging.getLogger(__name__)


class Sender:
    """Says things in chats; a chat that cannot be reached is marked and not tried again."""

    def __init__(self, bot: Bot, store: Store, pace: Pace, clock: Clock) -> None:
        self.bot, self.store, self.pace, self.clock = bot, store, pace, clock

    async def say(self, chat: int, text: str, rows: Rows = (), *, reply_to: int | None = None) -> None:
        """Sends a reply; passing troubles (429, the network) are raised for who can try again."""
        await self._send(chat, text, rows, reply_to, is_letter=False)

    async def deliver(self, chat: int, text: str, rows: Rows = ()) -> bool:
        """Sends what is no reply, after the replies; False when the chat does not want us any more."""
        return await self._send(chat, text, rows, None, is_letter=True)

    async def post(self, chat: int, text: str, rows: Rows) -> int:
        """Puts a card into a chat; its number there."""
        async with self._in_turn(chat):
            return await self._message(chat, text, rows, None)

    async def photo(self, chat: int, picture: bytes) -> None:
        """Puts a picture into a chat."""
        async with self._in_turn(chat):
            await self.bot.send_photo(chat, picture)

    async def edit(self, chat: int, message: int, text: str, rows: Rows) -> bool:
        """Changes a card; False when it is no longer there."""
        changed = {"chat_id": chat, "message_id": message, "text": as_html(text), "parse_mode": ParseMode.HTML}
        async with self._in_turn(chat):
            try:
                await self.bot.do_api_request("edit_Message_Text", {**changed, "reply_markup": keyboard(rows)})
            except BadRequest as refusal:
                return "not modified" in refusal.message.lower()
        return True

    @asynccontextmanager
    async def _in_turn(self, chat: int) -> AsyncIterator[None]:
        """After the replies; a refusal stops the chat."""
        await self.pace.letter(chat)
        try:
            yield
        except RetryAfter as refusal:
            self.pace.refused(chat, seconds(refusal))
            raise

    async def _send(self, chat: int, text: str, rows: Rows, reply_to: int | None, *, is_letter: bool) -> bool:
        parts = list(pieces(text))
        for part in parts:
            last = part is parts[-1]
            try:
                await (self.pace.letter(chat) if is_letter else self.pace.reply(chat))
                await self._message(chat, part, rows if last else (), reply_to)
            except ChatMigrated as moved:
                await self.move(chat, moved.new_chat_id)
                chat = moved.new_chat_id
                await self._message(chat, part, rows if last else (), None)
            except RetryAfter as refusal:
                self.pace.refused(chat, seconds(refusal))
                raise
            except (Forbidden, BadRequest) as refusal:
                if not _is_for_good(refusal):
                    raise
                log.info("chat %s cannot be reached: %s", chat, refusal.message)
                await self.mark(chat, blocked=True)
                return False
            self.pace.accepted()
        return True

    async def _message(self, chat: int, text: str, rows: Rows, reply_to: int | None) -> int:
        message = {
            "chat_id": chat,
            "text": as_html(text),
            "parse_mode": ParseMode.HTML,
            "reply_markup": keyboard(rows),
            "reply_parameters": {"message_id": reply_to, "allow_sending_without_reply": True} if reply_to else None,
        }
        # spelt so that it is not advised to use its own send_message: that parses all of Telegram's answer
        sent: Any = await self.bot.do_api_request("send_Message", message)
        return int(sent["message_id"])

    async def mark(self, chat: int, *, blocked: bool) -> None:
        """Notes whether anything can be sent there."""
        since = self.clock() if blocked else None
        await self.store.write(lambda c: conversations.block(c, CHANNEL, chat, since))

    async def move(self, old: int, new: int) -> None:
        """A group became a supergroup."""
        await self.store.write(lambda c: conversations.move(c, CHANNEL, old, new))


class Outbox:
    """Takes what waits in the database, the oldest of each conversation first, at most eight at once."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        clock: Clock,
        show_card: Callable[[int, int], Awaitable[None]],
        send_report: Callable[[int, date], Awaitable[None]],
    ) -> None:
        self.store, self.sender, self.clock = store, sender, clock
        self._show_card, self._send_report = show_card, send_report
        self._in_hand: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled; looks for new letters every second, and at once after each that left."""
        try:
            while True:
                await self._start_what_is_due()
                clock = asyncio.create_task(asyncio.sleep(_LOOK_SECONDS))
                await asyncio.wait([*self._in_hand.values(), clock], return_when=asyncio.FIRST_COMPLETED)
                clock.cancel()
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        tasks = list(self._in_hand.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_what_is_due(self) -> None:
        try:
            letters = await outbox.due(self.store, CHANNEL, self.clock(), _MOST_LOOKED_AT)
        except HotlineError as error:
            log.warning("outbox: %s", error)
            return
        for letter in letters:
            if len(self._in_hand) >= LETTERS_AT_ONCE:
                return
            if letter.conversation not in self._in_hand and self.sender.pace.is_open(letter.address.chat):
                self._start(letter)

    def _start(self, letter: Letter) -> None:
        task = self._in_hand[letter.conversation] = asyncio.create_task(self._deliver(letter))
        task.add_done_callback(lambda _: self._in_hand.pop(letter.conversation))

    async def _deliver(self, letter: Letter) -> None:
        try:
            await self._try(letter)
        except HotlineError as error:
            log.warning("letter %s: %s", letter.id, error)
        except Exception as error:  # a letter nobody can send must not hold up those behind it
            log.exception("letter %s", letter.id)
            await self._settle(letter, OutboxState.FAILED, type(error).__name__)

    async def _try(self, letter: Letter) -> None:
        try:
            arrived = await self._carry(letter.address.chat, letter.message)
        except (RetryAfter, NetworkError) as error:
            if isinstance(error, BadRequest):
                raise
            wait = seconds(error) if isinstance(error, RetryAfter) else 2.0 ** min(letter.attempts, _MOST_DOUBLINGS)
            await self._postpone(letter, wait, str(error))
            return
        await self._settle(letter, OutboxState.SENT if arrived else OutboxState.BLOCKED)

    async def _carry(self, chat: int, message: Mapping[str, Any]) -> bool:
        if "card" in message:
            await self._show_card(chat, message["card"])
            return True
        if "report" in message:
            await self._send_report(chat, date.fromisoformat(message["report"]))
            return True
        return await self.sender.deliver(chat, message["text"], rows_of_letter(message))

    async def _settle(self, letter: Letter, state: OutboxState, error: str = "") -> None:
        """Notes what became of it, however long that takes: until then it must not be sent again."""
        while True:
            try:
                await self.store.write(lambda c: outbox.settle(c, letter, state, self.clock(), error))
                return
            except HotlineError as trouble:
                log.warning("letter %s: %s", letter.id, trouble)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _postpone(self, letter: Letter, wait: float, error: str) -> None:
        now = self.clock()
        await self.store.write(lambda c: outbox.postpone(c, letter.id, now, wait, error))


def seconds(refusal: RetryAfter) -> float:
    """How long Telegram asks us to wait."""
    wait: Any = refusal.retry_after
    return float(wait.total_seconds())


def _is_for_good(refusal: Forbidden | BadRequest) -> bool:
    return isinstance(refusal, Forbidden) or any(words in refusal.message.lower() for words in _GONE)
