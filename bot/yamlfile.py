"""The only door to YAML: text stays text, every value knows its line, what confuses people is refused with a cure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot.errors import ContentError, Problem, reason

MAX_DEPTH = 20
BOM = "\ufeff"
LOST = "\ufffd"
"""Stands where a program could not read a character."""
_TAB = re.compile(r"[\s-]*\t")
_CUT_OFF = re.compile(r"^[^#\"']*[^\s#\"'] #")  # one space before: more likely text than a comment
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml is ten times as fast; both give the same events

Plain = str | list["Plain"] | dict[str, "Plain"]
Key = str | int
Value = str | list["Node"] | dict[str, "Node"]


@dataclass
class Node:
    """One YAML value; `line` (from 1) is that of its key, or of the value itself inside a list."""

    line: int
    value: Value
    style: str = ""
    """The quote, `|` or `>` of a text, the bracket of a collection written in brackets, else nothing."""
    start: int = 0
    end: int = 0
    """The characters it takes up (without BOM); a collection without brackets has no end of its own."""
    key: "Node | None" = None
    """The name it stands under, inside a mapping."""

    def plain(self) -> Plain:
        """The value without the lines, as the models read it."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, loc: tuple[Key, ...]) -> "Node":
        """The node at the longest part of `loc` that exists: a missing key is reported at its parent."""
        node = self
        for key in loc:
            below = node.value
            if isinstance(below, dict) and key in below:
                node = below[str(key)]
            elif isinstance(below, list) and isinstance(key, int) and key < len(below):
                node = below[key]
            else:
                break
        return node


@dataclass(frozen=True)
class Sheet:
    """One file as read: its content, and what was found wrong on the way without making it unreadable."""

    path: Path
    node: Node
    problems: tuple[Problem, ...] = ()

    def problem(self, loc: tuple[Key, ...], message: str, *, is_warning: bool = False) -> Problem:
        """A problem at the line where `loc` stands."""
        return Problem(self.path, self.node.at(loc).line, message, is_warning)


def read(path: Path, max_bytes: int) -> Sheet:
    """The file with its content and problems; raises ContentError when there is no telling what it means."""
    return parse(path, _text(path, max_bytes))


def parse(path: Path, text: str) -> Sheet:
    """The same for the text of the file at `path`, whether it has been saved or not."""
    problems: list[Problem] = []
    if text.startswith(BOM):
        text = text.removeprefix(BOM)
        problems.append(Problem(path, 1, "文件开头有 BOM 标记,已略过;请另存为「UTF-8 无 BOM」", is_warning=True))
    problems += _traps(path, text)
    try:
        node = _compose(path, yaml.parse(text, Loader=_Loader), problems)
    except yaml.MarkedYAMLError as error:
        slips = list(_slips(path, text))
        raise ContentError([*problems, *(slips or [_unreadable(path, error)])]) from None
    except yaml.reader.ReaderError as error:
        at = error.position if isinstance(error.position, int) else 0
        line = text.count("\n", 0, at) + 1
        raise ContentError([Problem(path, line, "这里有看不见的控制字符,请删掉后重新输入这一行")]) from None
    if node is None:
        raise ContentError([*problems, Problem(path, 1, "文件是空的;请写上内容,或者删掉这个文件")])
    return Sheet(path, node, tuple(problems))


def _text(path: Path, max_bytes: int) -> str:
    try:
        raw = path.read_bytes() if path.stat().st_size <= max_bytes else None
    except FileNotFoundError:
        raise ContentError([Problem(path, 1, "找不到这个文件;请检查名字和所在的文件夹")]) from None
    except OSError as error:
        raise ContentError([Problem(path, 1, f"文件读不出来({reason(error)});请检查有没有读取权限")]) from None
    if raw is None:
        limit = f"{max_bytes / 1_000_000:g} MB"
        raise ContentError([Problem(path, 1, f"文件超过 {limit};请拆成几个文件,或调高 content.max_file_bytes")])
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ContentError([Problem(path, line, "这里不是 UTF-8 编码;请在编辑器里把文件另存为 UTF-8")]) from None


def _traps(path: Path, text: str) -> list[Problem]:
    """What is legal YAML and hardly ever what its author meant; raises ContentError for tabs and lost characters."""
    tabs = [n for n, line in enumerate(text.splitlines(), 1) if _TAB.match(line)]
    if tabs:
        raise ContentError(Problem(path, n, "行首用了制表符(Tab);请改成空格") for n in tabs)
    lost = [n for n, line in enumerate(text.splitlines(), 1) if LOST in line]
    if lost:
        raise ContentError(Problem(path, n, f"这一行有读坏的字({LOST});请照原文重新输入") for n in lost)
    cut = "「 #」后面的字会丢掉;若是正文请给整句加引号,若是注释请在 # 前多空一格"
    return [Problem(path, n, cut) for n, content in enumerate(text.splitlines(), 1) if _CUT_OFF.search(content)]


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    node: Node
    key: str | None = ""  # None: what follows is left out
    name: Node | None = None  # None: the next scalar is a key


def _compose(path: Path, events: Iterator[yaml.Event], problems: list[Problem]) -> Node | None:
    """Builds the tree from events by hand: the composer would resolve aliases and recurse as deep as the file says."""
    stack: list[_Open] = []
    root: Node | None = None
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            stack.pop().node.end = _span(event)[1]
            continue
        if isinstance(event, yaml.AliasEvent):
            problems.append(
                Problem(path, line, f"不能用引用「*{event.anchor}」;请把内容再写一遍,或给以 * 开头的文字加引号")
            )
            node = Node(line, "")
        elif isinstance(event, yaml.NodeEvent):
            node = _node(path, event, line, problems)
        elif isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise ContentError([*problems, Problem(path, line, "一个文件里只能有一份内容;请删掉多余的「---」")])
        else:
            continue
        root = root or node
        _attach(path, stack, node, problems)
        if not isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
            stack.append(_Open(node))
        if len(stack) > MAX_DEPTH:
            raise ContentError([*problems, Problem(path, line, f"嵌套超过 {MAX_DEPTH} 层;请检查缩进")])
    return None if root is None or root.value == "" else root


def _node(path: Path, event: yaml.NodeEvent, line: int, problems: list[Problem]) -> Node:
    if event.anchor:
        problems.append(Problem(path, line, f"不能用锚点「&{event.anchor}」;请删掉它,或给以 & 开头的文字加引号"))
    tag = getattr(event, "tag", None)
    if tag:
        problems.append(Problem(path, line, f"不能用标签「{tag}」;请删掉它,或给以 ! 开头的文字加引号"))
    if isinstance(event, yaml.ScalarEvent):
        last = event.end_mark.line + 1 if event.end_mark else line
        if last > line and not event.style and " - " in event.value:
            problems.append(Problem(path, line, "下一行的「-」缩进多了,和这一行连成了一句;请和这一行的「-」对齐"))
        return Node(line, event.value, event.style or "", *_span(event))
    in_brackets = getattr(event, "flow_style", False)
    if isinstance(event, yaml.SequenceStartEvent):
        return Node(line, [], "[" if in_brackets else "", *_span(event))
    return Node(line, {}, "{" if in_brackets else "", *_span(event))


def _span(event: yaml.Event) -> tuple[int, int]:
    start, end = event.start_mark, event.end_mark
    return start.index if start else 0, end.index if end else 0


def _attach(path: Path, stack: list[_Open], node: Node, problems: list[Problem]) -> None:
    if not stack:
        return
    parent = stack[-1]
    below = parent.node.value
    if isinstance(below, list):
        below.append(node)
    elif isinstance(below, dict) and parent.name:
        node.line, node.key = parent.name.line, parent.name
        if parent.key is not None:
            below[parent.key] = node
        parent.name = None
    elif isinstance(below, dict):
        parent.key, parent.name = _key(path, node, below, problems), node


def _key(path: Path, node: Node, siblings: dict[str, Node], problems: list[Problem]) -> str | None:
    """What a value stands under; None, and a problem, where it cannot stand under that."""
    if not isinstance(node.value, str):
        problems.append(Problem(path, node.line, "冒号前应是一个词;以 { 或 [ 开头的文字请加引号"))
        return None
    if node.value in siblings:
        first = siblings[node.value].line
        problems.append(Problem(path, node.line, f"「{node.value}」重复了,第 {first} 行已经有;请合并或改名"))
        return None
    return node.value


_SLIPS = [
    (re.compile(r"\s*(- )?[a-z_]+："), "冒号要用英文的「:」,后面空一格"),
    (re.compile(r"\s*(- )?[a-z_]+:[^\s\"'/]"), "冒号后面要空一格"),
    (re.compile(r"\s*[-–—](?=[一-鿿])"), "「-」要用英文的减号,后面空一格"),
    (re.compile(r"\s*[－•·]"), "列表要用英文的减号「-」开头,后面空一格"),
    (re.compile(r"\s*　"), "行首用了全角空格;请改成普通空格"),
]


def _slips(path: Path, text: str) -> Iterator[Problem]:
    """What a Chinese keyboard puts into a file that cannot be read; the reader stumbles only further down."""
    for number, line in enumerate(text.splitlines(), 1):
        cure = next((cure for pattern, cure in _SLIPS if pattern.match(line)), None)
        if cure and not line.lstrip().startswith("#"):
            yield Problem(path, number, cure)


def _unreadable(path: Path, error: yaml.MarkedYAMLError) -> Problem:
    unclosed = "end of stream" in str(error.problem)
    mark = (error.context_mark if unclosed else error.problem_mark) or error.problem_mark or error.context_mark
    return Problem(path, mark.line + 1 if mark else 1, _cure(str(error.problem)))


_CURES = {
    "mapping values are not allowed": "这里不该有冒号;文字里有「: 」时请给整句加引号,否则请检查缩进",
    "could not find expected ':'": "这里缺少冒号,或上一行的引号没有配对",
    "did not find expected key": "缩进和上面不一致,或少了冒号、引号;请与上一项对齐",
    "did not find expected '-' indicator": "缩进和上面的「-」不一致;请对齐",
    "found unexpected end of stream": "引号没有配对",
    "found character that cannot start any token": "不能以这个符号开头;请给整句加引号",
    "block sequence entries are not allowed": "「-」不能写在这里;请另起一行并缩进",
    "did not find expected ',' or": "方括号或花括号里少了逗号,或没有配对",
    "found undefined tag handle": "不能以「!」开头;请给整句加引号",
    "while scanning": "不能以这个符号开头;请给整句加引号",
    "did not find expected alphabetic": "不能以 & 或 * 开头;请给整句加引号",
    "control characters are not allowed": "这里有看不见的控制字符,请删掉后重新输入这一行",
}


def _cure(problem: str) -> str:
    fit = next((cure for words, cure in _CURES.items() if words in problem), None)
    return fit or "YAML 写法有误;请检查这一行和上一行的缩进、冒号和引号"
