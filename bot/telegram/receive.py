"""Receiving: into the inbox before anything is confirmed, one order per chat, troubles retried or set aside."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from telegram import Bot, Update
from telegram.error import BadRequest, Conflict, EndPointNotFound, InvalidToken, NetworkError, RetryAfter, TelegramError

from bot.config import Config
from bot.errors import HotlineError
from bot.hotline import kept
from bot.store import inbox
from bot.store.conversations import Address
from bot.store.engine import DatabaseUnavailable, Store
from bot.store.inbox import InboxState, Incoming
from bot.telegram.intake import ALLOWED_UPDATES, Crowd, Verdict, concerns_us, is_id, origin_of
from bot.telegram.pace import Pace, Window
from bot.telegram.send import CHANNEL, seconds
from bot.worktime import Clock

POLL_SECONDS = 30
_MOST_IN_HAND = 5_000
_MOST_WAIT = 60.0
_HOOK_SECONDS = 50.0
"""Telegram gives up waiting for us after a minute."""
BAD_TOKEN = "Telegram 不认这个令牌;请检查环境变量 HOTLINE_TELEGRAM__TOKEN(可在 BotFather 里用 /token 重新取得)"
log = logging.getLogger(__name__)


class Attendant(Protocol):
    """Who handles what was received."""

    async def process(self, update: Update) -> Exception | None:
        """Handles one update; the error that stopped it, if any."""

    async def too_fast(self, address: Address) -> None:
        """Tells somebody to wait."""

    async def sorry(self, address: Address) -> None:
        """Tells somebody that their message could not be handled."""


class Refused(HotlineError):
    """Telegram does not know this bot."""


def update_key(bot: int, update_id: int) -> str:
    """The name under which a deed is on record; each bot counts its updates for itself."""
    return f"{CHANNEL}:{bot}:{update_id}"


class Desk:
    """Takes updates in, keeps their order per chat, and sees each one through."""

    def __init__(self, config: Config, bot: Bot, store: Store, pace: Pace, attendant: Attendant, clock: Clock) -> None:
        self.bot, self.store, self.pace, self.attendant, self.clock = bot, store, pace, attendant, clock
        self.crowd = Crowd(config.limits.messages_per_minute)
        self._in_all = Window(config.limits.messages_per_minute_in_all, 60)
        self._slots = asyncio.Semaphore(config.telegram.chats_at_once)
        self._queues: dict[int, deque[Incoming]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._done: dict[int, asyncio.Event] = {}
        self._closed = False

    @property
    def in_hand(self) -> int:
        """Updates taken in and not finished."""
        return len(self._done)

    async def take(self, updates: Sequence[dict[str, Any]]) -> None:
        """Stores updates, in one commit, and queues them; raises DatabaseUnavailable, and then nothing is lost."""
        incoming, floods, now = [], [], self.clock()
        for raw in filter(_is_update, updates):
            origin = origin_of(raw, now.timestamp())
            if not concerns_us(raw, self.bot.id, self.bot.username):
                continue
            verdict = self.crowd.judge(raw["update_id"], origin)
            state = InboxState.NEW if verdict is Verdict.WELCOME else InboxState.OVER
            one = Incoming(raw["update_id"], origin.chat, origin.user, raw, state)
            incoming.append(one)
            if verdict is Verdict.TELL:
                floods.append(_address(one))
        fresh = await self._store(incoming)
        for one in incoming:
            if one.update_id in fresh:
                self.queue(one)
        for address in floods:
            self._spawn(_politely(self.attendant.too_fast(address)))
        await self._room_for(len(fresh))

    async def replay(self, *states: InboxState) -> None:
        """Queues what a crash, or a person, left to be done."""
        for one in await inbox.unfinished(self.store, self.bot.id, *states):
            self.queue(one)

    async def finished(self, update_id: int) -> None:
        """Waits until an update is seen through, or for as long as a webhook may take."""
        if done := self._done.get(update_id):
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), _HOOK_SECONDS)

    def let_go(self) -> None:
        """Leaves all but what is being worked on to whoever reads the inbox next."""
        for queue in self._queues.values():
            while len(queue) > 1:
                self._done.pop(queue.pop().update_id).set()

    def hang_up(self) -> None:
        """Starts nothing new, and lets webhooks go: what they brought is in the inbox."""
        self._closed = True
        self.let_go()
        for done in self._done.values():
            done.set()

    async def close(self, grace: float) -> None:
        """Finishes what is being worked on, for at most so many seconds; the rest is in the inbox."""
        self.let_go()
        if self._workers:
            await asyncio.wait(self._workers, timeout=grace)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def queue(self, one: Incoming) -> None:
        """Puts an update behind the others of its chat, unless it is there already."""
        if self._closed or one.update_id in self._done:
            return
        self._done[one.update_id] = asyncio.Event()
        if one.chat_id in self._queues:
            self._queues[one.chat_id].append(one)
            return
        self._queues[one.chat_id] = deque([one])
        self._spawn(self._work(one.chat_id))

    async def _work(self, chat: int) -> None:
        while queue := self._queues[chat]:
            await self._see_through(queue[0])
            self._done.pop(queue[0].update_id).set()
            self._queues[chat].popleft()
        del self._queues[chat]

    async def _store(self, incoming: Sequence[Incoming]) -> set[int]:
        """The ids to be handled; what no database takes is set aside without its words, and stops nobody."""
        now = self.clock()
        try:
            return await inbox.add(self.store, self.bot.id, incoming, now)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            if len(incoming) > 1:
                return set().union(*[await self._store([one]) for one in incoming])
            (one,) = incoming
            log.error("update %s cannot be stored: %s", one.update_id, type(error).__name__)
            await inbox.add(self.store, self.bot.id, [replace(one, raw={})], now)
            self._spawn(self._note(one, Unreadable(type(error).__name__)))
            return set()

    async def _see_through(self, one: Incoming) -> None:
        """Until it is finished or set aside; a passing trouble is tried again, ever more slowly."""
        waits = _growing()
        while True:
            await self.pace.open(one.chat_id)
            async with self._slots:
                error = await self._handle(one)
            if error is None or not _is_passing(error):
                break
            log.warning("update %s will be tried again: %s", one.update_id, type(error).__name__)
            await asyncio.sleep(seconds(error) if isinstance(error, RetryAfter) else next(waits))
        if error is not None:
            log.error("update %s is set aside: %s", one.update_id, type(error).__name__, exc_info=error)
        await self._note(one, error)

    async def _note(self, one: Incoming, error: Exception | None) -> None:
        """Writes down that it is finished or set aside; what was said is not said again while that fails."""
        for wait in _growing():
            try:
                await (self._park(one, error) if error else self._finish(one))
                break
            except Exception as trouble:
                log.warning("update %s: %s", one.update_id, type(trouble).__name__)
            await asyncio.sleep(wait)
        if error and one.chat_id:
            await _politely(self.attendant.sorry(_address(one)))

    async def _finish(self, one: Incoming) -> None:
        bot, now = self.bot.id, self.clock()
        key = update_key(bot, one.update_id)
        await self.store.write(lambda c: inbox.finish(c, bot, one.update_id, key, now))

    async def _handle(self, one: Incoming) -> Exception | None:
        try:
            update = Update.de_json(one.raw, self.bot)
        except Exception as error:
            return Unreadable(type(error).__name__)
        return await self.attendant.process(update)

    async def _park(self, one: Incoming, error: Exception) -> None:
        kind = "unreadable" if isinstance(error, Unreadable) else "failed"
        why, words = f"{type(error).__name__}: {kept(str(error))}"[:500], kept(_words(one.raw))[:500]
        bot = self.bot.id
        await self.store.write(lambda c: inbox.park(c, bot, one.update_id, kind, why, words))

    async def _room_for(self, new: int) -> None:
        """Slows the intake down when everybody together is too much: Telegram keeps what we do not fetch."""
        now = asyncio.get_running_loop().time()
        free = max([self._in_all.take(now) for _ in range(new)], default=now)
        await asyncio.sleep(max(0.0, free - now))
        while self.in_hand > _MOST_IN_HAND:
            await asyncio.wait(self._workers, return_when=asyncio.FIRST_COMPLETED)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)


async def _politely(courtesy: Awaitable[None]) -> None:
    """Sent once or not at all."""
    with suppress(TelegramError, HotlineError):
        await courtesy


def _address(one: Incoming) -> Address:
    return Address(CHANNEL, one.chat_id, one.user_id)


def _growing() -> Iterator[float]:
    """Seconds between tries."""
    wait = 1.0
    while True:
        yield wait
        wait = min(wait * 2, _MOST_WAIT)


class Unreadable(Exception):
    """An update that python-telegram-bot cannot parse."""


class Poller:
    """Asks Telegram for updates; each batch is in the inbox before the next offset confirms it."""

    def __init__(self, bot: Bot, desk: Desk, clock: Clock) -> None:
        self.bot, self.desk, self.clock = bot, desk, clock
        self.last_poll: datetime | None = None
        self._offset: int | None = None

    async def run(self) -> None:
        """Until cancelled; raises Refused when the token no longer holds."""
        wait = 1.0
        while True:
            try:
                updates = await self._updates()
                await self.desk.take(updates)
                self._offset = max([u["update_id"] + 1 for u in updates if _is_update(u)], default=self._offset)
                self.last_poll, wait = self.clock(), 1.0
                continue
            except (InvalidToken, EndPointNotFound):  # how it calls a token that was good when we signed in
                raise Refused(BAD_TOKEN) from None
            except Conflict:
                log.error("另一个程序正用同一个令牌收消息(409);请停掉它,本程序会接着收")
            except RetryAfter as refusal:
                wait = max(wait, seconds(refusal))
            except (TelegramError, DatabaseUnavailable) as error:
                log.warning("收不到消息,%.0f 秒后再试:%s", wait, error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _MOST_WAIT)

    async def _updates(self) -> list[dict[str, Any]]:
        asked: dict[str, Any] = {"timeout": POLL_SECONDS, "allowed_updates": ALLOWED_UPDATES}
        if self._offset is not None:
            asked["offset"] = self._offset
        # by this spelling, or it advises its own get_updates, which fails whole on one update that it cannot parse
        found: Any = await self.bot.do_api_request("get_Updates", asked, read_timeout=POLL_SECONDS + 10)
        return list(found)


def _is_update(raw: Any) -> bool:
    """Without its number an update can be neither kept nor confirmed."""
    return isinstance(raw, dict) and is_id(raw.get("update_id"))


def _is_passing(error: Exception) -> bool:
    """Whether the same again may work later; a BadRequest, though a NetworkError by birth, will not."""
    if isinstance(error, BadRequest):
        return False
    return isinstance(error, (RetryAfter, NetworkError, DatabaseUnavailable))


def _words(raw: Any) -> str:
    """What somebody wrote in an update nobody could read."""
    if isinstance(raw, dict):
        own = [raw[k] for k in ("text", "caption", "data") if isinstance(raw.get(k), str)]
        return " ".join([*own, *filter(None, map(_words, raw.values()))])
    return " ".join(filter(None, map(_words, raw))) if isinstance(raw, list) else ""
