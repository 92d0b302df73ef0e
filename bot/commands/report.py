"""`hotline report`: the daily report 信息日报, of today or another day, to read, to send on or to calculate with."""

import json
import sys
from datetime import date, datetime
from pathlib import Path

from bot import chart
from bot.app import read_content, usable
from bot.commands import table
from bot.commands.database import with_store
from bot.config import Config
from bot.errors import HotlineError
from bot.report import Report, as_html, as_json, as_rows, as_text, report
from bot.store.figures import daily

_BY_ENDING = {".txt": "text", ".html": "html", ".htm": "html", ".xlsx": "xlsx", ".json": "json"}


def run(config: Config, day: date | None, kind: str | None, file: Path | None) -> int:
    """Text to standard output unless told otherwise; the format follows the file's ending unless it is named."""
    kind = kind or _format_of(file)
    if kind == "xlsx" and file is None:
        raise HotlineError("xlsx 要写到文件里;请在后面写文件名")
    found = _report(config, day)
    if kind == "xlsx":
        return table.write(as_rows(found), file, kind, "信息日报")
    text = {"text": as_text, "html": _page, "json": _json}[kind](found).rstrip("\n") + "\n"
    return table.write_text(text, file, "已写到")


def _report(config: Config, day: date | None) -> Report:
    content, problems = read_content(config, checks=False)
    usable(problems)
    now = datetime.now(config.zone)
    figures = with_store(config, lambda store: daily(store, day or now.date(), config.zone, now))
    titles = {key: intent.title for key, intent in content.intents.items()}
    names = {key: department.name for key, department in content.departments.items()}
    return report(figures, titles, names, config.zone)


def _format_of(file: Path | None) -> str:
    if file is None:
        return "text"
    kind = _BY_ENDING.get(file.suffix.lower())
    if kind is None:
        raise HotlineError(f"不会写「{file.suffix.lstrip('.') or file.name}」;可用 text、html、xlsx、json")
    return kind


def _page(found: Report) -> str:
    try:
        return as_html(found, chart.draw(found.daily.days))
    except chart.NoFont as missing:
        print(missing, file=sys.stderr)
        return as_html(found, str(missing))


def _json(found: Report) -> str:
    return json.dumps(as_json(found), ensure_ascii=False)
