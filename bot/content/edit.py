"""Small edits of the files in `intents/` and `knowledge/`, spliced into the text so that no other line changes.

A text goes in as it stands in the file and comes out ready to be saved: read and write it without translating line
ends (bytes, or `newline=""`). Every result is read again, and one that does not say exactly what was meant is refused.
Whether it makes sense (a date, a known department, a phrase that is nobody else's) is for `load_content` and `lint`.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from bot.content.models import GENERAL
from bot.errors import ContentError, HotlineError
from bot.yamlfile import BOM, Node, Plain, parse


class EditRefused(HotlineError):
    """The edit cannot be made safely; the text stays as it was."""


def add_phrases(text: str, entry: str, phrases: Sequence[str]) -> str:
    """The text with more phrases in its intent, shadow topic, urgent rule or small talk called `entry`.

    Their order says nothing, so where the file ends without a line end, and with this very list, they go before its
    last phrase: that line would count as changed if it had to end.
    """
    page = _Page(text)
    _add_texts(page, page.entry(entry), "phrases", phrases)
    return page.saved()


def remove_phrase(text: str, entry: str, phrase: str) -> str:
    """The text without this phrase; a comment behind it on its line goes with it."""
    page = _Page(text)
    page.drop_item(*page.phrase(entry, phrase))
    return page.saved()


def add_lines(text: str, lines: Sequence[str]) -> str:
    """The text of `background.yaml` with more lines; their order says nothing either."""
    page = _Page(text)
    _add_texts(page, page.root, "lines", lines)
    return page.saved()


def replace_answer(text: str, intent: str, region: str, new: str) -> str:
    """The text with another wording of what `intent` answers for `region` (GENERAL: for everywhere)."""
    page = _Page(text)
    answer = page.answer(intent, region)
    wording = _pairs(answer).get("text")
    if wording is None:
        raise EditRefused(f"第 {answer.line} 行的答复没有 text;请用编辑器补上")
    page.overwrite(answer, wording, new)
    return page.saved()


def set_valid_until(text: str, intent: str, region: str, day: str) -> str:
    """The text with `day` as the last on which this answer holds."""
    page = _Page(text)
    answer = page.answer(intent, region)
    there = _pairs(answer).get("valid_until")
    if there:
        page.overwrite(answer, there, day)
    else:
        page.put_pair(answer, "valid_until", _written(day), behind=("region", "text", "facts"))
    return page.saved()


def remove_valid_until(text: str, intent: str, region: str) -> str:
    """The text with this answer holding until further notice."""
    page = _Page(text)
    answer = page.answer(intent, region)
    if "valid_until" not in _pairs(answer):
        raise EditRefused(f"第 {answer.line} 行的答复没有写 valid_until,不用删")
    page.drop_pair(answer, "valid_until")
    return page.saved()


def add_entry(text: str, key: str, entry: Mapping[str, Plain]) -> str:
    """The text with a new intent, or whatever else this file is made of, at its end."""
    page = _Page(text)
    page.put_pair(page.root, key, dict(entry), at_end=True)
    return page.saved()


def add_fact(text: str, key: str, fact: Mapping[str, Plain]) -> str:
    """The text of a document with one more fact."""
    page = _Page(text)
    facts = _pairs(page.root).get("facts")
    if facts:
        page.put_pair(facts, key, dict(fact))
    else:
        page.put_pair(page.root, "facts", {key: dict(fact)})
    return page.saved()


def add_check(text: str, check: Mapping[str, Plain]) -> str:
    """The text with one more test question behind the last one: a check is known by its position."""
    page = _Page(text)
    page.put_item(page.root, dict(check))
    return page.saved()


def free_name(wanted: str, taken: Container[str]) -> str:
    """The name, or with the first number that makes it another one than those taken: a, a_2, a_3."""
    return next(name for n in count(1) if (name := wanted if n == 1 else f"{wanted}_{n}") not in taken)


def new_file(content: Mapping[str, Plain] | Sequence[Mapping[str, Plain]]) -> str:
    """The text of a whole new file: a document, intents or, as a list, checks."""
    if not content:
        raise EditRefused("文件不能是空的;请写上内容")
    plain: Plain = dict(content) if isinstance(content, Mapping) else [dict(check) for check in content]
    text = "\n".join(_file(plain)) + "\n"
    return _faithful(text, plain)


def _add_texts(page: "_Page", parent: Node, key: str, texts: Sequence[str]) -> None:
    """Adds to the list under `key`, or puts one there, behind what describes the entry."""
    new = [_written(text) for text in texts]
    there = _pairs(parent).get(key)
    if there:
        page.put_texts(there, new)
    elif new:
        page.put_pair(parent, key, list[Plain](new), behind=_ABOVE_PHRASES)


_ABOVE_PHRASES = ("title", "department", "text", "reply", "words", "unless", "always")


def _written(text: str) -> str:
    if not text.strip():
        raise EditRefused("不能为空;请写上文字")
    return text


def _items(node: Node) -> list[Node]:
    """The nodes of a list; nothing behind a colon is an empty one."""
    if _is_nothing(node):
        node.value = []
    if not isinstance(node.value, list):
        raise EditRefused(f"第 {node.line} 行应是列表;请先用编辑器改正")
    return node.value


def _pairs(node: Node) -> dict[str, Node]:
    """The nodes of a mapping by their names; nothing behind a colon is an empty one."""
    if _is_nothing(node):
        node.value = {}
    if not isinstance(node.value, dict):
        raise EditRefused(f"第 {node.line} 行应是「键: 值」的形式;请先用编辑器改正")
    return node.value


def _is_nothing(node: Node) -> bool:
    return node.value == "" and not node.style


class _Page:
    """A file being edited: each step notes what to cut where, and changes `root` into what must be read afterwards."""

    def __init__(self, text: str) -> None:
        self.bom = BOM if text.startswith(BOM) else ""
        self.text = text.removeprefix(BOM)
        self.root = _read(self.text, "文件里原来就有错误,请先改正")
        self.lines = _Lines(self.text)
        self.layout = _layout(self.lines, self.root)
        self.cuts: list[tuple[int, int, str]] = []

    def saved(self) -> str:
        """The new text, once it has proved to say what was meant."""
        text = self.text
        for start, end, instead in sorted(self.cuts, reverse=True):
            text = text[:start] + instead + text[end:]
        return self.bom + _faithful(text, self.root.plain())

    def entry(self, key: str) -> Node:
        """The intent, topic … of this name."""
        found = _pairs(self.root).get(key)
        if found is None:
            raise EditRefused(f"这个文件里没有「{key}」;请刷新后重试")
        return found

    def phrase(self, entry: str, phrase: str) -> tuple[Node, int]:
        """The list this phrase stands in, and where; written with blanks around it, it is the same."""
        phrases = _pairs(self.entry(entry)).get("phrases")
        if phrases:
            for position, node in enumerate(_items(phrases)):
                if isinstance(node.value, str) and node.value.strip() == phrase.strip():
                    return phrases, position
        raise EditRefused(f"「{entry}」里没有问法「{phrase}」;请刷新后重试")

    def answer(self, intent: str, region: str) -> Node:
        """What this intent answers for this region."""
        answers = _pairs(self.entry(intent)).get("answers")
        fit = [a for a in (_items(answers) if answers else ()) if _region(a) == region]
        where = f"「{region}」的答复" if region else "通用(没写 region)的答复"
        if not fit:
            raise EditRefused(f"「{intent}」没有{where};请刷新后重试")
        if len(fit) > 1:
            raise EditRefused(f"「{intent}」有 {len(fit)} 条{where};请先用编辑器合并")
        return fit[0]

    def put_texts(self, texts: Node, new: list[str]) -> None:
        """Adds to a list whose order says nothing."""
        below = _items(texts)
        position = len(below)
        if texts.style:
            self._into_brackets(texts, [_inline(text, in_brackets=True) for text in new])
        elif new:
            at = self._behind_items(texts)
            if below and texts.key and not self.lines.starts_at(at):
                position -= 1
                at = self.lines.after(below[-2] if position else texts.key)
            self._insert(at, [line for text in new for line in self._item(texts, text)])
        below[position:position] = [Node(0, text) for text in new]

    def put_item(self, items: Node, value: Plain) -> None:
        """Adds one item behind the last, written like that."""
        below = _items(items)
        if items.style:
            self._into_brackets(items, [_inline(value, in_brackets=True)])
        else:
            self._insert(self._behind_items(items), self._item(items, value))
        below.append(_node(value))

    def put_pair(
        self, parent: Node, key: str, value: Plain, *, behind: tuple[str, ...] = (), at_end: bool = False
    ) -> None:
        """Adds `key: value` behind the last of some keys, else as the last one, or even at the end of the file."""
        below = _pairs(parent)
        if key in below:
            raise EditRefused(f"「{key}」已经有了(第 {below[key].line} 行);请换一个名字")
        if parent.style:
            self._into_brackets(parent, [f"{_name(key)}: {_inline(value, in_brackets=True)}"])
        elif at_end:
            self._insert(len(self.text), self._gap(below) + self._pair(parent, key, value))
        else:
            known = [node for name, node in below.items() if name in behind] or list(below.values()) or [parent]
            self._insert(self.lines.after(known[-1]), self._pair(parent, key, value))
        below[key] = _node(value)

    def drop_item(self, items: Node, position: int) -> None:
        """Takes one item out of a list, with its whole lines."""
        below = _items(items)
        item = below.pop(position)
        if items.style:
            self._out_of_brackets(item.start, item.end)
            return
        dash = len(self.text[: item.start].rstrip()) - 1
        start = self.lines.start(dash)
        if self.text[start : dash + 1].strip() != "-":
            raise EditRefused(f"第 {item.line} 行还写着别的内容;请用编辑器删")
        self._cut(start, self.lines.after(item))
        colon = items.key and re.compile(r"\s*:").match(self.text, items.key.end)
        if colon and not below:
            self._cut(colon.end(), colon.end(), " []")

    def drop_pair(self, parent: Node, key: str) -> None:
        """Takes a key and its value out of a mapping, with their whole lines where nothing else stands there."""
        names = list(_pairs(parent))
        following = [_pairs(parent)[name].key for name in names[names.index(key) + 1 :]]
        node = _pairs(parent).pop(key)
        at = node.key.start if node.key else node.start
        start = self.lines.start(at)
        if parent.style:
            self._out_of_brackets(at, self.lines.end(node))
        elif not self.text[start:at].strip():
            self._cut(start, self.lines.after(node))
        elif following and following[0] and not self.text[self.lines.after(node) : following[0].start].strip():
            self._cut(at, following[0].start)
        else:
            raise EditRefused(f"第 {node.line} 行还写着别的内容;请用编辑器删")

    def overwrite(self, parent: Node, old: Node, new: str) -> None:
        """Writes another text in the place of one."""
        if not isinstance(old.value, str):
            raise EditRefused(f"第 {old.line} 行应是一句文字;请先用编辑器改正")
        start, end = old.start, self.lines.end(old)
        rest = self.text[end : self.lines.stop(end)]
        lead = "" if start < end or self.text[start - 1 : start] == " " else " "
        if "#" in rest:
            self._cut(start, end, lead + _quoted(_written(new)))  # or a comment would seem to be lost words
        elif parent.style:
            self._cut(start, end, lead + _inline(_written(new), in_brackets=True))
        else:
            column = self.lines.column(parent.start) + self.layout.step
            self._cut(start, end + len(rest), lead + self.lines.newline.join(_text(_written(new), column)))
        old.value = new

    def _behind_items(self, items: Node) -> int:
        """Where the line after a list's last item begins."""
        below = _items(items)
        return self.lines.after(below[-1] if below else items)

    def _item(self, items: Node, value: Plain) -> list[str]:
        """The lines of one more item, like the others."""
        below = _items(items)
        if not below:
            above = self.lines.column(items.key.start) if items.key else 0
            return _item(value, above + self.layout.dash, self.layout)
        layout = replace(self.layout, bullet=self.lines.bullet(items))
        return _item(value, self.lines.column(items.start), layout, inline=bool(below[-1].style))

    def _pair(self, parent: Node, key: str, value: Plain) -> list[str]:
        """The lines of one more key, like the others."""
        below = list(_pairs(parent).values())
        if not below:
            above = self.lines.column(parent.key.start) if parent.key else 0
            return _pair(key, value, above + self.layout.step, self.layout)
        inline = isinstance(value, dict) and below[-1].style == "{"
        return _pair(key, value, self.lines.column(parent.start), self.layout, inline=inline)

    def _gap(self, entries: dict[str, Node]) -> list[str]:
        """The blank line between entries, where it is the custom of this file."""
        last = list(entries.values())[-1:]
        above = self.text[: self.lines.start(last[0].key.start)] if last and last[0].key else ""
        return [""] if _ends_blank(above) and not _ends_blank(self.text) else []

    def _into_brackets(self, node: Node, new: list[str]) -> None:
        below = list(node.value.values()) if isinstance(node.value, dict) else _items(node)
        if new:
            at = self.lines.end(below[-1]) if below else node.start + 1
            self._cut(at, at, ", " * bool(below) + ", ".join(new))

    def _out_of_brackets(self, start: int, end: int) -> None:
        """Cuts with the comma behind, else the one in front; a line that would be left empty goes too."""
        behind = re.compile(r" *, *").match(self.text, end)
        before = re.compile(r", *\Z").search(self.text[self.lines.start(start) : start])
        if behind:
            end = behind.end()
        elif before:
            start -= len(before.group())
        line, stop = self.lines.start(start), self.lines.stop(end)
        if not self.text[line:start].strip() and not self.text[end:stop].strip():
            start, end = line, self.lines.next(end)
        self._cut(start, end)

    def _insert(self, at: int, lines: list[str]) -> None:
        newline = self.lines.newline
        block = newline.join(lines)
        self._cut(at, at, block + newline if self.lines.starts_at(at) else newline + block)

    def _cut(self, start: int, end: int, instead: str = "") -> None:
        self.cuts.append((start, end, instead))


def _region(answer: Node) -> str:
    region = _pairs(answer).get("region")
    return region.value.strip() if region and isinstance(region.value, str) else GENERAL


def _ends_blank(text: str) -> bool:
    lines = text.splitlines()
    return bool(lines) and not lines[-1].strip()


def _node(value: Plain) -> Node:
    if isinstance(value, dict):
        return Node(0, {key: _node(below) for key, below in value.items()})
    return Node(0, [_node(below) for below in value] if isinstance(value, list) else value)


_ENDS = "\n\r\x85\u2028\u2029"  # what YAML takes for the end of a line
_BREAK = re.compile(f"\r\n|[{_ENDS}]")
_LAST_BREAK, _LAST_BREAKS = re.compile(rf"(?:{_BREAK.pattern}) *\Z"), re.compile(rf"[{_ENDS}][{_ENDS} ]*\Z")


class _Lines:
    """Where in a text its lines and nodes begin and end."""

    def __init__(self, text: str) -> None:
        self.text = text
        first = re.search("\r\n|\n|\r", text)
        self.newline = first.group() if first else "\n"

    def starts_at(self, at: int) -> bool:
        return at == 0 or bool(_BREAK.fullmatch(self.text, at - 1, at))

    def start(self, at: int) -> int:
        """Where the line begins that `at` is in."""
        return max(self.text.rfind(mark, 0, at) for mark in _ENDS) + 1

    def stop(self, at: int) -> int:
        """Where the line ends that `at` is in."""
        ahead = _BREAK.search(self.text, at)
        return ahead.start() if ahead else len(self.text)

    def next(self, at: int) -> int:
        """Where the line after it begins."""
        ahead = _BREAK.search(self.text, at)
        return ahead.end() if ahead else len(self.text)

    def column(self, at: int) -> int:
        return at - self.start(at)

    def end(self, node: Node) -> int:
        """Where a value ends, without the blank lines and comments that follow it."""
        below = list(node.value.values()) if isinstance(node.value, dict) else node.value
        if isinstance(below, list) and below and not node.style:
            return self.end(below[-1])
        if node.style in ("|", ">"):
            written = self.text[node.start : node.end]
            keeps = "+" in _BREAK.split(written, 1)[0].partition("#")[0]
            return node.start + len((_LAST_BREAK if keeps else _LAST_BREAKS).sub("", written))
        return node.end

    def after(self, node: Node) -> int:
        """Where the line after a value begins, or the end of a text that ends with it."""
        return self.next(self.end(node))

    def bullet(self, items: Node) -> str:
        """The dash and blanks in front of a list's items."""
        first = _items(items)[0]
        written = self.text[items.start : first.start]
        return written if re.fullmatch("- +", written) else "- "


@dataclass(frozen=True)
class _Layout:
    """How a file is indented."""

    step: int = 2
    """From one mapping to the one inside."""
    dash: int = 2
    """From a key to the dashes of its list."""
    bullet: str = "- "


def _layout(lines: _Lines, root: Node) -> _Layout:
    """As the first mapping in a mapping and the first list in one are."""
    step = dash = None
    bullet = "- "
    for parent, child in _nested(root):
        width = lines.column(child.start) - lines.column(parent.start)
        if isinstance(child.value, dict):
            step = step or width
        elif dash is None:
            dash, bullet = width, lines.bullet(child)
        if step and dash is not None:
            break
    step = step or dash or 2
    return _Layout(step, step if dash is None else dash, bullet)


def _nested(node: Node) -> Iterator[tuple[Node, Node]]:
    """Each collection without brackets with the mapping it stands in."""
    for below in node.value.values() if isinstance(node.value, dict) else node.value:
        if isinstance(below, Node) and not below.style and below.value and not isinstance(below.value, str):
            if isinstance(node.value, dict):
                yield node, below
            yield from _nested(below)


_PRINTABLE = "\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_BARE = re.compile(rf"(?![-?:,\[\]{{}}#&*!|>'\"%@`])(?!.*(?:: | #|:$))[{_PRINTABLE}]+")
_LITERAL_LINE = re.compile(rf"[{_PRINTABLE}]*(?<! )")
_BARE_NAME = re.compile(r"\w[\w./-]*")
_ESCAPED = re.compile(rf'[^{_PRINTABLE}\ud800-\udfff]|["\\]')  # half characters cannot be saved at all: see _read
_ON_ONE_LINE = ("facts", "next", "words", "unless", "always")
"""Lists of names and words; a list of sentences has a line for each."""


def _file(content: Plain) -> list[str]:
    """The lines of a whole file."""
    if isinstance(content, dict):
        return [line for key, value in content.items() for line in _pair(key, value, 0, _Layout())]
    return [line for value in content for line in _item(value, 0, _Layout(), inline=True)]


def _pair(key: str, value: Plain, column: int, layout: _Layout, *, inline: bool = False) -> list[str]:
    head = " " * column + _name(key) + ":"
    if inline or not value or isinstance(value, str) or (isinstance(value, list) and key in _ON_ONE_LINE):
        return _hung(head + " ", value, column + layout.step)
    if isinstance(value, dict):
        return [head, *(line for k, v in value.items() for line in _pair(k, v, column + layout.step, layout))]
    return [head, *(line for v in value for line in _item(v, column + layout.dash, layout))]


def _item(value: Plain, column: int, layout: _Layout, *, inline: bool = False) -> list[str]:
    head = " " * column + layout.bullet
    if inline or not value or not isinstance(value, dict):
        return _hung(head, value, column + layout.step)
    first, *rest = [line for k, v in value.items() for line in _pair(k, v, len(head), layout)]
    return [head + first.lstrip(" "), *rest]


def _hung(head: str, value: Plain, column: int) -> list[str]:
    first, *rest = _text(value, column) if isinstance(value, str) else [_inline(value)]
    return [head + first, *rest]


def _text(text: str, column: int) -> list[str]:
    """A text as it stands behind a key or dash; one of several lines follows as a block, at `column`."""
    lines = text.split("\n")
    ends_well = bool(lines[-1]) and not text.startswith((" ", "\n"))
    if len(lines) > 1 and ends_well and " #" not in text and all(_LITERAL_LINE.fullmatch(line) for line in lines):
        return ["|-", *(" " * column + line if line else "" for line in lines)]
    return [_inline(text)]


def _inline(value: Plain, *, in_brackets: bool = False) -> str:
    """A value on one line."""
    if isinstance(value, list):
        return f"[{', '.join(_inline(below, in_brackets=True) for below in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_name(k)}: {_inline(v, in_brackets=True)}' for k, v in value.items())}}}"
    bare = value == value.strip() and _BARE.fullmatch(value) and not (in_brackets and re.search(r"[,:?\[\]{}]", value))
    return value if bare else _quoted(value)


def _name(key: str) -> str:
    return key if _BARE_NAME.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    char = found.group()
    known = {"\n": r"\n", "\t": r"\t", "\r": r"\r", '"': r"\"", "\\": r"\\"}
    code = ord(char)
    return known.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _read(text: str, refusal: str) -> Node:
    """The text as the bot will read it, or the refusal with the first error in it."""
    try:
        sheet = parse(Path(), text)
        errors = [problem for problem in sheet.problems if not problem.is_warning]
    except UnicodeEncodeError:
        raise EditRefused("文字里有存不下来的字符;请删掉后重新输入") from None
    except ContentError as error:
        errors = list(error.problems)
    if errors:
        raise EditRefused(f"{refusal}:第 {errors[0].line} 行:{errors[0].message}")
    return sheet.node


def _faithful(text: str, meant: Plain) -> str:
    """The text, unless it reads differently from what was meant."""
    if _read(text, "这样写会读不出来,没有改").plain() != meant:
        raise EditRefused("改完以后读出来和要写的不一样,没有改;请用编辑器改这个文件")
    return text
