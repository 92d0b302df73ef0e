"""`hotline serve`: everything in one event loop, opened from the bottom up and closed in reverse."""

import asyncio
import gc
import logging
from contextlib import AsyncExitStack, suppress
from datetime import datetime, time, timedelta
from typing import Any

from bot.casework import Casework
from bot.config import Config
from bot.dialogue import Dialogue
from bot.edition import Files
from bot.errors import HotlineError
from bot.grouping import Grouping
from bot.health import weekly_line
from bot.hotline import Hotline
from bot.lessons import Lessons
from bot.reload import FILES, Reloader
from bot.store import inbox, published, retention
from bot.store.engine import DatabaseUnavailable, Store, Transaction
from bot.store.leases import Lease
from bot.telegram.edge import Edge
from bot.web.app import Health, Hook, Site
from bot.web.server import WebServer
from bot.worktime import Clock

KEEP_UPDATE_IDS = timedelta(days=8)
"""Telegram's ids start again at random after a week of silence, and it repeats nothing older."""
TIDY_AT = time(3)
_RENEW_SECONDS = 5.0
_REMIND_SECONDS = 60.0
_MONDAY = 0
_SILENT_POLL = timedelta(minutes=2)
log = logging.getLogger(__name__)


class Service:
    """One running hotline; use as `async with`. With the `files` its dialogue is made of it follows the folders."""

    def __init__(
        self, config: Config, dialogue: Dialogue, version: str, clock: Clock, files: Files | None = None
    ) -> None:
        self.config, self.clock = config, clock
        self.store = Store(config.database.url.get_secret_value())
        self.casework = Casework(config, dialogue.content.departments, self.store, clock)
        self.grouping = Grouping(config.cases, dialogue, self.casework.cards)
        self.hotline = Hotline(config, dialogue, self.store, self.casework, self.grouping, clock, version)
        self.reloader = Reloader(config, self.hotline, files, clock, self._tell_admins) if files is not None else None
        lessons = Lessons(self.hotline, self.reloader) if self.reloader else None
        has_token = bool(config.telegram.token.get_secret_value())
        self.edge = Edge(config, self.store, self.hotline, clock, lessons) if has_token else None
        self.site = Site(self.hotline, self.health, self._hook(), lessons)
        self.web = WebServer(self.site.app, config.web)
        self._lease = Lease(self.store, "leader")
        self._leading_since: datetime | None = None
        self._open = AsyncExitStack()

    async def __aenter__(self) -> "Service":
        async with AsyncExitStack() as opening:
            opening.push_async_callback(self.store.close)
            opening.callback(self.hotline.close)
            await self.store.migrate()
            await self.grouping.prepare(self.store)
            if self.reloader:
                opening.push_async_callback(self.reloader.close)
                await self._publish(self.reloader)
            opening.push_async_callback(self._let_lead)
            if self.edge:
                opening.push_async_callback(self.edge.close)
            await self.web.start()
            opening.push_async_callback(self.web.stop)
            opening.callback(self.site.streams.close)
            if self.edge:
                opening.callback(self.edge.desk.hang_up)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def run(self) -> None:
        """Until cancelled; raises HotlineError when it cannot go on, such as with a token that no longer holds."""
        try:
            async with asyncio.TaskGroup() as work:
                work.create_task(self._lead_when_we_may())
                work.create_task(self.site.streams.run())
                if self.reloader:
                    work.create_task(self.reloader.run())
                if self.edge:
                    work.create_task(self.edge.connect())
        except ExceptionGroup as group:
            raise _first(group) from None

    def health(self) -> Health:
        """Alive, and, when polling is ours, polling."""
        details: dict[str, Any] = {"telegram": "off", "leads": self._leading_since is not None}
        if self.edge is None:
            return Health(True, details)
        details["telegram"] = "connected" if self.edge.connected.is_set() else "connecting"
        last = self.edge.poller.last_poll
        details["last_poll"] = last and last.isoformat(timespec="seconds")
        details["in_hand"] = self.edge.desk.in_hand
        silent_since = None if self.edge.webhook_url else self._leading_since and (last or self._leading_since)
        return Health(not (silent_since and self.clock() - silent_since > _SILENT_POLL), details)

    async def tidy(self) -> None:
        """Deletes what has been kept long enough."""
        now = self.clock()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)

        async def work(connection: Transaction) -> int:
            await inbox.prune(connection, now - KEEP_UPDATE_IDS)
            return await retention.forget_before(connection, midnight - timedelta(self.config.limits.keep_days))

        count = await self.store.write(work, long=True)
        await self.casework.close_old()
        log.info("tidied: %s questions forgotten", count)
        gc.unfreeze()  # what was frozen by day and is garbage by now
        gc.collect()
        gc.freeze()

    async def _publish(self, reloader: Reloader) -> None:
        """What answers is the latest version, also where no change made it so."""
        files, version, now = reloader.live, self.hotline.version, self.clock()
        async with self.store.reading() as connection:
            last = await published.latest(connection)
        if last is None or last.version != version:  # packing takes a moment, and is seldom needed
            packed = published.pack(files)
            await self.store.write(lambda c: published.publish(c, version, packed, now, FILES, "", None), long=True)

    async def _tell_admins(self, text: str) -> None:
        now = self.clock()
        await self.store.write(lambda c: self.casework.cards.tell(c, f"content:{now.timestamp()}", text, now))

    def _hook(self) -> Hook | None:
        if self.edge is None or not self.edge.webhook_url:
            return None
        return Hook(self.edge.webhook_path, self.edge.webhook_secret, self.edge.deliver)

    async def _lead_when_we_may(self) -> None:
        """Keeps the lease, and the duties that go with it, until cancelled."""
        duties: asyncio.Task[None] | None = None
        try:
            while True:
                if not await self._take_lease():
                    self._leading_since = None
                    if duties:
                        await _cancelled(duties)
                        duties = None
                elif duties is None:
                    self._leading_since = self.clock()
                    duties = asyncio.create_task(self._duties())
                if duties is None:
                    await asyncio.sleep(_RENEW_SECONDS)
                elif (await asyncio.wait([duties], timeout=_RENEW_SECONDS))[0]:
                    _unless_passing(duties)
                    duties = None
        finally:
            if duties:
                await _cancelled(duties)

    async def _let_lead(self) -> None:
        """Comes after the last reply is noted: the next one to lead would send again what is not."""
        with suppress(DatabaseUnavailable):
            await self._lease.release()

    async def _take_lease(self) -> bool:
        try:
            other = await self._lease.take(self.clock())
        except DatabaseUnavailable as error:
            log.warning("%s", error)
            return self._leading_since is not None
        if other:
            log.warning("另一个 hotline serve(%s)正在收消息;本程序等它停下再接手", other)
        return not other

    async def _duties(self) -> None:
        async with asyncio.TaskGroup() as duties:
            duties.create_task(self._tidy_every_night())
            duties.create_task(self._remind_every_minute())
            duties.create_task(self._report_every_day())
            if self.edge:
                duties.create_task(self.edge.lead())

    async def _remind_every_minute(self) -> None:
        while True:
            try:
                await self.casework.remind()
            except DatabaseUnavailable as error:
                log.warning("%s", error)
            await asyncio.sleep(_REMIND_SECONDS)

    async def _report_every_day(self) -> None:
        at = time.fromisoformat(self.config.report.at)
        while True:
            await asyncio.sleep(_until(at, self.clock()))
            try:
                await self.casework.report()
                if self.reloader and self.clock().weekday() == _MONDAY:
                    await self._tell_admins(weekly_line(await self.reloader.health()))
            except HotlineError as error:
                log.warning("%s", error)

    async def _tidy_every_night(self) -> None:
        while True:
            try:
                await self.tidy()
            except DatabaseUnavailable as error:
                log.warning("%s", error)
            await asyncio.sleep(_until(TIDY_AT, self.clock()))


def _unless_passing(duties: "asyncio.Task[None]") -> None:
    """Raises what ended the duties, unless it was the database: they begin again when it is back."""
    try:
        duties.result()
    except ExceptionGroup as group:
        if not isinstance(_first(group), DatabaseUnavailable):
            raise
        log.warning("%s", _first(group))


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def _until(at: time, now: datetime) -> float:
    then = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return (then + timedelta(days=then <= now) - now).total_seconds()
