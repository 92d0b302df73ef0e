"""The command line as people and scripts use it."""

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.cli import main
from tests.conftest import ROOT, World

KEYS = ["question", "outcome", "intent", "region", "text", "source", "expired", "score", "choices", "ticket"]


@pytest.fixture
def hotline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command on the shipped content from another folder: (exit code, output, errors)."""
    monkeypatch.chdir("/")

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["--config", str(ROOT / "config.yaml"), *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def test_ask_gives_the_documented_json(hotline) -> None:
    code, out, _ = hotline("ask", "--json", "绿码带星去南通要核酸吗")
    said = json.loads(out)
    assert code == 0
    assert list(said) == KEYS
    assert said["outcome"] == "answered"
    assert said["region"] == "南通市"
    assert said["source"] == {"title": "海门、通州、如皋报道", "publisher": "报纸版面", "published": "2021-08"}
    assert said["expired"] is True
    assert said["ticket"] is None


def test_ask_offers_regions_as_choices(hotline) -> None:
    said = json.loads(hotline("ask", "--json", "房产证能在网上办吗")[1])
    assert said["outcome"] == "ask_region"
    assert {"title": "镇江市", "intent": "property.register_online", "region": "镇江市"} in said["choices"]


@pytest.mark.parametrize("region", ["镇江市", "镇江", "丹阳"])
def test_ask_takes_the_city_as_an_option_and_a_district_means_its_city(hotline, region: str) -> None:
    assert "镇易登" in hotline("ask", "房产证能在网上办吗", "--region", region)[1]


def test_ask_answers_a_tapped_choice(hotline) -> None:
    assert "镇易登" in hotline("ask", "--intent", "property.register_online", "--region", "镇江市", "随便")[1]
    assert "融E办" in hotline("ask", "--intent", "property.mortgage", "常州")[1]


def test_each_line_of_standard_input_is_a_conversation_of_its_own(hotline, monkeypatch) -> None:
    lines = "我在镇江\n房产证能在网上办吗\n\n我家着火了\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    code, out, _ = hotline("ask", "--json")
    said = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [s["question"] for s in said] == lines.split("\n")[:-1]
    assert [s["outcome"] for s in said[1:]] == ["ask_region", "smalltalk", "urgent"]


def test_a_question_that_cannot_be_answered_is_no_error(hotline) -> None:
    code, out, _ = hotline("ask", "社保断缴了怎么补")
    assert code == 0
    assert "12345" in out


def test_explain_says_how_the_reply_came_about(hotline) -> None:
    out = hotline("ask", "--explain", "绿码带星去南通要核酸吗")[1]
    for part in ("南通市(南通,要去的)", "读作:绿码带星", "直接答 >", "最近的问法", "原因:"):
        assert part in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ask", "--region", "火星", "甲"], "火星"),
        (["ask", "--intent", "no.such", "甲"], "no.such"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_1(hotline, arguments: list[str], words: str) -> None:
    code, _, err = hotline(*arguments)
    assert code == 1
    assert words in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["chat", "--help"], ["check", "--help"]])
def test_help_is_in_chinese(hotline, arguments: list[str]) -> None:
    code, out, _ = hotline(*arguments)
    assert code == 0
    assert "用法:" in out
    assert not {"usage", "options", "positional", "show this"} & set(out.replace(":", "").split())


def test_wrong_usage_is_exit_code_2_in_chinese(hotline) -> None:
    code, _, err = hotline("aks")
    assert code == 2
    assert "没有这个命令" in err


def test_a_missing_config_is_one_line(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 1
    assert capsys.readouterr().err.startswith("config.yaml:1: ")


def test_our_own_fault_is_exit_code_3(hotline, monkeypatch) -> None:
    monkeypatch.setattr("bot.commands.ask.open_dialogue", lambda config: 1 / 0)
    code, _, err = hotline("ask", "甲")
    assert code == 3
    assert "不是您的问题" in err


def test_content_that_cannot_be_read_stops_ask_with_the_place(world: World, monkeypatch, capsys) -> None:
    monkeypatch.chdir(world.folder)
    world.change("intents/own.yaml", "answers:", "answres:")
    assert main(["ask", "甲"]) == 1
    assert capsys.readouterr().err.startswith("intents/own.yaml:8: ")


def hotline_process(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bot", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **settings)  # type: ignore[call-overload,no-any-return]


def test_chat_remembers_the_city_in_piped_input() -> None:
    said = hotline_process("chat", input="/city 镇江\n房产证能在网上办吗\n/why\n/nonsense\n/quit\n这句不会被读到\n")
    assert said.returncode == 0
    for part in ("记住您在镇江市", "镇易登", "直接答 >", "没有命令 /nonsense"):
        assert part in said.stdout
    assert "不会被读到" not in said.stdout
    assert said.stderr == ""


def test_a_reader_that_goes_away_makes_no_noise() -> None:
    command = f"yes 红码 | head -200 | {sys.executable} -m bot ask --json | head -1"
    said = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(said.stdout)["question"] == "红码"
    assert said.stderr == ""


def test_chat_works_in_a_real_terminal() -> None:
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    command = [sys.executable, "-m", "bot", "chat"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=child, stdout=child, stderr=child, env=environment)
    os.close(child)

    def hear(until: str) -> str:
        heard, deadline = b"", time.monotonic() + 60
        while until.encode() not in heard and time.monotonic() < deadline:
            if select.select([parent], [], [], 1)[0]:
                heard += os.read(parent, 4096)
                if b"\x1b[6n" in heard:  # prompt_toolkit asks where the cursor is
                    os.write(parent, b"\x1b[1;1R")
                    heard = heard.replace(b"\x1b[6n", b"")
        return heard.decode(errors="replace")

    try:
        hear("问>")
        os.write(parent, "抵押登记不想跑一趟\r".encode())
        assert "1. 南京市" in hear("2. 常州市")
        os.write(parent, b"2\r")
        assert "融E办" in hear("出处")
        hear("问>")
        os.write(parent, b"\x04")
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(parent)


@pytest.mark.parametrize(
    ("environment", "arguments", "words"),
    [
        ({}, ["--as", "没有这个人"], "staff.people"),
        ({"HOTLINE_WEB__HOST": "10.0.0.5"}, ["--as", "管理员"], "没有加密"),
        ({"HOTLINE_WEB__PUBLIC_URL": "http://hotline.example"}, ["--as", "管理员"], "没有加密"),
    ],
)
def test_no_link_is_made_where_somebody_could_read_along(
    environment: dict[str, str], arguments: list[str], words: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("HOTLINE_DATABASE__URL", f"sqlite:///{tmp_path}/hotline.db")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["migrate"]) == 0
    assert main(["link", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_a_link_stands_alone_on_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOTLINE_DATABASE__URL", f"sqlite:///{tmp_path}/hotline.db")
    main(["migrate"])
    capsys.readouterr()
    assert main(["link", "--as", "管理员"]) == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:8080/staff/in/[\w-]{40,}\n", capsys.readouterr().out)
