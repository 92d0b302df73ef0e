"""Staff teach the bot from the card of a case, in their Telegram group."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.app import build_dialogue
from bot.casework import Refused
from bot.config import load_config
from bot.edition import files_of, open_files
from bot.store.cases import Filter
from tests.conftest import World
from tests.line import Line, RunningClock, open_line
from tests.telegram_server import Sent, TelegramServer
from tests.test_reload import CHECKS
from tests.test_staff import ANNA, BERT, PEOPLE, ROOM, STRANGER, Room

UNKNOWN, OTHERWISE = "小区的充电桩由谁来装", "想装个充电桩该找哪个"
ANSWER = "请带3份材料到大厅。"
THERE, PROPOSED = "教机器人 · 事项 1", "安娜提议教机器人（事项 1）"


@pytest.fixture
async def line(world: World, telegram: TelegramServer, tmp_path: Path) -> AsyncIterator[Line]:
    world.write("intents/checks/own.yaml", CHECKS)
    world.write("intents/background.yaml", "lines:\n  - 今天天气不错\n")
    settings = world.folder / "config.yaml"
    settings.write_text(settings.read_text("utf-8") + PEOPLE, "utf-8")
    config = load_config(settings, {})
    files = files_of(config)
    dialogue = build_dialogue(config, open_files(config, files)[0])
    more = {"file": settings, "web__secret_file": tmp_path / "secret"}
    database = f"sqlite:///{tmp_path}/hotline.db"
    async with open_line(dialogue, telegram, database, RunningClock(), files, **more) as line:
        yield line


async def answered(line: Line, *wordings: str, answer: str = ANSWER) -> tuple[Room, Sent]:
    """The room and the card of case 1, which asks all of that and is answered."""
    room = Room(line)
    for number, words in enumerate(wordings, 1):
        await line.citizen(number).says(f"/human {words}")
    for number in range(2, len(wordings) + 1):
        await line.service.casework.merge(number, 1, "博特")
    await line.service.casework.answer(1, answer, "博特")
    return room, await room.card(1, "已答复")


async def test_a_new_intent_is_taught_from_the_card_and_an_admin_puts_it_live(line: Line) -> None:
    room, card = await answered(line, UNKNOWN)
    await room.presses(ANNA, card, "教机器人")
    assert await room.presses(ANNA, card, "新意图") == "归哪个部门？"
    await room.presses(ANNA, card, "登记中心")
    asked = await said(line, THERE)
    assert "新意图「登记中心」" in asked.text
    assert "再用别的说法写 2 句" in asked.text
    assert "检查题" in (await room.replies(ANNA, asked, "装充电桩\n装充电桩要什么手续")).text, "one wording too few"
    shown = await room.replies(ANNA, asked, "装充电桩\n装充电桩要什么手续\n请问充电桩怎么装才行")
    assert shown.text.startswith(PROPOSED)
    assert all(words in shown.text for words in ("「装充电桩」", ANSWER, UNKNOWN, "请问充电桩怎么装才行"))
    assert await room.presses(ANNA, shown, "上线") == "这一步要管理员来做。"
    first = line.service.hotline.version
    assert "正在检查" in await room.presses(BERT, shown, "上线")
    await line.telegram.until(lambda: "已上线（博特）" in room.text(shown))
    assert line.service.hotline.version != first
    heard = await line.citizen(7).says("装充电桩要什么手续")
    assert ANSWER in heard.text
    assert "工作人员的答复" in heard.text
    assert room.buttons(shown) == {}


async def test_what_asks_for_something_known_becomes_a_phrase_of_it(line: Line) -> None:
    room, card = await answered(line, "大厅那边到底开不开", "大厅周末有没有开着", answer="大厅暂停。")
    await room.presses(BERT, card, "教机器人")
    assert await room.presses(BERT, card, "加问法「大厅开门」") == "请看一遍再上线"
    shown = await said(line, "博特提议教机器人（事项 1）")
    assert "问法：大厅那边到底开不开\n检查题：大厅周末有没有开着" in shown.text
    await room.presses(BERT, shown, "上线")
    await line.telegram.until(lambda: "已上线" in room.text(shown) or "没有上线" in room.text(shown))
    assert "已上线（博特）" in room.text(shown), room.text(shown)
    assert "大厅暂停" in (await line.citizen(7).says("大厅那边到底开不开")).text


async def test_a_single_wording_is_asked_to_be_said_in_other_words(line: Line) -> None:
    room, card = await answered(line, "大厅那边到底开不开", answer="大厅暂停。")
    await room.presses(BERT, card, "教机器人")
    await room.presses(BERT, card, "加问法「大厅开门」")
    asked = await said(line, THERE)
    assert "用别的说法写一句" in asked.text
    assert "检查题：窗口还开吗" in (await room.replies(BERT, asked, "窗口还开吗")).text


async def test_what_the_gate_refuses_says_why_and_can_be_turned_down(line: Line) -> None:
    room, card = await answered(line, "着火点在哪边", "哪儿是着火点啊", answer="大厅暂停。")
    await room.presses(BERT, card, "教机器人")
    label = next(label for label in room.buttons(card) if label.startswith("加问法"))
    await room.presses(BERT, card, label)
    shown = await said(line, "博特提议教机器人（事项 1）")
    line.service.casework.config.content.intents.joinpath("own.yaml").write_text("oops: [", "utf-8")
    await room.presses(BERT, shown, "上线")
    await line.telegram.until(lambda: "没有上线：" in room.text(shown))
    assert set(room.buttons(shown)) == {"上线", "不采纳"}
    assert await room.presses(BERT, shown, "不采纳") == "不采纳"
    await line.telegram.until(lambda: "不采纳（博特）" in room.text(shown))
    assert room.buttons(shown) == {}


async def test_what_was_ignored_teaches_what_is_not_answered(line: Line) -> None:
    room = Room(line)
    await line.citizen(1).says("/human 给我讲个笑话听听")
    card = await room.card(1, "待认领")
    await room.presses(ANNA, card, "忽略")
    await room.presses(ANNA, card, "不用答")
    await room.card(1, "已忽略")
    assert await room.presses(ANNA, card, "教机器人：这类不答") == "已提交给管理员"
    shown = await said(line, PROPOSED)
    await room.presses(BERT, shown, "上线")
    await line.telegram.until(lambda: "已上线" in room.text(shown))
    assert "给我讲个笑话听听" in line.service.casework.config.content.intents.joinpath("background.yaml").read_text(
        "utf-8"
    )


async def taught_both(line: Line, room: Room, *proposals: Sent) -> None:
    for shown in proposals:
        line.telegram.tap(ROOM, shown.message_id, room.buttons(shown)["上线"], user=BERT)
    await line.telegram.until(lambda: all("已上线（博特）" in room.text(shown) for shown in proposals), 60)


async def test_two_who_are_put_live_one_after_the_other_are_both_learnt(line: Line) -> None:
    room, shown = Room(line), []
    for number, (words, title) in enumerate({UNKNOWN: "装充电桩", "学校门口谁来疏导交通": "护学岗"}.items(), 1):
        await line.citizen(number).says(f"/human {words}")
        await line.service.casework.assign(number, "registration", "博特")
        await line.service.casework.answer(number, ANSWER, "博特")
        card = await room.card(number, "已答复")
        await room.presses(BERT, card, "教机器人")
        await room.presses(BERT, card, "新意图")
        asked = await said(line, f"教机器人 · 事项 {number}")
        shown.append(await room.replies(BERT, asked, f"{title}\n问问{title}的事\n{title}归谁管呢"))
    await taught_both(line, room, *shown)
    assert {"case.n1", "case.n2"} <= line.service.hotline.dialogue.content.intents.keys()
    own = line.service.casework.config.content.intents.joinpath("from_cases.yaml").read_text("utf-8")
    assert all(key in own for key in ("case.n1", "case.n2"))


async def test_while_it_is_checked_nobody_decides_otherwise(line: Line) -> None:
    room, shown = await proposed(line)
    assert line.service.edge
    assert line.service.edge.classroom
    turn_down = room.buttons(shown)["不采纳"]
    await room.presses(BERT, shown, "上线")
    before = len(room.toasts)
    line.telegram.tap(ROOM, shown.message_id, turn_down, user=BERT)
    await line.telegram.until(lambda: len(room.toasts) > before)
    assert "正在检查" in room.toasts[-1]
    with pytest.raises(Refused, match="正在检查"):  # as the console would
        await line.service.edge.classroom.lessons.reject([1], "博特")
    await line.telegram.until(lambda: "已上线" in room.text(shown))
    (kept,) = await line.service.edge.classroom.lessons.of_case(1)
    assert kept.state == "live"


async def test_whoever_taps_a_moment_later_changes_nothing_about_what_is_told(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, shown = await proposed(line)
    assert line.service.edge
    assert line.service.edge.classroom
    classroom, take_up = line.service.edge.classroom, room.buttons(shown)["上线"]

    async def still_open(number: int) -> None:
        """As it was when they looked."""

    monkeypatch.setattr(classroom.lessons, "check_open", still_open)
    for _ in range(2):
        line.telegram.tap(ROOM, shown.message_id, take_up, user=BERT)
    await line.telegram.until(lambda: "已上线（博特）" in room.text(shown))
    before = len(room.toasts)
    line.telegram.tap(ROOM, shown.message_id, take_up, user=BERT)
    await line.telegram.until(lambda: len(room.toasts) > before and not classroom._learning)
    assert room.text(shown).endswith("已上线（博特）")
    assert not any("没有上线" in str(c.params.get("text")) for c in line.telegram.calls)


async def test_an_answer_that_was_changed_since_is_not_taught(line: Line) -> None:
    room, shown = await proposed(line)
    await line.service.casework.reopen(1, "博特")
    await line.service.casework.answer(1, "不用材料，网上就能办。", "博特")
    await room.presses(BERT, shown, "上线")
    await line.telegram.until(lambda: "没有上线：" in room.text(shown))
    assert "答复改过" in room.text(shown)


async def test_the_same_proposed_twice_waits_once(line: Line) -> None:
    room, _ = await proposed(line)
    asked = await said(line, THERE)
    again = await room.replies(ANNA, asked, TOLD)
    assert line.service.edge
    assert line.service.edge.classroom
    assert len(await line.service.edge.classroom.lessons.waiting()) == 1
    await taught_both(line, room, again)


async def test_a_reply_to_the_complaint_counts_as_well(line: Line) -> None:
    room, card = await answered(line, UNKNOWN)
    await room.presses(ANNA, card, "教机器人")
    await room.presses(ANNA, card, "新意图")
    await room.presses(ANNA, card, "登记中心")
    complaint = await room.replies(ANNA, await said(line, THERE), "装充电桩")
    assert (await room.replies(ANNA, complaint, TOLD)).text.startswith(PROPOSED)
    hint = await room.replies(ANNA, await said(line, PROPOSED), "标题改成充电桩")
    assert "请回复" in hint.text
    assert len(await line.service.casework.listed(Filter())) == 0, "no case was opened by staff's own words"


async def test_what_staff_propose_in_private_is_shown_to_the_admins_in_the_group(line: Line) -> None:
    await answered(line, UNKNOWN, "充电桩要装得找谁", "请问充电桩怎么装才行")
    anna = line.citizen(ANNA)
    await anna.says("/case 1")
    await anna.telegram.until(lambda: "教机器人" in anna.last.buttons)
    card = anna.last
    anna.press("教机器人")
    await line.telegram.until(lambda: any("加问法" in b for b in labels(line, ANNA, card)))
    label = next(b for b in labels(line, ANNA, card) if "加问法" in b)
    line.telegram.tap(ANNA, card.message_id, labels(line, ANNA, card)[label])
    assert (await said(line, PROPOSED)).chat_id == ROOM


async def test_who_answers_in_private_what_the_bot_asked_hears_where_it_went(line: Line) -> None:
    await answered(line, UNKNOWN)
    anna = line.citizen(ANNA)
    await anna.says("/case 1")
    for label in ("教机器人", "新意图", "登记中心"):
        await line.telegram.until(lambda label=label: label in labels(line, ANNA, anna.last))
        line.telegram.tap(ANNA, anna.last.message_id, labels(line, ANNA, anna.last)[label])
    asked = await said(line, THERE)
    line.telegram.message(ANNA, TOLD, reply_to=asked.message_id)
    assert (await said(line, PROPOSED)).chat_id == ROOM
    assert (await said(line, "已提交给管理员")).chat_id == ANNA


async def test_a_stranger_teaches_nothing(line: Line) -> None:
    room, shown = await proposed(line)
    card, asked = await room.card(1), await said(line, THERE)
    for sent in (card, shown):
        before = room.buttons(sent)
        for label in before:
            assert await room.presses(STRANGER, sent, label) == ""
        assert room.buttons(sent) == before
    line.telegram.message(ROOM, TOLD, user=STRANGER, group=True, reply_to=asked.message_id)
    assert await room.presses(ANNA, shown, "不采纳") == "这一步要管理员来做。"
    assert line.service.edge
    assert line.service.edge.classroom
    assert len(await line.service.edge.classroom.lessons.waiting()) == 1
    assert line.service.hotline.dialogue.content.intents.keys() == {"loan.remote", "hall.open"}


async def test_somebody_in_the_group_who_is_not_on_the_roster_is_heard_as_a_citizen(line: Line) -> None:
    _, shown = await proposed(line)
    line.telegram.message(ROOM, "着火了", user=STRANGER, group=True, reply_to=shown.message_id)
    assert "119" in (await said(line, "请拨 119")).text


TOLD = "装充电桩\n装充电桩要什么手续\n请问充电桩怎么装才行"


async def proposed(line: Line) -> tuple[Room, Sent]:
    """The room, and 安娜's proposal of a new intent."""
    room, card = await answered(line, UNKNOWN)
    await room.presses(ANNA, card, "教机器人")
    await room.presses(ANNA, card, "新意图")
    await room.presses(ANNA, card, "登记中心")
    return room, await room.replies(ANNA, await said(line, THERE), TOLD)


def labels(line: Line, chat: int, sent: Sent) -> dict[str, str]:
    markup = line.telegram.messages[chat, sent.message_id].get("reply_markup") or {"inline_keyboard": []}
    return {b["text"]: b["callback_data"] for row in markup["inline_keyboard"] for b in row}


async def said(line: Line, start: str) -> Sent:
    """The last message in staff's chat that begins like that."""
    await line.telegram.until(lambda: any(s.text.startswith(start) for s in line.telegram.sent))
    return [s for s in line.telegram.sent if s.text.startswith(start)][-1]
