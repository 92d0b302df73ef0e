"""A table of questions and answers that an office keeps elsewhere: CSV or spreadsheet, with headings of its own."""

import csv
import io
import itertools
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Any

from bot.errors import HotlineError, reason
from bot.text import clean
from bot.yamlfile import LOST

HEADINGS = {
    "question": ("问题", "问法", "标准问题", "常见问题", "提问", "咨询问题", "question", "phrase", "phrases"),
    "answer": ("答复", "答案", "回答", "回复", "答复内容", "标准答案", "answer"),
    "department": ("部门", "承办部门", "责任部门", "主管部门", "承办单位", "责任单位", "department"),
    "region": ("地区", "区域", "城市", "行政区划", "region"),
    "title": ("标题", "title"),
    "valid_until": ("有效期至", "有效期", "valid_until"),
    "estimated": ("到期日是估计的", "estimated"),
}
"""What stands over each column, the likeliest first; any other column is left alone."""
_NEEDED = ("question", "answer")
_CSV, _XLSX = {".csv", ".tsv", ".txt"}, {".xlsx", ".xlsm"}
_MOST_BYTES = 100_000_000
_HEADINGS_WITHIN = 10
"""Rows: above the headings there may stand a title."""
_QUOTED = tuple(f"'{sign}" for sign in "=+-@＝＋－＠")
"""How an export of ours keeps a spreadsheet from taking a text for a formula."""
_BROKEN_BOOK = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, SyntaxError, EOFError)
Tell = Callable[[str, int, int], None]
"""What is being done, how much of it is done, of how much (0: nobody knows)."""


@dataclass(frozen=True, order=True)
class Spot:
    """Where a row stands, as a spreadsheet numbers it."""

    row: int
    sheet: str = ""
    """Only where the file has several."""

    def __str__(self) -> str:
        return f"工作表「{self.sheet}」第 {self.row} 行" if self.sheet else f"第 {self.row} 行"


@dataclass(frozen=True)
class Entry:
    """One row: a question and what is answered, as they were written."""

    spot: Spot
    question: str
    answer: str
    department: str = ""
    region: str = ""
    title: str = ""
    valid_until: str = ""
    estimated: str = ""


@dataclass(frozen=True)
class Unusable:
    """A row, or a whole sheet, of which nothing can be made."""

    spot: Spot
    reason: str


@dataclass
class Faq:
    """What a file holds."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)


_Row = tuple[int, Sequence[str] | str]
"""Its number and cells, or why it cannot be read."""


def read_faq(path: Path, tell: Tell = lambda what, done, total: None) -> Faq:
    """Every row of the file, empty ones left out; raises HotlineError when it is no such table."""
    faq = Faq(path.name)
    raw = _bytes(path)
    if path.suffix.lower() in _CSV:
        _read(faq, _csv_rows(raw), "", tell)
    elif path.suffix.lower() in _XLSX:
        _read_book(faq, raw, tell)
    else:
        raise HotlineError(f"不会读「{path.suffix}」;请用表格软件另存为 .xlsx 或 .csv")
    return faq


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise HotlineError(f"{path} 超过 {_MOST_BYTES // 1_000_000} MB;请拆成几个文件")
        return path.read_bytes()
    except OSError as error:
        raise HotlineError(f"读不了 {path}:{reason(error)};请检查文件名") from None


def _read(faq: Faq, rows: Iterator[_Row], sheet: str, tell: Tell) -> None:
    columns, rows = _headings(faq.name, rows)
    for number, cells in rows:
        spot = Spot(number, sheet)
        if isinstance(cells, str):
            faq.unusable.append(Unusable(spot, cells))
        elif any(cell.strip() for cell in cells):
            values = {name: _tidy(cells[n]) for name, n in columns.items() if n < len(cells)}
            one_line = {name: value.replace("\n", " ") for name, value in values.items() if name != "answer"}
            entry = Entry(spot, **{"question": "", "answer": values.get("answer", ""), **one_line})
            reason = _reason(entry)
            faq.unusable.append(Unusable(spot, reason)) if reason else faq.entries.append(entry)
        tell("读表格", number, 0)


def _headings(name: str, rows: Iterator[_Row]) -> tuple[dict[str, int], Iterator[_Row]]:
    """Where each column stands, and the rows below; raises HotlineError when the needed ones are missing."""
    above: list[_Row] = []
    for number, cells in rows:
        columns = {} if isinstance(cells, str) else _columns(cells)
        if all(need in columns for need in _NEEDED):
            return columns, rows
        above.append((number, cells))
        if len(above) == _HEADINGS_WITHIN:
            break
    seen = next(
        ("、".join(c.strip() for c in cells if c.strip()) for _, cells in above if not isinstance(cells, str)), ""
    )
    raise NoHeadings(f"{name}:找不到表头;要有一行写着「问题」和「答复」,现在第一行是:{seen[:80] or '空的'}")


class NoHeadings(HotlineError):
    """No row says which column holds the questions and which the answers."""


def _columns(cells: Sequence[str]) -> dict[str, int]:
    there: dict[str, int] = {}
    for n, cell in enumerate(cells):
        there.setdefault(clean(cell).strip(" *:：").lower(), n)
    found = {name: next((there[word] for word in words if word in there), None) for name, words in HEADINGS.items()}
    return {name: n for name, n in found.items() if n is not None}


def _tidy(cell: str) -> str:
    """Without what cannot be seen, and without blanks at the ends of its lines."""
    text = clean(cell).replace("\t", " ")
    text = "\n".join(filter(None, (line.strip() for line in text.splitlines())))
    return text[1:] if text.startswith(_QUOTED) else text


def _reason(entry: Entry) -> str:
    if LOST in f"{entry.question}{entry.answer}{entry.department}{entry.region}":
        return "有读不出的字;请把文件另存为 UTF-8 再导入"
    if not entry.question:
        return "没有问题;请补上"
    return "" if entry.answer else "没有答复;请补上(合并的单元格请先拆开填满)"


# ---- CSV


def _csv_rows(raw: bytes) -> Iterator[_Row]:
    """Every record; one that cannot be told apart from the next is passed over, and reading goes on below it."""
    lines = list(io.StringIO(_decoded(raw), newline=""))
    delimiter = _delimiter(lines)
    at = number = 0
    while at < len(lines):
        reader = csv.reader(itertools.islice(lines, at, None), delimiter=delimiter, strict=True)
        read = 0
        try:
            for cells in reader:
                number += 1
                yield number, cells
                read = reader.line_num
            return
        except csv.Error:
            number += 1
            yield number, "引号没有配对,或一格太长;请改正这一行"
            at += read + 1


def _decoded(raw: bytes) -> str:
    """UTF-8, or what Chinese spreadsheet programs write; of a mixture what leaves fewest signs unreadable."""
    for encoding in ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    guesses = [raw.decode(encoding, errors="replace") for encoding in ("utf-8-sig", "gb18030")]
    return min(guesses, key=lambda text: text.count(LOST))


def _delimiter(lines: Sequence[str]) -> str:
    """The one that makes the headings readable."""
    for sign in (",", "\t", ";"):
        if any(all(need in _columns(line.split(sign)) for need in _NEEDED) for line in _unquoted(lines)):
            return sign
    return ","


def _unquoted(lines: Sequence[str]) -> Iterator[str]:
    return (line.replace('"', "") for line in lines[:_HEADINGS_WITHIN])


# ---- spreadsheets


def _read_book(faq: Faq, raw: bytes, tell: Tell) -> None:
    from openpyxl import load_workbook  # slow to import, and only this format needs it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of decorations that it does not know
        try:
            book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
            sheets = [sheet for sheet in book.worksheets if hasattr(sheet, "reset_dimensions")]
            lacking = [error for sheet in sheets if (error := _read_sheet(faq, sheet, len(sheets) > 1, tell))]
        except _BROKEN_BOOK:
            raise HotlineError(f"{faq.name} 读不出来;请用表格软件打开,重新另存为 .xlsx") from None
    if lacking and len(lacking) == len(sheets):
        raise lacking[0]


def _read_sheet(faq: Faq, sheet: Any, one_of_many: bool, tell: Tell) -> NoHeadings | None:
    """A sheet without headings is named, unless it is empty: it may be a note beside the table."""
    name = sheet.title if one_of_many else ""
    sheet.reset_dimensions()  # some programs write wrong ones, and rows would be lost
    rows = [[_cell(value) for value in row] for row in sheet.iter_rows(values_only=True)]
    try:
        _read(faq, iter([*enumerate(rows, 1)]), name, tell)
    except NoHeadings as error:
        if any(cell for row in rows for cell in row):
            faq.unusable.append(Unusable(Spot(1, name), "这张表没有「问题」「答复」表头;没有读"))
        return error
    return None


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value.date()) if isinstance(value, datetime) and value.time() == time() else str(value)
