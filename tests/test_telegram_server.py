"""The Telegram of our tests behaves like Telegram: seen with python-telegram-bot and with plain HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, ReplyParameters, Update
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.request import HTTPXRequest

from tests.telegram_server import TelegramServer

ALICE, BOB = 7, 8
GROUP = -100500


@pytest.fixture(autouse=True)
def durations_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")  # without it PTB warns about every RetryAfter


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


def bot_of(server: TelegramServer) -> Bot:
    polls, calls = (HTTPXRequest(httpx_kwargs={"verify": False}) for _ in range(2))  # certificates take long to load
    return Bot(server.token, f"{server.url}/bot", request=calls, get_updates_request=polls)


@pytest.fixture
async def bot(server: TelegramServer) -> AsyncIterator[Bot]:
    async with bot_of(server) as bot:
        yield bot


@pytest.fixture
async def http(server: TelegramServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"{server.url}/bot{server.token}/") as http:
        yield http


def button(title: str, data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(title, callback_data=data)]])


def refused(problem: str) -> pytest.RaisesExc[BadRequest]:
    """PTB changes the case of Telegram's words."""
    return pytest.raises(BadRequest, match=f"(?i){problem}")


# getUpdates


async def test_an_update_comes_again_until_a_higher_offset_confirms_it(server: TelegramServer, bot: Bot) -> None:
    first = server.message(ALICE, "户口怎么迁")
    assert [u.update_id for u in await bot.get_updates()] == [first]
    assert [u.update_id for u in await bot.get_updates(offset=first)] == [first]
    assert await bot.get_updates(offset=first + 1) == ()
    assert await bot.get_updates(offset=0) == ()


async def test_the_oldest_hundred_come_first(server: TelegramServer, bot: Bot) -> None:
    numbers = [server.message(ALICE, str(n)) for n in range(150)]
    assert [u.update_id for u in await bot.get_updates()] == numbers[:100]
    assert [u.update_id for u in await bot.get_updates(limit=3)] == numbers[:3]
    assert [u.update_id for u in await bot.get_updates(offset=numbers[100])] == numbers[100:]


async def test_a_negative_offset_forgets_all_but_the_last(server: TelegramServer, bot: Bot) -> None:
    numbers = [server.message(ALICE, str(n)) for n in range(5)]
    assert [u.update_id for u in await bot.get_updates(offset=-2)] == numbers[-2:]
    assert [u.update_id for u in await bot.get_updates(offset=-9)] == numbers[-2:]


async def test_an_offset_from_before_the_numbers_began_anew_loses_nothing(server: TelegramServer, bot: Bot) -> None:
    server.next_update_id = 17
    server.message(ALICE, "一周以后")
    assert [u.update_id for u in await bot.get_updates(offset=100_000_300)] == [17]
    assert [u.update_id for u in await bot.get_updates(offset=17)] == [17]


async def test_a_long_poll_ends_when_somebody_writes(server: TelegramServer, bot: Bot) -> None:
    asyncio.get_running_loop().call_later(0.05, server.message, ALICE, "在吗")
    start = time.monotonic()
    (update,) = await bot.get_updates(timeout=30)
    assert update.message is not None
    assert update.message.text == "在吗"
    assert time.monotonic() - start < 5


async def test_a_long_poll_without_news_ends_empty(http: aiohttp.ClientSession) -> None:
    async with http.get("getUpdates", params={"timeout": "0.05"}) as response:
        assert await response.json() == {"ok": True, "result": []}


async def test_a_second_poller_ends_the_poll_of_the_first(server: TelegramServer, bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=30))
    await asyncio.sleep(0.1)
    async with bot_of(server) as other:
        second = asyncio.create_task(other.get_updates(timeout=30))
        with pytest.raises(Conflict, match="terminated by other getUpdates request"):
            await first
        number = server.message(ALICE, "谁在听")
        assert [u.update_id for u in await second] == [number]


async def test_a_poller_that_died_leaves_its_updates_to_the_next(server: TelegramServer, bot: Bot) -> None:
    dead = asyncio.create_task(bot.get_updates(timeout=30))
    await asyncio.sleep(0.1)
    dead.cancel()
    number = server.message(ALICE, "喂")
    assert [u.update_id for u in await bot.get_updates(timeout=30)] == [number]


async def test_an_answer_lost_on_the_way_is_given_again(server: TelegramServer, bot: Bot) -> None:
    number = server.message(ALICE, "喂")
    server.fail("getUpdates", 0, after=True)
    with pytest.raises(NetworkError):
        await bot.get_updates()
    assert [u.update_id for u in await bot.get_updates()] == [number]


async def test_kinds_not_asked_for_are_not_kept(server: TelegramServer, bot: Bot) -> None:
    await bot.get_updates(allowed_updates=["message"])
    number = server.message(ALICE, "一")
    assert server.edit(ALICE, number, "二") == 0
    assert [u.update_id for u in await bot.get_updates()] == [number]


async def test_reactions_come_only_to_those_who_ask(server: TelegramServer, bot: Bot) -> None:
    reaction = {"message_reaction": {"chat": {"id": ALICE}}}
    assert server.push(reaction) == 0
    await bot.get_updates(allowed_updates=["message_reaction"])
    assert server.push(reaction)


async def test_everything_citizens_do_is_what_ptb_understands(server: TelegramServer, bot: Bot) -> None:
    sent = await bot.send_message(ALICE, "哪里？", reply_markup=button("南京", "r1"))
    asked = server.message(ALICE, "/start 南京", reply_to=sent.message_id, date=1_700_000_000)
    server.message(GROUP, "大家好", user=BOB)
    server.message(ALICE, voice={"file_id": "v", "file_unique_id": "v", "duration": 3})
    server.edit(ALICE, asked, "南京")
    server.tap(ALICE, sent.message_id, "r1")
    server.tap(GROUP, 999, "old", user=BOB)
    command, group, voice, edited, tap, old = await bot.get_updates()
    assert command.message.parse_entities() == {command.message.entities[0]: "/start"}
    assert command.message.reply_to_message == sent
    assert command.message.date.timestamp() == 1_700_000_000
    assert (group.effective_chat.type, group.effective_user.id) == ("supergroup", BOB)
    assert (voice.message.voice.file_id, voice.message.text) == ("v", None)
    assert (edited.edited_message.text, edited.edited_message.message_id) == ("南京", asked)
    assert edited.edited_message.from_user.id == ALICE
    assert not edited.edited_message.entities
    assert (tap.callback_query.data, tap.callback_query.message) == ("r1", sent)
    assert not old.callback_query.message.is_accessible


async def test_what_nobody_can_parse_can_be_pushed_too(server: TelegramServer, http: aiohttp.ClientSession) -> None:
    server.push({"update_id": 100_000_005, "message": {"text": 5}})
    assert server.message(ALICE, "下一条") == 100_000_006
    async with http.get("getUpdates") as response:
        broken, _ = (await response.json())["result"]
    assert broken == {"update_id": 100_000_005, "message": {"text": 5}}


# sendMessage and its relatives


async def test_a_dialogue_reads_like_one(server: TelegramServer, bot: Bot) -> None:
    async def answers() -> None:
        offset = 0
        while True:
            for update in await bot.get_updates(offset=offset, timeout=30):
                offset = update.update_id + 1
                if update.callback_query:
                    await update.callback_query.answer()
                    await bot.send_message(update.effective_chat.id, "<b>南京</b>：可以", parse_mode="HTML")
                else:
                    await bot.send_message(update.effective_chat.id, "哪里？", reply_markup=button("南京", "r1"))

    answering = asyncio.create_task(answers())
    server.message(ALICE, "抵押登记")
    question = await server.reply(ALICE)
    assert question.text == "哪里？"
    server.tap(ALICE, question.message_id, question.buttons["南京"])
    assert (await server.reply(ALICE)).text == "南京：可以"
    assert server.texts(ALICE) == ["哪里？", "南京：可以"]
    assert server.texts(BOB) == []
    await server.until(lambda: any(call.method == "answerCallbackQuery" for call in server.calls))
    answering.cancel()


async def test_waiting_in_vain_tells_what_happened_instead(server: TelegramServer, bot: Bot) -> None:
    await bot.send_message(BOB, "你好")
    with pytest.raises(AssertionError, match=r"not within 0\.05 s(.|\n)*to 8: '你好'(.|\n)*getMe 200, sendMessage 200"):
        await server.reply(ALICE, timeout=0.05)


async def test_a_reply_can_be_asked_for_after_a_message(server: TelegramServer, bot: Bot) -> None:
    first = await bot.send_message(ALICE, "一")
    await bot.send_message(ALICE, "二")
    assert (await server.reply(ALICE, after=first.message_id)).text == "二"


@pytest.mark.parametrize(
    ("text", "options", "problem"),
    [
        ("一" * 4097, {}, "message is too long"),
        (" \n", {}, "message text is empty"),
        ("<b></b>", {"parse_mode": "HTML"}, "message text is empty"),
        ("<b>粗", {"parse_mode": "HTML"}, "can't parse entities"),
        ("<b><i>乱</b></i>", {"parse_mode": "HTML"}, "can't parse entities"),
        ("没开</b>", {"parse_mode": "HTML"}, "can't parse entities"),
        ("<p>段</p>", {"parse_mode": "HTML"}, "can't parse entities: Unsupported start tag"),
        ("3 < 5", {"parse_mode": "HTML"}, "can't parse entities"),
        ("1<2 & 2>1", {"parse_mode": "HTML"}, "can't parse entities"),
        ("*粗*", {"parse_mode": "MarkdownV2"}, "unsupported parse_mode"),
        ("按", {"reply_markup": button("长", "一" * 22)}, "BUTTON_DATA_INVALID"),
        ("按", {"reply_markup": InlineKeyboardMarkup([[InlineKeyboardButton("空")]])}, "Text buttons are unallowed"),
    ],
)
async def test_what_telegram_refuses_is_refused_and_not_sent(
    server: TelegramServer, bot: Bot, text: str, options: dict[str, Any], problem: str
) -> None:
    with refused(problem):
        await bot.send_message(ALICE, text, **options)
    assert server.sent == []
    assert server.calls[-1].status == 400


async def test_the_limit_counts_what_is_read_and_in_code_points(server: TelegramServer, bot: Bot) -> None:
    await bot.send_message(ALICE, f"<b>{'😀' * 4095}</b>&amp;", parse_mode="HTML")
    assert len(server.sent[0].text) == 4096


async def test_html_is_shown_as_telegram_shows_it(server: TelegramServer, bot: Bot) -> None:
    html = '😀 <b>粗<i>斜</i></b> & &lt;看&gt; <a href="https://a.cn/?x=1&amp;y=2">这里</a><blockquote expandable>引</blockquote>'
    message = await bot.send_message(ALICE, html, parse_mode="HTML")
    assert message.text == server.texts(ALICE)[0] == "😀 粗斜 & <看> 这里引"
    assert {message.parse_entity(e): e.type for e in message.entities} == {
        "粗斜": "bold", "斜": "italic", "这里": "text_link", "引": "blockquote",
    }  # fmt: skip
    assert next(e.url for e in message.entities if e.url) == "https://a.cn/?x=1&y=2"


async def test_a_message_is_edited_once_and_not_into_itself(server: TelegramServer, bot: Bot) -> None:
    sent = await bot.send_message(ALICE, "哪里？", reply_markup=button("南京", "r1"))
    edited = await sent.edit_text("<s>哪里？</s>", parse_mode="HTML")
    assert edited.reply_markup is None
    assert server.messages[ALICE, sent.message_id]["text"] == "哪里？"
    with refused("message is not modified"):
        await sent.edit_reply_markup()
    await sent.edit_reply_markup(button("苏州", "r2"))
    assert "苏州" in json.dumps(server.messages[ALICE, sent.message_id], ensure_ascii=False)
    assert server.texts(ALICE) == ["哪里？"]


async def test_only_its_own_messages_can_be_edited(server: TelegramServer, bot: Bot) -> None:
    citizens = server.message(ALICE, "我的")
    with refused("message to edit not found"):
        await bot.edit_message_text("改", ALICE, 99)
    with refused("message can't be edited"):
        await bot.edit_message_text("改", ALICE, citizens)


async def test_a_reply_quotes_what_it_answers(server: TelegramServer, bot: Bot) -> None:
    asked = server.message(ALICE, "几点开门")
    sent = await bot.send_message(ALICE, "九点", reply_parameters=ReplyParameters(asked))
    assert sent.reply_to_message is not None
    assert sent.reply_to_message.text == "几点开门"


async def test_a_tap_can_be_answered_and_an_unknown_one_is_too_old(server: TelegramServer, bot: Bot) -> None:
    server.tap(ALICE, 1, "r1")
    (update,) = await bot.get_updates()
    assert await update.callback_query.answer("好")
    with refused("query is too old"):
        await bot.answer_callback_query("12345")


async def test_photos_and_documents_are_taken(server: TelegramServer, bot: Bot) -> None:
    photo = await bot.send_photo(ALICE, b"\x89PNG", caption="<b>地图</b>", parse_mode="HTML")
    document = await bot.send_document(ALICE, b"a" * 3_000_000, filename="表.pdf")
    assert photo.photo
    assert document.document
    assert server.texts(ALICE) == ["地图", ""]
    assert [s.method for s in server.sent] == ["sendPhoto", "sendDocument"]
    assert server.sent[0].params["photo"] == b"\x89PNG"
    with refused("message caption is too long"):
        await bot.send_photo(ALICE, "file-id", caption="一" * 1025)


async def test_the_smaller_methods_answer_too(server: TelegramServer, bot: Bot) -> None:
    assert (await bot.get_me()).is_bot
    assert (await bot.get_chat(ALICE)).type == "private"
    assert (await bot.get_chat(GROUP)).type == "supergroup"
    assert await bot.send_chat_action(ALICE, "typing")
    assert await bot.set_my_commands([("help", "能问什么")])
    assert await bot.delete_my_commands()
    with refused("BOT_COMMAND_INVALID"):
        await bot.set_my_commands([("帮助", "能问什么")])


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"chat_id": ALICE, "text": "12", "reply_markup": {"inline_keyboard": []}}},
        {"json": {"chat_id": str(ALICE), "text": "12", "reply_markup": '{"inline_keyboard": []}'}},
        {"data": {"chat_id": ALICE, "text": "12", "reply_markup": '{"inline_keyboard": []}'}},
        {"params": {"chat_id": ALICE, "text": "12", "reply_markup": '{"inline_keyboard": []}'}},
    ],
    ids=["JSON", "JSON of texts", "form", "query"],
)
async def test_parameters_come_in_any_form(
    server: TelegramServer, http: aiohttp.ClientSession, request_: dict[str, Any]
) -> None:
    async with http.post("sendMessage", **request_) as response:
        assert (await response.json())["result"]["text"] == "12"
    assert server.sent[0].params == {"chat_id": ALICE, "text": "12", "reply_markup": {"inline_keyboard": []}}


async def test_nonsense_is_a_bad_request(http: aiohttp.ClientSession) -> None:
    async with http.post("sendMessage", data="{", headers={"Content-Type": "application/json"}) as response:
        assert response.status == 400
    async with http.post("sendMessage", json={"text": "给谁"}) as response:
        assert "chat not found" in (await response.json())["description"]


async def test_a_wrong_token_and_a_wrong_method_are_refused(
    server: TelegramServer, bot: Bot, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{server.url}/bot123456:another/getMe") as response:
        assert await response.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}
    with pytest.raises(TelegramError, match="not found"):
        await bot.do_api_request("makeTea")
    assert [call.status for call in server.calls] == [200, 401, 404]


# faults


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequest),
        (401, InvalidToken),
        (403, Forbidden),
        (409, Conflict),
        (500, NetworkError),
        (502, NetworkError),
    ],
)
async def test_a_fault_comes_once_and_then_all_is_well(
    server: TelegramServer, bot: Bot, status: int, error: type[TelegramError]
) -> None:
    server.fail("sendMessage", status)
    with pytest.raises(error):
        await bot.send_message(ALICE, "一")
    await bot.send_message(ALICE, "二")
    assert server.texts(ALICE) == ["二"]
    assert [call.status for call in server.calls if call.method == "sendMessage"] == [status, 200]


async def test_a_fault_can_be_for_one_chat_and_several_times(server: TelegramServer, bot: Bot) -> None:
    server.fail("sendMessage", 429, retry_after=3, times=2, chat=ALICE)
    await bot.send_message(BOB, "一")
    for _ in range(2):
        with pytest.raises(RetryAfter, match="Retry in 0:00:03"):
            await bot.send_message(ALICE, "二")
    await bot.send_message(ALICE, "三")
    assert [s.text for s in server.sent] == ["一", "三"]


async def test_a_cut_connection_leaves_open_whether_it_was_sent(server: TelegramServer, bot: Bot) -> None:
    server.fail("sendMessage", 0)
    with pytest.raises(NetworkError):
        await bot.send_message(ALICE, "没到")
    server.fail("sendMessage", 0, after=True)
    with pytest.raises(NetworkError):
        await bot.send_message(ALICE, "到了")
    assert server.texts(ALICE) == ["到了"]


async def test_who_blocked_the_bot_hears_nothing(server: TelegramServer, bot: Bot) -> None:
    server.blocked.add(ALICE)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(ALICE, "在吗")
    assert server.sent == []


async def test_a_group_that_moved_says_where(server: TelegramServer, bot: Bot) -> None:
    server.migrated[-5] = GROUP
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(-5, "在吗")
    assert moved.value.new_chat_id == GROUP


async def test_an_answer_may_be_late_but_the_message_is_there(server: TelegramServer, bot: Bot) -> None:
    server.latency = 0.2
    sending = asyncio.create_task(bot.send_message(ALICE, "慢"))
    await server.reply(ALICE)
    assert not sending.done()
    await sending
    assert time.monotonic() - server.sent[0].at > 0.19


async def test_what_was_written_during_an_outage_waits(server: TelegramServer, bot: Bot) -> None:
    polling = asyncio.create_task(bot.get_updates(timeout=30))
    await asyncio.sleep(0.1)
    await server.stop()
    with pytest.raises(NetworkError):
        await polling
    with pytest.raises(NetworkError):
        await bot.get_updates()
    number = server.message(ALICE, "有人吗")
    await server.start(server.port)
    assert [u.update_id for u in await bot.get_updates()] == [number]


# webhook


class Hook:
    """A bot behind a webhook; `answers` are the next status codes, then 200."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[tuple[int, str | None]] = []
        self.answers: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.busy: list[int] = []

    @property
    def ids(self) -> list[int]:
        return [number for number, _ in self.got]

    async def take(self, request: web.BaseRequest) -> web.Response:
        update = Update.de_json(await request.json())
        self.busy.append(update.update_id)
        await self.open.wait()
        self.busy.remove(update.update_id)
        self.got.append((update.update_id, request.headers.get("X-Telegram-Bot-Api-Secret-Token")))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@asynccontextmanager
async def running(hook: Hook, port: int = 0) -> AsyncIterator[None]:
    runner = web.ServerRunner(web.Server(hook.take, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield
    await runner.cleanup()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    async with running(hook):
        yield hook


async def test_a_webhook_gets_what_waited_and_what_comes_with_the_secret(
    server: TelegramServer, bot: Bot, hook: Hook
) -> None:
    waited = server.message(ALICE, "早")
    await bot.set_webhook(hook.url, secret_token="s3cret")
    came = server.message(ALICE, "晚")
    await server.until(lambda: len(hook.got) == 2)
    assert hook.got == [(waited, "s3cret"), (came, "s3cret")]
    await server.until(lambda: not server.pending)
    assert (await bot.get_webhook_info()).pending_update_count == 0
    assert server.webhook is not None
    assert server.webhook["url"] == hook.url


async def test_a_webhook_is_asked_again_until_it_takes_an_update(server: TelegramServer, bot: Bot, hook: Hook) -> None:
    server.backoff = (0.01, 0.02)
    hook.answers = [500, 403, 302, 200]
    await bot.set_webhook(hook.url)
    first, second = server.message(ALICE, "一"), server.message(ALICE, "二")
    await server.until(lambda: len(hook.got) == 5)
    assert hook.ids == [first] * 4 + [second]


async def test_a_webhook_that_is_down_gets_its_updates_later(server: TelegramServer, bot: Bot) -> None:
    server.backoff = (0.01, 0.02)
    hook = Hook()
    async with running(hook):
        await bot.set_webhook(hook.url)
    number = server.message(ALICE, "喂")
    await asyncio.sleep(0.05)
    async with running(hook, int(hook.url.rstrip("/").rpartition(":")[2])):
        await server.until(lambda: hook.ids == [number])


async def test_one_in_flight_for_a_chat_and_chats_beside_each_other(
    server: TelegramServer, bot: Bot, hook: Hook
) -> None:
    hook.open.clear()
    await bot.set_webhook(hook.url)
    first, second = server.message(ALICE, "一"), server.message(ALICE, "二")
    other, tap = server.message(BOB, "三"), server.tap(ALICE, 1, "r1")
    await server.until(lambda: len(hook.busy) == 3)
    await asyncio.sleep(0.05)
    assert sorted(hook.busy) == [first, other, tap], "a tap overtakes: Telegram queues it apart from messages"
    hook.open.set()
    await server.until(lambda: len(hook.got) == 4)
    assert hook.ids.index(first) < hook.ids.index(second)


async def test_no_more_at_once_than_max_connections(server: TelegramServer, bot: Bot, hook: Hook) -> None:
    hook.open.clear()
    await bot.set_webhook(hook.url, max_connections=2)
    for citizen in range(1, 6):
        server.message(citizen, "喂")
    await server.until(lambda: len(hook.busy) == 2)
    await asyncio.sleep(0.05)
    assert len(hook.busy) == 2
    hook.open.set()
    await server.until(lambda: len(hook.got) == 5)


async def test_polling_and_a_webhook_exclude_each_other(server: TelegramServer, bot: Bot, hook: Hook) -> None:
    polling = asyncio.create_task(bot.get_updates(timeout=30))
    await asyncio.sleep(0.1)
    await bot.set_webhook(hook.url)
    with pytest.raises(Conflict, match="terminated by setWebhook request"):
        await polling
    with pytest.raises(Conflict, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    hook.answers = [500]
    number = server.message(ALICE, "一")
    await server.until(lambda: hook.ids == [number])
    await bot.delete_webhook()
    assert server.webhook is None
    assert [u.update_id for u in await bot.get_updates()] == [number]


async def test_updates_that_wait_are_dropped_on_request_only(server: TelegramServer, bot: Bot) -> None:
    server.message(ALICE, "一")
    await bot.delete_webhook()
    assert len(await bot.get_updates()) == 1
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()


async def test_an_update_can_be_repeated_to_a_webhook(server: TelegramServer, bot: Bot, hook: Hook) -> None:
    await bot.set_webhook(hook.url)
    number = server.message(ALICE, "一")
    await server.until(lambda: hook.ids == [number])
    server.push({"update_id": number, "message": server.messages[ALICE, number]})
    await server.until(lambda: hook.ids == [number, number])
    assert server.message(ALICE, "二") == number + 1


async def test_a_secret_of_wrong_characters_is_refused(bot: Bot, hook: Hook) -> None:
    with refused("unallowed characters"):
        await bot.set_webhook(hook.url, secret_token="密")
