"""The real content and the real matcher, built once; and small worlds of content for one test each."""

import os
import re
import shutil
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.app import build_dialogue, read_content
from bot.cli import main
from bot.config import Config, load_config
from bot.content.load import Content
from bot.dialogue import Dialogue, Question, Reply, State
from tests import databases
from tests.telegram_server import TelegramServer

ROOT = Path(__file__).parents[1]
_NUMBERS = count(1)
NOW = datetime(2026, 11, 22, 9, tzinfo=ZoneInfo("Asia/Shanghai"))


def pytest_configure() -> None:
    for variable in [v for v in os.environ if v.startswith("HOTLINE_")]:
        del os.environ[variable]  # a developer's settings must not decide a test


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config(ROOT / "config.yaml")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of this run's own."""
    if databases.programs() is None and not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    with databases.cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hotline.db"
    return databases.new_database(request.getfixturevalue("postgresql"), f"t{next(_NUMBERS)}")


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    """Telegram, on loopback."""
    async with TelegramServer() as server:
        yield server


@pytest.fixture(scope="session")
def content(config: Config) -> Content:
    return read_content(config)[0]


@pytest.fixture(scope="session")
def dialogue(config: Config, content: Content) -> Dialogue:
    return build_dialogue(config, content)


class Chat:
    """One conversation over the real content; `hears` reads the last reply."""

    def __init__(self, dialogue: Dialogue, now: datetime = NOW) -> None:
        self.dialogue, self.now = dialogue, now
        self.state = State()
        self.last: Reply

    def says(self, text: str) -> Reply:
        self.last, self.state = self.dialogue.step(Question(text, self.now), self.state)
        return self.last

    def hears(self, *words: str) -> bool:
        return all(word in self.last.text for word in words)

    @property
    def buttons(self) -> list[str]:
        return [c.title for c in self.last.choices]


@pytest.fixture
def chat(dialogue: Dialogue) -> Chat:
    return Chat(dialogue)


class World:
    """A content folder of a test's own, small enough to break on purpose."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("config.yaml", "matching: {encoder: lexical, cache: cache}\n")
        self.write(
            "knowledge/paper.yaml",
            """
            title: 一份报道
            publisher: 一家报社
            published: 2022-04-06
            facts:
              loan: {where: 开头, statement: 南京市17家银行提供「不见面服务」。}
              hours: {where: 结尾, statement: "大厅从2020年2月3日起暂停，发证2,263份，办了70万件。"}
            """,
        )
        self.write("intents/regions.yaml", "places: {江苏省: {}, 南京市: {parent: 江苏省, aliases: [南京]}}\n")
        self.write("intents/departments.yaml", "registration: {name: 登记中心, handles: 不动产登记}\n")
        self.write("intents/urgent.yaml", '"119": {text: 请拨 119。, words: [着火], unless: [着火点]}\n')
        self.write(
            "intents/own.yaml",
            """
            loan.remote:
              title: 抵押登记
              department: registration
              phrases:
                - 抵押登记怎么办
                - 房子抵押要去现场吗
                - 不见面抵押
              answers:
                - region: 南京市
                  text: 南京市有17家银行可以办。
                  facts: [paper/loan]
            hall.open:
              title: 大厅开门
              department: registration
              phrases:
                - 大厅几点开门
                - 窗口上班没有
                - 今天有人吗在窗口
              answers:
                - text: 大厅暂停。
                  facts: [paper/hours]
            """,
        )

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def change(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


@pytest.fixture
def copy_of_ours(tmp_path: Path) -> World:
    """The shipped content in a place where it may be broken."""
    folder = tmp_path / "ours"
    world = World(folder)
    for name in ("intents", "knowledge"):
        shutil.rmtree(folder / name)
        shutil.copytree(ROOT / name, folder / name)
    return world


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[str]]]:
    """`hotline check` in a world's folder: exit code and the lines that name a file."""

    def run(world: World, *options: str) -> tuple[int, list[str]]:
        monkeypatch.chdir(world.folder)
        code = main(["check", *options])
        out = capsys.readouterr()
        lines = (out.out + out.err).splitlines()
        assert "Traceback" not in out.err
        return code, [line for line in lines if re.match(r"\S+:\d+: ", line)]

    return run
