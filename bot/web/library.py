"""What staff and admins read: intents and how they are used, a box to try questions, the record, the figures."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bot import register, voice
from bot.buttons import rows_of
from bot.config import Person
from bot.content.models import Answer, Intent, last_day
from bot.dialogue import Outcome
from bot.explain import explained, intents_of, title_of
from bot.health import RECENT_DAYS
from bot.hotline import Hotline, Trial, kept
from bot.matching.matcher import EXACT
from bot.store import record
from bot.store.figures import (
    RISING_OVER_DAYS,
    Figures,
    Standing,
    by_day,
    figures,
    overdue,
    period,
    rising,
    standing,
)
from bot.store.questions import Feedback
from bot.store.record import Which
from bot.store.usage import NEVER, Usage, UsageOfIntents, Used
from bot.table import BOM, as_csv, as_xlsx
from bot.text import clean
from bot.web.pages import Pages, whole
from bot.web.signin import SignIn
from bot.worktime import weekday

INTENTS, TRY, QUESTIONS, OVERVIEW = "/staff/intents", "/staff/try", "/staff/questions", "/staff/overview"
EXPIRING_DAYS = 30
MOST_LISTED = 50
MOST_IN_A_BOOK = 20_000
"""Questions in a file for spreadsheet programs: making one keeps the whole process busy, CSV does not."""
SHOWN_DAYS = 14
_YEARS = range(2000, 3000)
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Asked = Mapping[str, str]
"""The fields of a form that were filled in."""


@dataclass(frozen=True)
class Entry:
    """An intent and how it is used."""

    key: str
    intent: Intent
    used: Used
    expired: tuple[Answer, ...]
    expiring: tuple[Answer, ...]
    """They are over within EXPIRING_DAYS."""

    @property
    def is_unused(self) -> bool:
        """Whether it never answered anybody."""
        return not self.used.in_all

    @property
    def next_end(self) -> tuple[int, int]:
        """Orders by what is over next, then by what was over last; what lasts comes last."""
        ends = [last_day(a.valid_until).toordinal() for a in self.intent.answers if a.valid_until]
        ahead = sorted(ends)[len(self.expired) :]
        return (0, ahead[0]) if ahead else (1, -max(ends)) if ends else (2, 0)


_ORDERS: dict[str, tuple[str, Callable[[Entry], Any]]] = {
    "used": ("最常用", lambda e: (-e.used.recently, -e.used.in_all)),
    "unsolved": ("没解决最多", lambda e: (-e.used.unsolved, -e.used.recently)),
    "expiring": ("快过期", lambda e: e.next_end),
    "unused": ("没用过", lambda e: (e.used.in_all, e.used.recently)),
}
_STATES: dict[str, tuple[str, Callable[[Entry], bool]]] = {
    "expired": ("已过期", lambda e: bool(e.expired)),
    "expiring": (f"{EXPIRING_DAYS} 天内过期", lambda e: bool(e.expiring)),
    "unused": ("没用过", lambda e: e.is_unused),
}


@dataclass(frozen=True)
class Bar:
    """One row of a chart and of the table beside it."""

    name: str
    count: int
    where: str = ""
    """The page that says more."""


@dataclass(frozen=True)
class Tile:
    """One figure, compared with before."""

    name: str
    value: str
    before: str = ""
    where: str = ""


class Library:
    """The pages of 意图, 提问记录 and 概览; they change nothing."""

    def __init__(self, hotline: Hotline, pages: Pages, door: SignIn) -> None:
        self.hotline, self.pages, self.door, self.store = hotline, pages, door, hotline.store
        self.zone = hotline.config.zone
        self._usage = UsageOfIntents(hotline.store)

    def routes(self) -> list[Route]:
        """Where each page is."""
        staff = self.door.only_staff
        return [
            Route(INTENTS, staff(self.intents)),
            Route(INTENTS + "/{key:path}", staff(self.intent)),
            Route(TRY, staff(self.trial)),
            Route(QUESTIONS, staff(self.questions)),
            Route(QUESTIONS + ".{kind}", staff(self.export)),
            Route(OVERVIEW, staff(self.overview)),
        ]

    # ---- intents

    async def intents(self, request: Request, person: Person) -> Response:
        """All of them, those first that need a look."""
        asked = _asked(request)
        order = asked.get("sort", "used")
        if order not in _ORDERS or asked.get("state", "") not in ("", *_STATES):
            raise HTTPException(404)
        entries = self._entries(await self._used())
        shown = [e for e in entries if _fits(e, asked)]
        context = {
            **self._frame(request, person),
            "entries": sorted(shown, key=_ORDERS[order][1]),
            "all": len(entries),
            "asked": asked,
            "orders": {key: name for key, (name, _) in _ORDERS.items()},
            "counts": _counts(entries),
        }
        return self.pages.render("intents.html", context)

    async def intent(self, request: Request, person: Person) -> Response:
        """Everything about one."""
        content, key = self.hotline.dialogue.content, request.path_params["key"]
        intent = content.intents.get(key)
        if intent is None:
            raise HTTPException(404)
        sheet, loc = content.places["intent", key]
        family = next((name for name, f in content.families.items() if key in f.members), "")
        context = {
            **self._frame(request, person),
            "entry": self._entry(key, intent, await self._used()),
            "content": content,
            "file": sheet.path.name,
            "line": sheet.node.at(loc).line,
            "relatives": [k for k in intents_of(content, family) if k != key] if family else [],
            "leading_here": [k for k, other in content.intents.items() if key in other.next],
        }
        return self.pages.render("intent.html", context)

    async def trial(self, request: Request, person: Person) -> Response:
        """A question as a citizen would ask it, and why it is answered like that."""
        asked = _asked(request)
        text, place = asked.get("q", ""), asked.get("region", "")
        region = self.hotline.dialogue.find_region(place) if place else ""
        is_unknown = bool(place) and not region
        trial = await self.hotline.try_out(text, region) if text and not is_unknown else None
        context = {
            **self._frame(request, person),
            "page": INTENTS,
            "q": text,
            "region": region or place,
            "is_unknown": is_unknown,
            **(_outcome_of(trial, text) if trial else {"said": None}),
        }
        return self.pages.render("try.html", context, 400 if is_unknown else 200)

    async def _used(self) -> Usage:
        first = self.hotline.clock().date() - timedelta(days=RECENT_DAYS - 1)
        return await self._usage.since(period(first, self.zone)[0])

    def _entries(self, usage: Usage) -> list[Entry]:
        return [self._entry(key, intent, usage) for key, intent in self.hotline.dialogue.content.intents.items()]

    def _entry(self, key: str, intent: Intent, usage: Usage) -> Entry:
        today = self.hotline.clock().date()
        soon = today + timedelta(days=EXPIRING_DAYS)
        expired = tuple(a for a in intent.answers if a.expired(today))
        expiring = tuple(a for a in intent.answers if a.expired(soon + timedelta(days=1)) and a not in expired)
        return Entry(key, intent, usage.get(key, NEVER), expired, expiring)

    # ---- the record

    async def questions(self, request: Request, person: Person) -> Response:
        """The newest first."""
        return await self._questions(request, person)

    async def export(self, request: Request, person: Person) -> Response:
        """All questions that fit, as a table: CSV however many there are, a spreadsheet's book up to MOST_IN_A_BOOK."""
        kind, which = request.path_params["kind"], self._which(_asked(request))
        name = f"questions-{self.hotline.clock().date().isoformat()}.{kind}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        if kind == "csv":
            return StreamingResponse(self._csv(which), media_type="text/csv; charset=utf-8", headers=headers)
        if kind != "xlsx":
            raise HTTPException(404)
        table: list[tuple[Any, ...]] = [register.HEAD]
        async for part in record.in_parts(self.store, which):
            table += (register.cells(row, self.zone) for row in part)
            if len(table) > MOST_IN_A_BOOK + 1:
                told = f"超过 {MOST_IN_A_BOOK:,} 条，xlsx 放不下。请缩小日期范围，或导出 CSV。"
                return await self._questions(request, person, told, 409)
        return Response(await asyncio.to_thread(as_xlsx, table, "提问"), media_type=_XLSX, headers=headers)

    async def _csv(self, which: Which) -> AsyncIterator[str]:
        yield BOM + as_csv([register.HEAD])
        async for part in record.in_parts(self.store, which):
            yield as_csv(register.cells(row, self.zone) for row in part)

    async def _questions(self, request: Request, person: Person, told: str = "", status: int = 200) -> Response:
        asked = _asked(request)
        before = _number(asked["before"]) if "before" in asked else None
        filters = {key: value for key, value in asked.items() if key in _FILTERS}
        found = await record.page(self.store, self._which(asked), before, MOST_LISTED)
        context = {
            **self._frame(request, person),
            "page": QUESTIONS,
            "found": found,
            "asked": asked,
            "filters": urlencode(filters),
            "newest": "?" + urlencode(filters) if before else "",
            "later": "?" + urlencode({**filters, "before": found.before}) if found.before else "",
            "looked_through": record.LOOKED_THROUGH,
            "exact": EXACT,
            "told": told,
        }
        return self.pages.render("questions.html", context, status)

    def _which(self, asked: Asked) -> Which:
        """What the form asks for; a value that it does not offer is no page of ours."""
        outcome, feedback, place = asked.get("outcome", ""), asked.get("feedback", ""), asked.get("region", "")
        if outcome not in ("", *Outcome) or feedback not in ("", *Feedback):
            raise HTTPException(404)
        return Which(
            text=clean(asked.get("text", "")),
            outcome=outcome,
            intent=asked.get("intent", ""),
            region=self._region(place),
            feedback=feedback,
            since=datetime.combine(_day(asked["since"]), time(), self.zone) if "since" in asked else None,
            until=period(_day(asked["until"]), self.zone)[1] if "until" in asked else None,
        )

    def _region(self, place: str) -> str:
        """What is on record for a place, however it is written."""
        dialogue = self.hotline.dialogue
        return place if place in dialogue.content.regions.places else dialogue.find_region(place) or place

    # ---- the figures

    async def overview(self, request: Request, person: Person) -> Response:
        """One day's figures, what they were before, and where everything stands."""
        asked, now = _asked(request), self.hotline.clock()
        day = _day(asked["day"]) if "day" in asked else now.date()
        since, until = period(day, self.zone)
        figures_, week, days, rises, late, here = await asyncio.gather(
            figures(self.store, since, until),
            figures(self.store, period(day - timedelta(days=RISING_OVER_DAYS), self.zone)[0], since),
            by_day(self.store, day, self.zone, SHOWN_DAYS),
            rising(self.store, since, until),
            overdue(self.store, now),
            standing(self.store, now),
        )
        titles = {key: intent.title for key, intent in self.hotline.dialogue.content.intents.items()}
        context = {
            **self._frame(request, person),
            "day": day,
            "weekday": weekday(day),
            "today": now.date(),
            "earlier": f"?day={day - timedelta(days=1)}",
            "later": f"?day={day + timedelta(days=1)}" if day < now.date() else "",
            "is_over": now >= until,
            "figures": figures_,
            "tiles": [*_standing(here), *_tiles(figures_, week)],
            "days": days,
            "charts": list(self._charts(figures_, titles, day)),
            "rises": rises,
            "rising_over": RISING_OVER_DAYS,
            "titles": titles,
            "overdue": late,
        }
        return self.pages.render("overview.html", context)

    def _charts(self, day: Figures, titles: Mapping[str, str], on: date) -> Iterable[tuple[str, list[Bar]]]:
        """Each with its heading; those without a row too."""
        when = {"since": on.isoformat(), "until": on.isoformat()}

        def asked(**more: str) -> str:
            return f"{QUESTIONS}?{urlencode({**when, **more})}"

        yield "结果", [Bar(name, getattr(day, key)) for key, name in voice.OUTCOMES.items() if getattr(day, key)]
        answered = str(Outcome.ANSWERED)
        yield (
            "答得最多的意图",
            [
                Bar(titles.get(key, key), count, asked(intent=key, outcome=answered))
                for key, count in day.intents.items()
            ],
        )
        yield "地区", [Bar(name, count, asked(region=name, outcome=answered)) for name, count in day.regions.items()]
        called = self.hotline.casework.called
        yield "新增事项的部门", [Bar(called(key) or "还没定", count) for key, count in day.departments.items()]

    # ---- inside

    def _frame(self, request: Request, person: Person) -> dict[str, Any]:
        """What stands around every page, and what the box to try questions needs."""
        content = self.hotline.dialogue.content
        return {
            "person": person,
            "page": request.url.path,
            "q": "",
            "region": "",
            "longest": self.hotline.config.limits.message_length,
            "places": sorted(content.regions.places),
            "all_intents": content.intents,
            "departments": content.departments,
            "called": self.hotline.casework.called,
            "validity": self._validity,
        }

    def _validity(self, answer: Answer) -> tuple[str, str]:
        """How long an answer holds: a class for its tag, and words."""
        if not answer.valid_until:
            return "", "没有期限"
        today, last = self.hotline.clock().date(), last_day(answer.valid_until)
        guess = "" if answer.expiry_known else "（估计）"
        if answer.expired(today):
            return "expired", f"{answer.valid_until} 过期{guess}"
        kind = "expiring" if last <= today + timedelta(days=EXPIRING_DAYS) else ""
        return kind, f"到 {answer.valid_until}，还有 {(last - today).days} 天{guess}"


_FILTERS = ("text", "outcome", "intent", "region", "feedback", "since", "until")


def _asked(request: Request) -> dict[str, str]:
    return {key: value.strip() for key, value in request.query_params.items() if value.strip()}


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise HTTPException(404) from None
    if day.year not in _YEARS:
        raise HTTPException(404)
    return day


def _number(text: str) -> int:
    number = whole(text)
    if number is None:
        raise HTTPException(404)
    return number


def _fits(entry: Entry, asked: Asked) -> bool:
    text, department, state = asked.get("text", "").lower(), asked.get("department", ""), asked.get("state", "")
    words = (entry.key, entry.intent.title, *entry.intent.phrases)
    is_named = any(text in word.lower() for word in words)
    return is_named and department in ("", entry.intent.department) and (not state or _STATES[state][1](entry))


def _counts(entries: Sequence[Entry]) -> dict[str, tuple[str, int]]:
    """What each state is called, and how many are in it."""
    return {state: (name, sum(map(fits, entries))) for state, (name, fits) in _STATES.items()}


def _outcome_of(trial: Trial, text: str) -> dict[str, Any]:
    content, reply = trial.dialogue.content, trial.reply
    return {
        "said": trial.said,
        "written": kept(text),
        "rows": [[label for label, _ in row] for row in rows_of(trial.said)],
        "explained": explained(trial.dialogue, reply),
        "about": title_of(content, reply.intent) if reply.outcome is not Outcome.SMALLTALK else "",
        "also": reply.also,
    }


def _tiles(day: Figures, week: Figures) -> Iterable[Tile]:
    def count(name: str, value: int, before: int) -> Tile:
        usual = f"前 {RISING_OVER_DAYS} 天日均 {before / RISING_OVER_DAYS:.1f}" if week.received else ""
        return Tile(name, f"{value:,}", usual)

    def share(name: str, value: float | None, before: float | None) -> Tile:
        known = f"前 {RISING_OVER_DAYS} 天 {before:.1%}" if before is not None else ""
        return Tile(name, "—" if value is None else f"{value:.1%}", known)

    yield count("收到提问", day.received, week.received)
    yield Tile("提问的人", f"{day.people:,}")
    yield share("机器人答复率", _answered(day), _answered(week))
    yield count("交工作人员", day.handed_over, week.handed_over)
    yield Tile("解决了", f"{day.solved:,}", f"没解决 {day.unsolved:,}")
    yield count("新增事项", day.opened, week.opened)
    yield count("答复事项", day.cases_answered, week.cases_answered)
    yield share("按时办结率", day.on_time_share, week.on_time_share)
    yield share("满意率", day.satisfied_share, week.satisfied_share)


def _answered(of: Figures) -> float | None:
    """Directly or after a choice, of all questions."""
    return (of.answered + of.by_choice) / of.received if of.received else None


def _standing(now: Standing) -> Iterable[Tile]:
    yield Tile("现在未办结", f"{now.open:,}", where="/staff/cases")
    yield Tile("现在超时", f"{now.overdue:,}", where="/staff/cases?overdue=1")
