"""The daily report, 信息日报: a day's figures in an order that people read, as text, page, table and JSON."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from bot import voice
from bot.store.figures import RISING_OVER_DAYS, Daily, Figures, LateCase, Rise
from bot.worktime import weekday

Row = tuple[str, str, float | int | str | None]
_MOST = 5
"""Lines a section of the text has: a telephone shows no more."""
_NO_WORDS = "内容已删除"
_NO_DEPARTMENT = "还没定部门"


@dataclass(frozen=True)
class Report:
    """One day with names in place of keys."""

    daily: Daily
    zone: ZoneInfo
    topics: tuple[tuple[str, int], ...]
    """Titles of the intents answered most."""
    regions: tuple[tuple[str, int], ...]
    departments: tuple[tuple[str, int], ...]
    """Of the cases opened."""
    rising: tuple[tuple[str, Rise], ...]
    overdue: tuple[tuple[str, LateCase], ...]
    """Each with the name of the department."""

    @property
    def title(self) -> str:
        """信息日报 2026-11-22（周日）"""
        return f"信息日报 {self.daily.day.isoformat()}（{weekday(self.daily.day)}）"

    @property
    def figures(self) -> Figures:
        """The day's."""
        return self.daily.figures

    @property
    def usual(self) -> float:
        """Questions on an average day before."""
        return sum(day.received for day in self.daily.days[:-1]) / RISING_OVER_DAYS


@dataclass(frozen=True)
class Section:
    """Some lines under a heading; the first section has none."""

    heading: str
    lines: tuple[str, ...]


def report(daily: Daily, titles: Mapping[str, str], departments: Mapping[str, str], zone: ZoneInfo) -> Report:
    """The report of a day; what has no name any more keeps its key."""

    def department(key: str) -> str:
        return departments.get(key, key) or _NO_DEPARTMENT

    def name(rise: Rise) -> str:
        return (
            f"事项 {rise.case}「{_words(rise.text)}」"
            if rise.case is not None
            else titles.get(rise.intent, rise.intent)
        )

    figures = daily.figures
    return Report(
        daily,
        zone,
        topics=tuple((titles.get(key, key), count) for key, count in figures.intents.items()),
        regions=tuple(figures.regions.items()),
        departments=tuple((department(key), count) for key, count in figures.departments.items()),
        rising=tuple((name(rise), rise) for rise in daily.rising),
        overdue=tuple((department(case.department), case) for case in daily.overdue.cases),
    )


def as_text(report: Report) -> str:
    """Short lines for a telephone; only what there is something to say about."""
    parts = (["", section.heading, *section.lines] for section in _sections(report, _MOST))
    first, *rest = ([line for line in part if line] for part in parts)
    return "\n".join([report.title, *first, *(line for part in rest for line in ["", *part])])


def as_html(report: Report, picture: bytes | str) -> str:
    """A page that needs nothing beside it; `picture` is a PNG, or a line that says why there is none."""
    if isinstance(picture, bytes):
        shown = f'<img alt="{_in_words(report)}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
    else:
        shown = f"<p>{escape(picture)}</p>"
    first, *rest = (_section(section) for section in _sections(report, None))
    title = escape(report.title)
    return (
        f'<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n{first}\n{shown}\n{chr(10).join(rest)}\n</body></html>\n"
    )


def as_json(report: Report) -> dict[str, Any]:
    """The figures under the names they have in `hotline stats --json`, and what the report adds."""
    daily, moment = report.daily, _local(report.zone)
    return {
        "day": daily.day.isoformat(),
        "now": moment(daily.now),
        "is_over": daily.is_over,
        **report.figures.as_json(),
        "overdue": daily.overdue.count,
        "topics": _named(report.topics),
        "department_names": _named(report.departments),
        "rising": [
            {"name": name, "intent": r.intent, "case": r.case, "text": r.text, "count": r.count, "before": r.before}
            for name, r in report.rising
        ],
        "overdue_cases": [
            {"id": c.id, "text": c.text, "department": c.department, "department_name": name, "due": moment(c.due_at)}
            for name, c in report.overdue
        ],
        "days": [
            {"day": d.day.isoformat(), "received": d.received, "answered": d.answered, "unanswered": d.unanswered}
            for d in daily.days
        ],
    }


def as_rows(report: Report) -> list[Row]:
    """A table of three columns, its head first; shares are numbers from 0 to 1, empty where there is none."""
    figures, moment = report.figures, _local(report.zone)
    return [
        ("部分", "项目", "数"),
        ("提问", "日期", report.daily.day.isoformat()),
        *(("提问", name, getattr(figures, key)) for key, name in (("received", "收到"), ("people", "提问的人"))),
        *(("提问", name, getattr(figures, key)) for key, name in voice.OUTCOMES.items()),
        *(("事项", name, getattr(figures, key)) for key, name in _CASES.items()),
        ("事项", "按时办结率", figures.on_time_share),
        ("事项", "满意率", figures.satisfied_share),
        ("事项", "现在超期", report.daily.overdue.count),
        *(("明显增多", name, rise.count) for name, rise in report.rising),
        *(("超期事项", f"事项 {c.id}「{_words(c.text)}」{name}", moment(c.due_at)) for name, c in report.overdue),
        *(("答得最多", title, count) for title, count in report.topics),
        *(("地区", region, count) for region, count in report.regions),
        *(("新增事项的部门", name, count) for name, count in report.departments),
        *(("每天收到", f"{d.day.isoformat()}（{weekday(d.day)}）", d.received) for d in report.daily.days),
    ]


_CASES = {
    "opened": "新增",
    "cases_answered": "已答复",
    "on_time": "按时答复",
    "late": "超期答复",
    "reopened": "重新处理",
    "rated": "已评价",
    "satisfied": "满意和基本满意",
}
_STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;color:#28323c;max-width:44em;margin:0 auto;padding:1em}"
    "h1{font-size:1.3em}h2{font-size:1.05em;margin:1.2em 0 .2em}ul{margin:0;padding-left:1.2em}img{max-width:100%}"
)


def _sections(report: Report, most: int | None) -> Iterator[Section]:
    figures, overdue = report.figures, report.daily.overdue
    yield Section("", tuple(_questions(report)))
    candidates = (
        ("事项", list(_casework(figures))),
        ("明显增多", [_risen(name, rise) for name, rise in report.rising[:most]]),
        (f"现在超期 {overdue.count} 件", [_late(name, c, report.zone) for name, c in report.overdue[:most]]),
        ("答得最多", _counted(report.topics[:most])),
        ("地区", _in_a_line(report.regions[:most])),
        ("新增事项的部门", _in_a_line(report.departments[:most])),
    )
    for heading, lines in candidates:
        if lines:
            yield Section(heading, tuple(lines))


def _questions(report: Report) -> Iterator[str]:
    daily, figures = report.daily, report.figures
    if not daily.is_over:
        yield f"截至{voice.moment(daily.now.astimezone(report.zone))}"
    usual = f"，前 {RISING_OVER_DAYS} 天日均 {_number(report.usual)} 条" if report.usual else ""
    if not figures.received:
        yield f"没有收到提问{usual}"
        return
    yield f"收到 {figures.received} 条，{figures.people} 人提问{usual}"
    for key, name in voice.OUTCOMES.items():
        if count := getattr(figures, key):
            yield f"{name} {count}（{_percent(count / figures.received)}）"


def _casework(figures: Figures) -> Iterator[str]:
    counts = (("新增", figures.opened), ("答复", figures.cases_answered), ("重新处理", figures.reopened))
    if any(count for _, count in counts):
        yield "，".join(f"{name} {count}" for name, count in counts if count)
    if (share := figures.on_time_share) is not None:
        yield f"按时办结率 {_percent(share)}（{figures.on_time}/{figures.on_time + figures.late}）"
    if (share := figures.satisfied_share) is not None:
        yield f"满意率 {_percent(share)}（{figures.satisfied}/{figures.rated}）"


def _risen(name: str, rise: Rise) -> str:
    return f"{name} {rise.count} 条（前 {RISING_OVER_DAYS} 天日均 {_number(rise.usual)}）"


def _late(department: str, case: LateCase, zone: ZoneInfo) -> str:
    due = voice.moment(case.due_at.astimezone(zone)).strip()
    return f"事项 {case.id}「{_words(case.text)}」{department}，{due}到期"


def _counted(found: Sequence[tuple[str, int]]) -> list[str]:
    return [f"{name} {count}" for name, count in found]


def _in_a_line(found: Sequence[tuple[str, int]]) -> list[str]:
    return ["，".join(_counted(found))] if found else []


def _words(text: str | None) -> str:
    return voice.shortened(text or _NO_WORDS, 20)


def _percent(share: float) -> str:
    return f"{_number(share * 100)} %"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _named(found: Sequence[tuple[str, int]]) -> list[dict[str, str | int]]:
    return [{"name": name, "count": count} for name, count in found]


def _local(zone: ZoneInfo) -> Callable[[datetime], str]:
    return lambda moment: moment.astimezone(zone).isoformat(timespec="minutes")


def _section(section: Section) -> str:
    heading = f"<h2>{escape(section.heading)}</h2>" if section.heading else ""
    return f"{heading}<ul>{''.join(f'<li>{escape(line)}</li>' for line in section.lines)}</ul>"


def _in_words(report: Report) -> str:
    return "；".join(
        f"{d.day.isoformat()} 收到 {d.received}，已答复 {d.answered}，未能答复 {d.unanswered}"
        for d in report.daily.days
    )
