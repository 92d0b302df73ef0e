"""The whole bot over Telegram: updates a second, how long a reply takes, and a hundred citizens beside a flood.

python -m tests.bench.telegram [--database postgresql://…]

Telegram is tests/telegram_server.py in this process; each bot is measured in a process of its own, one after the other:
`ours` is what `hotline serve` runs, with the shipped content; `unmatched` the same with a dialogue that says one thing
at once; `stock` an echo as python-telegram-bot's examples have it; `bare` an echo over aiohttp alone, nothing stored.
Four of five questions are from fifty asked before, the fifth was never asked. Latency is how late each of Telegram's
answers comes; a reply's time ends when sendMessage arrives. Our own pace and the limit over all are out of the way.
"""

import argparse
import asyncio
import gc
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from bot.app import read_content
from bot.commands.ask import open_dialogue
from bot.config import load_config
from bot.dialogue import Dialogue, Question, Reply, State
from tests.telegram_server import TelegramServer

ROOT = Path(__file__).parents[2]
NONE, LATE = 0.0, 0.05
CHATS, MOST_A_MINUTE = 50, 20
BURST, SHORT_BURST = CHATS * MOST_A_MINUTE, 200
A_SECOND, SECONDS, SECONDS_OF_OTHERS = 10, 20, 10
ASKED_BEFORE, UNSEEN = 50, 0.2
CITIZENS, FLOOD = 100, 1000
SETTINGS = {
    "NO_PROXY": "127.0.0.1",
    "HOTLINE_WEB__PORT": "0",
    "HOTLINE_TELEGRAM__TOKEN": TelegramServer.token,
    "HOTLINE_TELEGRAM__MESSAGES_PER_SECOND": "1000000",
    "HOTLINE_TELEGRAM__MESSAGES_PER_SECOND_IN_CHAT": "1000000",
    "HOTLINE_LIMITS__MESSAGES_PER_MINUTE": str(MOST_A_MINUTE),
    "HOTLINE_LIMITS__MESSAGES_PER_MINUTE_IN_ALL": "100000000",
}
Ask = tuple[float, int, str]
"""At which second, in which chat, what."""
Waits = tuple[list[float], list[float]]
"""Each citizen's milliseconds without a flood and, in the same order, with it."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", default="", help="an empty one on PostgreSQL; else an SQLite file for each bot")
    parser.add_argument("--bot", choices=BOTS, help="be this bot, at the server in HOTLINE_TELEGRAM__API_URL")
    args = parser.parse_args()
    if args.bot:
        BOTS[args.bot](os.environ["HOTLINE_TELEGRAM__API_URL"])
        return
    gc.disable()  # the server's pauses are not the bots'
    asyncio.run(measure(args.database))


async def measure(database: str) -> None:
    """Every bot in turn, then the tables."""
    figures = {}
    for name in BOTS:
        async with running(name, database) as crowd:
            figures[name] = await crowd.figures(name)
            if name == "ours":
                floods = await crowd.floods()
    print(f"python -m tests.bench.telegram {database and '--database …'}")
    show_rates(figures)
    show_waits(figures)
    show_floods(floods)


@asynccontextmanager
async def running(name: str, database: str) -> AsyncIterator["Crowd"]:
    """A bot in a process of its own, and the crowd that it knows."""
    with tempfile.TemporaryDirectory() as folder:
        async with TelegramServer() as telegram:
            url = database or f"sqlite:///{folder}/hotline.db"
            where = {"HOTLINE_TELEGRAM__API_URL": telegram.url, "HOTLINE_DATABASE__URL": url}
            command = [sys.executable, "-m", "tests.bench.telegram", "--bot", name]
            bot = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env={**os.environ, **SETTINGS, **where})
            try:
                crowd = Crowd(telegram)
                await crowd.wait(0, crowd.before)
                yield crowd
            finally:
                bot.kill()
                await bot.wait()


# ---- what is measured


@dataclass
class Figures:
    """What one bot did, by latency."""

    rates: dict[float, float] = field(default_factory=dict)
    repeats: dict[float, float] = field(default_factory=dict)
    """Updates a second when all were asked before."""
    waits: dict[float, list[float]] = field(default_factory=dict)


class Crowd:
    """Everybody who writes to one bot."""

    def __init__(self, telegram: TelegramServer) -> None:
        self.telegram = telegram
        telegram.next_update_id = int(time.time() * 1000)  # new to a database that has seen another bot's
        self._new_chats = count(int(time.time() * 1000))
        content, _ = read_content(load_config(ROOT / "config.yaml", {}))
        texts = sorted({check.ask for _, check in content.checks})
        self._random = random.Random(0)
        self._random.shuffle(texts)
        self.before, self._unseen = texts[:ASKED_BEFORE], iter(texts[ASKED_BEFORE:])

    async def figures(self, name: str) -> Figures:
        """Bursts, and messages at an even pace, at each latency; less of what would take a minute."""
        figures, seconds = Figures(), SECONDS if name == "ours" else SECONDS_OF_OTHERS
        for late in (NONE, LATE):
            self.telegram.latency = late
            size = SHORT_BURST if late and name == "stock" else BURST
            figures.rates[late] = await self.rate(self.mixed(size))
            if name in ("ours", "unmatched"):
                figures.repeats[late] = await self.rate(self.repeated(size))
            figures.waits[late] = await self.wait(1 / A_SECOND, self.mixed(seconds * A_SECOND), CHATS)
        return figures

    async def rate(self, texts: Sequence[str]) -> float:
        """Updates a second when all are there at once."""
        waits = await self.wait(0, texts, CHATS)
        return len(texts) / max(waits) * 1000

    async def floods(self) -> dict[str, Waits]:
        """How long each of a hundred waits, alone and beside a flood, over ten seconds or all there at once."""
        waits = {}
        for late, seconds in ((NONE, 10), (LATE, 10), (LATE, 0)):
            self.telegram.latency = late
            texts, flood = self.repeated(CITIZENS), self.repeated(FLOOD)
            flooder, every = next(self._new_chats), seconds / CITIZENS
            alone = await self.wait(every, texts)
            beside = await self.wait(
                every, texts, beside=[(n * seconds / FLOOD, flooder, t) for n, t in enumerate(flood)]
            )
            waits[f"{late * 1000:.0f} ms, {'while it lasts' if seconds else 'behind it all'}"] = alone, beside
        return waits

    # ---- what citizens do

    def repeated(self, number: int) -> list[str]:
        """Questions asked before."""
        return self._random.choices(self.before, k=number)

    def mixed(self, number: int) -> list[str]:
        """Questions asked before and, among them, some that never were."""
        unseen = list(islice(self._unseen, int(number * UNSEEN)))
        texts = [*unseen, *self.repeated(number - len(unseen))]
        self._random.shuffle(texts)
        return texts

    async def wait(
        self, every: float, texts: Sequence[str], chats: int | None = None, beside: Sequence[Ask] = ()
    ) -> list[float]:
        """Milliseconds to the reply of each text, in so many new chats, or one each; nobody waits for `beside`."""
        in_turn = cycle([next(self._new_chats) for _ in range(chats or len(texts))])
        plan = [(n * every, chat, text) for n, (chat, text) in enumerate(zip(in_turn, texts, strict=False))]
        before = len(self.telegram.sent)
        asked = await self._send(sorted([*beside, *plan], key=lambda ask: ask[0]))
        ours = {chat for _, chat, _ in plan}
        await self._all_replied(before, ours, len(texts))
        arrived = defaultdict(list)
        for sent in self.telegram.sent[before:]:
            arrived[sent.chat_id].append(sent.at)
        return [1000 * (arrived[chat].pop(0) - at) for chat, at in asked if chat in ours]

    async def _send(self, plan: Iterable[Ask]) -> list[tuple[int, float]]:
        """Chat and moment of each message, in the order of the plan."""
        start, asked = time.monotonic(), []
        for at, chat, text in plan:
            if start + at > time.monotonic():
                await asyncio.sleep(start + at - time.monotonic())
            asked.append((chat, time.monotonic()))
            self.telegram.message(chat, text)
        return asked

    async def _all_replied(self, before: int, chats: set[int], number: int) -> None:
        """And a moment more, for what a bot does afterwards."""
        sent, pending = self.telegram.sent, self.telegram.pending
        await self.telegram.until(
            lambda: len(sent) >= before + number and sum(s.chat_id in chats for s in sent[before:]) >= number, 180
        )
        await self.telegram.until(lambda: not pending, 60)
        await asyncio.sleep(1)


# ---- the bots


def run_ours(_: str) -> None:
    """What `hotline serve` runs."""
    _serve(lambda dialogue: dialogue)


def run_unmatched(_: str) -> None:
    """The same without thinking."""
    _serve(Parrot)


def _serve(wrapped: Callable[[Dialogue], Any]) -> None:
    from bot.service import Service  # beside this file `import telegram` would find this file

    config = load_config(ROOT / "config.yaml")
    dialogue = wrapped(open_dialogue(config))

    async def serve() -> None:
        async with Service(config, dialogue, "bench", lambda: datetime.now(config.zone)) as service:
            await service.run()

    asyncio.run(serve())


class Parrot:
    """A dialogue that has one reply."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.content, self.matcher = dialogue.content, dialogue.matcher
        question = Question("绿码带星去南通要核酸吗", datetime.now().astimezone())
        self._said = dialogue.step(question)

    def step(self, question: Question, state: State) -> tuple[Reply, State]:
        """Always the same."""
        return self._said

    def is_familiar(self, text: str) -> bool:
        """No thought is needed."""
        return True


def run_stock(api_url: str) -> None:
    """python-telegram-bot as it comes."""
    from telegram import Update
    from telegram.ext import ApplicationBuilder, ContextTypes, MessageHandler, filters

    async def echo(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        assert update.message
        assert update.message.text
        await update.message.reply_text(update.message.text)

    application = ApplicationBuilder().token(TelegramServer.token).base_url(f"{api_url}/bot").build()
    application.add_handler(MessageHandler(filters.TEXT & ~filters.COMMAND, echo))
    application.run_polling()


def run_bare(api_url: str) -> None:
    """As little as can be, all at once."""
    asyncio.run(_echo(f"{api_url}/bot{TelegramServer.token}"))


async def _echo(api: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as replies:

        async def call(method: str, **params: Any) -> Any:
            async with session.post(f"{api}/{method}", data=params) as response:
                return (await response.json())["result"]

        offset = 0
        while True:
            for update in await call("getUpdates", offset=offset, timeout=30):
                offset = update["update_id"] + 1
                message = update["message"]
                replies.create_task(call("sendMessage", chat_id=message["chat"]["id"], text=message["text"]))


BOTS: Mapping[str, Callable[[str], None]] = {
    "ours": run_ours,
    "unmatched": run_unmatched,
    "stock": run_stock,
    "bare": run_bare,
}


# ---- what is shown


def show_rates(figures: Mapping[str, Figures]) -> None:
    """Updates a second, over stock and over our own without matching."""
    print(f"updates a second, {BURST} at once over {CHATS} chats:     no latency      {LATE * 1000:.0f} ms")
    ours, unmatched, stock = (figures[name] for name in ("ours", "unmatched", "stock"))
    rows = {name: f.rates for name, f in figures.items()}
    rows |= {"ours, all repeated": ours.repeats, "unmatched, all repeated": unmatched.repeats}
    for name, rates in rows.items():
        print(f"  {name:32}" + "".join(f"{rates[late]:10.0f}" for late in (NONE, LATE)))
    ratios = {
        "ours over stock": (ours.rates, stock.rates),
        "ours over unmatched": (ours.rates, unmatched.rates),
        "  all repeated": (ours.repeats, unmatched.repeats),
    }
    for name, (above, below) in ratios.items():
        print(f"  {name:32}" + "".join(f"{above[late] / below[late]:9.2f}x" for late in (NONE, LATE)))


def show_waits(figures: Mapping[str, Figures]) -> None:
    """How late replies come, and how much later than a bare echo."""
    print(f"milliseconds to a reply, {A_SECOND} messages a second: p50 and p95 (and over bare)")
    for name, each in figures.items():
        print(f"  {name:12}", end="")
        for late in (NONE, LATE):
            (p50, p95), bare = (np.quantile(f.waits[late], (0.5, 0.95)) for f in (each, figures["bare"]))
            print(f"  {p50:6.1f} {p95:6.1f} ({p50 - bare[0]:+5.1f} {p95 - bare[1]:+5.1f})", end="")
        print()


def show_floods(floods: Mapping[str, Waits]) -> None:
    """Each citizen's wait beside a flood over the same citizen's without."""
    print(f"{CITIZENS} citizens beside a flood of {FLOOD} messages of one chat, by latency:")
    for name, (alone, beside) in floods.items():
        ratios = np.divide(beside, alone)
        usual, then = (np.quantile(times, (0.5, 1)) for times in (alone, beside))
        print(f"  {name:22} median {np.median(ratios):5.2f}x, worst {ratios.max():5.2f}x", end="")
        print(f"  ({usual[0]:.0f}, at most {usual[1]:.0f} ms; with the flood {then[0]:.0f}, at most {then[1]:.0f} ms)")


if __name__ == "__main__":
    main()
