"""Conversations as citizens have them on Telegram, through the real application and a real database."""

from collections.abc import AsyncIterator

import pytest

from bot import voice
from bot.dialogue import Choice, Dialogue, State
from bot.store import conversations
from bot.store.conversations import Address
from bot.telegram.intake import concerns_us
from tests.line import Citizen, Clock, Line, open_line
from tests.telegram_server import BOT, TelegramServer

UNKNOWN = "我家楼下的健身器材坏了半年没人修谁来管"
GROUP = -100500


@pytest.fixture
async def line(dialogue: Dialogue, telegram: TelegramServer, database_url: str) -> AsyncIterator[Line]:
    async with open_line(dialogue, telegram, database_url) as line:
        yield line


@pytest.fixture
def anna(line: Line) -> Citizen:
    return line.citizen(7)


async def test_a_whole_conversation_from_question_to_ticket_to_forgetting(line: Line, anna: Citizen) -> None:
    asked_back = await anna.says("房产证能在网上办吗")
    assert "哪里" in asked_back.text
    assert "镇江市" in asked_back.buttons
    answer = await anna.says("镇江")
    assert "镇易登" in answer.text
    assert list(answer.buttons)[-2:] == ["解决了", "没解决"]
    offer = await anna.taps("没解决")
    assert "「房产证能在网上办吗」" in offer.text
    ticket = await anna.taps("转人工")
    assert ticket.text.startswith("好的，已交给工作人员，编号 1。")
    assert "急事请拨 12345" in ticket.text
    status = await anna.says("/status")
    assert "编号 1（11 月 22 日）房产证能在网上办吗：等待工作人员处理" in status.text
    assert "撤回" in (await anna.says("/forget")).text
    assert "已经删除" in (await anna.taps("确定删除")).text
    assert (await anna.says("/status")).text == voice.NO_TICKETS
    rows = await line.record()
    assert [(r.text, r.reply, r.outcome, r.parent_id) for r in rows] == [
        (None, None, "ask_region", None),
        (None, None, "answered", 1),
    ]


async def test_an_unanswered_question_gets_a_ticket_and_a_promise(line: Line, anna: Citizen) -> None:
    line.clock.passes(days=1)  # a Monday morning
    said = await anna.says(UNKNOWN)
    assert said.text == (
        "这个问题我还答不准，已交给工作人员，编号 1。工作日一般 24 小时内在这里答复您；急事请拨 12345。"
    )
    (row,) = await line.record()
    assert (row.outcome, row.text, row.case_id, row.reply) == ("unanswered", UNKNOWN, 1, said.text)
    assert row.above_answer > row.above_offer
    assert row.content_version == "test"
    await line.quiet()
    assert (await line.record())[0].replied_at is not None


async def test_who_writes_traditional_is_served_in_traditional_also_by_our_own_sentences(anna: Citizen) -> None:
    said = await anna.says("我家樓下的健身器材壞了半年沒人修誰來管")
    assert "這個問題我還答不準，已交給工作人員，編號" in said.text
    assert "編號" in (await anna.says("/status")).text


async def test_the_script_can_be_chosen_and_wins_over_the_one_they_write(anna: Citizen) -> None:
    assert "哪种字" in (await anna.says("/script")).text
    assert "繁體" in (await anna.taps("繁體")).text
    assert "請問" in (await anna.says("房产证能在网上办吗")).text
    await anna.says("/script")
    await anna.taps("自動")
    assert "请问" in (await anna.says("房产证能在网上办吗")).text


async def test_choices_are_buttons_and_none_of_these_offers_staff(line: Line, anna: Citizen) -> None:
    await anna.says("码的事")
    offer = await anna.taps("都不是")
    assert "「码的事」交给工作人员" in offer.text
    assert list(offer.buttons) == ["转人工"]
    ticket = await anna.taps("转人工")
    assert "编号 1" in ticket.text
    assert (await anna.taps("转人工", of=offer)).text == ticket.text  # the first telling may have been lost
    line.clock.passes(hours=1)
    assert "已经交给工作人员了，编号 1" in (await anna.taps("转人工", of=offer)).text
    root, turned_down = await line.record()
    assert root.case_id == 1
    assert (turned_down.text, turned_down.parent_id, turned_down.case_id) == ("都不是", root.id, None)


async def test_a_choice_answers_and_its_record_points_to_the_question(line: Line, anna: Citizen) -> None:
    offered = await anna.says("码的事")
    label = next(iter(offered.buttons))
    await anna.taps(label)
    root, chosen = await line.record()
    assert (root.outcome, chosen.parent_id, chosen.text) == ("choices", root.id, label)


async def test_the_same_button_twice_in_a_hurry_is_one_wish(line: Line, anna: Citizen) -> None:
    asked_back = await anna.says("房产证能在网上办吗")
    anna.press("镇江市")
    anna.press("镇江市")
    await anna.hears()
    await line.quiet()
    assert len(await line.record()) == 2
    line.clock.passes(minutes=1)
    assert "镇易登" in (await anna.taps("镇江市", of=asked_back)).text  # later it is another wish


async def test_a_button_still_works_after_a_restart(
    dialogue: Dialogue, telegram: TelegramServer, database_url: str
) -> None:
    async with open_line(dialogue, telegram, database_url) as line:
        asked_back = await line.citizen(7).says("房产证能在网上办吗")
    async with open_line(dialogue, telegram, database_url) as line:
        assert "镇易登" in (await line.citizen(7).taps("镇江市", of=asked_back)).text


@pytest.mark.parametrize(
    "data",
    [
        "q:999:0",
        "q:1:77",
        "q:x:y",
        "zzz",
        "x:1",
        "x:y:z",
        "k",
        "k:77",
        "",
        "h:1",
        "h:999:unsolved",
        "h:1:no",
        "t:00",
        "i:0",
        "c:0",
        "s:x",
        "e:0",
        "y:1:2",
    ],
)
async def test_a_button_that_means_nothing_any_more_says_so_kindly(line: Line, anna: Citizen, data: str) -> None:
    asked_back = await anna.says("房产证能在网上办吗")
    line.telegram.tap(anna.chat, asked_back.message_id, data)
    await line.quiet()
    assert anna.toasts[-1] in {voice.OLD_BUTTON, voice.NO_TOPIC}
    assert len(line.telegram.texts(anna.chat)) == 1


async def test_a_button_of_a_forgotten_question_is_kindly_refused(line: Line, anna: Citizen) -> None:
    asked_back = await anna.says("房产证能在网上办吗")
    await anna.says("/forget")
    await anna.taps("确定删除")
    anna.press("镇江市", of=asked_back)
    await line.quiet()
    assert anna.toasts[-1] == voice.OLD_BUTTON


async def test_a_refusal_that_comes_too_late_for_a_box_is_a_message(line: Line, anna: Citizen) -> None:
    await anna.says("你好")
    line.telegram.fail("answerCallbackQuery", 400, "Bad Request: query is too old")
    line.telegram.tap(anna.chat, 1, "q:999:0")
    assert (await anna.hears()).text == voice.OLD_BUTTON


async def test_solved_takes_the_two_buttons_away_and_thanks(line: Line, anna: Citizen) -> None:
    answer = await anna.says("南京房产证能在网上办吗")
    anna.press("解决了")
    await line.quiet()
    assert anna.toasts[-1] == voice.GLAD
    shown = line.telegram.messages[anna.chat, answer.message_id].get("reply_markup", {}).get("inline_keyboard", [])
    assert "解决了" not in str(shown)
    assert (await line.record())[0].feedback == "solved"


async def test_start_says_what_it_can_do_and_its_examples_answer(anna: Citizen, line: Line) -> None:
    hello = await anna.says("/start")
    assert hello.text.startswith("您好，这里是 12345 的自动问答")
    assert "/privacy" in hello.text
    examples = list(hello.buttons)
    assert len(examples) == 3
    for example in examples:
        assert (await anna.taps(example, of=hello)).text
    assert {r.outcome for r in await line.record()} <= {"answered", "ask_region"}


async def test_topics_lead_to_matters_and_to_an_answer(anna: Citizen, line: Line) -> None:
    topics = await anna.says("/topics")
    matters = await anna.taps(next(iter(topics.buttons)))
    answer = await anna.taps(next(iter(matters.buttons)))
    assert answer.text
    (row,) = await line.record()
    assert row.parent_id is None
    assert row.intent


async def test_every_department_button_opens_a_list(anna: Citizen) -> None:
    topics = await anna.says("/topics")
    for department in topics.buttons:
        assert f"「{department}」" in (await anna.taps(department, of=topics)).text


async def test_a_city_is_remembered_changed_and_forgotten(anna: Citizen) -> None:
    assert "记住您在镇江市" in (await anna.says("/city 镇江")).text
    assert "镇易登" in (await anna.says("房产证能在网上办吗")).text
    cities = await anna.says("/city")
    assert "记着您在镇江市" in cities.text
    assert "记住您在南京市" in (await anna.taps("南京市")).text
    await anna.taps("忘掉城市", of=cities)
    assert "请问" in (await anna.says("房产证能在网上办吗")).text
    assert "不认识「火星」" in (await anna.says("/city 火星")).text


async def test_human_hands_over_the_last_question_or_the_one_behind_it(line: Line, anna: Citizen) -> None:
    assert (await anna.says("/human")).text == voice.NOTHING_TO_HAND_OVER
    await anna.says("南京房产证能在网上办吗")
    assert "编号 1" in (await anna.says("/human")).text
    said = await anna.says("/human 房产证上的名字写错了怎么改")
    assert said.text.startswith("好的，已交给工作人员，编号 2")
    assert "110" in (await anna.says("/human 有人拿刀砍人快来")).text
    assert [(r.text, r.case_id) for r in await line.record()][1] == ("房产证上的名字写错了怎么改", 2)


async def test_human_after_a_city_hands_over_the_question_itself(line: Line, anna: Citizen) -> None:
    await anna.says("房产证能在网上办吗")
    await anna.says("镇江")
    assert "编号 1" in (await anna.says("/human")).text


async def test_help_names_every_command_and_the_menu_has_them(line: Line, anna: Citizen) -> None:
    said = await anna.says("/help")
    (menu,) = [c.params["commands"] for c in line.telegram.calls if c.method == "setMyCommands"]
    names = [c["command"] for c in menu]
    assert set(names) == {"start", "help", "topics", "city", "status", "human", "privacy", "forget", "script"}
    assert all(f"/{name}" in said.text for name in names if name not in {"start", "help"})
    assert "180 天" in (await anna.says("/privacy")).text
    assert (await anna.says("/nonsense")).text == voice.UNKNOWN_COMMAND


@pytest.mark.parametrize(
    "sent",
    [
        {"photo": [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}], "caption": "看看"},
        {"voice": {"file_id": "a", "file_unique_id": "b", "duration": 3}},
        {"sticker": {"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1, "is_animated": False, "is_video": False, "type": "regular"}},
        {"document": {"file_id": "a", "file_unique_id": "b"}},
        {"location": {"latitude": 32.0, "longitude": 118.8}},
        {"contact": {"phone_number": "13812345678", "first_name": "王"}},
        {"poll": {"id": "1", "question": "?", "options": [], "total_voter_count": 0, "is_closed": False, "is_anonymous": True, "type": "regular", "allows_multiple_answers": False, "allows_revoting": False, "members_only": False}},
        {"dice": {"emoji": "x", "value": 3}},
    ],
    ids=lambda sent: next(iter(sent)),
)  # fmt: skip
async def test_what_is_no_text_gets_a_kind_line(anna: Citizen, sent: dict[str, object]) -> None:
    assert (await anna.says(None, **sent)).text == voice.TEXT_ONLY


async def test_an_edited_message_is_answered_again_only_if_it_says_something_else(line: Line, anna: Citizen) -> None:
    number = line.telegram.message(anna.chat, "南京房产证能在网上办吗")
    await anna.hears()
    line.telegram.edit(anna.chat, number, "南京房产证能在网上办吗")
    await line.quiet()
    assert len(line.telegram.texts(anna.chat)) == 1
    line.telegram.edit(anna.chat, number, "镇江房产证能在网上办吗")
    assert "镇易登" in (await anna.hears()).text


async def test_personal_data_never_reaches_the_record(line: Line, anna: Citizen) -> None:
    await anna.says("我叫王五，电话１３８ １２３４ ５６７８，身份证320102199003077758，48小时核酸还要吗")
    (row,) = await line.record()
    assert row.text == "我叫王五，电话«手机号»，身份证«身份证号»，48小时核酸还要吗"


async def test_a_notice_comes_first_while_it_lasts_but_not_before_an_emergency(
    dialogue: Dialogue, telegram: TelegramServer, database_url: str
) -> None:
    notice = {"notice__text": "台风期间窗口停办。", "notice__from": "2026-11-20", "notice__until": "2026-11-23"}
    async with open_line(dialogue, telegram, database_url, **notice) as line:
        anna = line.citizen(7)
        assert (await anna.says("南京房产证能在网上办吗")).text.startswith("台风期间窗口停办。\n\n")
        assert (await anna.says("/start")).text.startswith("台风期间窗口停办。")
        assert (await anna.says(UNKNOWN)).text.startswith("台风期间窗口停办。\n\n这个问题")
        assert not (await anna.says("我家着火了")).text.startswith("台风")
        line.clock.passes(days=2)
        assert "台风" not in (await anna.says("南京房产证能在网上办吗")).text


async def test_in_a_group_it_answers_only_when_spoken_to(line: Line) -> None:
    telegram, name = line.telegram, f"@{BOT['username']}"
    telegram.message(GROUP, "南京房产证能在网上办吗", user=7, group=True)
    telegram.message(GROUP, "我也想知道", user=8, group=True)
    asked = telegram.message(GROUP, f"{name} 南京房产证能在网上办吗", user=7, group=True)
    answer = await telegram.reply(GROUP)
    assert "E办证" in answer.text
    assert answer.params["reply_parameters"]["message_id"] == asked
    telegram.message(GROUP, "镇江呢", user=7, group=True, reply_to=answer.message_id)
    assert "镇易登" in (await telegram.reply(GROUP)).text
    telegram.message(GROUP, "/help", user=8, group=True)
    assert "/topics" in (await telegram.reply(GROUP)).text
    telegram.message(GROUP, "/help@another_bot", user=8, group=True)
    telegram.message(GROUP, "/roll", user=8, group=True)
    await line.quiet()
    assert len(telegram.texts(GROUP)) == 3
    assert [r.text for r in await line.record()] == ["南京房产证能在网上办吗", "镇江呢"]


async def test_in_a_group_a_button_belongs_to_who_asked(line: Line) -> None:
    telegram = line.telegram
    telegram.message(GROUP, f"@{BOT['username']} 房产证能在网上办吗", user=7, group=True)
    asked_back = await telegram.reply(GROUP)
    telegram.tap(GROUP, asked_back.message_id, asked_back.buttons["镇江市"], user=8)
    await line.quiet()
    assert line.citizen(8).toasts[-1] == voice.NOT_YOURS
    telegram.tap(GROUP, asked_back.message_id, asked_back.buttons["镇江市"], user=7)
    assert "镇易登" in (await telegram.reply(GROUP)).text


async def test_a_group_that_becomes_a_supergroup_keeps_what_was_said(line: Line) -> None:
    telegram, name, new = line.telegram, f"@{BOT['username']}", -1009
    telegram.message(GROUP, f"/city@{BOT['username']} 镇江", user=7, group=True)
    assert "镇江市" in (await telegram.reply(GROUP)).text
    telegram.message(GROUP, None, user=7, group=True, migrate_to_chat_id=new)
    await line.quiet()
    telegram.message(new, f"{name} 房产证能在网上办吗", user=7, group=True)
    assert "镇易登" in (await telegram.reply(new)).text


async def test_a_reply_to_a_group_that_has_just_moved_follows_it(line: Line) -> None:
    telegram, new = line.telegram, -1009
    telegram.migrated[GROUP] = new
    telegram.message(GROUP, f"@{BOT['username']} 南京房产证能在网上办吗", user=7, group=True)
    assert "E办证" in (await telegram.reply(new)).text


def test_other_bots_and_the_chatter_of_groups_do_not_concern_us() -> None:
    group = {"id": -5, "type": "supergroup"}
    mine, name = BOT["id"], BOT["username"]
    assert not concerns_us({"message": {"chat": group, "from": {"id": 1}, "text": "早"}}, mine, name)
    assert not concerns_us(
        {"message": {"chat": group, "from": {"id": 2, "is_bot": True}, "text": f"@{name}"}}, mine, name
    )
    assert concerns_us({"message": {"chat": group, "from": {"id": 1}, "caption": f"@{name.upper()}"}}, mine, name)
    assert concerns_us({"message": {"chat": {"id": 1, "type": "private"}, "text": "早"}}, mine, name)


async def test_who_sends_too_fast_is_told_once_and_the_earlier_questions_are_answered(
    dialogue: Dialogue, telegram: TelegramServer, database_url: str
) -> None:
    async with open_line(dialogue, telegram, database_url, limits__messages_per_minute=3) as line:
        for _ in range(10):
            telegram.message(7, "南京房产证能在网上办吗", date=int(line.clock().timestamp()))
        await line.quiet()
        await telegram.until(lambda: len(telegram.texts(7)) == 4)
        assert telegram.texts(7).count(voice.TOO_FAST) == 1
        assert len(await line.record()) == 3
        line.clock.passes(minutes=2)
        telegram.message(7, "镇江房产证能在网上办吗", date=int(line.clock().timestamp()))
        await telegram.until(lambda: "镇易登" in telegram.texts(7)[-1])


async def test_who_waited_while_we_were_down_is_no_flood(
    dialogue: Dialogue, telegram: TelegramServer, database_url: str
) -> None:
    clock = Clock()
    for minute in range(10):
        telegram.message(7, f"南京房产证能在网上办吗{minute}", date=int(clock().timestamp()) - 60 * (10 - minute))
    async with open_line(dialogue, telegram, database_url, clock, limits__messages_per_minute=3):
        await telegram.until(lambda: len(telegram.texts(7)) == 10)


async def test_too_long_a_message_is_asked_to_be_shorter_and_opens_no_case(line: Line, anna: Citizen) -> None:
    assert "500 字" in (await anna.says("办证" * 300)).text
    assert (await line.record())[0].case_id is None


async def test_a_cry_for_help_below_a_photo_is_heard_and_an_album_gets_one_line(anna: Citizen, line: Line) -> None:
    photo = [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}]
    assert "119" in (await anna.says(None, photo=photo, caption="家里着火了救命")).text
    for _ in range(3):
        line.telegram.message(7, None, photo=photo, media_group_id="1")
    await line.quiet()
    assert line.telegram.texts(7)[1:] == [voice.TEXT_ONLY]


async def test_a_thank_you_in_between_does_not_become_the_question(line: Line, anna: Citizen) -> None:
    await anna.says("房产证能在网上办吗")
    await anna.says("谢谢")
    await anna.says("镇江")
    assert "「房产证能在网上办吗」" in (await anna.taps("没解决")).text
    await anna.says("谢谢")
    assert "编号 1。" in (await anna.says("/human")).text
    assert "房产证能在网上办吗" in (await anna.says("/status")).text


async def test_in_traditional_the_buttons_and_the_warnings_are_traditional_too(
    dialogue: Dialogue, telegram: TelegramServer, database_url: str
) -> None:
    async with open_line(dialogue, telegram, database_url, limits__messages_per_minute=2) as line:
        anna = line.citizen(7)
        assert "解決了" in (await anna.says("南京房產證能在網上辦嗎")).buttons
        await anna.says("南京房產證能在網上辦嗎")
        assert "您發得太快了" in (await anna.says("南京房產證能在網上辦嗎")).text


async def test_anonymous_admins_of_two_groups_are_two_people(line: Line) -> None:
    telegram, other = line.telegram, -100600
    for group in (GROUP, other):
        me = {"id": group, "type": "supergroup", "title": "x"}
        telegram.message(
            group, f"@{BOT['username']} 南京房产证能在网上办吗", user=1087968824, group=True, sender_chat=me
        )
        await telegram.reply(group)
    people = [await line.service.hotline.last_question(Address("telegram", g, g)) for g in (GROUP, other)]
    assert all(people)


async def test_in_a_group_nobody_forgets_for_another(line: Line) -> None:
    telegram = line.telegram
    telegram.message(GROUP, "/forget", user=7, group=True)
    sure = await telegram.reply(GROUP)
    telegram.tap(GROUP, sure.message_id, sure.buttons["确定删除"], user=8)
    await line.quiet()
    assert line.citizen(8).toasts[-1] == voice.NOT_YOURS


async def test_what_was_asked_back_about_a_matter_that_is_gone_is_read_afresh(line: Line, anna: Citizen) -> None:
    await anna.says("房产证能在网上办吗")
    async with line.service.store.reading() as connection:
        conversation = await conversations.load(connection, Address("telegram", 7, 7))
    gone = State(pending=(Choice("镇江市", "gone.intent", "镇江市"),), about="gone.intent")
    await line.service.store.write(lambda c: conversations.save(c, conversation, gone, line.clock()))
    assert (await anna.says("镇江")).text != voice.NOT_HANDLED
    assert (await anna.says("1")).text != voice.NOT_HANDLED
