"""One answer for a thousand askers at Telegram's pace, killed half-way; and how long others wait meanwhile.

python -m tests.bench.one_answer [--askers 1000] [--latency 0.05]

The real `hotline serve` as a process of its own, Telegram played on loopback; three minutes.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np

from tests.conftest import ROOT
from tests.process import Serve
from tests.telegram_server import TelegramServer
from tests.test_crash import HALL, serve_for, small_world

PER_SECOND = 25
UNKNOWN, ANSWER = "泰州的居住证怎么办", "请到大厅办。"
_OTHERS = count(1_000_000)


async def others(telegram: TelegramServer, how_many: int, every: float = 0.25) -> list[float]:
    """How long strangers wait for a reply to what is known, in milliseconds; each in a chat of their own."""

    async def one(chat: int) -> float:
        start = time.monotonic()
        telegram.message(chat, HALL)
        await telegram.until(lambda: bool(telegram.texts(chat)), 30)
        return 1000 * (next(sent.at for sent in telegram.sent if sent.chat_id == chat) - start)

    waiting = []
    for _ in range(how_many):
        waiting.append(asyncio.create_task(one(next(_OTHERS))))
        await asyncio.sleep(every)
    return await asyncio.gather(*waiting)


async def answer(world: Path, database: str) -> None:
    """What staff type."""
    command = [sys.executable, "-m", "bot", "--config", str(world), "cases", "answer", "1", ANSWER]
    environment = {**os.environ, "HOTLINE_DATABASE__URL": database}
    done = await asyncio.create_subprocess_exec(*command, "--as", "管理员", "--yes", cwd=ROOT, env=environment)
    assert await done.wait() == 0


async def measure(serve: Serve, telegram: TelegramServer, world: Path, database: str, askers: int) -> None:
    serve.start()
    await serve.connected()
    for chat in range(1, askers + 1):
        telegram.message(chat, UNKNOWN)
    await telegram.until(lambda: len(telegram.sent) >= askers, 60 + askers / PER_SECOND)
    alone = await others(telegram, 60)
    await answer(world, database)
    start = time.monotonic()

    def got() -> list[int]:
        return [sent.chat_id for sent in telegram.sent if ANSWER in sent.text]

    beside = await others(telegram, int(askers / PER_SECOND * 1.5))
    await telegram.until(lambda: len(got()) >= askers * 2 // 5, 120)
    serve.kill()
    serve.start()
    await telegram.until(lambda: len(set(got())) == askers, 120 + askers / PER_SECOND)
    took = time.monotonic() - start
    await serve.connected()
    assert await serve.stop() == 0
    twice = len(got()) - askers
    print(f"{askers} askers: everyone once, {twice} twice ({twice / askers:.1%}), in {took:.0f} s with a kill between")
    print(f"others wait: {_spread(alone)} before, {_spread(beside)} while the answer leaves", end="")
    ratios = (np.quantile(beside, q) / np.quantile(alone, q) for q in (0.5, 0.95))
    print(": {:.2f}x p50, {:.2f}x p95".format(*ratios))


def _spread(waits: Sequence[float]) -> str:
    return f"{np.median(waits):.0f} ms p50, {np.quantile(waits, 0.95):.0f} p95, {max(waits):.0f} worst"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--askers", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that Telegram takes for each answer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world, database = small_world(Path(folder) / "world"), f"sqlite:///{folder}/hotline.db"
        async with TelegramServer(latency=options.latency) as telegram:
            pace = {"telegram__messages_per_second": PER_SECOND}
            with serve_for(telegram, world, Path(folder), database, **pace) as serve:
                await measure(serve, telegram, world, database, options.askers)


if __name__ == "__main__":
    asyncio.run(main())
