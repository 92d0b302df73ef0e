"""Staff in their Telegram group: cards, answers by reply, and who may do what."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.casework import Refused
from bot.chart import find_font
from bot.dialogue import Dialogue
from bot.store import inbox
from bot.store.engine import DatabaseUnavailable
from tests.conftest import ROOT
from tests.line import Citizen, Line, RunningClock, open_line
from tests.telegram_server import Sent, TelegramServer
from tests.test_casework import ALIKE, OTHER, everybody_asks

ROOM, ANNA, BERT, STRANGER = -1001, 501, 502, 666
PEOPLE = f"""
staff:
  chat_id: {ROOM}
  people:
    - {{name: 安娜, role: staff, id: {ANNA}}}
    - {{name: 博特, role: admin, id: {BERT}}}
"""


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    text = (ROOT / "config.yaml").read_text("utf-8")
    before, _, rest = text.partition("staff:\n")
    file = tmp_path / "config.yaml"
    file.write_text(before + PEOPLE.lstrip() + "\n" + rest[rest.index("\nchat:\n") + 1 :], "utf-8")
    return file


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


@pytest.fixture
async def line(
    dialogue: Dialogue, telegram: TelegramServer, database_url: str, settings_file: Path
) -> AsyncIterator[Line]:
    async with open_line(dialogue, telegram, database_url, RunningClock(), file=settings_file) as line:
        yield line


class Room:
    """Staff's group: what stands on a card now, and what people do there."""

    def __init__(self, line: Line) -> None:
        self.line, self.telegram = line, line.telegram

    async def card(self, number: int, *words: str) -> Sent:
        """The card of a case, once it says all of that."""

        def found() -> Sent | None:
            cards = [s for s in self.telegram.sent if s.chat_id == ROOM and s.text.startswith(f"事项 {number} ")]
            return cards[0] if cards and all(word in self.text(cards[0]) for word in words) else None

        await self.telegram.until(lambda: found() is not None)
        card = found()
        assert card
        return card

    def text(self, sent: Sent) -> str:
        return str(self.telegram.messages[ROOM, sent.message_id].get("text", ""))

    def buttons(self, sent: Sent) -> dict[str, str]:
        markup = self.telegram.messages[ROOM, sent.message_id].get("reply_markup") or {"inline_keyboard": []}
        return {b["text"]: b["callback_data"] for row in markup["inline_keyboard"] for b in row}

    async def presses(self, who: int, sent: Sent, label: str) -> str:
        """What they are told in a box over the chat."""
        before = len(self.toasts)
        self.telegram.tap(ROOM, sent.message_id, self.buttons(sent)[label], user=who)
        await self.telegram.until(lambda: len(self.toasts) > before)
        return self.toasts[-1]

    @property
    def toasts(self) -> list[str]:
        return [c.params.get("text", "") for c in self.telegram.calls if c.method == "answerCallbackQuery"]

    async def replies(self, who: int, sent: Sent, text: str) -> Sent:
        """And what the bot says to that."""
        before = len(self.telegram.sent)
        self.telegram.message(ROOM, text, user=who, group=True, reply_to=sent.message_id)
        await self.telegram.until(lambda: any(s.chat_id == ROOM for s in self.telegram.sent[before:]))
        return next(s for s in self.telegram.sent[before:] if s.chat_id == ROOM)

    async def says(self, who: int, text: str) -> Sent:
        before = len(self.telegram.sent)
        self.telegram.message(ROOM, text, user=who, group=True)
        await self.telegram.until(lambda: any(s.chat_id == ROOM for s in self.telegram.sent[before:]))
        return next(s for s in self.telegram.sent[before:] if s.chat_id == ROOM)


async def test_three_ask_the_same_and_one_reply_to_the_card_reaches_all_and_who_is_not_satisfied_is_back(
    line: Line,
) -> None:
    room, citizens = Room(line), await everybody_asks(line, *ALIKE)
    card = await room.card(1, "3 人", *ALIKE)
    assert await room.presses(ANNA, card, "认领") == "已认领"
    await room.card(1, "已认领（安娜）")
    confirm = await room.replies(ANNA, card, "已报修，三天内修好。")
    assert "会发给 3 人" in confirm.text
    assert all(wording in confirm.text for wording in ALIKE)
    assert await room.presses(ANNA, confirm, "发送") == "已发送"
    for citizen in citizens:
        assert "三天" in (await citizen.hears()).text
    await room.card(1, "已答复（安娜）", "已报修")
    assert room.buttons(card) == {}
    await citizens[1].taps("不满意")
    await room.card(1, "待认领", "有人不满意")
    cards = [s for s in line.telegram.sent if s.chat_id == ROOM and s.text.startswith("事项 1 ·")]
    assert len(cards) == 1, "it is brought up to date where it stands"


async def test_the_second_to_claim_hears_who_was_first(line: Line) -> None:
    room = Room(line)
    await everybody_asks(line, OTHER)
    card = await room.card(1)
    line.telegram.tap(ROOM, card.message_id, room.buttons(card)["认领"], user=ANNA)
    line.telegram.tap(ROOM, card.message_id, room.buttons(card)["认领"], user=BERT)
    await line.telegram.until(lambda: len(room.toasts) == 2)
    assert sorted(room.toasts) == ["事项 1 已由安娜认领", "已认领"]


async def test_a_tap_while_the_database_is_away_is_done_once_it_is_back(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, casework = Room(line), line.service.casework
    await everybody_asks(line, OTHER)
    card = await room.card(1)
    claim, tries = casework.claim, list[int]()

    async def away_at_first(number: int, who: str) -> None:
        tries.append(number)
        if len(tries) == 1:
            raise DatabaseUnavailable("数据库没有回应")
        await claim(number, who)

    monkeypatch.setattr(casework, "claim", away_at_first)
    assert await room.presses(ANNA, card, "认领") == "已认领"
    await room.card(1, "已认领（安娜）")
    assert len(tries) == 2


async def test_a_stranger_and_a_forwarded_button_do_nothing(line: Line) -> None:
    room = Room(line)
    await everybody_asks(line, OTHER)
    card = await room.card(1)
    assert await room.presses(STRANGER, card, "认领") == ""
    line.telegram.tap(STRANGER, 77, "w:c:1")
    line.telegram.tap(-555, 78, "w:i:1", user=ANNA)
    await line.telegram.until(lambda: len(room.toasts) == 3)
    assert room.toasts == ["", "", ""]
    assert (await line.service.casework.file(1)).case.state == "new"
    stranger = line.citizen(STRANGER)
    assert (await stranger.says("/cases")).text == (await stranger.says("/nonsense")).text
    assert (await stranger.says("/case 1")).text == (await stranger.says("/nonsense")).text


async def test_who_is_taken_out_of_the_settings_is_out_at_once(line: Line, settings_file: Path) -> None:
    room = Room(line)
    await everybody_asks(line, OTHER)
    card = await room.card(1)
    rewrite(settings_file, f"    - {{name: 安娜, role: staff, id: {ANNA}}}\n", "")
    assert await room.presses(ANNA, card, "认领") == ""
    assert "没有这个命令" in (await Citizen(line, ANNA).says("/cases")).text
    assert await room.presses(BERT, card, "认领") == "已认领"


async def test_a_mistake_in_the_settings_puts_nobody_out(line: Line, settings_file: Path) -> None:
    room = Room(line)
    await everybody_asks(line, OTHER)
    rewrite(settings_file, "people:", "peeple:")
    assert await room.presses(ANNA, await room.card(1), "认领") == "已认领"


async def test_what_a_colleague_claimed_is_left_to_them_until_they_send_it_back(line: Line) -> None:
    await everybody_asks(line, *ALIKE, OTHER)
    casework = line.service.casework
    await casework.claim(1, "安娜")
    for deed in (
        casework.assign(1, "city_management", "博特"),
        casework.merge(1, 2, "博特"),
        casework.split(1, [1], "博特"),
    ):
        with pytest.raises(Refused, match="已由安娜认领"):
            await deed
    await casework.merge(2, 1, "博特")  # more people for the same answer is no harm
    await casework.send_back(1, "安娜", "不归我们管")
    await casework.claim(1, "博特")


async def test_who_joins_while_the_answer_is_confirmed_is_shown_first(line: Line) -> None:
    room = Room(line)
    await everybody_asks(line, *ALIKE[:2])
    confirm = await room.replies(ANNA, await room.card(1, "2 人"), "已报修。")
    await line.citizen(9).says(ALIKE[2])
    assert "再看一遍" in await room.presses(ANNA, confirm, "发送")
    assert "会发给 3 人" in room.text(confirm)
    assert "已报修。" in room.text(confirm)
    assert await room.presses(ANNA, confirm, "发送") == "已发送"
    assert "已发给 3 人" in room.text(confirm)


async def test_one_wording_can_be_left_out_before_sending(line: Line) -> None:
    room = Room(line)
    await everybody_asks(line, *ALIKE)
    confirm = await room.replies(ANNA, await room.card(1, "3 人"), "已报修。")
    assert "另立为事项 2" in await room.presses(ANNA, confirm, "不发给编号 2")
    assert "会发给 2 人" in room.text(confirm)
    await room.presses(ANNA, confirm, "发送")
    await room.card(2, ALIKE[1])


async def test_a_case_is_ignored_with_a_reason(line: Line) -> None:
    room = Room(line)
    await everybody_asks(line, OTHER)
    card = await room.card(1)
    assert await room.presses(ANNA, card, "忽略") == ""
    assert await room.presses(ANNA, card, "垃圾信息") == "已忽略"
    await room.card(1, "已忽略")
    assert (await line.service.casework.file(1)).history[-1].note == "垃圾信息"


async def test_the_number_of_a_question_finds_its_case(line: Line) -> None:
    room = Room(line)
    await everybody_asks(line, *ALIKE, OTHER)
    await room.card(2)
    assert "市民的编号 2 在事项 1 里" in (await room.says(ANNA, "/case 2")).text
    assert OTHER in (await room.says(ANNA, "/case 4")).text


async def test_a_case_is_dispatched_from_its_card(line: Line) -> None:
    room = Room(line)
    (asker,) = await everybody_asks(line, OTHER)
    card = await room.card(1)
    await room.presses(ANNA, card, "转办")
    assert "城管大队" in room.buttons(card)
    assert await room.presses(ANNA, card, "城管大队") == "已派给城管大队"
    assert "已转城管大队" in (await asker.hears()).text
    await room.card(1, "派单 城管大队")


async def test_cases_that_may_be_the_same_are_merged_with_one_tap(line: Line) -> None:
    room = Room(line)
    await everybody_asks(line, "社保断缴了怎么补", "以前断掉的社保还能补缴吗")
    card = await room.card(2, "可能与事项 1 相同")
    assert await room.presses(ANNA, card, "并入事项 1") == "已并入事项 1"
    await room.card(1, "2 人")
    await room.card(2, "已并单")


async def test_commands_list_the_work_in_the_group_and_in_private(line: Line) -> None:
    room = Room(line)
    await everybody_asks(line, OTHER, ALIKE[0])
    await room.card(2)
    listed = (await room.says(ANNA, "/cases")).text
    assert "事项 1" in listed
    assert "事项 2" in listed
    anna = Citizen(line, ANNA)
    assert (await anna.says("/mine")).text == "没有事项"
    shown = await anna.says("/case 2")
    assert ALIKE[0] in shown.text
    anna.press("认领")
    await line.telegram.until(lambda: "已认领" in room.toasts)
    assert "事项 2" in (await anna.says("/mine")).text
    assert "没有事项 99" in (await anna.says("/case 99")).text


async def test_staff_are_reminded_before_and_at_the_deadline_once_each(line: Line) -> None:
    await everybody_asks(line, OTHER)
    due = (await line.service.casework.file(1)).case.due_at
    assert due
    casework = line.service.casework
    assert await casework.remind() == 0
    line.clock.passes(seconds=(due - line.clock()).total_seconds() - 3600)
    assert (await casework.remind(), await casework.remind()) == (1, 0)
    line.clock.passes(hours=2)
    assert (await casework.remind(), await casework.remind()) == (1, 0)
    await line.telegram.until(lambda: [t for t in line.telegram.texts(ROOM) if "事项 1" in t and "：" in t] != [])
    await line.telegram.until(lambda: "已超时：事项 1" in line.telegram.texts(ROOM))
    assert "快到期：事项 1" in line.telegram.texts(ROOM)
    await Room(line).card(1, "超时")


async def test_who_withdraws_is_seen_on_the_card(line: Line) -> None:
    room = Room(line)
    anna, _ = await everybody_asks(line, *ALIKE[:2])
    await room.card(1, "2 人")
    await anna.says("/forget")
    await anna.taps("确定删除")
    card = await room.card(1, "1 人")
    assert ALIKE[0] not in room.text(card)


async def test_the_daily_report_comes_once_with_its_picture(line: Line) -> None:
    await everybody_asks(line, *ALIKE[:2])
    for _ in range(2):
        await line.service.casework.report()
    await line.telegram.until(lambda: any("信息日报" in text for text in line.telegram.texts(ROOM)))
    (text,) = (text for text in line.telegram.texts(ROOM) if "信息日报" in text)
    assert "收到 2 条，2 人提问" in text
    drawn = [c for c in line.telegram.calls if c.method == "sendPhoto"]
    assert len(drawn) == (1 if find_font() else 0)


async def test_a_card_is_answered_in_private_too_and_there_a_strangers_reply_is_a_question(line: Line) -> None:
    (asker,) = await everybody_asks(line, OTHER)
    anna = Citizen(line, ANNA)
    card = await anna.says("/case 1")
    assert "问于" in card.text
    line.telegram.message(ANNA, "请找人社局。", reply_to=card.message_id)
    assert "会发给 1 人" in (await anna.hears()).text
    anna.press("发送")
    assert "请找人社局。" in (await asker.hears()).text
    stranger = line.citizen(STRANGER)
    said = await stranger.says(OTHER)
    line.telegram.message(STRANGER, "南京房产证能在网上办吗", reply_to=said.message_id)
    assert "E办证" in (await stranger.hears()).text


async def test_the_same_button_twice_in_a_hurry_troubles_nobody(line: Line) -> None:
    room = Room(line)
    await everybody_asks(line, OTHER)
    confirm = await room.replies(ANNA, await room.card(1), "请找人社局。")
    data = room.buttons(confirm)["不发"]
    for _ in range(2):
        line.telegram.tap(ROOM, confirm.message_id, data, user=ANNA)
    await line.telegram.until(lambda: len(room.toasts) == 2)
    await line.quiet()
    assert room.text(confirm) == "事项 1 的答复没有发送。"
    assert await inbox.parked(line.service.store) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_link_to_the_console_is_given_in_private_only(line: Line) -> None:
    room, anna, stranger = Room(line), Citizen(line, ANNA), line.citizen(STRANGER)
    assert "请私聊我" in (await room.says(ANNA, "/console")).text
    assert "hotline link" in (await anna.says("/console")).text, "without an outside address no phone can open it"
    assert (await stranger.says("/console")).text == (await stranger.says("/nonsense")).text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_with_an_outside_address_the_link_leads_there(
    dialogue: Dialogue, telegram: TelegramServer, database_url: str, settings_file: Path
) -> None:
    outside = {"web__public_url": "https://hotline.example"}
    async with open_line(dialogue, telegram, database_url, RunningClock(), file=settings_file, **outside) as line:
        said = await Citizen(line, ANNA).says("/console")
        await everybody_asks(line, OTHER)
        await line.service.casework.answer(1, "请找人社局。", "安娜")
        await Room(line).card(1, "已答复", "教机器人：https://hotline.example/staff/cases/1/learn")
    assert said.text.startswith("https://hotline.example/staff/in/")
