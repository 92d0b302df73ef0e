"""How soon a saved phrase is live, who waits for it meanwhile, and what the bot learns from thirty cases.

python -m tests.bench.reload FOLDER [--phrases 1500]

FOLDER holds covid_clusters_tianchi.jsonl, one {"text", "intent", …} a line. The real `hotline serve` as a process of its own with
so many phrases, further wordings of some as check questions; both encoders. Then thirty further matters, whose
first wording was refused, are taught in the console: two wordings as phrases, one as check, the others ask. Four minutes.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from bot.content.edit import add_phrases, new_file
from bot.text import normalise
from tests.conftest import World
from tests.process import Serve

NAME, SEED = "covid_clusters_tianchi.jsonl", 12345
EACH, TAUGHT, SAVES = 4, 30, 10
FEWEST_TAUGHT = 5
Matters = dict[str, list[str]]


def read(path: Path) -> Matters:
    """Matters with two wordings or more that are no other's."""
    found: Matters = defaultdict(list)
    seen: set[str] = set()
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        key = normalise(row["text"])
        if not row["intent"].startswith("__") and key not in seen and "  " not in row["text"]:
            seen.add(key)
            found[row["intent"]].append(row["text"].strip())
    return {matter: texts for matter, texts in found.items() if len(texts) > 1}


def parted(matters: Matters, phrases: int) -> tuple[Matters, Matters, dict[str, str]]:
    """What is known and what is to be taught, and of what is known one wording each that is kept for asking."""
    names = sorted(matters)
    random.Random(SEED).shuffle(names)
    taught = [n for n in names if len(matters[n]) >= FEWEST_TAUGHT][: 3 * TAUGHT]
    known, asked = dict[str, list[str]](), dict[str, str]()
    for name in (n for n in names if n not in set(taught)):
        texts = matters[name]
        if len(texts) > EACH // 2:
            asked[name], texts = texts[-1], texts[:-1]
        known[name] = texts[: min(EACH, phrases - sum(map(len, known.values())))]
        if sum(map(len, known.values())) >= phrases:
            break
    return known, {n: matters[n] for n in taught}, asked


def world_of(folder: Path, known: Matters, asked: dict[str, str]) -> World:
    world = World(folder)
    world.write("config.yaml", "matching: {cache: cache}\nstaff: {people: [{name: 管理员, role: admin}]}\n")
    (folder / "intents/own.yaml").unlink()
    entries: dict[str, Any] = {
        f"covid.{matter}": {
            "title": "疫情问题",
            "department": "registration",
            "phrases": texts,
            "answers": [{"text": "大厅暂停。", "facts": ["paper/hours"]}],
        }
        for matter, texts in known.items()
    }
    world.write("intents/covid.yaml", new_file(entries))
    checks: list[Any] = [{"ask": ask, "expect": f"covid.{matter}"} for matter, ask in list(asked.items())[::2]]
    world.write("intents/checks/covid.yaml", new_file(checks))
    world.write("intents/background.yaml", "lines:\n  - 今天天气不错\n  - 放一首歌\n  - 讲个笑话\n")
    return world


class Client:
    """A citizen, and staff, over HTTP."""

    def __init__(self, base: str, citizen: aiohttp.ClientSession, staff: aiohttp.ClientSession) -> None:
        self.base, self.citizen, self.staff = base, citizen, staff
        self.at_rest = asyncio.Lock()
        """Held while a question is timed, or while this process works: the one must not be counted with the other."""

    async def ask(self, text: str) -> dict[str, Any]:
        async with self.citizen.post(f"{self.base}/ask", data={"text": text}) as answer:
            said: dict[str, Any] = await answer.json()
            return said

    async def ready(self) -> dict[str, Any]:
        async with self.citizen.get(f"{self.base}/readyz") as answer:
            told: dict[str, Any] = await answer.json()
            return told

    async def posts(self, path: str, data: Any) -> str:
        async with self.staff.post(f"{self.base}{path}", data=data, timeout=aiohttp.ClientTimeout(600)) as answer:
            return await answer.text()


async def keep_asking(client: Client, texts: list[str], stop: asyncio.Event, times: list[float]) -> None:
    rnd = random.Random(SEED)
    while not stop.is_set():
        async with client.at_rest:
            start = time.perf_counter()
            await client.ask(rnd.choice(texts))
            times.append(1000 * (time.perf_counter() - start))
        await asyncio.sleep(0.02)


async def while_asking(client: Client, texts: list[str], work: Any) -> tuple[Any, list[float]]:
    stop, times = asyncio.Event(), list[float]()
    asking = asyncio.create_task(keep_asking(client, texts, stop, times))
    result = await work
    stop.set()
    await asking
    return result, times


async def looks(client: Client, seconds: float) -> None:
    """As often as while something is saved."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await client.ready()
        await asyncio.sleep(0.02)


async def saves(client: Client, world: World, phrases: dict[str, str]) -> list[float]:
    """Seconds until each of some phrases is live, one saved after the other; what is refused is taken back."""
    took, file = [], world.folder / "intents/covid.yaml"
    for matter, phrase in phrases.items():
        before = (await client.ready())["content"]
        async with client.at_rest:
            text = await asyncio.to_thread(file.read_text, "utf-8")
            await asyncio.to_thread(file.write_text, add_phrases(text, f"covid.{matter}", [phrase]), "utf-8")
        start = time.perf_counter()
        while (now := await client.ready())["content"] == before:
            await asyncio.sleep(0.02)
            if now["content_refused"]:
                print(f"「{phrase}」is refused: {now['content_refused'][0]}", flush=True)
                await asyncio.to_thread(file.write_text, text, "utf-8")
                break
        else:
            took.append(time.perf_counter() - start)
    return took


async def teach(client: Client, matters: Matters, others: list[str]) -> None:
    refused: Matters = {}
    for matter, texts in matters.items():
        said = await client.ask(texts[0])
        if said["outcome"] != "answered" and len(refused) < TAUGHT:
            refused[matter] = texts
            if not said["ticket"]:
                await client.citizen.post(f"{client.base}/ask", data={"text": texts[0], "staff": "1"})
    before = [await client.ask(text) for text in others]
    for matter, texts in refused.items():
        found = await client.staff.get(f"{client.base}/staff/cases", params={"state": "all", "text": texts[0]})
        case = int((await found.text()).split('data-case="')[1].split('"')[0])
        form = {"kind": "intent", "key": f"taught.n{matter}", "title": "新学的", "department": "registration"}
        asked = {"phrases": "\n".join(texts[:2]), "checks": texts[2]}
        preview = await client.posts(f"/staff/cases/{case}/preview", {"text": "请到大厅。"})
        seen = [part.split('"')[0] for part in preview.split('name="seen" value="')[1:]]
        await client.posts(f"/staff/cases/{case}/answer", [("text", "请到大厅。"), *(("seen", one) for one in seen)])
        await client.posts(f"/staff/cases/{case}/learn", {**form, **asked})
    print(f"{len(refused)} refused questions taught one after the other", flush=True)
    right = near = wrong = asked_again = 0
    for matter, texts in refused.items():
        for text in texts[3:8]:
            said = await client.ask(text)
            asked_again += 1
            right += said["outcome"] == "answered" and said["intent"] == f"taught.n{matter}"
            near += f"taught.n{matter}" in {choice["intent"] for choice in said["choices"]}
            wrong += said["outcome"] == "answered" and said["intent"] != f"taught.n{matter}"
    after = [await client.ask(text) for text in others]
    moved = sum(
        b["outcome"] == "answered" and b["intent"] != a["intent"] and str(b["intent"]).startswith("taught.")
        for a, b in zip(before, after, strict=True)
    )
    print(f"their paraphrases: {right} of {asked_again} answered right ({right / asked_again:.0%}), ", end="")
    print(f"{near} one tap away, {wrong} wrong")
    print(f"{moved} of {len(others)} other questions answered with one of the new intents")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--phrases", type=int, default=1500)
    options = parser.parse_args()
    known, later, asked = parted(read(options.folder / NAME), options.phrases)
    new = dict(list(asked.items())[1::2][:SAVES])  # of those that are no check questions
    others = [ask for matter, ask in asked.items() if matter not in new]
    with tempfile.TemporaryDirectory() as folder:
        world = world_of(Path(folder) / "world", known, asked)
        more = {"telegram__token": "", "database__url": f"sqlite:///{folder}/hotline.db"}
        fast = {"web__messages_per_minute_from_address": 1_000_000, "web__secret_file": f"{folder}/secret"}
        with Serve(world.folder / "config.yaml", Path(folder), **more, **fast) as serve:
            serve.start()
            await serve.says("工作台", 600)
            base, jar = f"http://127.0.0.1:{serve.port}", aiohttp.CookieJar
            async with (
                aiohttp.ClientSession(headers={"Accept": "application/json"}, cookie_jar=jar(unsafe=True)) as citizen,
                aiohttp.ClientSession(cookie_jar=jar(unsafe=True)) as staff,
            ):
                client = Client(base, citizen, staff)
                link = next(line for line in serve.stdout.splitlines() if "/staff/in/" in line).rpartition("http")[2]
                await client.posts(link.partition(str(serve.port))[2], {})
                texts = others[:200]
                await while_asking(client, texts, looks(client, 45))  # and the second process is ready
                _, alone = await while_asking(client, texts, looks(client, 30))
                took, beside = await while_asking(client, texts, saves(client, world, new))
                print(
                    f"{sum(map(len, known.values()))} phrases: live after {np.median(took):.1f} s (first {took[0]:.1f}, worst {max(took):.1f})"
                )
                a, b = (np.quantile(times, [0.5, 0.99]) for times in (alone, beside))
                print(f"replies: {a[0]:.1f} ms p50, {a[1]:.1f} p99 before; {b[0]:.1f}, {b[1]:.1f} meanwhile: ", end="")
                print(f"{b[0] / a[0]:.2f}x p50, {b[1] / a[1]:.2f}x p99", flush=True)
                await teach(client, later, others)
            assert await serve.stop() == 0


if __name__ == "__main__":
    asyncio.run(main())
