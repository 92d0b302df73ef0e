"""Troubles between us and Telegram: refusals, limits, cut connections, poison; and the outbox."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bot import voice
from bot.buttons import short_id
from bot.dialogue import Dialogue
from bot.errors import HotlineError
from bot.store import conversations, inbox, outbox
from bot.store.conversations import Address
from bot.store.engine import DatabaseUnavailable, Store, Transaction
from bot.telegram.pace import Pace, Window
from bot.telegram.render import as_html, pieces
from tests.databases import new_database
from tests.line import Citizen, Line, eventually, open_line, settings
from tests.telegram_server import BOT, TelegramServer

ASK = "南京房产证能在网上办吗"


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
    assert await inbox.unfinished(line.service.store, BOT["id"], inbox.InboxState.DONE) != []
    assert all(one.raw == {} for one in await inbox.unfinished(line.service.store, BOT["id"], inbox.InboxState.DONE))


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

    async def is_put_off() -> bool:
        return not await outbox.due(line.service.store, "telegram", line.clock(), 1)

    await eventually(is_put_off)  # from then on its second counts
    assert line.telegram.texts(7)[1:] == []
    line.clock.passes(seconds=2)
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
    slow = {"telegram__messages_per_second": 10, "telegram__messages_per_second_in_chat": 1}
    async with open_line(dialogue, telegram, f"sqlite:///{tmp_path}/hotline.db", **slow) as line:
        for number in range(1, 21):
            telegram.message(number, ASK)
        telegram.message(30, ASK)
        telegram.message(30, ASK)
        await line.quiet()
    times = [sent.at for sent in telegram.sent]
    assert times[-1] - times[0] >= 1.5  # 22 messages at 10 a second: the last two leave in the third one
    first, second = (sent.at for sent in telegram.sent if sent.chat_id == 30)
    assert second - first >= 0.8


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

    async def picky(store: Store, bot: int, incoming: list[inbox.Incoming], now: datetime) -> set[int]:
        if any("毒" in str(one.raw) for one in incoming):
            raise ValueError("cannot be stored")
        return await add(store, bot, incoming, now)

    monkeypatch.setattr(inbox, "add", picky)
    for number in range(1, 6):
        line.telegram.message(number, "毒" if number == 3 else ASK)
    await line.telegram.until(lambda: all(len(line.telegram.texts(number)) == 1 for number in range(1, 6)))
    assert line.telegram.texts(3) == [voice.NOT_HANDLED]
    (parked,) = await inbox.parked(line.service.store)
    assert parked.kind == "unreadable"


@pytest.mark.parametrize("trouble", [DatabaseUnavailable("weg"), ZeroDivisionError()], ids=["passing", "unknown"])
async def test_a_reply_that_is_out_is_not_said_again_while_the_note_of_it_fails(
    line: Line, anna: Citizen, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    finish, failed = inbox.finish, 0

    async def now_and_then(*arguments: Any) -> None:
        nonlocal failed
        failed += 1
        if failed == 1:
            raise trouble
        await finish(*arguments)

    monkeypatch.setattr(inbox, "finish", now_and_then)
    await anna.says("/help")
    await line.quiet()
    await anna.says(ASK)
    await line.quiet()
    assert failed == 3
    assert len(line.telegram.texts(7)) == 2


async def test_a_letter_that_is_out_is_not_sent_again_while_the_note_of_it_fails(
    line: Line, anna: Citizen, monkeypatch: pytest.MonkeyPatch
) -> None:
    await anna.says("你好")
    settle, failed = outbox.settle, 0

    async def now_and_then(*arguments: Any) -> None:
        nonlocal failed
        failed += 1
        if failed == 1:
            raise DatabaseUnavailable("weg")
        await settle(*arguments)

    monkeypatch.setattr(outbox, "settle", now_and_then)
    await post(line, anna, "一", "二")
    await line.telegram.until(lambda: "二" in line.telegram.texts(7))
    assert line.telegram.texts(7)[1:] == ["一", "二"]


async def test_the_reply_to_an_edited_message_survives_a_hiccup(line: Line, anna: Citizen) -> None:
    number = line.telegram.message(anna.chat, ASK)
    await anna.hears()
    line.telegram.fail("sendMessage", 500, chat=7)
    line.telegram.edit(anna.chat, number, "镇江房产证能在网上办吗")
    assert "镇易登" in (await anna.hears()).text


async def test_a_button_whose_waiting_cannot_be_ended_does_its_work_once(line: Line, anna: Citizen) -> None:
    await anna.says(ASK)
    line.telegram.fail("answerCallbackQuery", 500, times=3)
    await anna.taps("没解决")
    await line.quiet()
    assert len(line.telegram.texts(7)) == 2


async def test_a_ticket_whose_telling_was_lost_is_told_again_with_its_promise(line: Line, anna: Citizen) -> None:
    await anna.says(ASK)
    line.telegram.fail("sendMessage", 500, chat=7)
    assert (await anna.says("/human")).text.startswith("好的，已交给工作人员，编号 1。")


async def test_busy_groups_hold_up_nobody_else(dialogue: Dialogue, telegram: TelegramServer, tmp_path: Path) -> None:
    slow = {"telegram__messages_per_minute_in_group": 2, "telegram__chats_at_once": 2}
    async with open_line(dialogue, telegram, f"sqlite:///{tmp_path}/hotline.db", **slow) as line:
        for group in (-1, -2, -3):
            for _ in range(5):
                telegram.message(group, "/help", user=9, group=True)
        await telegram.until(lambda: len(telegram.sent) == 6)
        await asyncio.wait_for(line.citizen(7).says(ASK), 2)


async def test_who_leads_no_more_leaves_the_rest_to_the_next(line: Line) -> None:
    line.telegram.latency = 0.2
    for _ in range(5):
        line.telegram.message(7, ASK)
    assert line.service.edge
    desk = line.service.edge.desk
    await line.telegram.until(lambda: desk.in_hand == 5)
    desk.let_go()
    assert desk.in_hand == 1
    await line.telegram.until(lambda: not desk.in_hand)
    assert len(await inbox.unfinished(line.service.store, BOT["id"], inbox.InboxState.NEW)) == 4
    await desk.replay(inbox.InboxState.NEW)
    await line.quiet()
    assert len(line.telegram.texts(7)) == 5


async def test_a_token_that_no_longer_holds_ends_the_service(
    dialogue: Dialogue, telegram: TelegramServer, tmp_path: Path
) -> None:
    async with open_line(dialogue, telegram, f"sqlite:///{tmp_path}/hotline.db") as line:
        await line.citizen(7).says(ASK)
        telegram.fail("getUpdates", 401, times=5)
        telegram.message(7, ASK)
        with pytest.raises(HotlineError, match="HOTLINE_TELEGRAM__TOKEN"):
            await asyncio.wait_for(asyncio.shield(line.running), 10)


async def test_a_database_server_that_throws_us_out_again_and_again_costs_nothing(
    dialogue: Dialogue, telegram: TelegramServer, postgresql: str
) -> None:
    url = await asyncio.to_thread(new_database, postgresql, "thrown_out")
    async with open_line(dialogue, telegram, url) as line:
        admin = await asyncpg.connect(f"{postgresql}/postgres")
        for number in range(1, 61):
            telegram.message(number, ASK)
            if number % 6 == 0:
                await asyncio.sleep(0.05)
                await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'thrown_out'"
                )
        await admin.close()
        await telegram.until(lambda: all(telegram.texts(number) for number in range(1, 61)), 30)
        await line.quiet()
        assert not line.running.done()
        assert await inbox.parked(line.service.store) == []
        assert len(await line.record()) == 60
