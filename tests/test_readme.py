"""What the README promises can be typed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli import _parser
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def test_there_are_exactly_two_set_up_commands() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert [b.count("\n") for b in blocks] == [1, 1]
    assert "hotline serve" in blocks[0]
    assert "pytest" in blocks[1]


def test_every_command_is_documented_with_its_options() -> None:
    commands = _parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    for name, parser in commands.items():  # type: ignore[union-attr]
        row = re.search(rf"^\| `hotline {name}.*$", README, re.MULTILINE)
        assert row, name
        for action in parser._actions:
            if action.option_strings and action.dest != "help":
                assert action.option_strings[-1] in row[0]


def test_the_systemd_unit_is_one(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None and not os.environ.get("CI"):
        pytest.skip("no systemd here")
    unit = README.split("```ini\n")[1].split("```")[0]
    (tmp_path / "hotline.service").write_text(unit.replace("/opt/hotline/.venv/bin/hotline", sys.executable))
    done = subprocess.run([str(verify), "verify", tmp_path / "hotline.service"], capture_output=True, text=True)
    assert "hotline.service" not in done.stderr, done.stderr


def test_every_module_in_the_picture_exists() -> None:
    picture = README.split("```\nknowledge/")[1].split("```")[0]
    for name in re.findall(r"([a-z]+\.py)", picture):
        assert (ROOT / "bot" / name).exists(), name
