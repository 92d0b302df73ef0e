"""`hotline stats`: today's figures, or another day's, or all."""

import json
from dataclasses import asdict
from datetime import date, datetime, time, timedelta

from bot.commands.database import with_store
from bot.config import Config
from bot.store.figures import Figures, figures

_LINES = {
    "received": "收到提问",
    "people": "提问的人",
    "answered": "直接答复",
    "by_choice": "选后答复",
    "asked_back": "反问未续",
    "unanswered": "未能答复",
    "urgent": "紧急指引",
    "smalltalk": "问候闲谈",
    "handed_over": "交工作人员",
    "solved": "解决了",
    "unsolved": "没解决",
}
_TABLES = {
    "intents": "答得最多的意图",
    "regions": "地区",
    "cases": "工单(现在)",
    "outbox": "待发(现在)",
    "updates": "收件(现在)",
}


def run(config: Config, day: date | None, *, everything: bool, as_json: bool) -> int:
    """Always 0."""
    day = day or datetime.now(config.zone).date()
    since = None if everything else datetime.combine(day, time(), config.zone)
    found = with_store(config, lambda store: figures(store, since, since and since + timedelta(days=1)))
    if as_json:
        print(json.dumps({"day": None if everything else day.isoformat(), **asdict(found)}, ensure_ascii=False))
    else:
        print("\n".join(_shown("全部" if everything else day.isoformat(), found)))
    return 0


def _shown(title: str, found: Figures) -> list[str]:
    values = asdict(found)
    lines = [title, *(f"  {name:　<6}{values[key]:>8,}" for key, name in _LINES.items())]
    for key, name in _TABLES.items():
        if values[key]:
            lines += [name, *(f"  {count:>8,}  {what}" for what, count in values[key].items())]
    return lines
