"""How long the web takes: a reply, the work list among 10,000 cases, replies beside many open event streams.

python -m tests.bench.web [--cases 10000] [--streams 500]

The real service in a process of its own, on SQLite; one client on loopback. Two minutes.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from bot.store.engine import Store
from bot.store.schema import cases, conversations, events, questions
from tests.conftest import ROOT
from tests.process import Serve

ROUNDS = 300
ASKED = "南京房产证能在网上办吗"
JSON = {"Accept": "application/json"}
FAST = {"limits__messages_per_minute": 1_000_000, "web__messages_per_minute_from_address": 1_000_000}


async def fill(database: str, number: int) -> None:
    """So many open cases, each with a question or two."""
    store = Store(database)
    await store.migrate()
    now = datetime.now().astimezone()
    rows = [{"id": n, "channel": "web", "chat_id": n, "user_id": n, "seen_at": now} for n in range(1, number + 1)]
    opened = [
        {
            "id": n, "state": "new" if n % 3 else "claimed", "reason": "no_match", "opened_at": now - timedelta(hours=n % 90),
            "due_at": now + timedelta(hours=n % 50 - 10), "claimed_by": "" if n % 3 else "管理员",
        }
        for n in range(1, number + 1)
    ]  # fmt: skip
    asked = [
        {
            "id": n, "update_key": f"bench:{n}", "conversation_id": n % number + 1, "asked_at": now - timedelta(minutes=n),
            "text": f"第{n}个没人答得上来的问题", "outcome": "unanswered", "above_answer": 0.8, "above_offer": 0.6,
            "content_version": "bench", "case_id": n % number + 1, "reply": {"text": "已交给工作人员。"},
        }
        for n in range(1, number * 3 // 2 + 1)
    ]  # fmt: skip
    noted = [{"case_id": n, "at": now, "who": "机器人", "what": "opened"} for n in range(1, number + 1)]

    async def work(connection: Any) -> None:
        for table, values in ((conversations, rows), (cases, opened), (questions, asked), (events, noted)):
            await connection.execute(table.insert(), values)

    await store.write(work, long=True)
    await store.close()


async def timed(rounds: int, deed: Callable[[int], Awaitable[None]]) -> tuple[float, float]:
    """p50 and p95 in milliseconds."""
    times = []
    for n in range(rounds):
        start = time.perf_counter()
        await deed(n)
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times)), float(np.quantile(times, 0.95))


async def listen(browser: aiohttp.ClientSession, base: str, ready: asyncio.Semaphore) -> None:
    async with browser.get(f"{base}/events", timeout=aiohttp.ClientTimeout(total=None)) as stream:
        ready.release()
        async for _ in stream.content:
            pass


async def measure(serve: Serve, base: str, streams: int) -> None:
    async with aiohttp.ClientSession(headers=JSON, cookie_jar=_jar()) as browser:

        async def ask(_: int) -> None:
            async with browser.post(f"{base}/ask", data={"text": ASKED}) as answer:
                assert (await answer.json())["outcome"] == "answered"

        await timed(20, ask)
        alone = await timed(ROUNDS, ask)
        print("a reply to what was asked before: {:.1f} ms p50, {:.1f} p95".format(*alone), flush=True)

        async def page(_: int) -> None:
            async with browser.get(f"{base}/", headers={"Accept": "text/html"}) as answer:
                await answer.read()

        print("the chat page with its last 100 entries: {:.1f} ms p50, {:.1f} p95".format(*await timed(50, page)))
        async with aiohttp.ClientSession(cookie_jar=_jar()) as staff:
            await sign_in(staff, serve)
            for name, query in (("the work list", ""), ("its 50th page", "?page=50"), ("a search", "?text=999")):

                async def look(_: int, query: str = query) -> None:
                    async with staff.get(f"{base}/staff/cases{query}") as answer:
                        assert "事项" in await answer.text()

                print("{}: {:.0f} ms p50, {:.0f} p95".format(name, *await timed(50, look)), flush=True)

            async def case(n: int) -> None:
                async with staff.get(f"{base}/staff/cases/{n + 1}") as answer:
                    assert answer.status == 200

            print("a case: {:.0f} ms p50, {:.0f} p95".format(*await timed(50, case)), flush=True)
        ready, before = asyncio.Semaphore(0), memory(serve)
        listeners = [asyncio.create_task(one_page(base, ready)) for _ in range(streams)]
        for _ in listeners:
            await ready.acquire()
        first = memory(serve)
        beside = await timed(ROUNDS, ask)
        await asyncio.sleep(20)
        print(f"{streams} event streams: replies {beside[0]:.1f} ms p50, {beside[1]:.1f} p95: ", end="")
        print(f"{beside[0] / alone[0]:.2f}x, {beside[1] / alone[1]:.2f}x; ", end="")
        print(f"memory {before:.0f} MB before, {first:.0f} with them, {memory(serve):.0f} after 20 s more")
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)
    start = time.perf_counter()
    assert await serve.stop() == 0
    print(f"stops in {time.perf_counter() - start:.1f} s")


async def one_page(base: str, ready: asyncio.Semaphore) -> None:
    """A citizen who asked something and keeps the page open."""
    async with aiohttp.ClientSession(headers=JSON, cookie_jar=_jar()) as browser:
        async with browser.post(f"{base}/ask", data={"text": ASKED}) as answer:
            await answer.read()
        await listen(browser, base, ready)


def _jar() -> aiohttp.CookieJar:
    return aiohttp.CookieJar(unsafe=True)  # it keeps none of a bare address else


async def sign_in(browser: aiohttp.ClientSession, serve: Serve) -> None:
    link = next(line for line in serve.stdout.splitlines() if "/staff/in/" in line).rpartition("http")[2]
    async with browser.post("http" + link) as page:
        assert page.status == 200


def memory(serve: Serve) -> float:
    """Resident, in MB."""
    assert serve._process
    status = Path(f"/proc/{serve._process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/hotline.db"
        await fill(database, options.cases)
        more = {"telegram__token": "", "database__url": database, "web__secret_file": f"{folder}/secret", **FAST}
        with Serve(ROOT / "config.yaml", Path(folder), **more) as serve:
            serve.start()
            await serve.says("工作台", 300)
            await measure(serve, f"http://127.0.0.1:{serve.port}", options.streams)


if __name__ == "__main__":
    asyncio.run(main())
