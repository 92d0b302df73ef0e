"""A table as CSV or for a spreadsheet program, whose cells nothing can run."""

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bot.errors import HotlineError

Cell = str | float | int | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(rows: Sequence[Sequence[Cell]], file: Path | None, kind: str | None, title: str) -> int:
    """CSV to standard output without a file; the format follows the file's ending unless it is named. Always 0."""
    kind = kind or (file.suffix.lstrip(".").lower() if file else "csv")
    if kind not in {"csv", "xlsx"}:
        raise HotlineError(f"不会写「{kind}」;可用 csv、xlsx")
    if kind == "xlsx" and file is None:
        raise HotlineError("xlsx 要写到文件里;请在后面写文件名")
    table = [[_harmless(cell) for cell in row] for row in rows]
    if file is None:
        sys.stdout.write(_csv(table))
        return 0
    content = _csv(table).encode("utf-8-sig") if kind == "csv" else _xlsx(table, title)
    try:
        file.write_bytes(content)
    except OSError as error:
        raise HotlineError(f"写不了 {file}:{error.strerror}") from None
    print(f"已导出 {len(table) - 1} 条到 {file}")
    return 0


def _harmless(cell: Cell) -> Cell:
    """A cell that begins like a formula would be run by a spreadsheet."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _csv(table: Iterable[Sequence[Cell]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(table)
    return out.getvalue()


def _xlsx(table: Iterable[Sequence[Cell]], title: str) -> bytes:
    from openpyxl import Workbook  # slow to import, and only this format needs it

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for row in table:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
