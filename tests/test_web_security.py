"""Attempts against the web: each is refused in words, changes nothing and leaves no traceback behind."""

import asyncio
import json
import logging
import os
import re
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import text
from starlette.routing import Route

from bot import voice
from bot.dialogue import Dialogue
from bot.errors import HotlineError
from bot.store.record import Row, rows
from bot.web import guard, streams
from bot.web.secret import signing_key
from tests.conftest import ROOT
from tests.house import JSON, Browser, House, open_house
from tests.line import Clock, eventually

ASK, UNKNOWN = "南京房产证能在网上办吗", "社保断缴了怎么补"
PEOPLE = "  people: [{name: 安娜, role: staff}, {name: 博特, role: admin}]\n"
DOOR, OFFICE = "工作人员登录", "工作台"
OUTSIDE = {"X-Forwarded-For": "203.0.113.9"}
PART = {"X-Part": "1"}
HTTPS = {**OUTSIDE, "X-Forwarded-Proto": "https"}
TABLES = ("questions", "cases", "conversations", "outbox", "events", "sessions", "links")


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever is tried, the log is no place for surprises; who provokes one clears it."""
    yield
    assert not [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """Our settings with two people in them."""
    settings = re.sub(r"^  people: .*\n", PEOPLE, (ROOT / "config.yaml").read_text("utf-8"), flags=re.MULTILINE)
    file = tmp_path / "config.yaml"
    file.write_text(settings, "utf-8")
    return file


def dismiss(whom: str, settings: Path) -> None:
    """Takes somebody out of the settings."""
    before = settings.read_text("utf-8")
    assert whom in before
    settings.write_text(before.replace(whom, ""), "utf-8")


Build = Callable[..., Any]


@pytest.fixture
def build(dialogue: Dialogue, tmp_path: Path, settings_file: Path) -> Build:
    """A house with settings of a test's own."""

    def opened(**more: Any) -> Any:
        return open_house(dialogue, f"sqlite:///{tmp_path}/hotline.db", tmp_path, file=settings_file, **more)

    return opened


@pytest.fixture
async def house(build: Build) -> AsyncIterator[House]:
    async with build(clock=Clock()) as house:
        yield house


@dataclass
class Answer:
    """What came back over a bare connection."""

    status: int
    headers: dict[str, str]
    body: str


async def raw(house: House, request: str | bytes, *pieces: bytes, pause: float = 0, within: float = 8) -> Answer:
    """Sends exactly these bytes, and what a browser would never let through."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.service.web.port)
    try:
        writer.write(request.replace("\n", "\r\n").encode() if isinstance(request, str) else request)
        for piece in pieces:
            await asyncio.sleep(pause)
            if reader.at_eof() or writer.transport.is_closing():
                break
            writer.write(piece)
        async with asyncio.timeout(within):
            received = await reader.read()
    except ConnectionError:
        received = b""
    finally:
        writer.close()
    head, _, body = received.decode("utf-8", "replace").partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split()[1]) if first else 0, headers, body)


async def everything(house: House) -> dict[str, list[Any]]:
    """What the database holds, so that a test can say that nothing of it changed."""

    async def is_noted() -> bool:  # after a reply it is noted that it has left
        return all(row.replied_at for row in await record(house))

    await eventually(is_noted)
    async with house.service.store.reading(long=True) as connection:
        return {table: list(await connection.execute(text(f"SELECT * FROM {table}"))) for table in TABLES}


async def record(house: House) -> list[Row]:
    return await rows(house.service.store, None, None)


def cookie(browser: Browser, name: str) -> str:
    return next(c.value for c in browser.session.cookie_jar if c.key == name)


async def is_in(browser: Browser) -> bool:
    """Whether the console opens."""
    words = await browser.opens("/staff/cases")
    assert (OFFICE in words) != (DOOR in words)
    return OFFICE in words


# ---- the door of the console


async def test_without_a_session_no_page_of_staff_opens_and_no_deed_is_done(house: House) -> None:
    citizen, stranger = house.browser(), house.browser()
    assert (await citizen.asks(UNKNOWN))["ticket"]
    await citizen.opens("/")
    before = await everything(house)
    key = signing_key(house.service.config.web)
    cookies = {
        "none": "",
        "nonsense": "hotline_staff=x",
        "a citizen's": f"hotline_staff={cookie(citizen, 'hotline')}",
        "signed with another key": f"hotline_staff={URLSafeSerializer('guessed', 'staff').dumps('1')}",
        "signed for something else": f"hotline_staff={URLSafeSerializer(key, 'visitor').dumps('1')}",
        "well signed, of no session": f"hotline_staff={URLSafeSerializer(key, 'staff').dumps('1')}",
        "no text": f"hotline_staff={URLSafeSerializer(key, 'staff').dumps([1])}",
    }
    tried = 0
    for route in house.service.site.app.routes:
        if not isinstance(route, Route) or not route.path.startswith("/staff/") or "/in/" in route.path:
            continue
        for deed in ("claim", "answer", "ignore") if "{deed}" in route.path else ("",):
            path = re.sub(r"{\w+:int}", "1", route.path).replace("{deed}", deed)
            path = re.sub(r"{\w+(:\w+)?}", "x", path)
            for name, value in cookies.items():
                for method in (route.methods or set()) - {"HEAD"}:
                    options = {"headers": {"Cookie": value}, "allow_redirects": False}
                    async with stranger.session.request(method, house.base + path, **options) as answer:
                        assert (answer.status, answer.headers["Location"]) == (303, "/staff"), (method, path, name)
                        assert await answer.read() == b""
                    tried += 1
    assert tried > 40
    assert await everything(house) == before


async def test_a_session_that_was_left_alone_is_over_and_clicks_keep_it(house: House) -> None:
    anna = await house.staff("安娜")
    for _ in range(3):
        house.clock.passes(minutes=59)
        assert await is_in(anna)
    house.clock.passes(minutes=61)
    assert not await is_in(anna)


async def test_a_page_that_merely_stays_open_keeps_nobody_in(house: House) -> None:
    anna = await house.staff("安娜")
    house.clock.passes(minutes=59)
    async with anna.session.get(f"{house.base}/staff/events") as answer:
        assert answer.status == 200
    house.clock.passes(minutes=2)
    assert not await is_in(anna)


async def test_signing_out_in_one_browser_signs_out_in_all(house: House) -> None:
    at_work, at_home, bert = await house.staff("安娜"), await house.staff("安娜"), await house.staff("博特")
    unused = await house.link("安娜")
    assert await is_in(at_home)
    stolen = cookie(at_work, "hotline_staff")
    assert DOOR in await at_work.posts("/staff/out")
    assert not await is_in(at_work)
    assert not await is_in(at_home)
    assert await is_in(bert), "a colleague works on"
    assert voice.LINK_IS_OVER in await at_home.posts(unused)
    async with house.browser().session.get(
        f"{house.base}/staff/cases", headers={"Cookie": f"hotline_staff={stolen}"}
    ) as a:
        assert DOOR in await a.text()


async def test_who_is_taken_out_of_the_settings_is_out_at_their_next_click(house: House, settings_file: Path) -> None:
    anna, bert = await house.staff("安娜"), await house.staff("博特")
    unused = await house.link("安娜")
    dismiss("{name: 安娜, role: staff}, ", settings_file)
    assert not await is_in(anna)
    assert voice.LINK_IS_OVER in await anna.opens(unused)
    assert voice.LINK_IS_OVER in await anna.posts(unused)
    assert not await is_in(anna)
    assert await is_in(bert)


async def test_a_link_lets_in_once_and_looking_at_it_does_not_use_it_up(house: House) -> None:
    link, anna, other = await house.link("安娜"), house.browser(), house.browser()
    for _ in range(3):  # previews in chats, proxies that scan mail
        assert "安娜，您好" in await other.opens(link)
        async with other.session.head(house.base + link) as answer:
            assert answer.status == 200
    assert not await is_in(other)
    await anna.posts(link)
    assert await is_in(anna)
    assert voice.LINK_IS_OVER in await other.opens(link)
    assert other.status == 410
    assert voice.LINK_IS_OVER in await other.posts(link)
    assert not await is_in(other)


async def test_of_two_who_press_at_once_the_link_lets_in_one(house: House) -> None:
    link, two = await house.link("安娜"), [house.browser(), house.browser()]
    await asyncio.gather(*(browser.posts(link) for browser in two))
    assert sorted(browser.status for browser in two) == [200, 410]


async def test_a_link_is_over_after_ten_minutes(house: House) -> None:
    link, anna = await house.link("安娜"), house.browser()
    house.clock.passes(minutes=9)
    assert "安娜，您好" in await anna.opens(link)
    house.clock.passes(minutes=2)
    assert voice.LINK_IS_OVER in await anna.opens(link)
    assert voice.LINK_IS_OVER in await anna.posts(link)
    assert not await is_in(anna)


async def test_links_cannot_be_guessed_by_trying(house: House) -> None:
    link, anna = await house.link("安娜"), house.browser()
    for n in range(20):
        assert voice.LINK_IS_OVER in await anna.posts(f"/staff/in/{n}")
    assert voice.TOO_MANY_TRIES in await anna.posts(link)
    assert anna.status == 429
    assert not await is_in(anna)


async def test_nobody_signs_in_where_others_can_read_along(house: House) -> None:
    link = await house.link("安娜")
    outside = house.browser(**OUTSIDE)
    assert "没有加密（https）" in await outside.opens("/staff")
    for visit in (outside.opens, outside.posts):
        assert "没有加密（https）" in await visit(link)
        assert outside.status == 403
    assert not outside.values("action")
    async with house.browser(**HTTPS).session.post(house.base + link, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/staff/cases"), "the link is still good"


# ---- posts from other sites

THEIRS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": "OURS"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "OURS.evil.example"},
    {"Origin": "http://["},
    {"Origin": "x"},
    {"Origin": ""},
]
OURS: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Origin": "OURS"},
]


async def test_a_form_on_another_site_does_nothing_in_the_name_of_who_is_here(house: House) -> None:
    citizen, anna = house.browser(), await house.staff("安娜")
    ticket = (await citizen.asks(UNKNOWN))["ticket"]
    before = await everything(house)
    for headers in THEIRS:
        headers = {name: value.replace("OURS", house.base) for name, value in headers.items()}
        for path, form in (
            ("/ask", {"text": ASK}),
            ("/do", {"do": f"y:{ticket}"}),
            ("/city", {"name": "南京"}),
            ("/script", {"script": "Hant"}),
            ("/forget", {}),
        ):
            assert "来自别的网站" in await citizen.posts(path, form, headers=headers), (path, headers)
            assert citizen.status == 403
        for path in ("/staff/cases/1/claim", "/staff/out"):
            await anna.posts(path, headers=headers)
            assert anna.status == 403, (path, headers)
    await anna.posts("/staff/cases/1/claim", headers={"Origin": "null"})
    assert anna.status == 403, "an old browser does not say whose form it is"
    assert await everything(house) == before
    assert await is_in(anna)


async def test_our_own_forms_are_heard_in_every_browser(house: House) -> None:
    citizen = house.browser()
    for headers in [*OURS, {"Origin": "null"}]:
        headers = {name: value.replace("OURS", house.base) for name, value in headers.items()}
        assert "E办证" in await citizen.posts("/ask", {"text": ASK}, headers=headers)
    assert len(await record(house)) == len(OURS) + 1
    anna = await house.staff("安娜")
    for headers in OURS:
        headers = {name: value.replace("OURS", house.base) for name, value in headers.items()}
        await anna.posts("/staff/cases/1/claim", headers=headers)
        assert anna.status == 404, "there is no such case, and it was looked for"


# ---- what belongs to somebody else


async def test_a_forged_cookie_shows_nobodys_conversation(house: House) -> None:
    anna, bert = house.browser(), house.browser()
    await anna.asks(UNKNOWN)
    await anna.opens("/")
    theirs = cookie(anna, "hotline")
    await bert.opens("/")
    _, stamp, signature = cookie(bert, "hotline").split(".")
    for forged in (
        "x",
        "1",
        f"{theirs}x",
        theirs[:-2],
        f"{theirs.split('.')[0]}.{stamp}.{signature}",
        "\x80",
        "." * 99,
    ):
        words = await house.browser().opens("/", headers={"Cookie": f"hotline={forged}"})
        assert UNKNOWN not in words, forged
        assert voice.WELCOME_HERE.split("\n")[0] in words
    assert UNKNOWN in await house.browser().opens("/", headers={"Cookie": f"hotline={theirs}"}), (
        "it is the cookie that counts"
    )


async def test_a_cookie_older_than_what_is_kept_shows_nothing(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    async with build(limits__keep_days=1) as house:
        anna = house.browser()
        await anna.asks(UNKNOWN)
        await anna.opens("/")
        old = {"Cookie": f"hotline={cookie(anna, 'hotline')}"}
        for hours, is_shown in ((23, True), (25, False)):
            then = time.time() + hours * 3600
            monkeypatch.setattr("itsdangerous.timed.time.time", lambda then=then: then)
            assert (UNKNOWN in await house.browser().opens("/log", headers=old)) == is_shown
            monkeypatch.undo()


async def test_nobody_touches_another_citizens_question(house: House) -> None:
    anna, mallory = house.browser(), house.browser()
    await anna.asks(ASK)
    await anna.asks("房产证能在网上办吗")
    ticket = (await anna.asks(UNKNOWN))["ticket"]
    await house.service.casework.answer(1, "请找人社局。", "安娜")
    await mallory.asks(ASK)
    before = await everything(house)
    for number in (1, 2, ticket):
        for what in ("y", "n", "h:outdated", "h:unsolved", "r:satisfied", "r:unsatisfied", "q:0", "q:-1"):
            kind, _, rest = what.partition(":")
            do = ":".join(filter(None, (kind, str(number), rest)))
            words = await mallory.posts("/do", {"do": do})
            assert (mallory.status, voice.NOT_YOURS in words) == (409, True), do
            assert UNKNOWN not in words
    assert await everything(house) == before
    assert "请找人社局" not in await mallory.opens("/")


NO_BUTTONS = [
    "", ":", "q", "q:1", "q:x:0", "q:1:x", "q:1:-2", "q:1:99", "y", "y:", "y:x", "y:0", "y:-1", "y:1:2", "y:99",
    f"y:{2**63}", f"y:{10**30}", f"y:{'9' * 5000}", f"q:1:{10**30}", "h:1", "h:1:oops", "h:1:", "h:1:split",
    "h:1:no_match", "r:1:oops", "x:1", "y:\x00", "y:１２３４５６", "<script>", "y:1\r\nSet-Cookie: a=b",
]  # fmt: skip


async def test_a_button_that_we_never_made_is_declined_in_words(house: House) -> None:
    anna = house.browser()
    await anna.asks(ASK)
    before = await everything(house)
    for do in NO_BUTTONS:
        words = await anna.posts("/do", {"do": do})
        assert (anna.status, voice.OLD_BUTTON in words) == (409, True), do
    assert await everything(house) == before


async def test_an_answer_that_was_never_given_cannot_be_rated(house: House) -> None:
    anna = house.browser()
    ticket = (await anna.asks(UNKNOWN))["ticket"]
    await anna.asks(ASK)
    before = await everything(house)
    for how in ("satisfied", "mostly", "unsatisfied"):
        for number in (ticket, ticket + 1):
            await anna.posts("/do", {"do": f"r:{number}:{how}"})
            assert anna.status in {200, 409}
    assert await everything(house) == before


# ---- words that would be more than words

NASTY = [
    "<script>alert(1)</script>怎么办",
    "<img src=x onerror=alert(1)>怎么办",
    '"><svg onload=alert(1)>怎么办',
    "' onmouseover='alert(1)怎么办",
    "</textarea></li></form><form action=//evil.example>怎么办",
    "{{ 7 * 7 }}{% raw %}怎么办",
    "javascript:alert(1)怎么办",
]


async def test_what_citizens_write_is_shown_as_they_wrote_it_and_does_nothing(house: House) -> None:
    anna = house.browser()
    for written in NASTY:
        await anna.posts("/ask", {"text": written, "staff": "1"})
    staff = await house.staff("安娜")
    pages = [(anna, path) for path in ("/", "/log", "/status")]
    cases = {row.case_id for row in await record(house)}
    pages += [(staff, path) for path in ("/staff/cases", *(f"/staff/cases/{case}" for case in cases))]
    for browser, path in pages:
        await browser.opens(path)
        assert browser.status == 200
        assert not re.search(r"<script(?! src=\"/static/)|<img|<svg|<[^>]* on\w+=|//evil\.example\">", browser.page), (
            path
        )
    await anna.opens("/")
    for written in NASTY:
        shown = written.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
        assert shown.replace("'", "&#39;") in anna.page, written


async def test_so_is_what_comes_back_in_a_refusal(house: House) -> None:
    anna = house.browser()
    await anna.posts("/city", {"name": NASTY[0]})
    assert anna.status == 400
    assert "<script>alert" not in anna.page
    assert "&lt;script&gt;" in anna.page
    for path in ("/<script>alert(1)</script>", "/privacy?forgotten=<script>alert(1)</script>"):
        await anna.opens(path)
        assert "<script>alert" not in anna.page


async def test_what_cannot_be_text_is_left_out(house: House) -> None:
    anna = house.browser()
    for body in ({"text": f"\ud800{ASK}"}, {"text": f"{ASK}\x00"}, {"text": f"\u202e{ASK}\u200b"}):
        async with anna.session.post(
            f"{house.base}/ask", data=json.dumps(body), headers={**JSON, "Content-Type": "application/json"}
        ) as answer:
            assert (await answer.json())["question"] == ASK
    await anna.posts("/ask", b"text=" + quote(ASK).encode() + b"%00%ED%A0%80%FF")
    assert anna.status == 200
    assert len(await record(house)) == 4


# ---- paths


NO_FILES = [
    "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%2e%2e%2f%2e%2e%2fconfig.py",
    "/static/....//app.py", "/static/%00", "/static/style.css%00", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
    "/static/..%5capp.py", "/static/C:%5cwindows", "/static/", "/static", "/static/.", "/static/%ff", "/static/" + "a" * 5000,
    "//etc/passwd", "/../../etc/passwd", "/%2e%2e/config.yaml", "/.data/secret", "/config.yaml", "/.git/config",
    "/staff/cases/x", "/staff/cases/-1", "/staff/in/", "/staff/in/a/b", "/docs", "/openapi.json",
]  # fmt: skip


async def test_no_path_leads_to_a_file_that_is_not_for_everybody(house: House) -> None:
    for path in NO_FILES:
        answer = await raw(house, f"GET {path} HTTP/1.1\nHost: x\nConnection: close\n\n")
        assert (answer.status, voice.NO_SUCH_PAGE in answer.body) == (404, True), path


async def test_our_own_files_are_there_and_may_be_kept(house: House) -> None:
    anna = house.browser()
    await anna.opens("/")
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', anna.page):
        await anna.opens(path)
        assert (anna.status, "immutable" in anna.headers["Cache-Control"]) == (200, True)


async def test_numbers_larger_than_any_case_are_just_not_there(house: House) -> None:
    anna, citizen = await house.staff("安娜"), house.browser()
    await citizen.asks(UNKNOWN)
    for number in (2, 2**63, 10**30, "9" * 5000):
        await anna.opens(f"/staff/cases/{number}")
        assert anna.status == 404, number
        await anna.posts(f"/staff/cases/{number}/claim")
        assert anna.status == 404, number
        await anna.opens(f"/staff/cases?page={number}")
        assert anna.status in {200, 404}, number
        await anna.opens(f"/staff/cases?text={number}")
        assert anna.status == 200, number
        await anna.posts("/staff/cases/1/merge", {"into": str(number)})
        assert anna.status == 409, number
        await anna.posts("/staff/cases/1/split", {"out": str(number)})
        assert anna.status == 409, number
        for browser, path in ((anna, "/staff/events"), (citizen, "/events")):
            for where in ({"headers": {"Last-Event-ID": str(number)}}, {"params": {"since": str(number)}}):
                async with browser.session.get(house.base + path, **where) as answer:
                    assert answer.status == 200, number


# ---- bodies

FORM, AS_JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.mark.parametrize("kind", [FORM, AS_JSON])
async def test_a_body_that_is_too_big_is_let_go_early(house: House, kind: str) -> None:
    piece = b"a" * 16_000
    chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    for path in ("/ask", "/do", "/city", "/script", "/about"):
        head = f"POST {path} HTTP/1.1\nHost: x\nContent-Type: {kind}\n"
        # it goes on sending, so that the connection may go before the answer is read
        whole = await raw(house, f"{head}Content-Length: {10**10}\n\n", *[piece] * 100)
        chunked = await raw(house, f"{head}Transfer-Encoding: chunked\n\n", *[chunk] * 100)
        assert {whole.status, chunked.status} <= {0, 413}
        little = await raw(house, f"{head}Content-Length: 70000\n\n", b"text=" + b"a" * 69_995)
        assert (little.status, voice.TOO_BIG in little.body) == (413, True)
        assert little.headers["connection"] == "close"
    assert await record(house) == []


async def test_who_leaves_in_the_middle_of_a_question_leaves_no_trace(house: House) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", house.service.web.port)
    writer.write(b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\ntext=a")
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await asyncio.sleep(0.1)
    assert await record(house) == []


async def test_a_body_that_comes_drop_by_drop_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_BODY_SECONDS", 0.4)
    head = "POST /ask HTTP/1.1\nHost: x\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 60000\n\n"
    loop = asyncio.get_running_loop()
    for pieces, pause in (((), 0), ([b"text=a", *[b"a"] * 100], 0.1)):
        began = loop.time()
        answer = await raw(house, head, *pieces, pause=pause)
        assert loop.time() - began < 3, "nobody holds a connection by sending a letter now and then"
        assert answer.status in {0, 400, 408}
    assert await record(house) == []
    monkeypatch.undo()
    assert "E办证" in await house.browser().posts("/ask", {"text": ASK}), "others are served"


BROKEN = {
    "cut off": (b"{", AS_JSON),
    "no text": (b"\xff", AS_JSON),
    "too deep": (b"[" * 50_000, AS_JSON),
    "a huge number": (b'{"text": ' + b"9" * 5000 + b"}", AS_JSON),
    "empty": (b"", AS_JSON),
    "too many fields": ("&".join(f"f{n}=1" for n in range(501)).encode(), FORM),
}


async def test_a_body_that_is_not_what_it_says_is_refused_in_words(house: House) -> None:
    anna, browser = await house.staff("安娜"), house.browser()
    for how, (body, kind) in BROKEN.items():
        for path in ("/ask", "/do", "/city", "/script", "/about"):
            for accept in ("text/html", AS_JSON):
                headers = {"Content-Type": kind, "Accept": accept}
                async with browser.session.post(house.base + path, data=body, headers=headers) as answer:
                    assert answer.status == 400, (how, path)
                    told = (await answer.json())["error"] if accept == AS_JSON else await answer.text()
                    assert voice.NOT_LIKE_THIS in told
        if kind == FORM:
            await anna.posts("/staff/cases/1/note", body, headers={"Content-Type": kind})
            assert anna.status == 400
    assert await record(house) == []


async def test_json_without_a_question_asks_for_one(house: House) -> None:
    headers, browser = {"Content-Type": AS_JSON, **JSON}, house.browser()
    for body in (
        "null", "[]", '"text"', "1", '{"text": 1}', '{"text": ["a"]}', '{"text": {"a": 1}}', '{"text": " "}', "{}",
    ):  # fmt: skip
        async with browser.session.post(f"{house.base}/ask", data=body, headers=headers) as answer:
            assert (answer.status, await answer.json()) == (400, {"error": voice.NOTHING_WRITTEN}), body
    assert await record(house) == []


async def test_methods_that_a_page_does_not_know_are_refused_in_words(house: House) -> None:
    browser = house.browser()
    for method, path in (
        ("GET", "/ask"), ("GET", "/do"), ("GET", "/forget"), ("GET", "/about"), ("GET", "/script"), ("PUT", "/ask"),
        ("DELETE", "/"), ("POST", "/"), ("POST", "/log"), ("POST", "/events"), ("PATCH", "/city"), ("POST", "/status"),
        ("POST", "/staff"), ("GET", "/staff/out"), ("POST", "/healthz"), ("POST", "/static/style.css"),
        ("DELETE", "/static/style.css"), ("OPTIONS", "/ask"), ("TRACE", "/"),
    ):  # fmt: skip
        async with browser.session.request(method, house.base + path) as answer:
            assert (answer.status, voice.NOT_LIKE_THIS in await answer.text()) == (405, True), (method, path)


# ---- addresses that we are told


async def test_no_redirect_leads_off_the_page(house: House) -> None:
    for back in (
        "https://evil.example", "//evil.example", "/\\evil.example", "/%2f/evil.example", "javascript:alert(1)",
        "/\r\nSet-Cookie: hotline=x", "/city\r\n\r\n<script>", "/city\nX: y", "", " /city", "/city/../..//evil.example",
        "/staff", "city", "/city?x", "/forget",
    ):  # fmt: skip
        form = {"script": "Hant", "back": back}
        async with house.browser().session.post(f"{house.base}/script", data=form, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/"), back
            assert "X" not in answer.headers
            assert len(answer.headers.getall("Set-Cookie")) == 1
    for page in ("/", "/topics", "/city", "/status", "/privacy"):
        form = {"script": "Hant", "back": page}
        async with house.browser().session.post(f"{house.base}/script", data=form, allow_redirects=False) as answer:
            assert answer.headers["Location"] == page


async def test_no_host_that_somebody_claims_gets_into_a_link(house: House) -> None:
    for host in ("evil.example", "evil.example:80@x", "[", "a\tb", "x" * 5000, ""):
        for path in (
            "/",
            "/topics",
            "/topics/",
            "/static",
            "/staff",
            "/staff/",
            "/staff/cases",
            "/nowhere",
            "/healthz/",
        ):
            for proxy in ("", "X-Forwarded-Host: evil.example\nForwarded: host=evil.example\n"):
                answer = await raw(house, f"GET {path} HTTP/1.1\nHost: {host}\n{proxy}Connection: close\n\n")
                assert "evil" not in answer.body + str(answer.headers), (host, path)
                assert answer.status in {200, 303, 400, 404}, (host, path)
                assert answer.headers.get("location", "/").startswith("/"), (host, path)


async def test_requests_that_are_no_http_leave_everything_standing(house: House) -> None:
    for request in (
        b"GET /?\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /%ff%fe?%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /privacy?%ff=%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nCookie: hotline=\xff\xfe; =;;;\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Language: \xff\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /ask HTTP/1.1\r\nHost: x\r\nOrigin: \xff\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ):
        answer = await raw(house, request)
        assert answer.status < 500, request[:60]
    assert "E办证" in await house.browser().posts("/ask", {"text": ASK})


# ---- who is really asking


@asynccontextmanager
async def from_address(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody at another address of this machine."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def test_what_is_for_us_is_open_here_and_closed_outside(house: House) -> None:
    here, outside = house.browser(), house.browser(**OUTSIDE)
    assert "hotline_questions" in await here.opens("/metrics")
    assert '"ok":true' in await here.opens("/readyz")
    for path in ("/metrics", "/readyz"):
        assert voice.NO_SUCH_PAGE in await outside.opens(path)
        assert outside.status == 404
    for claim in (
        "127.0.0.1, 203.0.113.9",
        "::1, 203.0.113.9",
        "203.0.113.9, 127.0.0.1",
        "evil",
        "",
        "1.2.3.4:80",
        "[::1",
        "☃",
    ):
        await here.opens("/metrics", headers={"X-Forwarded-For": claim})
        assert here.status == (200 if not claim else 404), claim
    assert '"telegram":"off"' in await outside.opens("/healthz")


async def test_what_an_address_says_about_others_is_believed_of_our_proxies_only(build: Build) -> None:
    more = {"web__trusted_proxies": "127.0.0.1", "web__internal": "127.0.0.1"}
    async with build(**more) as house, from_address("127.0.0.2") as stranger:
        claims = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
        for headers in ({}, claims):
            async with stranger.get(f"{house.base}/metrics", headers=headers) as answer:
                assert answer.status == 404
            stranger.cookie_jar.clear()
            async with stranger.get(house.base, headers=headers) as answer:
                assert "Secure" not in answer.headers["Set-Cookie"]
        proxy = house.browser(**claims)
        await proxy.opens("/metrics")
        assert proxy.status == 200
        await proxy.opens("/")
        assert "Secure" in proxy.headers["Set-Cookie"]


async def test_cookies_are_for_us_alone(house: House) -> None:
    for headers, secure in (({}, False), (HTTPS, True)):
        async with house.browser(**headers).session.get(house.base) as answer:
            flags = answer.headers["Set-Cookie"].lower().split("; ")
            assert {"httponly", "samesite=lax", "path=/", f"max-age={180 * 86_400}"} <= set(flags)
            assert ("secure" in flags) == secure
            assert not any(flag.startswith("domain") for flag in flags)
        link = await house.link("安娜")
        async with house.browser(**headers).session.post(house.base + link, allow_redirects=False) as answer:
            flags = answer.headers["Set-Cookie"].lower().split("; ")
            assert {"httponly", "samesite=strict", "path=/"} <= set(flags)
            assert ("secure" in flags) == secure
            assert not any(flag.startswith(("max-age", "expires", "domain")) for flag in flags), "gone with the browser"


async def test_a_cookie_tells_nothing_and_is_each_time_another(house: House) -> None:
    found = set()
    for _ in range(5):
        browser = house.browser()
        await browser.opens("/")
        found.add(cookie(browser, "hotline").split(".")[0])
    assert len(found) == 5


async def test_the_key_that_signs_is_made_once_and_for_the_owner_alone(build: Build, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        async with build() as house:
            anna = house.browser()
            await anna.asks(UNKNOWN)
            await anna.opens("/")
            mine, key = cookie(anna, "hotline"), (tmp_path / "secret").read_text()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert len(key) >= 43
    assert [name for name in os.listdir(tmp_path) if "secret" in name] == ["secret"], "no draft is left"
    async with build() as house:
        assert (tmp_path / "secret").read_text() == key
        assert UNKNOWN in await house.browser().opens("/", headers={"Cookie": f"hotline={mine}"}), (
            "the next start knows them"
        )
    async with build(web__secret="another") as house:
        assert UNKNOWN not in await house.browser().opens("/", headers={"Cookie": f"hotline={mine}"})


async def test_a_key_that_cannot_be_had_is_told_in_one_line(build: Build, tmp_path: Path) -> None:
    for there, told in ((b"", "是空的"), (b"\xff", "读写不了")):
        (tmp_path / "secret").write_bytes(there)
        with pytest.raises(HotlineError, match=told):
            async with build():
                pass
    (tmp_path / "secret").unlink()
    (tmp_path / "secret").mkdir()
    with pytest.raises(HotlineError, match="读写不了"):
        async with build():
            pass


# ---- too much


async def test_who_asks_too_fast_is_told_so_and_others_are_served(build: Build) -> None:
    async with build(limits__messages_per_minute=3) as house:
        anna, bert = house.browser(), house.browser()
        await anna.opens("/")
        for _ in range(3):
            assert "E办证" in await anna.posts("/ask", {"text": ASK})
        words = await anna.posts("/ask", {"text": ASK})
        assert (anna.status, voice.TOO_FAST in words) == (429, True)
        assert ASK in words, "what was said before is still there"
        for path, form in (("/do", {"do": "y:1"}), ("/about", {"intent": "x"})):
            assert voice.TOO_FAST in await anna.posts(path, form)
        assert (await anna.asks(ASK), anna.status) == ({"error": voice.TOO_FAST}, 429)
        part = await anna.posts("/ask", {"text": ASK}, headers=PART)
        assert (anna.status, voice.TOO_FAST in part) == (429, True)
        assert (await bert.asks(ASK))["outcome"] == "answered"
        assert len(await record(house)) == 4


async def test_so_is_an_address_that_asks_in_many_browsers(build: Build) -> None:
    async with build(web__messages_per_minute_from_address=5) as house:
        crowd = [house.browser(**OUTSIDE) for _ in range(8)]
        told = [await browser.asks(ASK) for browser in crowd]
        assert [browser.status for browser in crowd] == [200] * 5 + [429] * 3
        assert told[-1] == {"error": voice.TOO_FAST}
        assert (await house.browser(**{"X-Forwarded-For": "203.0.113.10"}).asks(ASK))["outcome"] == "answered"
        assert len(await record(house)) == 6


async def test_nobody_fills_the_database_by_setting_cities(build: Build) -> None:
    """Each visit without a cookie is somebody new."""
    async with build(web__messages_per_minute_from_address=5) as house:
        for path, form in (("/city", {"name": "南京"}), ("/script", {"script": "Hant"})):
            for _ in range(10):
                last = house.browser()
                await last.posts(path, form)
            assert last.status == 429, path
        assert len((await everything(house))["conversations"]) <= 5


# ---- what goes along with every answer


async def test_every_kind_of_answer_comes_with_strict_headers(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    browser = house.browser()

    async def broken(*_: Any) -> Any:
        raise RuntimeError("紫金山")

    async def away(*_: Any) -> Any:
        raise HotlineError("数据库暂时用不了")

    async def is_strict(method: str, path: str, status: int, **more: Any) -> str:
        async with browser.session.request(method, house.base + path, allow_redirects=False, **more) as answer:
            assert answer.status == status, path
            policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
            assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
            assert policy["form-action"] == policy["script-src"] == policy["style-src"] == "'self'"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            kept = answer.headers["Cache-Control"]
            assert kept == "no-store" or (path.startswith("/static/") and status == 200 and "immutable" in kept)
            assert "Server" not in answer.headers
            return "" if answer.content_type == "text/event-stream" else await answer.text()

    await browser.posts("/ask", {"text": ASK})
    for path in (
        "/",
        "/log",
        "/events",
        "/topics",
        "/city",
        "/status",
        "/privacy",
        "/static/style.css",
        "/staff",
        "/healthz",
        "/metrics",
    ):
        await is_strict("GET", path, 200)
    await is_strict("POST", "/ask", 303, data={"text": ASK})
    await is_strict("POST", "/ask", 200, data={"text": ASK}, headers=JSON)
    await is_strict("GET", "/staff/cases", 303)
    await is_strict("POST", "/ask", 400, data={"text": ""})
    await is_strict("POST", "/ask", 403, headers={"Sec-Fetch-Site": "cross-site"})
    await is_strict("GET", "/nowhere", 404)
    await is_strict("GET", "/static/nowhere", 404)
    await is_strict("GET", "/ask", 405)
    await is_strict("POST", "/do", 409, data={"do": "x"})
    await is_strict("GET", "/staff/in/x", 410)
    await is_strict("POST", "/ask", 413, data=b"a" * 70_000)
    with monkeypatch.context() as patch:
        patch.setattr(house.service.hotline, "transcript", away)
        assert voice.UNAVAILABLE in await is_strict("GET", "/", 503)
    with monkeypatch.context() as patch:
        patch.setattr(house.service.hotline, "transcript", broken)
        told = await is_strict("GET", "/", 500)
        assert voice.UNAVAILABLE in told
        assert "紫金山" not in told, "what went wrong is for us"
        assert json.loads(await is_strict("GET", "/", 500, headers=JSON)) == {"error": voice.UNAVAILABLE}
    assert "RuntimeError" in caplog.text
    caplog.clear()


async def test_a_link_that_could_not_be_looked_up_stands_in_no_log(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    link, anna = await house.link("安娜"), house.browser()

    async def away(*_: Any) -> Any:
        raise HotlineError("数据库暂时用不了")

    with monkeypatch.context() as patch:
        patch.setattr("bot.store.doors.whose_link", away)
        assert voice.UNAVAILABLE in await anna.opens(link)
        await anna.opens("/staff/in/x%0AERROR%20everything%20is%20lost")
    assert "数据库暂时用不了" in caplog.text
    assert link.rpartition("/")[2] not in caplog.text
    assert "\nERROR" not in "".join(record.getMessage() for record in caplog.records)


# ---- pages that stay open


class Events:
    """An open page's stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self, within: float = 5) -> str:
        """The next event or comment; nothing once it is over."""
        lines = []
        async with asyncio.timeout(within):
            while line := (await self.answer.content.readline()).decode():
                if line == "\n" and lines:
                    return "".join(lines)
                if line != "\n":
                    lines.append(line)
        return "".join(lines)


@asynccontextmanager
async def listening(browser: Browser, path: str = "/events", **more: Any) -> AsyncIterator[Events]:
    async with browser.session.get(browser.base + path, **more) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield Events(answer)


@pytest.fixture
async def lively(build: Build, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house that runs, with less patience than in earnest."""
    monkeypatch.setattr(streams, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(streams, "_BREATH_SECONDS", 0.3)
    async with build() as house:
        running = asyncio.create_task(house.service.site.streams.run())
        yield house
        running.cancel()
        await asyncio.wait([running])


async def test_who_asked_nothing_has_nothing_to_wait_for(lively: House) -> None:
    async with lively.browser().session.get(f"{lively.base}/events") as answer:
        assert answer.status == 204


async def test_an_open_page_hears_of_an_answer_and_that_the_line_is_alive(lively: House) -> None:
    anna, bert = lively.browser(), lively.browser()
    await anna.asks(UNKNOWN)
    await bert.asks(ASK)
    await anna.opens("/"), await bert.opens("/")
    async with listening(anna) as events, listening(bert) as others:
        assert "event: here" in await events.next()
        assert "event: here" in await others.next()
        assert (await events.next()).startswith(":")
        await lively.service.casework.answer(1, "请找人社局。", "安娜")
        async with asyncio.timeout(2):
            while (told := await events.next()).startswith(":"):
                pass
        assert "event: news" in told
        assert "人社局" not in told, "the page fetches it with its cookie"
        assert (await others.next()).startswith(":"), "nobody else is told"
    assert "人社局" in await anna.opens("/")
    await eventually(lambda: _is(lively.service.site.streams.count == 0))


async def _is(it: bool) -> bool:
    return it


async def test_who_comes_back_is_told_what_came_meanwhile(lively: House) -> None:
    anna = lively.browser()
    await anna.asks(UNKNOWN)
    await anna.opens("/")
    async with listening(anna) as events:
        there = number_in(await events.next())
    await lively.service.casework.answer(1, "请找人社局。", "安娜")
    async with listening(anna, headers={"Last-Event-ID": there}) as events:
        told = await events.next()
        assert "event: news" in told
        now = number_in(told)
    for where in ({"headers": {"Last-Event-ID": now}}, {"params": {"since": now}}):
        async with listening(anna, **where) as events:
            assert "event: here" in await events.next()
    for nonsense in ("x", "-1", "1.5", "٣x", ""):
        async with listening(anna, headers={"Last-Event-ID": nonsense}) as events:
            assert "event: news" in await events.next(), "who does not know where they stood looks again"


def number_in(event: str) -> str:
    found = re.search(r"id: (\d+)", event)
    assert found
    return found[1]


async def test_more_pages_than_we_keep_up_to_date_do_without(build: Build) -> None:
    async with build(web__streams=2) as house, AsyncExitStack() as stack:
        anna = house.browser()
        await anna.asks(UNKNOWN)
        await anna.opens("/")
        for _ in range(2):
            await (await stack.enter_async_context(listening(anna))).next()
        async with anna.session.get(f"{house.base}/events") as answer:
            assert answer.status == 204


async def test_nobody_takes_all_the_places_of_others(build: Build) -> None:
    async with build() as house, AsyncExitStack() as stack:
        greedy, anna = house.browser(), house.browser()
        for citizen in (greedy, anna):
            await citizen.asks(UNKNOWN)
        for _ in range(streams._MOST_EACH):
            await (await stack.enter_async_context(listening(greedy))).next()
        async with greedy.session.get(f"{house.base}/events") as answer:
            assert answer.status == 204
        await (await stack.enter_async_context(listening(anna))).next()


async def test_stopping_ends_open_pages_at_once(build: Build) -> None:
    loop = asyncio.get_running_loop()
    async with build() as house, AsyncExitStack() as stack:
        citizens, anna = [house.browser() for _ in range(5)], await house.staff("安娜")
        pages = []
        for citizen in citizens:
            await citizen.asks(UNKNOWN)
            await citizen.opens("/")
            pages.append(await stack.enter_async_context(listening(citizen)))
        pages.append(await stack.enter_async_context(listening(anna, "/staff/events")))
        for page in pages:
            await page.next()
        began = loop.time()
        await house.service.__aexit__()
        assert loop.time() - began < 5
        assert [await page.next() for page in pages] == [""] * 6


async def test_a_page_of_staff_is_let_go_once_they_are_signed_out(lively: House, settings_file: Path) -> None:
    at_work, at_home, bert = await lively.staff("安娜"), await lively.staff("安娜"), await lively.staff("博特")
    async with listening(at_work, "/staff/events") as mine, listening(bert, "/staff/events") as his:
        assert "event: " in await mine.next()
        await lively.browser().asks(UNKNOWN)
        while (told := await mine.next()).startswith(":"):
            pass
        assert "event: news" in told
        await at_home.posts("/staff/out")
        async with asyncio.timeout(3):
            while await mine.next():
                pass
        assert await his.next(), "a colleague's goes on"
        dismiss(", {name: 博特, role: admin}", settings_file)
        async with asyncio.timeout(3):
            while await his.next():
                pass
