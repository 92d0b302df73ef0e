"""What the README promises can be typed."""

import re

from bot.cli import _parser
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def test_there_are_exactly_two_set_up_commands() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert [b.count("\n") for b in blocks] == [1, 1]
    assert "hotline chat" in blocks[0]
    assert "pytest" in blocks[1]


def test_every_command_is_documented_with_its_options() -> None:
    commands = _parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    for name, parser in commands.items():  # type: ignore[union-attr]
        row = re.search(rf"^\| `hotline {name}.*$", README, re.MULTILINE)
        assert row, name
        for action in parser._actions:
            if action.option_strings and action.dest != "help":
                assert action.option_strings[-1] in row[0]


def test_every_module_in_the_picture_exists() -> None:
    picture = README.split("```\nknowledge/")[1].split("```")[0]
    for name in re.findall(r"([a-z]+\.py)", picture):
        assert (ROOT / "bot" / name).exists(), name
