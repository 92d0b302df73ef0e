"""What staff's pages take with many questions on record, in SQLite: the real service, a session, its own loopback.

python -m tests.bench.library [--questions 100000]
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bot.app import build_dialogue, read_content
from bot.config import load_config
from bot.dialogue import Dialogue, Question
from bot.store.engine import Store, Transaction
from bot.store.questions import Said
from bot.store.schema import conversations, questions
from tests.conftest import ROOT
from tests.house import Browser, open_house

DAYS = 180
TIMES = 20


def asked(dialogue: Dialogue, texts: list[str], number: int, now: datetime) -> Iterator[dict[str, Any]]:
    """So many of the check questions, spread over half a year, as they are put on record."""
    rnd = random.Random(0)
    replies = {text: dialogue.step(Question(text, now))[0] for text in texts}
    for n in range(number):
        text = rnd.choice(texts)
        reply = replies[text]
        said = Said(0, reply.outcome, reply.text, reply.choices, reply.follow_ups, sources=reply.sources)
        yield {
            "update_key": f"bench:{n}", "conversation_id": rnd.randrange(1, 1001), "text": text, "outcome": reply.outcome,
            "asked_at": now - timedelta(days=DAYS) * (1 - n / number), "intent": reply.intent, "region": reply.region,
            "score": reply.score, "above_answer": 0.8, "above_offer": 0.5, "content_version": "bench",
            "reply": said.as_json(), "feedback": rnd.choice(["", "", "solved", "unsolved"]),
        }  # fmt: skip


async def fill(url: str, rows: list[dict[str, Any]], now: datetime) -> None:
    """Puts them on record."""
    store = Store(url)
    await store.migrate()
    people = [{"id": n, "channel": "web", "chat_id": n, "user_id": n, "seen_at": now} for n in range(1, 1001)]

    async def work(connection: Transaction) -> None:
        await connection.execute(conversations.insert(), people)
        await connection.execute(questions.insert(), rows)

    await store.write(work, long=True)
    await store.close()


async def timed(staff: Browser, name: str, path: str) -> None:
    """First, then the others' median and maximum, in milliseconds."""
    took = []
    for _ in range(TIMES):
        start = time.perf_counter()
        await staff.opens(path)
        took.append((time.perf_counter() - start) * 1000)
        assert staff.status == 200, path
    first, *rest = took
    print(f"{name:40} first {first:6.1f}  median {statistics.median(rest):6.1f}  max {max(rest):6.1f} ms", flush=True)


async def measure(number: int) -> None:
    config = load_config(ROOT / "config.yaml")
    content, _ = read_content(config)
    dialogue, now = build_dialogue(config, content), datetime.now(config.zone)
    rows = list(asked(dialogue, [check.ask for _, check in content.checks], number, now))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/hotline.db"
        await fill(url, rows, now)
        async with open_house(dialogue, url, Path(folder)) as house:
            staff = await house.staff("管理员")
            long = {"since": (now - timedelta(days=170)).date(), "until": (now - timedelta(days=1)).date()}
            day = {"since": long["since"], "until": long["since"]}
            for name, path in (
                ("提问记录, newest", "/staff/questions"),
                ("提问记录, the oldest", f"/staff/questions?before={number // 50}"),
                ("提问记录, words", "/staff/questions?" + urlencode({"text": "房产证"})),
                ("提问记录, words that nobody wrote", "/staff/questions?" + urlencode({"text": "无此字样"})),
                ("提问记录, an intent's 没解决", "/staff/questions?intent=code.red&feedback=unsolved"),
                ("提问记录, a day long ago", "/staff/questions?" + urlencode(day)),
                ("提问记录, nobody's words in 170 days", "/staff/questions?" + urlencode({"text": "无此字样", **long})),
                ("意图", "/staff/intents"),
                ("an intent", "/staff/intents/code.red"),
                ("概览", "/staff/overview"),
            ):
                await timed(staff, name, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=100_000)
    asyncio.run(measure(parser.parse_args().questions))
