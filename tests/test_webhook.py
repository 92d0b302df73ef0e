"""The web server: health, and Telegram calling us."""

import json
import socket
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from starlette.applications import Starlette

from bot.config import WebSettings
from bot.dialogue import Dialogue
from bot.errors import HotlineError
from bot.service import Service
from bot.store import inbox
from bot.store.engine import DatabaseUnavailable
from bot.web.server import WebServer
from tests.line import Clock, Line, open_line, settings
from tests.telegram_server import TelegramServer

ASK = "南京房产证能在网上办吗"
SECRET = "X-Telegram-Bot-Api-Secret-Token"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def line(dialogue: Dialogue, tmp_path: Path) -> AsyncIterator[Line]:
    port = free_port()
    more = {"web__port": port, "telegram__webhook_url": f"http://127.0.0.1:{port}/telegram"}
    async with (
        TelegramServer() as telegram,
        open_line(dialogue, telegram, f"sqlite:///{tmp_path}/hotline.db", **more) as line,
    ):
        yield line


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def address(line: Line, path: str = "/telegram") -> str:
    return f"http://127.0.0.1:{line.service.web.port}{path}"


async def test_a_conversation_over_the_webhook(line: Line) -> None:
    anna = line.citizen(7)
    await anna.says("房产证能在网上办吗")
    assert "镇易登" in (await anna.says("镇江")).text
    assert "转人工" in (await anna.taps("没解决")).buttons
    await line.quiet()
    assert not any(call.method == "getUpdates" for call in line.telegram.calls)


async def test_an_update_delivered_again_is_not_answered_again(line: Line) -> None:
    number = line.telegram.message(7, ASK)
    await line.citizen(7).hears()
    await line.quiet()
    message = line.telegram.messages[7, number]
    line.telegram.push({"update_id": number, "message": message})
    await line.citizen(8).says(ASK)
    assert len(line.telegram.texts(7)) == 1


async def test_what_comes_while_the_database_is_away_is_left_with_telegram(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> set[int]:
        raise DatabaseUnavailable("weg")

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "add", away)
        line.telegram.message(7, ASK)
        await line.telegram.until(lambda: bool(line.telegram.pending))
    assert "E办证" in (await line.citizen(7).hears()).text


async def test_nobody_but_telegram_is_let_in(line: Line, browser: aiohttp.ClientSession) -> None:
    update = json.dumps({"update_id": 1, "message": {}})
    assert line.service.edge
    secret = line.service.edge.webhook_secret
    assert line.telegram.token not in secret
    for headers in ({}, {SECRET: "x"}, {SECRET: "密".encode().decode("latin-1")}):
        async with browser.post(address(line), data=update, headers=headers) as answer:
            assert answer.status == 403
    for body, status in (
        (b"{", 400),
        (b"[1]", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (BytesIO(b" " * 2_000_000), 413),
    ):
        async with browser.post(address(line), data=body, headers={SECRET: secret}) as answer:
            assert answer.status == status
    async with browser.get(address(line)) as answer:
        assert answer.status == 405
    assert await line.record() == []


async def test_health_tells_when_the_last_good_poll_was(
    dialogue: Dialogue, browser: aiohttp.ClientSession, tmp_path: Path
) -> None:
    clock = Clock()
    async with (
        TelegramServer() as telegram,
        open_line(dialogue, telegram, f"sqlite:///{tmp_path}/hotline.db", clock) as line,
    ):
        await line.citizen(7).says(ASK)
        await line.quiet()
        async with browser.get(address(line, "/healthz")) as answer:
            health = await answer.json()
            assert answer.status == 200
        assert health["last_poll"] == clock().isoformat()
        assert (health["ok"], health["telegram"], health["leads"]) == (True, "connected", True)
        clock.passes(minutes=5)
        async with browser.get(address(line, "/healthz")) as answer:
            assert answer.status == 503


async def test_without_a_token_it_is_healthy_and_keeps_off_telegram(
    dialogue: Dialogue, browser: aiohttp.ClientSession, tmp_path: Path
) -> None:
    config = settings(database__url=f"sqlite:///{tmp_path}/hotline.db")
    async with (
        Service(config, dialogue, "test", Clock()) as service,
        browser.get(f"http://127.0.0.1:{service.web.port}/healthz") as answer,
    ):
        assert (await answer.json())["telegram"] == "off"


async def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    app = Starlette()
    first = WebServer(app, WebSettings(port=0))
    await first.start()
    with pytest.raises(HotlineError, match=r"web\.port"):
        await WebServer(app, WebSettings(port=first.port)).start()
    with pytest.raises(HotlineError, match="打不开"):
        await WebServer(app, WebSettings(host="203.0.113.1", port=0)).start()
    await first.stop()


async def test_what_is_old_is_deleted_at_night(dialogue: Dialogue, tmp_path: Path) -> None:
    async with (
        TelegramServer() as telegram,
        open_line(dialogue, telegram, f"sqlite:///{tmp_path}/hotline.db", limits__keep_days=3) as line,
    ):
        await line.citizen(7).says(ASK)
        await line.quiet()
        line.clock.passes(days=3)
        await line.service.tidy()
        assert [r.text for r in await line.record()] == [ASK]
        line.clock.passes(days=1)
        await line.service.tidy()
        assert [r.text for r in await line.record()] == [None]
