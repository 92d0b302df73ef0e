"""The commands of whoever looks after it: figures, tables, backups, forgetting, parked messages."""

import asyncio
import csv
import io
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from openpyxl import load_workbook

from bot.cli import main
from bot.commands import database
from bot.dialogue import Dialogue
from bot.store import inbox
from bot.store.engine import Store, newest
from tests.conftest import NOW, ROOT
from tests.line import open_line
from tests.telegram_server import TelegramServer

Hotline = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hotline(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `hotline …` on the test's database: exit code, output, errors."""
    monkeypatch.setenv("HOTLINE_DATABASE__URL", database_url)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["--config", str(ROOT / "config.yaml"), *arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def some_talk(dialogue: Dialogue, database_url: str) -> None:
    """Three citizens' questions on record."""

    async def talk() -> None:
        async with TelegramServer() as telegram, open_line(dialogue, telegram, database_url) as line:
            await line.citizen(1).says("南京房产证能在网上办吗")
            await line.citizen(2).says("=HYPERLINK(1) 我家楼下的健身器材坏了半年没人修，电话13812345678")
            anna = line.citizen(3)
            await anna.says("房产证能在网上办吗")
            await anna.says("镇江")
            await line.quiet()
            await asyncio.sleep(0.1)

    asyncio.run(talk())


def test_migrate_sets_up_and_says_so(hotline: Hotline) -> None:
    code, out, _ = hotline("stats")
    assert code == 1
    assert hotline("migrate")[:2] == (0, f"数据库已是最新({newest()})\n")
    code, out, _ = hotline("stats")
    assert code == 0
    assert "收到提问" in out


@pytest.mark.usefixtures("some_talk")
def test_stats_of_a_day_and_of_everything(hotline: Hotline) -> None:
    found = json.loads(hotline("stats", "--day", "2026-11-22", "--json")[1])
    assert (found["day"], found["received"], found["answered"], found["by_choice"]) == ("2026-11-22", 3, 1, 1)
    assert (found["unanswered"], found["people"], found["cases"]) == (1, 3, {"new": 1})
    assert found["updates"] == {"done": 4}
    assert json.loads(hotline("stats", "--day", "2026-11-21", "--json")[1])["received"] == 0
    assert json.loads(hotline("stats", "--all", "--json")[1])["received"] == 3
    assert "南京市" in hotline("stats", "--all")[1]


@pytest.mark.usefixtures("some_talk")
def test_export_writes_every_question_masked_and_harmless(hotline: Hotline, tmp_path: Path) -> None:
    code, out, _ = hotline("export")
    table = list(csv.reader(io.StringIO(out)))
    assert code == 0
    assert [row[2] for row in table[1:]] == [
        "南京房产证能在网上办吗",
        "'=HYPERLINK(1) 我家楼下的健身器材坏了半年没人修，电话«手机号»",
        "房产证能在网上办吗",
        "镇江",
    ]
    assert hotline("export", str(tmp_path / "a.csv"))[0] == 0
    assert (tmp_path / "a.csv").read_text("utf-8-sig") == out.replace("\r\n", "\n")
    assert hotline("export", str(tmp_path / "a.xlsx"), "--until", "2026-11-22")[0] == 0
    sheet = load_workbook(tmp_path / "a.xlsx").worksheets[0]
    assert [c.value for c in sheet["C"]] == [row[2] for row in table]
    assert not any(c.data_type == "f" for row in sheet.rows for c in row)
    assert hotline("export", "--since", "2026-11-23")[1].count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "a.pdf"], "不会写「pdf」"),
        (["export", "--format", "xlsx"], "xlsx 要写到文件里"),
        (["export", "/nowhere/a.csv"], "写不了"),
        (["parked", "drop", "7"], "没有搁置编号 7"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(hotline: Hotline, arguments: list[str], words: str) -> None:
    hotline("migrate")
    code, _, errors = hotline(*arguments)
    assert code == 1
    assert words in errors
    assert errors.count("\n") == 1


@pytest.mark.usefixtures("some_talk")
def test_a_backup_is_whole_private_and_never_overwrites(hotline: Hotline, tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "deep" / "backup"
    code, out, _ = hotline("backup", str(file))
    assert (code, str(file) in out) == (0, True)
    assert file.stat().st_mode & 0o077 == 0
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(file)) as copy:
            assert copy.execute("SELECT count(*) FROM questions").fetchone() == (4,)
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    code, _, errors = hotline("backup", str(file))
    assert code == 1
    assert "已存在" in errors


@pytest.mark.usefixtures("some_talk")
def test_forget_deletes_words_and_keeps_counts(hotline: Hotline) -> None:
    assert "删除:0 条" in hotline("forget", "--before", "2026-11-22")[1]
    assert "删除:4 条" in hotline("forget", "--before", "2026-11-23")[1]
    out = hotline("export")[1]
    assert out.count("（已删除）") == 4
    assert "健身" not in out
    assert json.loads(hotline("stats", "--all", "--json")[1])["received"] == 3


def test_parked_messages_are_listed_sent_back_and_dropped(hotline: Hotline, database_url: str) -> None:
    hotline("migrate")
    assert hotline("parked", "list")[1] == "没有搁置的消息\n"

    async def park() -> None:
        store = Store(database_url)
        await inbox.add(store, 1, [inbox.Incoming(n, 1, 1, {}) for n in (5, 6, 7)], NOW)
        for n in (5, 6, 7):
            await store.write(lambda c, n=n: inbox.park(c, 1, n, "unreadable", "KeyError: 'date'", "你好"))
        await store.close()

    asyncio.run(park())
    lines = hotline("parked", "list")[1].splitlines()
    assert lines[0] == "5  2026-11-22 09:00:00  读不懂  KeyError: 'date'  「你好」"
    assert len(lines) == 3
    assert "已放回 1 条" in hotline("parked", "retry", "5")[1]
    assert "已丢弃 2 条" in hotline("parked", "drop")[1]
    assert hotline("parked", "list")[1] == "没有搁置的消息\n"


def test_a_backup_tells_nobody_the_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called: dict[str, object] = {}

    def pg_dump(command: list[str], env: dict[str, str], **_: object) -> None:
        called.update(command=command, password=env["PGPASSWORD"])

    monkeypatch.setattr("subprocess.run", pg_dump)
    database._dump_postgresql("postgresql+asyncpg://u:p%40ss@host:5/d?sslmode=require", tmp_path / "b")
    assert called["password"] == "p@ss"
    assert called["command"] == [
        "pg_dump", "--format=custom", f"--file={tmp_path}/b", "postgresql://u@host:5/d?sslmode=require"
    ]  # fmt: skip


def test_the_database_file_is_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATABASE__URL", f"sqlite:///{tmp_path}/new/hotline.db")
    assert main(["--config", str(ROOT / "config.yaml"), "migrate"]) == 0
    assert os.stat(tmp_path / "new/hotline.db").st_mode & 0o077 == 0


@pytest.mark.usefixtures("some_talk")
def test_the_database_shows_a_masked_phone_number(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        file = Path(database_url.removeprefix("sqlite:///"))
        everything = b"".join(f.read_bytes() for f in file.parent.glob("hotline.db*"))
        assert "«手机号»".encode() in everything
        assert b"13812345678" not in everything  # nor in what SQLite calls free
