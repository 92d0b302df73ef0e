"""Text stays text, and what confuses people gets one clear line."""

from pathlib import Path

import pytest

from bot.errors import ContentError
from bot.yamlfile import read


def problems(path: Path, raw: bytes, limit: int = 10_000) -> list[str]:
    """The lines shown for a file of these bytes, warnings too."""
    path.write_bytes(raw)
    try:
        found = read(path, limit).problems
    except ContentError as error:
        found = error.problems
    return [f"{p.line}: {p.message}" for p in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.yaml"


@pytest.mark.parametrize("written", ["no", "12:30", "0112", "1_000", "2022-04-06", "~", "0x1F", "null", "on"])
def test_what_other_loaders_turn_into_something_else_stays_as_it_was_written(path: Path, written: str) -> None:
    path.write_text(f"key: {written}\n")
    assert read(path, 1000).node.plain() == {"key": written}


def test_every_value_knows_the_line_of_its_key(path: Path) -> None:
    path.write_text("one:\n  two:\n    - a\n    - b\n  three: |\n    text\n")
    node = read(path, 1000).node
    assert node.at(("one", "two")).line == 2
    assert node.at(("one", "two", 1)).line == 4
    assert node.at(("one", "three")).line == 5
    assert node.at(("one", "missing", "deeper")).line == 1


@pytest.mark.parametrize(
    ("raw", "line", "words"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "重复"),
        (b"a:\n\tb: 1\n", 2, "制表符"),
        (b"a:\n  - b\n  -\tc\n", 3, "制表符"),
        ("a: b\nc: 甲\ufffd\n".encode(), 2, "读坏的字"),
        (b"a:\n  - b\n    - c\n", 2, "缩进多了"),
        (b"a:\n - b\n  - c\n  - d\n", 2, "缩进多了"),
        (b"\xef\xbb\xbfa: 1\n", 1, "BOM"),
        (b"a: &x 1\nb: *x\n", 1, "锚点"),
        (b"a: *x\n", 1, "引用"),
        (b"a: !!python/object:os.system 1\n", 1, "标签"),
        ("甲: 乙\n".encode("gb18030"), 1, "UTF-8"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        (b"", 1, "空的"),
        (b"# only a comment\n", 1, "空的"),
        (b"a: 1\n---\nb: 2\n", 2, "---"),
        ("a: 甲: 乙\n".encode(), 1, "冒号"),
        (b"a: 'b\n", 1, "引号"),
        (b"a: [b\nc: d\n", 2, "括号"),
        (b"a: @b\n", 1, "引号"),
        ("a: 文字 #后面\n".encode(), 1, "丢掉"),
        ("x:\n  title：黄码\n  b: 1\n".encode(), 2, "英文的「:」"),
        ("x:\n  title:黄码\n  b: 1\n".encode(), 2, "冒号后面要空一格"),
        ("x:\n  - 甲\n  -乙\n  - 丙: 丁: 戊\n".encode(), 3, "减号"),
        ('x:\n  - "甲\n  - 乙\n'.encode(), 2, "引号"),
        (b"a: 1\n  b: 2\n", 2, "缩进"),
        (b"- a\nb: c\n", 2, "缩进"),
        (b"{a: b}: c\n", 1, "冒号前"),
        (b"a: \x00\n", 1, "控制字符"),
        (b"a: \x07\n", 1, "控制字符"),
        (b"[" * 60 + b"]" * 60, 1, "嵌套"),
        (b"a: " + b"x" * 20_000, 1, "超过"),
    ],
)
def test_a_trap_gives_one_line_with_its_cure(path: Path, raw: bytes, line: int, words: str) -> None:
    found = problems(path, raw)
    assert found
    assert found[0].startswith(f"{line}: ")
    assert words in found[0]


def test_all_repeated_keys_of_a_file_are_reported_together(path: Path) -> None:
    assert len(problems(path, b"a: 1\na: 2\nb: 1\nb: 2\n")) == 2


def test_a_missing_file_is_a_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="找不到"):
        read(tmp_path / "none.yaml", 1000)
