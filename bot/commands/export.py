"""`hotline export`: every question on record as a table."""

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from bot.commands.database import with_store
from bot.config import Config
from bot.errors import HotlineError
from bot.store.engine import Store
from bot.store.record import Row, rows

_HEAD = (
    "编号", "时间", "提问", "结果", "意图", "地区", "把握", "直接答门槛", "给选项门槛", "内容版本",
    "答复", "答复时间", "评价", "工单", "接着哪个编号",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Cell = str | float | int | None


def run(config: Config, file: Path | None, kind: str | None, since: date | None, until: date | None) -> int:
    """CSV to standard output without a file; the format follows the file's ending unless it is named."""
    kind = kind or (file.suffix.lstrip(".").lower() if file else "csv")
    if kind not in {"csv", "xlsx"}:
        raise HotlineError(f"不会写「{kind}」;可用 csv、xlsx")
    if kind == "xlsx" and file is None:
        raise HotlineError("xlsx 要写到文件里;请在后面写文件名")
    start = datetime.combine(since, time(), config.zone) if since else None
    end = datetime.combine(until + timedelta(days=1), time(), config.zone) if until else None

    async def read(store: Store) -> list[Row]:
        return await rows(store, start, end)

    table = [_HEAD, *(_cells(config, row) for row in with_store(config, read))]
    if file is None:
        sys.stdout.write(_csv(table))
        return 0
    content = _csv(table).encode("utf-8-sig") if kind == "csv" else _xlsx(table)
    try:
        file.write_bytes(content)
    except OSError as error:
        raise HotlineError(f"写不了 {file}:{error.strerror}") from None
    print(f"已导出 {len(table) - 1} 条到 {file}")
    return 0


def _cells(config: Config, row: Row) -> Sequence[Cell]:
    def moment(at: datetime | None) -> str:
        return f"{at.astimezone(config.zone):%Y-%m-%d %H:%M:%S}" if at else ""

    return (
        row.id,
        moment(row.asked_at),
        _harmless(row.text or "（已删除）"),
        row.outcome,
        _harmless(row.intent),
        _harmless(row.region),
        row.score,
        row.above_answer,
        row.above_offer,
        row.content_version,
        _harmless(row.reply or ""),
        moment(row.replied_at),
        row.feedback,
        row.case_id,
        row.parent_id,
    )


def _harmless(text: str) -> str:
    """A cell that begins like a formula would be run by a spreadsheet."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv(table: Iterable[Sequence[Cell]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(table)
    return out.getvalue()


def _xlsx(table: Iterable[Sequence[Cell]]) -> bytes:
    from openpyxl import Workbook  # slow to import, and only this format needs it

    book = Workbook(write_only=True)
    sheet = book.create_sheet("提问")
    for row in table:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
