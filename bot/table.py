"""A table as CSV or for a spreadsheet program, whose cells nothing can run."""

import csv
import io
from collections.abc import Iterable, Sequence

Cell = str | float | int | None
Row = Sequence[Cell]
BOM = "\ufeff"
"""Without it spreadsheet programs take a CSV file for another encoding."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def as_csv(rows: Iterable[Row]) -> str:
    """Lines of text; many tables after one another make one."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(map(_harmless, rows))
    return out.getvalue()


def as_xlsx(rows: Iterable[Row], title: str) -> bytes:
    """A file for spreadsheet programs, with one sheet."""
    from openpyxl import Workbook  # slow to import, and only this format needs it

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for row in map(_harmless, rows):
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _harmless(row: Row) -> list[Cell]:
    """A cell that begins like a formula would be run by a spreadsheet."""
    return [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row]
