"""`hotline stats`: today's figures, or another day's, or all."""

import json
from datetime import date, datetime

from bot import voice
from bot.commands.database import with_store
from bot.config import Config
from bot.store.engine import Store
from bot.store.figures import Figures, figures, overdue, period

_LINES = {
    "received": "收到提问",
    "people": "提问的人",
    **voice.OUTCOMES,
    "handed_over": "交工作人员",
    "solved": "解决了",
    "unsolved": "没解决",
    "opened": "新增事项",
    "cases_answered": "答复事项",
    "on_time": "按时答复",
    "late": "超期答复",
    "reopened": "重新处理",
    "rated": "评价答复",
    "satisfied": "满意",
}
_SHARES = {"on_time_share": "按时办结率", "satisfied_share": "满意率"}
_TABLES = {
    "intents": "答得最多的意图",
    "regions": "地区",
    "departments": "新增事项的部门",
    "cases": "工单(现在)",
    "outbox": "待发(现在)",
    "updates": "收件(现在)",
}


def run(config: Config, day: date | None, *, everything: bool, as_json: bool) -> int:
    """Always 0."""
    now = datetime.now(config.zone)
    day = day or now.date()
    since, until = (None, None) if everything else period(day, config.zone)

    async def look(store: Store) -> tuple[Figures, int]:
        return await figures(store, since, until), (await overdue(store, now, most=0)).count

    found, late = with_store(config, look)
    if as_json:
        title = None if everything else day.isoformat()
        print(json.dumps({"day": title, **found.as_json(), "overdue": late}, ensure_ascii=False))
    else:
        print("\n".join(_shown("全部" if everything else day.isoformat(), found, late)))
    return 0


def _shown(title: str, found: Figures, late: int) -> list[str]:
    values = found.as_json()
    lines = [title, *(f"  {name:　<6}{values[key]:>8,}" for key, name in _LINES.items())]
    lines += [f"  {name:　<6}{values[key]:>8.1%}" for key, name in _SHARES.items() if values[key] is not None]
    lines.append(f"  {'现在超期':　<6}{late:>8,}")
    for key, name in _TABLES.items():
        if values[key]:
            lines += [name, *(f"  {count:>8,}  {what or '(没有)'}" for what, count in values[key].items())]
    return lines
