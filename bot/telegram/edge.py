"""The Telegram side as one thing: connected, receiving, sending, closed."""

import asyncio
import hashlib
import hmac
import logging
from typing import Any
from urllib.parse import urlsplit

from telegram.error import InvalidToken, RetryAfter, TelegramError
from telegram.ext import Application

from bot.config import Config
from bot.errors import HotlineError
from bot.hotline import Hotline
from bot.lessons import Lessons
from bot.store.engine import Store
from bot.store.inbox import InboxState
from bot.telegram.citizens import App, Citizens
from bot.telegram.classroom import Classroom
from bot.telegram.intake import ALLOWED_UPDATES
from bot.telegram.pace import Pace
from bot.telegram.receive import BAD_TOKEN, Desk, Poller, Refused
from bot.telegram.send import Outbox, Sender, seconds
from bot.telegram.staff import StaffRoom
from bot.telegram.transport import AiohttpRequest
from bot.worktime import Clock

_LOOK_SECONDS = 1.0
_MOST_WAIT = 60.0
_GRACE_SECONDS = 2.0
_CONNECTIONS = 128
log = logging.getLogger(__name__)


class Edge:
    """Telegram, from `connect` to `close`; `lead` is for one process at a time."""

    def __init__(
        self, config: Config, store: Store, hotline: Hotline, clock: Clock, lessons: Lessons | None = None
    ) -> None:
        self.config, self.store, self.clock = config, store, clock
        self._requests = AiohttpRequest(_CONNECTIONS), AiohttpRequest(2)
        self.application = _application(config, *self._requests)
        self.bot = self.application.bot
        self.pace = Pace(config.telegram)
        self.sender = Sender(self.bot, store, self.pace, clock)
        self.citizens = Citizens(self.application, hotline, self.sender)
        self.desk = Desk(config, self.bot, store, self.pace, self.citizens, clock)
        self.poller = Poller(self.bot, self.desk, clock)
        self.staff = StaffRoom(self.application, hotline.casework, self.sender, lambda: hotline.dialogue.content)
        self.classroom = Classroom(self.application, self.staff, lessons) if lessons else None
        self.outbox = Outbox(store, self.sender, clock, self.staff.show, self.staff.report)
        self.webhook_url = config.telegram.webhook_url
        self.connected = asyncio.Event()

    @property
    def webhook_path(self) -> str:
        """The path of the webhook on our own server."""
        return urlsplit(self.webhook_url).path or "/"

    @property
    def webhook_secret(self) -> str:
        """Known to Telegram and us; made of the token, so it needs no setting."""
        token = self.config.telegram.token.get_secret_value().encode()
        return hmac.new(token, b"webhook", hashlib.sha256).hexdigest()

    async def connect(self) -> None:
        """Signs in, and tries again for as long as there is no network; raises Refused for a bad token."""
        wait = 1.0
        while True:
            try:
                await self.application.initialize()
                await self.citizens.introduce()
                await self._say_how_to_reach_us()
                self.connected.set()
                return
            except InvalidToken:
                raise Refused(BAD_TOKEN) from None
            except TelegramError as error:
                wait = max(wait, seconds(error)) if isinstance(error, RetryAfter) else wait
                log.warning("连不上 Telegram(%s),%.0f 秒后再试:%s", self.config.telegram.api_url, wait, error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _MOST_WAIT)

    async def lead(self) -> None:
        """Receives, sends what is later, and takes up what a person sent back; until cancelled."""
        await self.connected.wait()
        await self.desk.replay(InboxState.NEW, InboxState.RETRY)
        try:
            async with asyncio.TaskGroup() as duties:
                duties.create_task(self.outbox.run())
                duties.create_task(self._look_for_retries())
                if not self.webhook_url:
                    duties.create_task(self.poller.run())
        finally:
            if not self.webhook_url:
                self.desk.let_go()  # who leads next answers them

    async def deliver(self, update: dict[str, Any]) -> None:
        """Takes an update from the webhook and returns when it is done, or safe in the inbox and slow."""
        await self.connected.wait()
        await self.desk.take([update])
        await self.desk.finished(update.get("update_id", 0))

    async def close(self) -> None:
        """Finishes what is in hand, for two seconds at most, and signs off."""
        await self.desk.close(_GRACE_SECONDS)
        if self.classroom:
            await self.classroom.close()
        await self.application.shutdown()
        for request in self._requests:  # left open where signing in failed half-way
            await request.shutdown()

    async def _say_how_to_reach_us(self) -> None:
        if not self.webhook_url:
            await self.bot.delete_webhook()  # never with drop_pending_updates: citizens wrote those
            return
        await self.bot.set_webhook(
            self.webhook_url,
            secret_token=self.webhook_secret,
            allowed_updates=ALLOWED_UPDATES,
            max_connections=min(100, self.config.telegram.chats_at_once),
        )

    async def _look_for_retries(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self.desk.replay(InboxState.RETRY)
            except HotlineError as error:
                log.warning("inbox: %s", error)


def _application(config: Config, request: AiohttpRequest, polling: AiohttpRequest) -> App:
    settings = config.telegram
    builder = Application.builder().token(settings.token.get_secret_value()).base_url(f"{settings.api_url}/bot")
    builder = builder.base_file_url(f"{settings.api_url}/file/bot")
    return builder.request(request).get_updates_request(polling).updater(None).build()
