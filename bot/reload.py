"""What admins save goes live by itself, whole and gated, or not at all; the last good content keeps answering."""

import asyncio
import logging
import math
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Concatenate, ParamSpec, TypeVar

from watchfiles import awatch

from bot.config import Config
from bot.dialogue import Dialogue, Reply
from bot.edition import Files, files_of, keep_aside, version_of, written
from bot.errors import HotlineError, Problem
from bot.handover import take_over
from bot.health import RECENT_DAYS, Health
from bot.hotline import Hotline
from bot.rehearsal import Stage, Verdict, perform, set_up
from bot.store import published
from bot.store.record import recent_words
from bot.store.usage import UsageOfIntents
from bot.teaching import Proposal, checked, taught
from bot.worktime import Clock

FILES = "文件"
"""Who changes content that changed on disk."""
_CHANGED = "文件刚被别人改过,请重新打开再改"
_WHAT_NOW = "改好再存就行;不要这些改动,在工作台「内容」页点「放弃这些改动」,或运行 hotline undo。"
_BY_ITSELF = "过一会儿会自动再试。"
_MOST_TOLD = 10
_LOOK_MILLISECONDS = 1_000
_SETTLE_SECONDS = 0.2
_MOST_SETTLING = 20
_FIT_AFTER_SECONDS = 5.0
_WARMED_UP = 200
_AGAIN_SECONDS = 60.0
_REHEARSE_AFTER_SECONDS = 30.0
"""Long after the start what is live is put on the stage, in its own time: the first change takes no longer then."""
P = ParamSpec("P")
T = TypeVar("T")
Tell = Callable[[str], Awaitable[None]]
log = logging.getLogger(__name__)


class Stale(HotlineError):
    """Somebody else saved the same file a moment earlier."""


class Gone(HotlineError):
    """The version is not kept any more."""


@dataclass(frozen=True)
class Trouble:
    """Why what is on disk is not what answers."""

    version: str
    problems: tuple[Problem, ...]
    refusals: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """One each, with file and line where they have one."""
        return [*map(str, self.problems), *self.refusals]


class Reloader:
    """Watches the folders; `run` until cancelled, then `close`."""

    def __init__(self, config: Config, hotline: Hotline, files: Files, clock: Clock, tell: Tell) -> None:
        self.config, self.hotline, self.store, self.clock, self.tell = config, hotline, hotline.store, clock, tell
        self.live: Files = files
        self.trouble: Trouble | None = None
        self._again_at = math.inf
        self._one_at_a_time = asyncio.Lock()
        self._told = ""
        self._stage: ProcessPoolExecutor | None = None
        self._fitting: asyncio.Task[None] | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._health: tuple[tuple[str, date], Health] | None = None

    @property
    def version(self) -> str:
        """Of the content that answers."""
        return self.hotline.version

    async def run(self) -> None:
        """Looks at once, then whenever something is saved, and once a second in case no one tells."""
        self._preparing = asyncio.create_task(self._prepare())
        blind = ""
        while True:
            try:
                await self.look()
                await self._look_when_saved()
            except FileNotFoundError:
                pass
            except Exception as error:  # such as no more watches: looking once a second finds it too
                if blind != (blind := repr(error)):
                    log.warning("reload: not watching, only looking once a second", exc_info=error)
            await asyncio.sleep(_LOOK_MILLISECONDS / 1000)

    async def _look_when_saved(self) -> None:
        folders = (self.config.content.intents, self.config.content.knowledge)
        how: dict[str, Any] = {"debounce": 100, "step": 50, "ignore_permission_denied": True}
        async for _ in awatch(*folders, rust_timeout=_LOOK_MILLISECONDS, yield_on_timeout=True, **how):
            await self.look()
            if not all(folder.is_dir() for folder in folders):
                break  # another folder of that name would not be watched

    async def look(self) -> None:
        """Takes up what is on disk, unless it is live or was refused already."""
        if self._is_known(await asyncio.to_thread(_version_on_disk, self.config)):
            return
        async with self._one_at_a_time:
            files = await self._settled()
            version = version_of(files)
            if self._is_known(version):
                return
            self._again_at = math.inf
            try:
                verdict = await self._judged(files)
                if verdict.may_go_live:
                    await self._go_live(files, verdict, FILES, "")
            except HotlineError as error:
                verdict = self._failed(version, str(error))
            except Exception as error:
                log.exception("reload")
                verdict = self._failed(version, f"出错了({type(error).__name__}),详情见日志")
            if not verdict.may_go_live and version_of(await self.on_disk()) == version:
                await self._refuse(verdict)  # else it was changed again meanwhile, and is looked at again

    async def on_disk(self) -> dict[str, bytes]:
        """The files as they are now."""
        return await asyncio.to_thread(files_of, self.config)

    async def rehearse(self, files: Files) -> Verdict:
        """What would become of a content; nothing does."""
        real = await recent_words(self.store, self.config.content.gate_questions)
        return await self._on_stage(Stage.rehearse, dict(self.live), dict(files), real)

    async def try_out(self, files: Files, question: str, region: str) -> tuple[Reply | None, str]:
        """What a draft would reply and why; nothing, and its mistakes, where it cannot be used."""
        return await self._on_stage(Stage.try_out, dict(self.live), dict(files), question, region)

    async def health(self) -> Health:
        """How healthy what is live is; some seconds, once a day and version."""
        now = self.clock()
        key = (self.version, now.date())
        if self._health is None or self._health[0] != key:
            usage = await UsageOfIntents(self.store).since(now - timedelta(RECENT_DAYS))
            self._health = key, await self._on_stage(Stage.examine, dict(self.live), usage, now.date())
        return self._health[1]

    async def teach(self, batch: Sequence[tuple[int, Proposal]], who: str) -> dict[int, str]:
        """Puts proposals live, as many as may; for the others, by number, why not."""
        async with self._one_at_a_time:
            return await self._taught(batch, who)

    async def undo(self, number: int, who: str) -> published.Version:
        """Puts an earlier version back, on disk and live; raises Gone when it is not kept any more."""
        async with self.store.reading(long=True) as connection:
            versions = {v.id: v for v in await published.history(connection)}
            files = await published.files_of(connection, number)
        if files is None or number not in versions:
            raise Gone(f"没有版本 {number}")
        async with self._one_at_a_time:
            now = await self.on_disk()
            await asyncio.to_thread(keep_aside, self.config, now)
            await self._put_live(now, files, Verdict(version_of(files)), who, f"退回版本 {number}")
        return versions[number]

    async def save(self, name: str, opened: bytes | None, body: bytes, who: str, why: str) -> Verdict:
        """Puts one file on disk and live, gated; raises Stale when it is no longer what was `opened`."""
        async with self._one_at_a_time:
            now = await self.on_disk()
            if now.get(name) != opened:
                raise Stale(_CHANGED)
            return await self._changed(now, {**now, name: body}, who, why)

    async def close(self) -> None:
        """Ends what is being tried out."""
        for task in filter(None, (self._fitting, self._preparing)):
            task.cancel()
            await asyncio.wait([task])
        if self._stage:
            for process in (getattr(self._stage, "_processes", None) or {}).values():
                process.terminate()  # a rehearsal may take a while, and nobody waits for it any more
            self._stage.shutdown(wait=False, cancel_futures=True)

    # ---- inside

    async def _prepare(self) -> None:
        await asyncio.sleep(_REHEARSE_AFTER_SECONDS)
        with _errors_logged():
            await self._on_stage(Stage.prepare, dict(self.live))
        if self._fitting is None or self._fitting.done():  # the last fit may have been ended before it was through
            self._fit_later(self.live)

    # what follows is done by one at a time

    async def _changed(self, before: Files, after: Files, who: str, why: str) -> Verdict:
        if version_of(await self.on_disk()) != version_of(before):
            raise Stale(_CHANGED)
        verdict = await self._judged(after)
        if verdict.may_go_live:
            await self._put_live(before, after, verdict, who, why)
        return verdict

    async def _put_live(self, before: Files, after: Files, verdict: Verdict, who: str, why: str) -> None:
        """On disk first: what is live and not there would be taken back by the next look."""
        now = await self.on_disk()
        if any(now.get(name) != before.get(name) for name in {*before, *after} if before.get(name) != after.get(name)):
            raise Stale(_CHANGED)
        with written(self.config, before, after):
            await self._go_live(after, verdict, who, why)

    async def _taught(self, batch: Sequence[tuple[int, Proposal]], who: str) -> dict[int, str]:
        refused: dict[int, str] = {}
        files, fit = await self.on_disk(), list[tuple[int, Proposal]]()
        if version_of(files) != self.version:
            return {number: "文件夹里有还没上线的改动,请先改好" for number, _ in batch}
        after, content = files, self.hotline.dialogue.content
        for number, proposal in batch:
            try:
                after = taught(after, checked(proposal, content), content)
                fit.append((number, proposal))
            except HotlineError as mistake:
                refused[number] = str(mistake)
        if not fit:
            return refused
        why = "、".join(f"事项 {proposal.case}" for _, proposal in fit)
        try:
            verdict = await self._changed(files, after, who, why)
        except HotlineError as trouble:  # what went live before it, of the same batch, stays live
            return refused | {number: str(trouble) for number, _ in fit}
        if verdict.may_go_live:
            return refused
        if len(fit) == 1:
            return {**refused, fit[0][0]: "；".join([*map(str, verdict.errors), *verdict.refusals])}
        for half in (fit[: len(fit) // 2], fit[len(fit) // 2 :]):  # the bad ones must not hold up the good ones
            refused |= await self._taught(half, who)
        return refused

    def _failed(self, version: str, why: str) -> Verdict:
        """Not the content's fault: it is tried again."""
        self._again_at = monotonic() + _AGAIN_SECONDS
        return Verdict(version, refusals=(why,))

    def _is_known(self, version: str) -> bool:
        """Whether there is nothing to do about what is on disk."""
        if version == self.version:
            self._clear()
            return True
        return bool(self.trouble and self.trouble.version == version and monotonic() < self._again_at)

    async def _settled(self) -> Files:
        """The files once nobody is writing any more: an editor saves in several steps."""
        files = await self.on_disk()
        for _ in range(_MOST_SETTLING):
            await asyncio.sleep(_SETTLE_SECONDS)
            now = await self.on_disk()
            if version_of(now) == version_of(files):
                break
            files = now
        return files

    async def _judged(self, files: Files) -> Verdict:
        version = version_of(files)
        async with self.store.reading() as connection:
            if await published.was_live(connection, version):
                return Verdict(version)  # undone, or saved as it was: it has been through the gate
        return await self.rehearse(files)

    async def _on_stage(self, work: Callable[Concatenate[Stage, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """What the second process makes of it; raises HotlineError whatever goes wrong there."""
        if self._stage is None:
            context = get_context("spawn")
            self._stage = ProcessPoolExecutor(1, context, initializer=set_up, initargs=(self.config,))
        job = partial(perform, work, *arguments, **named)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._stage, job)
        except HotlineError:
            raise
        except BrokenProcessPool:
            self._stage = None
            raise HotlineError("试运行的进程意外结束;改动没有上线") from None
        except Exception as error:
            log.exception("rehearsal")
            raise HotlineError(f"试运行出错({type(error).__name__});改动没有上线,详情见日志") from error

    async def _go_live(self, files: Files, verdict: Verdict, who: str, why: str) -> None:
        if verdict.version == self.version:
            self._clear()
            return
        dialogue = await self._taken_over(files)
        report = verdict.comparison.as_json() if verdict.comparison else None
        version, now = verdict.version, self.clock()
        packed = await asyncio.to_thread(published.pack, files)
        await self.store.write(lambda c: published.publish(c, version, packed, now, who, why, report), long=True)
        self.hotline.use(dialogue, version)
        self.live = files
        self._clear()
        log.info("content %s is live (%s)", version, who)
        self._fit_later(files)

    async def _taken_over(self, files: Files) -> Dialogue:
        """The dialogue over these files, made and asked what was asked lately where nobody's reply waits for it."""
        now = self.hotline.dialogue
        encoders = [m.encoder for m in (now.matcher, now.matcher.second) if m]
        try:
            with TemporaryDirectory(prefix="hotline-") as folder:
                path = Path(folder) / "dialogue"
                await self._on_stage(Stage.pass_on, dict(files), now.asked_lately(_WARMED_UP), path)
                return await asyncio.to_thread(take_over, path, encoders)
        except HotlineError:
            raise
        except Exception as error:  # such as a full disk, or an encoder that was updated since the start
            log.exception("content is not taken over")
            raise HotlineError(f"换不上新内容({type(error).__name__});请重新启动 hotline serve") from error

    async def _refuse(self, verdict: Verdict) -> None:
        errors = tuple(verdict.errors)
        self.trouble = Trouble(verdict.version, errors, verdict.refusals)
        lines = self.trouble.lines
        log.warning("content %s is refused; %s goes on answering:\n%s", verdict.version, self.version, "\n".join(lines))
        what_now = _WHAT_NOW if self._again_at == math.inf else _BY_ITSELF
        text = "\n".join(["内容有改动没有上线,现在的答复不变:", *lines[:_MOST_TOLD], what_now])
        if text != self._told:
            self._told = text
            with _errors_logged():
                await self.tell(text)

    def _clear(self) -> None:
        self.trouble, self._told, self._again_at = None, "", math.inf

    def _fit_later(self, files: Files) -> None:
        """A space of its own, in its own time: until then the new phrases live in the last one's."""
        if self._fitting:
            self._fitting.cancel()
        self._fitting = asyncio.create_task(self._fit(files))

    async def _fit(self, files: Files) -> None:
        await asyncio.sleep(_FIT_AFTER_SECONDS)
        with _errors_logged():
            if self.config.file is None or not await self._on_stage(Stage.needs_space, dict(files)):
                return
            if await self._fitted_aside(self.config.file):
                async with self._one_at_a_time:
                    await self._use_space(files)

    async def _fitted_aside(self, config: Path) -> bool:
        """Whether a process that gives way to all others has fitted what is live."""
        command = [sys.executable, "-m", "bot", "--config", str(config), "fit"]
        slowly = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # the other processors are for replies
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, env=slowly)
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
        return process.returncode == 0

    async def _use_space(self, files: Files) -> None:
        """Gates it like any other change: thresholds move with it, and a check may become wrong."""
        version = version_of(files)
        if version != self.version:
            return
        real = await recent_words(self.store, self.config.content.gate_questions)
        verdict = await self._on_stage(Stage.compare_spaces, dict(files), real)
        if not verdict.may_go_live:
            log.info("content %s keeps the space it has: %s", version, "; ".join(verdict.refusals))
            return
        self.hotline.use(await self._taken_over(files), version)
        await self.hotline.grouping.prepare(self.store)
        log.info("content %s has a space of its own", version)


def _version_on_disk(config: Config) -> str:
    return version_of(files_of(config))


@contextmanager
def _errors_logged() -> Iterator[None]:
    """What goes wrong in the background stands in the log; the next look, or the next save, tries again."""
    try:
        yield
    except HotlineError as error:
        log.warning("reload: %s", error)
