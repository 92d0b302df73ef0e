"""What admins save goes live by itself, whole and gated, or not at all; the last good content keeps answering."""

import asyncio
import gc
import os
import shutil
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import reload
from bot.app import build_dialogue
from bot.cli import main
from bot.commands.serve import _content
from bot.config import Config, load_config
from bot.edition import files_of, open_files, version_of
from bot.service import Service
from bot.store import published
from bot.store.record import rows
from tests.conftest import World
from tests.house import JSON, House
from tests.line import RunningClock

NEW = "停车位怎么申请"
CHECKS = """
- {ask: 楼上好像着火了, expect: urgent, number: "119"}
- {ask: 房子抵押一定要去现场吗, expect: loan.remote, region: 南京市, remembered: 南京市}
"""


@pytest.fixture
def ours(world: World) -> World:
    world.write("intents/checks/own.yaml", CHECKS)
    return world


def config_of(world: World, tmp_path: Path) -> Config:
    environment = {
        "DATABASE__URL": f"sqlite:///{tmp_path}/hotline.db",
        "WEB__PORT": 0,
        "WEB__SECRET_FILE": tmp_path / "secret",
        "LIMITS__MESSAGES_PER_MINUTE": 100_000,
        "WEB__MESSAGES_PER_MINUTE_FROM_ADDRESS": 100_000,
    }
    return load_config(world.folder / "config.yaml", {f"HOTLINE_{k}": str(v) for k, v in environment.items()})


class Office(House):
    """A house whose content follows the folders of a world."""

    def __init__(self, service: Service, clock: RunningClock, world: World) -> None:
        super().__init__(service, clock)
        assert service.reloader
        self.world, self.reloader = world, service.reloader

    async def until(self, condition: Callable[[], bool], within: float = 30) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within} s; {self.reloader.trouble}"
            await asyncio.sleep(0.02)

    async def refuses(self, *words: str) -> list[str]:
        """Waits for a refusal that says all of that."""
        await self.until(lambda: self.reloader.trouble is not None)
        assert self.reloader.trouble
        text = "\n".join(self.reloader.trouble.lines)
        assert all(word in text for word in words), text
        return self.reloader.trouble.lines

    async def history(self) -> list[published.Version]:
        async with self.service.store.reading() as connection:
            return await published.history(connection)


@asynccontextmanager
async def open_office(world: World, tmp_path: Path) -> AsyncIterator[Office]:
    config, clock = config_of(world, tmp_path), RunningClock()
    files = files_of(config)
    async with Service(
        config, build_dialogue(config, open_files(config, files)[0]), version_of(files), clock, files
    ) as service:
        running, office = asyncio.create_task(service.run()), Office(service, clock, world)
        try:
            yield office
        finally:
            await office.close()
            running.cancel()
            await asyncio.wait([running])


@pytest.fixture
async def office(ours: World, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(ours, tmp_path) as office:
        yield office


def add_phrase(world: World, phrase: str = NEW) -> None:
    world.change("intents/own.yaml", "    - 今天有人吗在窗口\n", f"    - 今天有人吗在窗口\n    - {phrase}\n")


async def phrase_goes_live(office: Office, phrase: str = NEW) -> str:
    """The version that answers then."""
    before = office.reloader.version
    add_phrase(office.world, phrase)
    await office.until(lambda: office.reloader.version != before)
    return office.reloader.version


async def test_a_saved_phrase_is_live_and_each_question_says_which_content_answered_it(office: Office) -> None:
    citizen, first = office.browser(), office.reloader.version
    assert (await citizen.asks(NEW))["outcome"] != "answered"
    await phrase_goes_live(office)
    said = await citizen.asks(NEW)
    assert (said["outcome"], said["intent"]) == ("answered", "hall.open")
    before, after = await rows(office.service.store, None, None)
    assert (before.content_version, after.content_version) == (first, office.reloader.version)
    assert [v.who for v in await office.history()] == ["文件", "文件"]


async def test_a_mistake_goes_nowhere_and_is_told_with_file_and_line(office: Office) -> None:
    first = office.reloader.version
    office.world.change("intents/own.yaml", "facts: [paper/loan]", "facts: [paper/lone]")
    (line,) = await office.refuses("own.yaml:11", "paper/lone", "paper/loan")
    assert line.startswith(str(office.world.folder)) or line.startswith("..") or "intents/own.yaml" in line
    assert office.reloader.version == first
    assert (await office.browser().asks("大厅几点开门"))["outcome"] == "answered"
    operator = office.browser()
    assert "paper/lone" in await operator.opens("/readyz")
    office.world.change("intents/own.yaml", "paper/lone", "paper/loan")
    await office.until(lambda: office.reloader.trouble is None)
    assert [v.version for v in await office.history()] == [first], "nothing new went live"


async def test_a_change_that_makes_a_check_wrong_is_refused(office: Office) -> None:
    office.world.change("intents/urgent.yaml", "[着火]", "[冒浓烟]")
    await office.refuses("楼上好像着火了", "urgent", "会变成")
    assert (await office.browser().asks("楼上好像着火了"))["outcome"] == "urgent"


async def test_a_file_that_is_gone_is_named_where_it_makes_checks_wrong(office: Office) -> None:
    (office.world.folder / "intents/urgent.yaml").unlink()
    first, *_ = await office.refuses("楼上好像着火了")
    assert first == "少了文件 intents/urgent.yaml"


async def test_a_hundred_saves_in_a_row_leave_no_gap(office: Office) -> None:
    citizen, wrong = office.browser(), list[str]()
    done = asyncio.Event()

    async def keeps_asking() -> None:
        while not done.is_set():
            said = await citizen.asks("大厅几点开门")
            if (citizen.status, said.get("intent")) != (200, "hall.open"):
                wrong.append(str(said))

    asking = asyncio.create_task(keeps_asking())
    good = (office.world.folder / "intents/own.yaml").read_text("utf-8")
    for number in range(100):
        broken = number % 2 and number != 99
        text = good[: len(good) // 2] if broken else good.replace("今天有人吗在窗口", f"今天有人吗在窗口{number}")
        office.world.write("intents/own.yaml", text)
        await asyncio.sleep(0.01)
    office.world.write("intents/own.yaml", good.replace("- 今天有人吗在窗口", f"- 今天有人吗在窗口\n    - {NEW}"))
    live = office.browser()
    deadline = time.monotonic() + 30
    while (await live.asks(NEW))["outcome"] != "answered":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    done.set()
    await asking
    assert wrong == []


async def test_what_answered_before_is_let_go_and_open_cases_are_still_known(office: Office) -> None:
    citizen, other = office.browser(), office.browser()
    await citizen.posts("/ask", {"text": "宠物猫走丢", "staff": "1"}, headers=JSON)
    before = weakref.ref(office.service.hotline.dialogue)
    gc.disable()  # what only the collector finds would stay for ever: all that is live is frozen
    try:
        await phrase_goes_live(office)
        await other.posts("/ask", {"text": "宠物猫走丢", "staff": "1"}, headers=JSON)
        assert before() is None
    finally:
        gc.enable()
    mine, theirs = await rows(office.service.store, None, None)
    assert mine.case_id is not None
    assert mine.case_id == theirs.case_id


async def test_what_goes_wrong_while_it_is_taken_over_ends_nothing_and_is_tried_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = office.reloader.version
    with monkeypatch.context() as patched:
        patched.setattr(reload, "take_over", full_disk)
        patched.setattr(reload, "_AGAIN_SECONDS", 2.0)
        add_phrase(office.world)
        await office.refuses("OSError", "重新启动")
        assert (await office.browser().asks("大厅几点开门"))["outcome"] == "answered"
    await office.until(lambda: office.reloader.version != first)
    assert office.reloader.trouble is None


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


async def test_a_deleted_folder_and_what_editors_leave_behind_change_nothing(office: Office) -> None:
    first = office.reloader.version
    for name in (".own.yaml.swp", "own.yaml~", "#own.yaml#", ".#own.yaml"):
        office.world.write(f"intents/{name}", "oops")
    await asyncio.sleep(1.5)
    assert (office.reloader.version, office.reloader.trouble) == (first, None)
    aside = office.world.folder / "aside"
    shutil.move(office.world.folder / "knowledge", aside)
    (line,) = await office.refuses("knowledge:1: 找不到这个文件夹")
    assert "hotline-" not in line, "where it was read for a moment is nobody's business"
    assert (await office.browser().asks("大厅几点开门"))["outcome"] == "answered"
    shutil.move(aside, office.world.folder / "knowledge")
    await office.until(lambda: office.reloader.trouble is None)
    await phrase_goes_live(office)


async def test_a_file_with_a_name_that_cannot_be_read_is_told_and_ends_nothing(office: Office) -> None:
    odd = office.world.write(os.fsdecode(b"intents/" + "停车.yaml".encode("gbk")), "a.b: {}\n")
    await office.refuses("文件名读不出来")
    assert (await office.browser().asks("大厅几点开门"))["outcome"] == "answered"
    (live,) = await office.history()
    await office.reloader.undo(live.id, "安娜")
    assert not odd.exists()
    await office.until(lambda: office.reloader.trouble is None)
    (aside,) = (office.service.config.web.secret_file.parent / "undone").glob("*/intents/*�*") or [None]
    assert aside
    await phrase_goes_live(office)


async def test_where_folders_cannot_be_watched_they_are_looked_at(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[object]()

    def no_more_watches(*folders: object, **_: object) -> None:
        tried.append(folders)
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(reload, "awatch", no_more_watches)
    shutil.move(office.world.folder / "knowledge", office.world.folder / "aside")  # the watcher of before gives up
    await office.refuses("knowledge")
    shutil.move(office.world.folder / "aside", office.world.folder / "knowledge")
    await phrase_goes_live(office)
    assert tried


async def test_a_restart_with_broken_files_answers_from_the_last_published_version(ours: World, tmp_path: Path) -> None:
    async with open_office(ours, tmp_path) as office:
        second = await phrase_goes_live(office)
    ours.write("intents/own.yaml", "oops: [")
    files, dialogue = await asyncio.to_thread(_content, config_of(ours, tmp_path))
    assert version_of(files) == second
    assert dialogue.find_region("南京") == "南京市"


async def test_what_this_program_can_no_longer_use_gives_way_to_the_folders(ours: World, tmp_path: Path) -> None:
    async with open_office(ours, tmp_path) as office:
        odd = {**office.reloader.live, "intents/own.yaml": b"oops: [\n"}
        now, store = office.clock(), office.service.store
        await store.write(lambda c: published.publish(c, "old", published.pack(odd), now, "安娜", "", None), long=True)
    files, _ = await asyncio.to_thread(_content, config_of(ours, tmp_path))
    assert files == files_of(config_of(ours, tmp_path))
    async with open_office(ours, tmp_path):
        pass
    ours.write("intents/own.yaml", "oops: [")
    again, _ = await asyncio.to_thread(_content, config_of(ours, tmp_path))
    assert again == files, "what answered instead is what the next start falls back on"


async def test_two_who_save_at_once_do_not_overwrite_each_other(office: Office) -> None:
    name, first = "intents/own.yaml", office.reloader.version
    before = office.reloader.live[name]
    body = before.replace("    - 今天有人吗在窗口\n".encode(), f"    - 今天有人吗在窗口\n    - {NEW}\n".encode())
    verdict = await office.reloader.save(name, before, body, "安娜", "市民常问")
    assert verdict.may_go_live
    assert (office.world.folder / name).read_bytes() == body
    latest = (await office.history())[0]
    assert (latest.version, latest.who, latest.why) == (office.reloader.version, "安娜", "市民常问")
    assert latest.version != first
    with pytest.raises(Exception, match="刚被别人改过"):
        await office.reloader.save(name, before, before, "博特", "")


def in_the_folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.chdir(world.folder)
    monkeypatch.setenv("HOTLINE_DATABASE__URL", f"sqlite:///{tmp_path}/hotline.db")
    monkeypatch.setenv("HOTLINE_WEB__SECRET_FILE", str(tmp_path / "secret"))
    return lambda *arguments: main(list(arguments))


async def test_undo_brings_the_files_back_and_they_go_live_without_a_gate(
    ours: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hotline = in_the_folder(ours, tmp_path, monkeypatch)
    async with open_office(ours, tmp_path) as office:
        first = office.reloader.version
        await phrase_goes_live(office)
        assert await asyncio.to_thread(hotline, "undo", "--as", "安娜") == 0
        await office.until(lambda: office.reloader.version == first)
        assert NEW not in (ours.folder / "intents/own.yaml").read_text("utf-8")
        latest = (await office.history())[0]
        assert (latest.version, latest.who, latest.why) == (first, "安娜", "退回版本 1")
    aside = next((tmp_path / "undone").glob("*/intents/own.yaml"))
    assert NEW in aside.read_text("utf-8"), "what was undone is kept aside"
    assert await asyncio.to_thread(hotline, "history") == 0
    assert "安娜  退回版本 1" in capsys.readouterr().out


async def test_undo_takes_back_first_what_is_not_live(
    ours: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hotline = in_the_folder(ours, tmp_path, monkeypatch)
    async with open_office(ours, tmp_path) as office:
        second = await phrase_goes_live(office)
        ours.write("intents/own.yaml", "oops: [")
        await office.refuses("own.yaml")
        assert await asyncio.to_thread(hotline, "undo") == 0
        await office.until(lambda: office.reloader.trouble is None)
        assert office.reloader.version == second
        assert NEW in (ours.folder / "intents/own.yaml").read_text("utf-8")
    assert "退回版本 2" in capsys.readouterr().out


async def test_who_undoes_twice_goes_back_twice(
    ours: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hotline = in_the_folder(ours, tmp_path, monkeypatch)
    async with open_office(ours, tmp_path) as office:
        versions = [office.reloader.version]
        for phrase in ("停车位怎么申请", "停车位找谁要"):
            versions.append(await phrase_goes_live(office, phrase))
        for expected in (versions[1], versions[0]):
            assert await asyncio.to_thread(hotline, "undo") == 0
            await office.until(lambda expected=expected: office.reloader.version == expected)
    assert await asyncio.to_thread(hotline, "undo") == 1
    assert "没有更早的版本" in capsys.readouterr().err


async def test_the_gate_on_the_command_line_tells_what_would_change(
    ours: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hotline = in_the_folder(ours, tmp_path, monkeypatch)
    async with open_office(ours, tmp_path) as office:
        await office.browser().asks(NEW)
    add_phrase(ours)
    assert await asyncio.to_thread(hotline, "gate") == 0
    told = capsys.readouterr().out
    assert f"「{NEW}」" in told
    assert "可以上线" in told
    async with open_office(ours, tmp_path) as office:
        await office.browser().asks("大厅几点开门")
        await office.until(lambda: office.reloader.trouble is None)
    ours.change("intents/own.yaml", "大厅暂停。", "大厅还在暂停。")
    assert await asyncio.to_thread(hotline, "gate") == 0
    told = capsys.readouterr().out
    assert "「大厅几点开门」「大厅暂停。" in told, told
    assert "→ 「大厅还在暂停。" in told
    ours.change("intents/urgent.yaml", "[着火]", "[冒浓烟]")
    assert await asyncio.to_thread(hotline, "gate", "--json") == 1
    assert '"may_go_live": false' in capsys.readouterr().out
