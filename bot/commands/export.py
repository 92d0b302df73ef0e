"""`hotline export`: every question on record as a table."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from bot.commands import table
from bot.commands.database import with_store
from bot.commands.table import Cell
from bot.config import Config
from bot.store.engine import Store
from bot.store.record import Row, rows

_HEAD = (
    "编号", "时间", "提问", "结果", "意图", "地区", "把握", "直接答门槛", "给选项门槛", "内容版本",
    "答复", "答复时间", "评价", "工单", "接着哪个编号",
)  # fmt: skip


def run(config: Config, file: Path | None, kind: str | None, since: date | None, until: date | None) -> int:
    """CSV to standard output without a file; the format follows the file's ending unless it is named."""
    start = datetime.combine(since, time(), config.zone) if since else None
    end = datetime.combine(until + timedelta(days=1), time(), config.zone) if until else None

    async def read(store: Store) -> list[Row]:
        return await rows(store, start, end)

    found = with_store(config, read)
    return table.write([_HEAD, *(_cells(config, row) for row in found)], file, kind, "提问")


def _cells(config: Config, row: Row) -> Sequence[Cell]:
    def moment(at: datetime | None) -> str:
        return f"{at.astimezone(config.zone):%Y-%m-%d %H:%M:%S}" if at else ""

    return (
        row.id,
        moment(row.asked_at),
        row.text or "（已删除）",
        row.outcome,
        row.intent,
        row.region,
        row.score,
        row.above_answer,
        row.above_offer,
        row.content_version,
        row.reply or "",
        moment(row.replied_at),
        row.feedback,
        row.case_id,
        row.parent_id,
    )
