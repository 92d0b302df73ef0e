"""A whole hotline for one test: real service, real database, Telegram played by a server on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.config import Config, load_config
from bot.dialogue import Dialogue
from bot.edition import Files, version_of
from bot.errors import HotlineError
from bot.service import Service
from bot.store.record import Row, rows
from tests.conftest import NOW, ROOT
from tests.telegram_server import Sent, TelegramServer


async def eventually(condition: Callable[[], Awaitable[bool]], within: float = 20) -> None:
    """Waits for something that only the database tells."""
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, f"not within {within} s"
        await asyncio.sleep(0.02)


class Clock:
    """A clock that tests turn."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **how_long: float) -> None:
        self.now += timedelta(**how_long)


class RunningClock(Clock):
    """The hour that it is, as the command line beside it has it, and what a test adds."""

    def __init__(self) -> None:
        super().__init__(datetime.now(NOW.tzinfo))
        self._began = self.now

    def __call__(self) -> datetime:
        return datetime.now(NOW.tzinfo) + (self.now - self._began)


class Line:
    """Telegram's server and our service between them."""

    def __init__(self, telegram: TelegramServer, service: Service, clock: Clock, running: "asyncio.Task[None]") -> None:
        self.telegram, self.service, self.clock, self.running = telegram, service, clock, running

    def citizen(self, number: int) -> "Citizen":
        """Somebody with a private chat."""
        return Citizen(self, number)

    async def record(self) -> list[Row]:
        """Every question on record."""
        return await rows(self.service.store, None, None)

    async def quiet(self) -> None:
        """Waits until everything taken in is finished and confirmed."""
        assert self.service.edge
        desk = self.service.edge.desk
        await self.telegram.until(
            lambda: not desk.in_hand and (bool(self.telegram.webhook) or not self.telegram.pending)
        )


class Citizen:
    """One person in their own chat: `says`, `taps`, and what they then hear."""

    def __init__(self, line: Line, number: int) -> None:
        self.line, self.telegram, self.chat = line, line.telegram, number
        self.last: Sent

    async def says(self, text: str | None, **more: Any) -> Sent:
        self.telegram.message(self.chat, text, date=int(self.line.clock().timestamp()), **more)
        return await self.hears()

    async def taps(self, label: str, *, of: Sent | None = None) -> Sent:
        self.press(label, of=of)
        return await self.hears()

    def press(self, label: str, *, of: Sent | None = None) -> None:
        """Taps without waiting for a message."""
        message = of or self.last
        assert label in message.buttons, f"no button {label!r} among {list(message.buttons)}"
        self.telegram.tap(self.chat, message.message_id, message.buttons[label])

    async def hears(self) -> Sent:
        self.last = await self.telegram.reply(self.chat)
        return self.last

    @property
    def toasts(self) -> list[str]:
        """What was shown over the chat after taps, oldest first."""
        return [c.params.get("text", "") for c in self.telegram.calls if c.method == "answerCallbackQuery"]


def settings(file: Path = ROOT / "config.yaml", **more: Any) -> Config:
    """The shipped settings at full speed, or those of a file, with `section__key=value` over them."""
    environment = {
        "WEB__PORT": 0,
        "TELEGRAM__MESSAGES_PER_SECOND": 100_000,
        "TELEGRAM__MESSAGES_PER_SECOND_IN_CHAT": 100_000,
        "TELEGRAM__MESSAGES_PER_MINUTE_IN_GROUP": 100_000,
        "LIMITS__MESSAGES_PER_MINUTE": 1000,
        **{key.upper(): value for key, value in more.items()},
    }
    return load_config(file, {f"HOTLINE_{key}": str(value) for key, value in environment.items()})


@asynccontextmanager
async def open_line(
    dialogue: Dialogue,
    telegram: TelegramServer,
    database_url: str,
    clock: Clock | None = None,
    files: Files | None = None,
    **more: Any,
) -> AsyncIterator[Line]:
    """A line that is up: connected, and the first poll has come. With `files` its content can be changed."""
    clock = clock or Clock()
    config = settings(
        database__url=database_url, telegram__token=telegram.token, telegram__api_url=telegram.url, **more
    )
    async with Service(config, dialogue, version_of(files) if files else "test", clock, files) as service:
        running = asyncio.create_task(service.run())
        assert service.edge
        await telegram.until(lambda: running.done() or service.edge.connected.is_set())
        if running.done():
            running.result()
        yield Line(telegram, service, clock, running)
        running.cancel()
        with suppress(asyncio.CancelledError, HotlineError):
            await running
