"""Troubles between us and Telegram: refusals, limits, cut connections, poison; and the outbox."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import voice
from bot.dialogue import Dialogue
from bot.store import conversations, inbox, outbox
from bot.store.conversations import Address
from bot.store.engine import Transaction
from bot.telegram.pace import Pace, Window
from bot.telegram.render import as_html, pieces, short_id
from tests.line import Citizen, Line, open_line, settings
from tests.telegram_server import TelegramServer

ASK = "南京房产证能在网上办吗"


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


@pytest.fixture
async def line(dialogue: Dialogue, telegram: TelegramServer, tmp_path: Path) -> AsyncIterator[Line]:
    async with open_line(dialogue, telegram, f"sqlite:///{tmp_path}/hotline.db") as line:
        yield line


@pytest.fixture
def anna(line: Line) -> Citizen:
    return line.citizen(7)


async def post(line: Line, citizen: Citizen, *texts: str) -> None:
    """Puts letters into the outbox of somebody who has written before."""
    async with line.service.store.reading() as connection:
        there = await conversations.load(connection, Address("telegram", citizen.chat, citizen.chat))
    assert there.id is not None

    async def work(connection: Transaction) -> None:
        for text in texts:
            key = f"{citizen.chat}/{text}"
            await outbox.put(line.service.store, connection, key, there.id or 0, {"text": text}, line.clock())

    await line.service.store.write(work)


@pytest.mark.parametrize("status", [0, 500, 502, 429])
async def test_a_reply_that_did_not_get_through_is_sent_again_and_asked_only_once(
    line: Line, anna: Citizen, status: int
) -> None:
    line.telegram.fail("sendMessage", status, chat=7)
    said = await anna.says(ASK)
    assert "E办证" in said.text
    await line.quiet()
    assert len(line.telegram.texts(7)) == 1
    assert len(await line.record()) == 1


async def test_a_reply_that_may_have_got_through_is_repeated_word_for_word(line: Line, anna: Citizen) -> None:
    line.telegram.fail("sendMessage", 0, chat=7, after=True)
    await anna.says(ASK)
    await line.quiet()
    first, second = line.telegram.texts(7)
    assert first == second
    assert len(await line.record()) == 1


async def test_a_429_stops_its_chat_only(line: Line, anna: Citizen) -> None:
    line.telegram.fail("sendMessage", 429, chat=7, retry_after=2)
    line.telegram.message(7, ASK)
    await line.telegram.until(lambda: any(c.status == 429 for c in line.telegram.calls))
    for other in (8, 9):
        line.telegram.message(other, ASK)
        await line.telegram.reply(other, timeout=1.5)
    assert line.telegram.texts(7) == []
    await anna.hears()


async def test_who_blocked_us_is_marked_and_welcome_again(line: Line, anna: Citizen) -> None:
    await anna.says("你好")
    line.telegram.blocked.add(7)
    line.telegram.message(7, ASK)
    await line.quiet()
    address = Address("telegram", 7, 7)
    async with line.service.store.reading() as connection:
        assert (await conversations.load(connection, address)).blocked
    await post(line, anna, "答复来了")
    await line.telegram.until(lambda: sum(c.status == 403 for c in line.telegram.calls) == 2)
    line.telegram.blocked.clear()
    assert "E办证" in (await anna.says(ASK)).text
    async with line.service.store.reading() as connection:
        assert not (await conversations.load(connection, address)).blocked
    assert "答复来了" not in line.telegram.texts(7)


async def test_one_poison_update_among_a_hundred_is_parked_and_the_others_are_answered(line: Line) -> None:
    for number in range(1, 100):
        line.telegram.message(number, ASK)
        if number == 50:
            poison = line.telegram.push({"message": {"message_id": "x", "chat": {"id": 500}, "text": "毒 13812345678"}})
    await line.quiet()
    assert all(len(line.telegram.texts(number)) == 1 for number in range(1, 100))
    (parked,) = await inbox.parked(line.service.store)
    assert (parked.update_id, parked.kind, parked.text) == (poison, "unreadable", "毒 «手机号»")
    assert "TypeError" in parked.error or "KeyError" in parked.error


async def test_a_question_that_breaks_us_is_parked_apologised_for_and_answered_once_mended(
    line: Line, anna: Citizen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(line.service.hotline.dialogue, "step", broken)
        assert (await anna.says(ASK)).text == voice.NOT_HANDLED
    (parked,) = await inbox.parked(line.service.store)
    assert (parked.kind, parked.text) == ("failed", ASK)
    await line.service.store.write(lambda c: inbox.retry(c, [parked.update_id]))
    assert "E办证" in (await anna.hears()).text
    await line.quiet()
    assert await inbox.parked(line.service.store) == []


async def test_finished_updates_keep_nothing_of_what_was_said(line: Line, anna: Citizen) -> None:
    await anna.says(ASK)
    await line.quiet()
    await line.telegram.until(lambda: not line.service.edge.desk.in_hand)  # type: ignore[union-attr]
    assert await inbox.unfinished(line.service.store, inbox.InboxState.DONE) != []
    assert all(one.raw == {} for one in await inbox.unfinished(line.service.store, inbox.InboxState.DONE))


async def test_a_poll_that_fails_is_tried_again(line: Line, anna: Citizen) -> None:
    line.telegram.fail("getUpdates", 502, times=2)
    line.telegram.fail("getUpdates", 0)
    assert "E办证" in (await anna.says(ASK)).text


async def test_letters_arrive_in_order_and_at_most_eight_at_once(line: Line) -> None:
    citizens = [line.citizen(number) for number in range(1, 21)]
    for citizen in citizens:
        await citizen.says("你好")
    line.telegram.latency = 0.05
    for citizen in citizens:
        await post(line, citizen, "一", "二", "三")
    await line.telegram.until(lambda: sum(len(line.telegram.texts(c.chat)) for c in citizens) == 80)
    assert all(line.telegram.texts(c.chat)[1:] == ["一", "二", "三"] for c in citizens)


async def test_a_letter_waits_for_a_refused_one_before_it(line: Line, anna: Citizen) -> None:
    await anna.says("你好")
    line.telegram.fail("sendMessage", 500, chat=7)
    await post(line, anna, "一", "二")
    line.clock.passes(seconds=1)
    await line.telegram.until(lambda: any(c.status == 500 for c in line.telegram.calls))
    line.clock.passes(seconds=60)
    await line.telegram.until(lambda: len(line.telegram.texts(7)) == 3)
    assert line.telegram.texts(7)[1:] == ["一", "二"]


async def test_a_letter_nobody_can_send_does_not_hold_up_the_next(line: Line, anna: Citizen) -> None:
    await anna.says("你好")
    line.telegram.fail("sendMessage", 400, "Bad Request: what is this", chat=7)
    await post(line, anna, "坏", "好")
    await line.telegram.until(lambda: line.telegram.texts(7)[1:] == ["好"])


async def test_a_letter_put_twice_is_sent_once(line: Line, anna: Citizen) -> None:
    await anna.says("你好")
    await post(line, anna, "一", "一")
    await post(line, anna, "一")
    await post(line, anna, "二")
    await line.telegram.until(lambda: "二" in line.telegram.texts(7))
    assert line.telegram.texts(7)[1:] == ["一", "二"]


async def test_our_pace_is_kept(dialogue: Dialogue, telegram: TelegramServer, tmp_path: Path) -> None:
    slow = {"telegram__messages_per_second": 10, "telegram__messages_per_second_in_chat": 2}
    async with open_line(dialogue, telegram, f"sqlite:///{tmp_path}/hotline.db", **slow) as line:
        for number in range(1, 21):
            telegram.message(number, ASK)
        telegram.message(30, ASK)
        telegram.message(30, ASK)
        await line.quiet()
    times = [sent.at for sent in telegram.sent]
    assert times[-1] - times[0] >= 1.5  # 22 messages at 10 a second: the last two leave in the third one
    first, second = (sent.at for sent in telegram.sent if sent.chat_id == 30)
    assert second - first >= 0.45


async def test_three_chats_refused_in_a_row_stop_everything() -> None:
    pace = Pace(settings().telegram)
    loop = asyncio.get_running_loop()
    pace.refused(1, 0.3)
    pace.refused(2, 0.3)
    start = loop.time()
    await pace.reply(9)
    assert loop.time() - start < 0.2
    pace.refused(3, 0.3)
    await pace.reply(9)
    assert loop.time() - start >= 0.25


async def test_letters_take_at_most_half_and_only_what_replies_leave() -> None:
    pace = Pace(settings(telegram__messages_per_second=20).telegram)
    left: list[str] = []

    async def go(kind: str, chat: int) -> None:
        await (pace.letter(chat) if kind == "letter" else pace.reply(chat))
        left.append(kind)

    letters = [asyncio.create_task(go("letter", n)) for n in range(30)]
    await asyncio.sleep(0.05)
    assert left.count("letter") == 10
    replies = [asyncio.create_task(go("reply", 100 + n)) for n in range(30)]
    await asyncio.gather(*replies)
    assert left.count("letter") <= 20
    await asyncio.gather(*letters)


def test_a_window_gives_out_moments_in_order() -> None:
    window = Window(2, 1)
    assert [window.take(0.0) for _ in range(5)] == [0, 0, 1, 1, 2]
    assert window.take(10.0) == 10.0
    assert [Window(0.5).take(0.0)] == [0.0]


def test_a_long_text_is_cut_at_paragraphs_and_loses_nothing() -> None:
    text = "\n\n".join(f"第{n}段。" + "字" * 700 for n in range(12))
    parts = list(pieces(text))
    assert all(len(p) <= 4096 for p in parts)
    assert all(p.startswith("第") for p in parts)
    assert "\n\n".join(parts) == text
    assert ["".join(pieces("字" * 9000))] == ["字" * 9000]
    assert all(p.endswith("。") for p in pieces("甲。" * 3000))


def test_nothing_that_somebody_wrote_becomes_a_tag() -> None:
    assert as_html("<b>&\n出处：<a>") == "&lt;b&gt;&amp;\n<i>出处：&lt;a&gt;</i>"


def test_short_ids_fit_into_a_button() -> None:
    assert len(f"i:{short_id('x' * 500)}".encode()) <= 64


@pytest.mark.parametrize(
    "update",
    [
        {"message": {"chat": {"id": 10**30}, "text": "毒", "from": {"id": -(10**25)}}},
        {"message": "毒"},
        {"message": {"chat": [], "from": None, "date": "x", "text": {}, "entities": 5}},
        {"callback_query": {"from": {"id": 7}, "data": 5}},
        {"message": {"chat": {"id": 7, "type": "group"}, "text": ["@"], "reply_to_message": 3}},
        {"edited_message": {"chat": {"id": 7, "type": "supergroup"}, "caption": 9}},
        {"something_new": {"a": float("nan")}},
        {},
    ],
    ids=range(8),
)
async def test_no_update_however_broken_stops_the_next(line: Line, anna: Citizen, update: dict[str, object]) -> None:
    for number in (1, 2, 3):
        line.telegram.push(dict(update))
        assert "E办证" in (await line.citizen(number).says(ASK)).text


async def test_what_no_database_takes_is_set_aside_alone(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    add = inbox.add

    async def picky(store: object, incoming: list[inbox.Incoming], now: object) -> set[int]:
        if any("毒" in str(one.raw) for one in incoming):
            raise ValueError("cannot be stored")
        return await add(store, incoming, now)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "add", picky)
    for number in range(1, 6):
        line.telegram.message(number, "毒" if number == 3 else ASK)
    await line.quiet()
    assert [len(line.telegram.texts(number)) for number in range(1, 6)] == [1, 1, 1, 1, 1]
    assert line.telegram.texts(3) == [voice.NOT_HANDLED]
    (parked,) = await inbox.parked(line.service.store)
    assert parked.kind == "unreadable"
