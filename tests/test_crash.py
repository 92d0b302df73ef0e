"""Nothing that citizens wrote is lost, whenever `hotline serve` dies: the real process, a real database, kill -9.

`python -m tests.test_crash 5` runs five rounds of each kind and prints a table. Where it kills is random:
`CRASH_SEED=7` before either command repeats a choice, though not the machine's own timing.
"""

import asyncio
import os
import random
import re
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from sqlalchemy import func, select

from bot.app import build_dialogue, read_content
from bot.config import load_config
from bot.dialogue import Dialogue, Outcome, Question, State
from bot.store.engine import Store
from bot.store.inbox import InboxState
from bot.store.schema import cases, conversations, leases, questions, updates
from bot.telegram.receive import BAD_TOKEN, update_key
from bot.telegram.send import LETTERS_AT_ONCE
from tests import databases
from tests.conftest import NOW, ROOT, World
from tests.line import eventually
from tests.process import DeadlyTelegram, Serve, free_port
from tests.telegram_server import BOT, Sent, TelegramServer

CHATS, QUESTIONS, KILLS = 20, 500, 3
ANNA, BERT, CARL = 1, 2, 3
WHERE, HALL = "居住证怎么办", "大厅几点开门"
ASKED = [
    WHERE, "镇江", HALL, "火星上能种土豆吗", "南京", "苏州的居住证怎么办", "泰州的居住证怎么办", "那苏州呢",
    "抵押登记怎么办", "火星上的大厅",
]  # fmt: skip
NUMBERS = count(1)
SEED = int(os.environ.get("CRASH_SEED") or random.randrange(1_000_000))


def small_world(folder: Path) -> Path:
    """Settings of a hotline that starts quickly; where one lives decides about a 居住证."""
    world = World(folder)
    cities = {"南京市": "南京", "镇江市": "镇江", "苏州市": "苏州", "泰州市": "泰州"}
    places = [f"  {city}: {{parent: 江苏省, aliases: [{name}]}}\n" for city, name in cities.items()]
    world.write("intents/regions.yaml", "places:\n  江苏省: {}\n" + "".join(places))
    world.write(
        "intents/residence.yaml",
        """
        residence.permit:
          title: 居住证
          department: registration
          phrases: [居住证怎么办, 暂住证去哪里办, 外地人办居住证]
          answers:
            - {region: 南京市, text: 南京市的大厅暂停。, facts: [paper/hours]}
            - {region: 镇江市, text: 镇江市的大厅暂停。, facts: [paper/hours]}
            - {region: 苏州市, text: 苏州市的大厅暂停。, facts: [paper/hours]}
        """,
    )
    dialogue_of(folder / "config.yaml")
    return folder / "config.yaml"


@cache
def dialogue_of(settings: Path) -> Dialogue:
    """The same that `serve` has; fitted here, so that `serve` finds it in its cache."""
    config = load_config(settings, {})
    return build_dialogue(config, read_content(config, checks=False)[0])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_world(tmp_path_factory.mktemp("crash") / "world")


@pytest.fixture
async def telegram() -> AsyncIterator[DeadlyTelegram]:
    async with DeadlyTelegram() as server:
        yield server


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/hotline.db"


@pytest.fixture
def postgresql_database(postgresql: str) -> str:
    return databases.new_database(postgresql, f"crash{next(NUMBERS)}")


@pytest.fixture
def serve(world: Path, tmp_path: Path, telegram: DeadlyTelegram, sqlite: str) -> Iterator[Serve]:
    with serve_for(telegram, world, tmp_path, sqlite) as serve:
        yield serve


def serve_for(telegram: TelegramServer, world: Path, folder: Path, database: str, **settings: Any) -> Serve:
    return Serve(world, folder, **{"telegram__api_url": telegram.url, "database__url": database, **settings})


# ---- what is on record, and what has arrived


@dataclass(frozen=True)
class Record:
    """Everything that a database holds at one moment."""

    rows: Sequence[Any]
    """Questions, oldest first, each with its `chat_id`."""
    updates: Sequence[Any]
    conversations: Sequence[Any]
    cases: int

    def of(self, chat: int) -> list[Any]:
        return [row for row in self.rows if row.chat_id == chat]

    @property
    def unmarked(self) -> set[int]:
        """Questions whose reply, as far as is on record, has not left."""
        return {row.id for row in self.rows if row.replied_at is None}


async def record(database: str) -> Record:
    store = Store(database)
    with_chat = select(questions, conversations.c.chat_id).join(conversations).order_by(questions.c.id)
    async with store.reading(long=True) as connection:
        found = Record(
            (await connection.execute(with_chat)).all(),
            (await connection.execute(select(updates))).all(),
            (await connection.execute(select(conversations))).all(),
            (await connection.execute(select(func.count()).select_from(cases))).scalar_one(),
        )
    await store.close()
    return found


def number(sent: Sent) -> int:
    """Which question a reply is about: its buttons say so, or its ticket."""
    found = re.search(r"\b[qynh]:(\d+)|编号 (\d+)", " ".join([*sent.buttons.values(), sent.text]))
    assert found, f"a reply to nothing: {sent.text!r}"
    return int(found[1] or found[2])


def replies(telegram: TelegramServer, chat: int) -> list[int]:
    """The questions replied to in a chat, in the order of their first reply."""
    return list(dict.fromkeys(number(sent) for sent in telegram.sent if sent.chat_id == chat))


def twice(telegram: TelegramServer) -> int:
    """How many replies were sent again."""
    return len(telegram.sent) - len({number(sent) for sent in telegram.sent})


async def settled(database: str) -> bool:
    """Whether nothing that was received still waits."""
    return not {update.state for update in (await record(database)).updates} & {InboxState.NEW, InboxState.RETRY}


# ---- 500 questions, killed three times


@dataclass
class Round:
    """What became of the questions of 20 chats."""

    seed: int
    lost: list[int] = field(default_factory=list)
    """Updates without a reply in their chat."""
    out_of_order: list[int] = field(default_factory=list)
    """Chats whose rows, or first replies, are not those of an undisturbed conversation."""
    rows_twice: int = 0
    tickets_wrong: int = 0
    unfinished: int = 0
    """Updates that are not done, or still hold words."""
    in_flight: list[int] = field(default_factory=list)
    """Per kill: replies that had arrived and were not noted."""
    twice: list[int] = field(default_factory=list)
    """Per kill: replies sent again before the next."""
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        wrong = (self.lost, self.out_of_order, self.rows_twice, self.tickets_wrong, self.unfinished)
        return not any(wrong) and sum(self.twice) <= sum(self.in_flight) <= KILLS * CHATS


async def crash_round(world: Path, database: str, seed: int, *, webhook: bool = False) -> Round:
    """Asks everything at once, kills at random, starts again, until every question has a reply."""
    rng, result, began = random.Random(seed), Round(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        async with TelegramServer(latency=0.02) as telegram:
            with serve_for(telegram, world, Path(folder), database, webhook=webhook) as serve:
                asked = ask(telegram, rng)
                for _ in range(KILLS):
                    serve.start()
                    await kill_somewhere(serve, telegram, rng)
                    before = await record(database)
                    result.in_flight.append(len({number(s) for s in telegram.sent} & before.unmarked))
                    result.twice.append(twice(telegram) - sum(result.twice))
                serve.start()
                with suppress(AssertionError):  # what is missing shows in the comparison
                    await telegram.until(lambda: not telegram.pending and len(distinct(telegram)) == QUESTIONS, 60)
                    await eventually(lambda: settled(database))
                assert await serve.stop() == 0
                result.twice = [*result.twice[1:], twice(telegram) - sum(result.twice)]
            compare(result, dialogue_of(world), asked, await record(database), telegram)
    result.seconds = time.monotonic() - began
    return result


def ask(telegram: TelegramServer, rng: random.Random) -> dict[int, tuple[int, str]]:
    """Chat and words of every update; each citizen begins with something that names a matter."""
    turns = [chat for chat in range(1, CHATS + 1) for _ in range(QUESTIONS // CHATS)]
    rng.shuffle(turns)
    said = [(chat, rng.choice(ASKED)) for chat in turns]
    return {telegram.message(chat, text): (chat, text) for chat, text in said}


def distinct(telegram: TelegramServer) -> set[int]:
    return {number(sent) for sent in telegram.sent}


async def kill_somewhere(serve: Serve, telegram: TelegramServer, rng: random.Random) -> None:
    """Any time from its first word to Telegram on."""
    calls, sent = len(telegram.calls), len(telegram.sent) + max(0, rng.randrange(-30, 100))
    await telegram.until(lambda: len(telegram.calls) > calls and len(telegram.sent) >= sent, 60)
    await asyncio.sleep(rng.uniform(0, 0.05))
    serve.kill()
    await asyncio.sleep(0.1)  # what it had already written to the network arrives


def compare(
    result: Round, dialogue: Dialogue, asked: dict[int, tuple[int, str]], found: Record, telegram: TelegramServer
) -> None:
    rows = {row.update_key: row for row in found.rows}
    arrived = {(sent.chat_id, number(sent)) for sent in telegram.sent}
    for update, (chat, _) in asked.items():
        row = rows.get(update_key(BOT["id"], update))
        if row is None or (chat, row.id) not in arrived:
            result.lost.append(update)
    for chat in range(1, CHATS + 1):
        as_it_is = [
            (row.text, row.outcome, row.intent, row.region if row.case_id is None else "") for row in found.of(chat)
        ]
        as_it_should = undisturbed(dialogue, [text for c, text in asked.values() if c == chat])
        if as_it_is != as_it_should or replies(telegram, chat) != [row.id for row in found.of(chat)]:
            result.out_of_order.append(chat)
    result.rows_twice = len(found.rows) - len(rows.keys() & {update_key(BOT["id"], update) for update in asked})
    tickets = [row.case_id for row in found.rows if row.outcome == Outcome.UNANSWERED]
    result.tickets_wrong = abs(found.cases - len(set(tickets) - {None})) + tickets.count(None)
    result.unfinished = sum(update.state != InboxState.DONE or update.raw is not None for update in found.updates)


def undisturbed(dialogue: Dialogue, texts: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Words, outcome, intent and place of each turn, when nothing ever fails."""
    turns, state = [], State()
    for text in texts:
        reply, state = dialogue.step(Question(text, NOW), state)
        turns.append((text, str(reply.outcome), reply.intent, reply.region))
    return turns


@pytest.mark.parametrize("webhook", [False, True], ids=["polling", "webhook"])
async def test_of_500_questions_none_is_lost_when_killed_three_times(world: Path, sqlite: str, webhook: bool) -> None:
    result = await crash_round(world, sqlite, SEED, webhook=webhook)
    assert result.is_clean, result


async def test_nor_is_one_lost_where_postgresql_holds_them(world: Path, postgresql_database: str) -> None:
    result = await crash_round(world, postgresql_database, SEED)
    assert result.is_clean, result


# ---- killed at a chosen moment


async def test_killed_between_record_and_reply_it_replies_after_the_restart(
    telegram: DeadlyTelegram, serve: Serve, sqlite: str
) -> None:
    """Anna's reply has not reached Telegram when it dies; Bert's has, and it dies before it knows that."""
    serve.start()
    for chat, after in ((ANNA, False), (BERT, True)):
        await serve.connected()
        telegram.kill(serve, "sendMessage", after=after)
        telegram.message(chat, "泰州的居住证怎么办")
        await telegram.killed()
        (question,) = (await record(sqlite)).of(chat)
        assert (question.replied_at, question.case_id) == (None, 1)
        assert len(telegram.texts(chat)) == after

        serve.start()
        await telegram.until(lambda chat=chat, count=after + 1: len(telegram.texts(chat)) == count, 30)
        assert replies(telegram, chat) == [question.id]
        await eventually(lambda: settled(sqlite))
    assert await serve.stop() == 0
    found = await record(sqlite)
    assert (len(found.rows), found.cases, found.unmarked) == (2, 1, set())


@pytest.mark.parametrize("webhook", [False, True], ids=["polling", "webhook"])
async def test_what_is_not_stored_yet_stays_with_telegram(
    telegram: DeadlyTelegram, world: Path, tmp_path: Path, sqlite: str, webhook: bool
) -> None:
    with serve_for(telegram, world, tmp_path, sqlite, webhook=webhook) as serve:
        serve.start()
        await serve.connected()
        with locked(sqlite):
            asked = {telegram.message(chat, HALL) for chat in range(1, CHATS + 1)}
            await asyncio.sleep(1)
            assert set(telegram.pending) == asked
            serve.kill()
        serve.start()
        await heard(telegram, range(1, CHATS + 1), 1)
        assert await serve.stop() == 0


async def test_killed_in_the_middle_of_a_transaction_nothing_of_it_stays(
    telegram: DeadlyTelegram, world: Path, tmp_path: Path, postgresql_database: str
) -> None:
    """It waits for the last thing that it writes, with everything else written and not committed."""
    with serve_for(telegram, world, tmp_path, postgresql_database) as serve:
        serve.start()
        await serve.connected()
        async with table_in_use(postgresql_database, "cases") as is_awaited:
            telegram.message(ANNA, "泰州的居住证怎么办")
            await eventually(is_awaited)
            serve.kill()
            found = await record(postgresql_database)
            assert not [*found.rows, *found.conversations]
            assert [update.state for update in found.updates] == [InboxState.NEW]
        serve.start()
        await heard(telegram, [ANNA], 1)
        assert await serve.stop() == 0
    found = await record(postgresql_database)
    assert (len(found.rows), len(found.conversations), found.cases) == (1, 1, 1)


@contextmanager
def locked(database: str) -> Iterator[None]:
    """Somebody else writes, and takes their time."""
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@asynccontextmanager
async def table_in_use(database: str, table: str) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """The same for one table of PostgreSQL; tells whether a row that points there waits to be committed."""
    checking = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'RowShareLock'"
    connection = await asyncpg.connect(database)

    async def is_awaited() -> bool:
        return bool(await connection.fetchval(checking))

    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield is_awaited
    finally:
        await connection.close()


MOMENTS = {
    "Telegram has given it to us, and it has not arrived": ("getUpdates", True),
    "it is stored and not confirmed": ("getUpdates", False),
    "the reply is on record and not sent": ("sendMessage", False),
    "the reply is sent and not noted": ("sendMessage", True),
}
IN_TURN = {
    ANNA: [(WHERE, "ask_region", ""), ("镇江", "answered", "镇江市")],
    BERT: [(WHERE, "ask_region", ""), ("泰州", "unanswered", "泰州市")],
    CARL: [(WHERE, "ask_region", ""), ("镇江市", "answered", "镇江市")],
}


@pytest.mark.parametrize("deadly_turn", [0, 1], ids=["the question", "the city"])
async def test_killed_around_which_city_it_asks_once_and_answers_for_the_right_one(
    telegram: DeadlyTelegram, serve: Serve, sqlite: str, deadly_turn: int
) -> None:
    """Each time Anna types a city, Bert one that we know nothing of, and Carl taps."""
    serve.start()
    for n, moment in enumerate(MOMENTS):
        await serve.connected()
        citizens = {10 * n + who: who for who in IN_TURN}
        for turn in (0, 1):
            if turn == deadly_turn:
                kill_at(telegram, serve, moment)
            for chat, who in citizens.items():
                take_turn(telegram, chat, who, turn)
            if turn == deadly_turn:
                await telegram.killed()
                serve.start()
            await heard(telegram, citizens, turn + 1)
    await serve.connected()  # before that it knows no gentle end; the last ones may have been heard before the kill
    assert await serve.stop() == 0

    found = await record(sqlite)
    for chat in {row.chat_id for row in found.rows}:
        question, answer = found.of(chat)
        turns = [(row.text, row.outcome, row.region) for row in (question, answer)]
        assert turns == IN_TURN[chat % 10]
        assert answer.parent_id == question.id
        assert replies(telegram, chat) == [question.id, answer.id]
        assert len(telegram.texts(chat)) <= 3, "what was in flight may come twice, nothing else"
    assert found.cases == 1, "every Bert asks the same"


def take_turn(telegram: TelegramServer, chat: int, who: int, turn: int) -> None:
    words = IN_TURN[who][turn][0]
    if who == CARL and turn == 1:
        message = next(sent for sent in telegram.sent if sent.chat_id == chat)
        telegram.tap(chat, message.message_id, message.buttons[words])
    else:
        telegram.message(chat, words)


def kill_at(telegram: DeadlyTelegram, serve: Serve, moment: str) -> None:
    (method, after), first = MOMENTS[moment], telegram.next_update_id
    is_confirming = method == "getUpdates" and not after
    telegram.kill(serve, method, after=after, when=lambda p: not is_confirming or p.get("offset", 0) > first)


async def heard(telegram: TelegramServer, chats: Iterable[int], count: int) -> None:
    """Waits until each chat has so many replies."""
    await telegram.until(lambda: all(len(replies(telegram, chat)) == count for chat in chats), 30)


# ---- one answer for many


async def test_an_answer_to_a_hundred_survives_a_kill_in_the_middle(
    telegram: DeadlyTelegram, world: Path, serve: Serve, sqlite: str
) -> None:
    serve.start()
    await serve.connected()
    askers = range(1, 101)
    for chat in askers:
        telegram.message(chat, "泰州的居住证怎么办")
    await heard(telegram, askers, 1)
    answer = [sys.executable, "-m", "bot", "--config", str(world), "cases", "answer", "1", "请到大厅办。"]
    environment = {**os.environ, "HOTLINE_DATABASE__URL": sqlite}
    done = await asyncio.create_subprocess_exec(*answer, "--as", "管理员", "--yes", cwd=ROOT, env=environment)
    assert await done.wait() == 0

    def answered() -> list[int]:
        return [sent.chat_id for sent in telegram.sent if "请到大厅办。" in sent.text]

    await telegram.until(lambda: len(answered()) >= 30, 30)
    serve.kill()
    serve.start()
    await telegram.until(lambda: set(answered()) == set(askers), 60)
    await serve.connected()
    assert await serve.stop() == 0
    assert len(answered()) <= 100 + LETTERS_AT_ONCE, "only what was in flight may come twice"


# ---- ended, and doubled


@pytest.mark.parametrize(
    ("webhook", "latency"),
    [
        pytest.param(False, 0.3, id="polling"),
        pytest.param(True, 0.3, id="webhook"),
        pytest.param(True, 0.7, id="slow webhook"),
    ],
)
async def test_asked_to_end_under_load_it_ends_at_once_and_nothing_is_lost_or_sent_twice(
    telegram: DeadlyTelegram, world: Path, tmp_path: Path, sqlite: str, webhook: bool, latency: float
) -> None:
    asked = {telegram.message(n % CHATS + 1, HALL) for n in range(200)}
    for n in range(60):
        telegram.tap(n % CHATS + 1, 1, "k")  # these come beside the messages, also from a webhook
    with serve_for(telegram, world, tmp_path, sqlite, webhook=webhook) as serve:
        telegram.latency = latency
        serve.start()
        await telegram.until(lambda: len(telegram.sent) > CHATS, 30)
        began = time.monotonic()
        assert await serve.stop() == 0
        assert time.monotonic() - began < 5
        assert not serve.complaints
        assert len(telegram.sent) < len(asked)

        telegram.latency = 0
        serve.start()
        await telegram.until(lambda: len(distinct(telegram)) == len(asked) and not telegram.pending, 30)
        assert await serve.stop() == 0
    found = await record(sqlite)
    assert {row.update_key for row in found.rows} == {update_key(BOT["id"], update) for update in asked}
    assert twice(telegram) == 0


async def test_of_two_on_one_database_only_one_polls_and_the_other_takes_over(
    telegram: DeadlyTelegram, world: Path, tmp_path: Path, sqlite: str, serve: Serve
) -> None:
    async def answers(within: float) -> None:
        telegram.message(ANNA, HALL)
        await telegram.reply(ANNA, timeout=within)
        await eventually(lambda: settled(sqlite))

    with serve_for(telegram, world, tmp_path, sqlite) as second:
        serve.start()
        await answers(30)
        second.start()
        await second.says("另一个 hotline serve")
        await answers(5)

        serve.kill()
        await answers(20)
        serve.start()
        await serve.says("另一个 hotline serve")

        assert await second.stop() == 0
        await answers(8)
        assert await serve.stop() == 0
    assert twice(telegram) == 0
    assert not [call for call in telegram.calls if call.status == 409]


async def test_ending_it_keeps_the_lease_until_its_last_reply_is_noted(
    telegram: DeadlyTelegram, serve: Serve, sqlite: str
) -> None:
    """Or the next one to lead would send again what this one is sending."""
    telegram.latency = 1.0
    for chat in range(1, CHATS + 1):
        telegram.message(chat, HALL)
    serve.start()
    await telegram.until(lambda: bool(telegram.sent), 30)
    stopped = asyncio.create_task(serve.stop())
    await eventually(lambda: nobody_leads(sqlite))
    assert not distinct(telegram) & (await record(sqlite)).unmarked
    assert await stopped == 0


async def nobody_leads(database: str) -> bool:
    store = Store(database)
    async with store.reading(long=True) as connection:
        found = (await connection.execute(select(leases))).all()
    await store.close()
    return not found


# ---- troubles at the start


async def test_a_bad_token_ends_it_with_one_clear_line(
    telegram: DeadlyTelegram, world: Path, tmp_path: Path, sqlite: str
) -> None:
    token = "123456:AAbbCC-wrong"
    with serve_for(telegram, world, tmp_path, sqlite, telegram__token=token) as serve:
        serve.start()
        assert await serve.ends() == 1
        assert serve.complaints == [BAD_TOKEN]
        assert "wrong" not in serve.everything


async def test_while_telegram_cannot_be_reached_it_is_alive_and_keeps_trying(
    world: Path, tmp_path: Path, sqlite: str
) -> None:
    telegram, port = TelegramServer(), free_port()
    with Serve(world, tmp_path, telegram__api_url=f"http://127.0.0.1:{port}", database__url=sqlite) as serve:
        serve.start()
        await serve.says("连不上 Telegram")
        status, health = await serve.health()
        assert (status, health["telegram"]) == (200, "connecting")
        telegram.message(ANNA, HALL)
        await telegram.start(port)
        try:
            assert "大厅暂停" in (await telegram.reply(ANNA, timeout=20)).text
            assert await serve.stop() == 0
        finally:
            await telegram.stop()


async def test_another_program_with_our_token_is_named_and_we_go_on_once_it_stops(
    telegram: DeadlyTelegram, serve: Serve
) -> None:
    async def poll() -> None:
        async with aiohttp.ClientSession(f"{telegram.url}/bot{telegram.token}/") as http:
            while True:
                await http.post("getUpdates", json={"timeout": 5})

    serve.start()
    await serve.connected()
    other = asyncio.create_task(poll())
    await serve.says("另一个程序正用同一个令牌收消息(409)")
    other.cancel()
    with suppress(asyncio.CancelledError):
        await other
    telegram.message(ANNA, HALL)
    await telegram.reply(ANNA, timeout=20)
    assert await serve.stop() == 0
    assert all("(409)" in line for line in serve.complaints)


async def test_a_port_in_use_ends_it_with_one_clear_line(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", serve.port)):
        serve.start()
        assert await serve.ends() == 1
    (line,) = serve.complaints
    assert f"127.0.0.1:{serve.port}" in line
    assert "web.port" in line


async def test_without_a_token_it_says_where_one_comes_from_and_is_alive(
    telegram: DeadlyTelegram, world: Path, tmp_path: Path, sqlite: str
) -> None:
    with serve_for(telegram, world, tmp_path, sqlite, telegram__token="") as serve:
        serve.start()
        await serve.says("/healthz")
        assert (await serve.health())[0] == 200
        assert "HOTLINE_TELEGRAM__TOKEN" in serve.stdout
        assert "BotFather" in serve.stdout
        assert await serve.stop() == 0
    assert not telegram.calls


# ---- what must not be in a log


async def test_logs_hold_neither_the_token_nor_what_anybody_wrote(
    telegram: DeadlyTelegram, serve: Serve, sqlite: str
) -> None:
    name = "紫金山"
    telegram.fail("sendMessage", 400, f"Bad Request: can't parse entities: {name}", chat=1)
    telegram.fail("sendMessage", 403, chat=2)
    telegram.fail("sendMessage", 429, chat=3)
    telegram.fail("sendMessage", 500, f"Internal Server Error: {name}", chat=4)
    telegram.fail("sendMessage", 0, chat=5)
    telegram.fail("sendMessage", 0, chat=6, after=True)
    for n in range(100):
        telegram.message(n % CHATS + 1, f"{name}的{WHERE}")
    broken = {"message_id": 1, "date": name, "chat": {"id": 7, "type": "private"}, "text": name}
    telegram.push({"message": broken})
    telegram.push({"message": {"chat": name, "text": [name]}})
    telegram.tap(8, 1, f"q:{name}")
    serve.start()
    await serve.connected()
    await telegram.until(lambda: not telegram.pending, 30)
    await eventually(lambda: settled(sqlite))
    with locked(sqlite):
        telegram.message(9, name)
        await serve.says("数据库暂时用不了")
    await telegram.until(lambda: not telegram.pending, 30)
    await serve.says("will be tried again")
    await serve.says("is set aside")
    assert await serve.stop() == 0
    assert name not in serve.everything
    assert telegram.token.partition(":")[2] not in serve.everything
    assert any(name in row.text for row in (await record(sqlite)).rows)


# ---- many rounds, as a table


def main(rounds: int) -> None:
    kinds = {"polling": False, "webhook": True, "polling, PostgreSQL": False}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        world = small_world(Path(folder) / "world")
        server = stack.enter_context(databases.cluster()) if databases.programs() else None
        tell(
            "kind                 rounds  kills  lost  out of order  rows twice  replies twice per kill (were in flight)"
        )
        for kind, webhook in kinds.items():
            if "PostgreSQL" in kind and server is None:
                continue
            results = []
            for n in range(rounds):
                database = f"sqlite:///{folder}/{kind}-{n}.db"
                if "PostgreSQL" in kind:
                    database = databases.new_database(str(server), f"crash{n}")
                results.append(asyncio.run(crash_round(world, database, SEED + n, webhook=webhook)))
            tell(row_of(kind, results))
            for result in results:
                if not result.is_clean:
                    tell(str(result))


def row_of(kind: str, results: Sequence[Round]) -> str:
    kills = sum(len(r.twice) for r in results)
    again = " ".join(f"{t}({f})" for r in results for t, f in zip(r.twice, r.in_flight, strict=True))
    lost, order = sum(len(r.lost) for r in results), sum(len(r.out_of_order) for r in results)
    return f"{kind:<20} {len(results):>6} {kills:>6} {lost:>5} {order:>13} {sum(r.rows_twice for r in results):>11}  {again}"


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    tell(f"seed {SEED}")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
