"""The web for one test: the real service on a port of its own, citizens and staff with a browser's cookies."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
import yarl

from bot.dialogue import Dialogue
from bot.entrance import make_link
from bot.service import Service
from tests.line import Clock, RunningClock, settings

JSON = {"Accept": "application/json"}


class Browser:
    """Somebody's browser: keeps cookies, follows redirects, knows the page it is on."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base, self.session = base, session
        self.status, self.page, self.url = 0, "", ""

    async def opens(self, path: str, **more: Any) -> str:
        async with self.session.get(yarl.URL(self.base + path, encoded=True), **more) as answer:
            return await self._read(answer)

    async def posts(self, path: str, data: Any = (), **more: Any) -> str:
        async with self.session.post(self.base + path, data=data, **more) as answer:
            return await self._read(answer)

    async def asks(self, text: str) -> dict[str, Any]:
        """What a program hears that asks a question."""
        async with self.session.post(self.base + "/ask", data={"text": text}, headers=JSON) as answer:
            self.status = answer.status
            said: dict[str, Any] = await answer.json()
            return said

    async def _read(self, answer: aiohttp.ClientResponse) -> str:
        self.status, self.url = answer.status, str(answer.url)
        self.headers = answer.headers
        self.page = await answer.text()
        return self.words

    @property
    def words(self) -> str:
        """What stands on the page."""
        bare = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", self.page, flags=re.DOTALL)
        return " ".join(unescape(bare).split())

    def values(self, name: str) -> list[str]:
        """What the page's fields or buttons of that name would send."""
        inputs = re.findall(rf'<(?:input|button)\b[^>]*\bname="{name}"[^>]*\bvalue="([^"]*)"', self.page)
        return [unescape(value) for value in inputs]


class House:
    """The service, and doors for everybody."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self.service, self.clock = service, clock
        self.base = f"http://127.0.0.1:{service.web.port}"
        self._sessions: list[aiohttp.ClientSession] = []

    def browser(self, **headers: str) -> Browser:
        """A new one, without cookies."""
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=headers)
        self._sessions.append(session)
        return Browser(self.base, session)

    async def link(self, name: str) -> str:
        """The path of a one-time link."""
        service = self.service
        link = await make_link(service.config, service.store, name, self.clock(), service.web.port)
        return link.removeprefix(self.base)

    async def staff(self, name: str) -> Browser:
        """Somebody of staff, signed in."""
        browser = self.browser()
        await browser.posts(await self.link(name))
        assert browser.status == 200, browser.words
        return browser

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()


@asynccontextmanager
async def open_house(
    dialogue: Dialogue,
    database_url: str,
    folder: Path,
    clock: Clock | None = None,
    file: Path | None = None,
    **more: Any,
) -> AsyncIterator[House]:
    """A house with its doors open; `folder` takes the secret."""
    clock = clock or RunningClock()
    generous = {"limits__messages_per_minute": 10_000, "web__messages_per_minute_from_address": 10_000}
    more = {"database__url": database_url, "web__secret_file": folder / "secret", **generous, **more}
    config = settings(file, **more) if file else settings(**more)
    async with Service(config, dialogue, "test", clock) as service:
        house = House(service, clock)
        try:
            yield house
        finally:
            await house.close()
