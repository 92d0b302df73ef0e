"""Citizens and staff at a real browser, in front of `hotline serve` as a process of its own."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Locator, Page, ViewportSize, async_playwright, expect

from bot.casework import Casework
from bot.config import load_config
from bot.store.engine import Store
from bot.store.record import Row, rows
from tests.conftest import ROOT
from tests.process import Serve

PHONE: ViewportSize = {"width": 360, "height": 720}
_ALL_RULES = {"resultTypes": ["violations"]}


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    """Debian's."""
    program = shutil.which("chromium")
    if program is None and not os.environ.get("CI"):
        pytest.skip("Chromium is not installed: apt install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


class Site(Serve):
    """The web alone, without Telegram, and the command line beside it."""

    browser: Browser

    def __init__(self, folder: Path, config: Path = ROOT / "config.yaml", **settings: object) -> None:
        self.database = f"sqlite:///{folder}/hotline.db"
        own = {
            "telegram__token": "",
            "database__url": self.database,
            "web__secret_file": folder / "secret",
            "web__messages_per_minute_from_address": 100_000,
        }
        super().__init__(config, folder, **{**own, **settings})
        self.base = f"http://127.0.0.1:{self.port}"
        self._settings = load_config(config, {})

    async def open(self) -> None:
        """Starts it, and waits until pages come."""
        self.start()
        await self.says("市民问答")

    async def command(self, *words: str) -> str:
        """What a `hotline` command prints."""
        program = [sys.executable, "-m", "bot", "--config", str(self.config), *words]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *program, cwd=ROOT, env=self._environment, stdout=pipe, stderr=pipe
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def case_of(self, ticket: int) -> dict[str, Any]:
        """Everything about the case that a citizen's number belongs to."""
        case: dict[str, Any] = json.loads(await self.command("cases", "show", str(ticket), "--ticket", "--json"))
        return case

    async def answers(self, ticket: int, text: str) -> None:
        """Staff do, as from the command line and without waiting for that to start."""
        async with self._store() as store:
            casework = Casework(self._settings, {}, store, lambda: datetime.now(self._settings.zone))
            await casework.answer(await casework.of_ticket(ticket), text, "管理员")

    async def record(self, text: str = "") -> list[Row]:
        """Every question on record, or those of these words."""
        async with self._store() as store:
            return [row for row in await rows(store, None, None) if text in (row.text or "")]

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[Store]:
        store = Store(self.database)
        yield store
        await store.close()


class Visitor:
    """Somebody at their browser, on one page."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site, self.page = site, page
        self.surprises: list[str] = []
        """Errors of our scripts, and what our own policy forbids."""
        page.on("pageerror", lambda error: self.surprises.append(str(error)))
        page.on("console", lambda m: self.surprises.append(m.text) if "Content Security Policy" in m.text else None)

    async def opens(self, path: str = "/") -> None:
        await self.page.goto(self.site.base + path)
        await self.page.evaluate("window.since = 'the first view'")

    async def stayed(self) -> bool:
        """Whether it is still the page that was opened, never loaded again."""
        return bool(await self.page.evaluate("window.since") == "the first view")

    @property
    def last(self) -> Locator:
        """What was said last."""
        return self.page.locator("#log > li").last

    @property
    def told(self) -> Locator:
        """What the page says about what was just tried."""
        return self.page.locator(".told")

    async def says(self, text: str) -> None:
        """Types it, sends it, and waits until both that and the reply are there."""
        count = await self.page.locator("#log > li").count()
        await self.page.locator("#text").fill(text)
        await self.page.locator("#text").press("Enter")
        await expect(self.page.locator("#log > li")).to_have_count(count + 2)

    async def hears(self, *words: str, within: float = 5) -> None:
        """Waits until the last thing said holds all these words."""
        for word in words:
            await expect(self.last).to_contain_text(word, timeout=within * 1000)

    async def presses(self, label: str) -> None:
        await self.button(label).click()

    def button(self, label: str) -> Locator:
        """The newest of that name."""
        return self.page.get_by_role("button", name=label, exact=True).last

    async def buttons(self) -> list[str]:
        """Below what was said last."""
        return await self.last.get_by_role("button").all_text_contents()

    async def troubles(self) -> list[str]:
        """What somebody without a mouse or good eyes stumbles over on this page."""
        # whatever axe knows, also what is only good practice
        found = await Axe().run(self.page, options=_ALL_RULES)
        return [
            f"{v['id']}: {node['target']} {node['html']}" for v in found.response["violations"] for node in v["nodes"]
        ]

    async def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        width: int = await self.page.evaluate(
            "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
        )
        return width


@asynccontextmanager
async def open_site(folder: Path) -> AsyncIterator[Site]:
    """The site and a browser to come with; at the end it stops cleanly and has complained about nothing."""
    async with _chromium() as browser:
        with Site(folder) as site:
            site.browser = browser
            await site.open()
            yield site
            assert await site.stop() == 0
            assert [line for line in site.complaints if "database is locked" not in line] == []


Comes = Callable[..., Awaitable[Visitor]]


@asynccontextmanager
async def door(site: Site) -> AsyncIterator[Comes]:
    """Lets people come, each with a browser of their own; at the end nothing on any page went wrong."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    async def comes(of: Visitor | None = None, **how: Any) -> Visitor:
        """Somebody new, or a second page of somebody; `how` their browser is."""
        if of is None:
            contexts.append(await site.browser.new_context(**{"locale": "zh-CN", **how}))
        visitor = Visitor(site, await (of.page.context if of else contexts[-1]).new_page())
        visitors.append(visitor)
        await visitor.opens()
        return visitor

    yield comes
    for context in contexts:
        await context.close()
    assert not [surprise for visitor in visitors for surprise in visitor.surprises]
