"""`hotline serve` as a process of its own, and a Telegram that kills it at a chosen moment."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp

from tests.conftest import ROOT
from tests.telegram_server import JSON, Refused, TelegramServer

FAST = {
    "TELEGRAM__TOKEN": TelegramServer.token,
    "TELEGRAM__MESSAGES_PER_SECOND": 100_000,
    "TELEGRAM__MESSAGES_PER_SECOND_IN_CHAT": 100_000,
    "LIMITS__MESSAGES_PER_MINUTE": 100_000,
    "LIMITS__MESSAGES_PER_MINUTE_IN_ALL": 100_000,
}


class Serve:
    """`hotline serve`, started as often as it is killed; use as `with`, so that no process is left over."""

    def __init__(self, config: Path, folder: Path, *, webhook: bool = False, **settings: object) -> None:
        self.config, self.folder, self.port = config, folder, free_port()
        hook = f"http://127.0.0.1:{self.port}/telegram" if webhook else ""
        own = {"WEB__PORT": self.port, "TELEGRAM__WEBHOOK_URL": hook, **FAST}
        own |= {key.upper(): value for key, value in settings.items()}
        outer = {key: value for key, value in os.environ.items() if not key.startswith("HOTLINE_")}
        self._environment = {**outer, **{f"HOTLINE_{key}": str(value) for key, value in own.items()}}
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        assert self._process is None, "it runs already"
        self._starts += 1
        command = [sys.executable, "-m", "bot", "--config", str(self.config), "serve"]
        with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=out, stderr=err, start_new_session=True
            )

    def kill(self) -> None:
        """With -9, and everything that it may have started."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()  # until then its number would look alive
            self._process = None

    async def stop(self, within: float = 20) -> int:
        """Asks it to end, as an operating system does; its exit code."""
        assert self._process
        self._process.terminate()
        return await self.ends(within)

    async def ends(self, within: float = 20) -> int:
        """Its exit code."""
        process = self._process
        assert process
        await self.until(lambda: process.poll() is not None, within, "end")
        self._process = None
        return process.returncode

    async def connected(self, within: float = 30) -> None:
        """Waits until it has signed in."""
        deadline = time.monotonic() + within
        while (await self.health())[1].get("telegram") != "connected":
            assert time.monotonic() < deadline, f"not connected within {within} s; {self._story()}"
            await asyncio.sleep(0.05)

    async def health(self) -> tuple[int, JSON]:
        """What /healthz answers; status 0 while nobody does."""
        try:
            async with aiohttp.request("GET", f"http://127.0.0.1:{self.port}/healthz") as response:
                return response.status, await response.json()
        except aiohttp.ClientConnectionError:
            return 0, {}

    async def says(self, words: str, within: float = 30) -> None:
        """Waits for a line of this start."""
        await self.until(lambda: words in self.stdout + self.stderr, within, f"say {words!r}")

    async def until(self, condition: Callable[[], bool], within: float, what: str) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"did not {what} within {within} s; {self._story()}"
            await asyncio.sleep(0.02)

    @property
    def stdout(self) -> str:
        """What this start wrote."""
        return self._file("out").read_text("utf-8")

    @property
    def stderr(self) -> str:
        return self._file("err").read_text("utf-8")

    @property
    def complaints(self) -> list[str]:
        """What this start wrote to standard error that is no mere information."""
        return [line for line in self.stderr.splitlines() if " INFO " not in line]

    @property
    def everything(self) -> str:
        """What all starts wrote, to both."""
        return "".join(file.read_text("utf-8") for file in sorted(self.folder.glob(f"serve-{self.port}-*")))

    def _file(self, kind: str) -> Path:
        return self.folder / f"serve-{self.port}-{self._starts}.{kind}"

    def _story(self) -> str:
        return f"it wrote:\n{self.stdout}{self.stderr[-3000:]}"


class Trap(NamedTuple):
    victim: Serve
    method: str
    after: bool
    when: Callable[[JSON], bool]


class DeadlyTelegram(TelegramServer):
    """Kills the bot at a request, which is then never answered."""

    _trap: Trap | None = None

    def kill(
        self, victim: Serve, method: str, *, after: bool = False, when: Callable[[JSON], bool] = lambda _: True
    ) -> None:
        """At the next request `when` it is so: before it has any effect, or `after` that."""
        self._trap = Trap(victim, method, after, when)

    async def killed(self) -> None:
        await self.until(lambda: self._trap is None, 30)

    async def _work(self, method: str, params: JSON) -> bytes:
        self._spring(method, params, after=False)
        body = await super()._work(method, params)
        self._spring(method, params, after=True)
        return body

    def _spring(self, method: str, params: JSON, *, after: bool) -> None:
        trap = self._trap
        if trap and (trap.method, trap.after) == (method, after) and trap.when(params):
            self._trap = None
            trap.victim.kill()
            raise Refused(0, "killed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: Any = probe.getsockname()[1]
    return int(port)
