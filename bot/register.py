"""Questions on record as a table, the same wherever it is exported."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.store.record import Row
from bot.table import Cell

HEAD = (
    "编号", "时间", "提问", "结果", "意图", "地区", "把握", "直接答门槛", "给选项门槛", "内容版本",
    "答复", "答复时间", "评价", "工单", "接着哪个编号",
)  # fmt: skip


def cells(row: Row, zone: ZoneInfo) -> tuple[Cell, ...]:
    """One question below HEAD."""

    def moment(at: datetime | None) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if at else ""

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
