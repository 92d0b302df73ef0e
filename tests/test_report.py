"""The daily report: a day of known events on both databases, and what becomes of it as text, page, table and JSON."""

import asyncio
import base64
import io
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook
from PIL import Image

from bot import chart
from bot.casework import Casework
from bot.commands import report as command
from bot.commands import stats
from bot.config import Config
from bot.content.load import Content
from bot.dialogue import Outcome, State
from bot.errors import HotlineError
from bot.report import Report, as_json, as_text, report
from bot.store import cases, conversations, questions
from bot.store.cases import CONTENT, Satisfaction
from bot.store.conversations import Address
from bot.store.engine import Store, Transaction
from bot.store.figures import Daily, by_day, daily, figures, period
from bot.store.questions import NewQuestion, Said
from tests.line import Clock, settings

T = TypeVar("T")
_NUMBERS = count(1)
ZONE = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 11, 22)
START, END = period(DAY, ZONE)
EVENING = START + timedelta(hours=18)
FISH, BUILDING = "fishing.illegal", "city.illegal_building"
with_font = pytest.mark.skipif(
    chart.find_font() is None and not os.environ.get("CI"), reason="no Chinese font: apt install fonts-wqy-zenhei"
)


class Town:
    """A database that a test fills: questions and cases as the service records them, at any hour."""

    def __init__(self, store: Store, config: Config, content: Content) -> None:
        self.store, self.clock = store, Clock(START)
        self.person = Address("telegram", 0, 0)
        self.casework = Casework(config, content.departments, store, self.clock)

    async def asks(
        self,
        outcome: Outcome = Outcome.ANSWERED,
        at: datetime = START,
        *,
        text: str = "房产证",
        intent: str = "",
        region: str = "",
        settles: int | None = None,
    ) -> int:
        """Somebody new asks, or whoever asked last settles a question that was asked back."""
        number = next(_NUMBERS)
        if settles is None:
            self.person = Address("telegram", number, number)
        reply = Said(0, outcome, "答复").as_json()

        async def work(c: Transaction) -> int:
            conversation = await conversations.save(c, await conversations.load(c, self.person), State(), at)
            new = NewQuestion(
                str(number), conversation, at, text, outcome, intent, region, 0.5, 0.7, 0.4, "v", reply, settles
            )
            return await questions.add(c, new)

        return await self.store.write(work)

    async def case(self, at: datetime, due: datetime | None, *of: int, department: str = "") -> int:
        """A case with these questions; with one of its own where none is named."""
        own = of or (await self.asks(Outcome.UNANSWERED, at),)

        async def work(c: Transaction) -> int:
            number = await cases.add(c, cases.Opening(cases.Reason.NO_MATCH, "", department, due), at)
            for question in own:
                await cases.take_question(c, question, number, "", b"", "", ())
            return number

        return await self.store.write(work)

    async def answers(self, number: int, at: datetime) -> None:
        self.clock.now = at
        await self.casework.answer(number, "已报修。", "管理员")

    async def rates(self, number: int, how: Satisfaction, at: datetime) -> None:
        self.clock.now = at
        file = await self.casework.file(number)
        await self.casework.rate(file.questions[0].id, how, "市民")


@pytest.fixture
def town(database_url: str, config: Config, content: Content) -> Callable[..., Any]:
    """Runs a piece of work with an own connection to the test's database."""

    def run(work: Callable[[Town], Awaitable[T]]) -> T:
        async def opened() -> T:
            store = Store(database_url)
            await store.migrate()
            try:
                return await work(Town(store, config, content))
            finally:
                await store.close()

        return asyncio.run(opened())

    return run


@pytest.fixture
def evening(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the commands it is after the day."""

    class After(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "After":
            return cls.fromtimestamp(END.timestamp(), tz)

    for module in (command, stats):
        monkeypatch.setattr(module, "datetime", After)


async def a_known_day(town: Town) -> None:
    """11 questions and 6 matters of cases, each for one figure."""
    before, noon = START - timedelta(days=3), START + timedelta(hours=12)
    for region in ("南京市", "南京市", "镇江市"):
        await town.asks(at=START, intent=FISH, region=region)
    await town.asks(at=END - timedelta(microseconds=1), intent=BUILDING, region="南京市")
    back = await town.asks(Outcome.CHOICES, noon)
    await town.asks(Outcome.ANSWERED, noon, intent=BUILDING, region="镇江市", settles=back)
    await town.asks(Outcome.ASK_REGION, noon, intent=FISH)
    await town.asks(Outcome.URGENT, noon, intent="119")
    await town.asks(Outcome.SMALLTALK, noon)
    await town.asks(at=END, intent=FISH)
    await town.asks(at=START - timedelta(microseconds=1), intent=FISH)

    two = [await town.asks(Outcome.UNANSWERED, noon, text="<b>楼下</b>健身器材坏了") for _ in range(2)]
    await town.case(noon, END + timedelta(days=1), *two, department="city_management")
    await town.case(noon, END)
    on_time = await town.case(before, noon)
    late = await town.case(before, noon - timedelta(microseconds=1))
    unhappy = await town.case(before, noon)
    yesterday = await town.case(before, noon)
    await town.case(before, EVENING - timedelta(days=1), department="city_management")
    await town.case(before, END)
    await town.answers(yesterday, START - timedelta(seconds=1))
    for number in (on_time, late, unhappy):
        await town.answers(number, noon)
    await town.rates(on_time, Satisfaction.SATISFIED, END + timedelta(hours=1))
    await town.rates(late, Satisfaction.MOSTLY, noon)
    await town.rates(yesterday, Satisfaction.SATISFIED, noon)
    await town.rates(unhappy, Satisfaction.UNSATISFIED, noon)


def looked_at(town: Callable[..., Any], now: datetime = EVENING) -> Daily:
    found: Daily = town(lambda t: daily(t.store, DAY, ZONE, now))
    return found


def named(found: Daily, content: Content) -> Report:
    titles = {key: intent.title for key, intent in content.intents.items()}
    names = {key: department.name for key, department in content.departments.items()}
    return report(found, titles, names, ZONE)


def test_a_day_of_known_events_has_exactly_these_figures(town: Callable[..., Any]) -> None:
    town(a_known_day)
    found = looked_at(town)
    f = found.figures
    assert (f.received, f.answered, f.by_choice, f.asked_back, f.unanswered) == (11, 4, 1, 1, 3)
    assert (f.urgent, f.smalltalk, f.handed_over) == (1, 1, 3)
    assert (f.opened, f.departments) == (2, {"": 1, "city_management": 1})
    assert (f.cases_answered, f.on_time, f.late, f.reopened) == (2, 1, 1, 1)
    assert (f.rated, f.satisfied) == (3, 2)
    assert (f.on_time_share, f.satisfied_share) == (1 / 2, 2 / 3)
    assert f.intents == {FISH: 3, BUILDING: 2}
    assert f.regions == {"南京市": 3, "镇江市": 2}
    assert [(d.received, d.answered, d.unanswered) for d in found.days] == [
        *[(0, 0, 0)] * 4, (6, 0, 6), (0, 0, 0), (1, 1, 0), (11, 5, 3)
    ]  # fmt: skip
    assert (found.overdue.count, [c.department for c in found.overdue.cases]) == (1, ["city_management"])
    assert (found.is_over, looked_at(town, END).is_over) == (False, True)


def test_the_figures_add_up(town: Callable[..., Any]) -> None:
    town(a_known_day)
    found = looked_at(town)
    f = found.figures
    assert f.received == f.answered + f.by_choice + f.asked_back + f.unanswered + f.urgent + f.smalltalk
    assert f.opened == sum(f.departments.values())
    assert f.cases_answered == f.on_time + f.late
    today = found.days[-1]
    assert (today.day, today.received, today.answered) == (DAY, f.received, f.answered + f.by_choice)


def test_an_answer_given_after_a_complaint_counts_on_its_own_day_and_awaits_its_own_rating(
    town: Callable[..., Any],
) -> None:
    async def events(t: Town) -> None:
        asked = [await t.asks(Outcome.UNANSWERED, START - timedelta(days=2)) for _ in range(2)]
        number = await t.case(START - timedelta(days=2), START - timedelta(days=1), *asked)
        await t.answers(number, START - timedelta(hours=5))  # late
        await t.casework.rate(asked[1], Satisfaction.SATISFIED, "市民")
        await t.rates(number, Satisfaction.UNSATISFIED, START - timedelta(hours=4))

    async def the_next_day(t: Town) -> None:
        await t.answers(1, START + timedelta(hours=9))

    town(events)
    f = looked_at(town).figures
    assert (f.cases_answered, f.on_time_share, f.satisfied_share) == (0, None, None)
    town(the_next_day)
    f = looked_at(town).figures
    assert (f.cases_answered, f.on_time_share) == (1, 1.0)
    assert (f.rated, f.satisfied_share) == (0, None), "both spoke of the answer before"
    day_before = town(lambda t: figures(t.store, START - timedelta(days=1), START))
    assert (day_before.cases_answered, day_before.rated, day_before.satisfied) == (0, 1, 1)


def test_no_share_is_zero_only_because_there_is_nothing_to_share(town: Callable[..., Any]) -> None:
    async def events(t: Town) -> None:
        late = await t.case(START - timedelta(days=2), START)
        await t.answers(late, START + timedelta(hours=1))
        without_deadline = await t.case(START, None)
        await t.answers(without_deadline, START + timedelta(hours=1))

    town(lambda t: asyncio.sleep(0))
    assert (looked_at(town).figures.on_time_share, looked_at(town).figures.satisfied_share) == (None, None)
    town(events)
    f = looked_at(town).figures
    assert (f.cases_answered, f.on_time_share, f.satisfied_share) == (2, 0.0, None)


@pytest.mark.parametrize(
    ("before", "today", "rises"),
    [(0, 3, True), (0, 2, False), (10, 3, True), (11, 3, False), (14, 4, True), (15, 4, False)],
)
@pytest.mark.parametrize("of_a_case", [False, True])
def test_what_rises_is_asked_three_times_and_twice_as_often_as_in_the_week_before(
    town: Callable[..., Any], before: int, today: int, rises: bool, of_a_case: bool
) -> None:
    week = [START - timedelta(days=7), START - timedelta(microseconds=1)]
    times = [week[n % 2] for n in range(before)] + [START] * today
    outside = [START - timedelta(days=7, microseconds=1)] * 9 + [END] * 9

    async def events(t: Town) -> None:
        outcome, intent = (Outcome.UNANSWERED, "") if of_a_case else (Outcome.ANSWERED, FISH)
        asked = [await t.asks(outcome, at, intent=intent, text="路灯不亮") for at in (*times, *outside)]
        if of_a_case:
            await t.case(START, END, *asked)

    town(events)
    found = [(r.intent, r.case, r.text, r.count, r.before) for r in looked_at(town).rising]
    one = ("", 1, "路灯不亮", today, before) if of_a_case else (FISH, None, None, today, before)
    assert found == ([one] if rises else [])


def test_an_answered_case_does_not_rise_and_a_question_back_is_not_counted_twice(town: Callable[..., Any]) -> None:
    async def events(t: Town) -> None:
        asked = [await t.asks(Outcome.UNANSWERED) for _ in range(3)]
        await t.answers(await t.case(START, END, *asked), START + timedelta(hours=1))
        for _ in range(2):
            back = await t.asks(Outcome.ASK_REGION, intent=FISH)
            await t.asks(intent=FISH, settles=back)

    town(events)
    assert looked_at(town).rising == ()


def test_overdue_begins_after_the_deadline_and_shows_the_longest_first(town: Callable[..., Any]) -> None:
    async def events(t: Town) -> None:
        await t.case(START, EVENING)
        for hours in range(12):
            await t.case(START, EVENING - timedelta(hours=hours, microseconds=1))
        await t.answers(5, EVENING)

    town(events)
    found = looked_at(town).overdue
    assert (found.count, [c.id for c in found.cases]) == (11, [13, 12, 11, 10, 9, 8, 7, 6, 4, 3])


def test_days_begin_where_the_office_is(town: Callable[..., Any]) -> None:
    async def events(t: Town) -> Sequence[int]:
        await t.asks(at=START)
        await t.asks(at=START - timedelta(seconds=1))
        await t.asks(at=END)
        days = await by_day(t.store, DAY, ZONE, days=2)
        return [d.received for d in days]

    assert town(events) == [1, 1]


def test_the_text_is_short_facts_and_only_sections_with_something_in_them(
    town: Callable[..., Any], content: Content
) -> None:
    town(a_known_day)
    assert as_text(named(looked_at(town), content)).splitlines() == [
        "信息日报 2026-11-22（周日）",
        "截至 11 月 22 日 18:00",
        "收到 11 条，11 人提问，前 7 天日均 1 条",
        "直接答复 4（36.4 %）",
        "选后答复 1（9.1 %）",
        "反问未续 1（9.1 %）",
        "未能答复 3（27.3 %）",
        "紧急指引 1（9.1 %）",
        "问候闲谈 1（9.1 %）",
        "",
        "事项",
        "新增 2，答复 2，重新处理 1",
        "按时办结率 50 %（1/2）",
        "满意率 66.7 %（2/3）",
        "",
        "明显增多",
        f"{content.intents[FISH].title} 3 条（前 7 天日均 0.1）",
        "",
        "现在超期 1 件",
        "事项 7「房产证」城管大队，11 月 21 日 18:00到期",
        "",
        "答得最多",
        f"{content.intents[FISH].title} 3",
        f"{content.intents[BUILDING].title} 2",
        "",
        "地区",
        "南京市 3，镇江市 2",
        "",
        "新增事项的部门",
        "还没定部门 1，城管大队 1",
    ]


def test_an_empty_day_reads_well(town: Callable[..., Any], content: Content) -> None:
    found = named(looked_at(town, END), content)
    assert as_text(found) == "信息日报 2026-11-22（周日）\n没有收到提问"


def test_a_share_stands_beside_its_counts_and_a_share_of_nothing_is_shown_as_zero(
    town: Callable[..., Any], content: Content
) -> None:
    found = named(looked_at(town), content)
    figures = replace(found.figures, on_time=23, late=2, cases_answered=25, rated=3, satisfied=0)
    text = as_text(replace(found, daily=replace(found.daily, figures=figures)))
    assert "按时办结率 92 %（23/25）\n满意率 0 %（0/3）" in text


@pytest.fixture
def configured(database_url: str, town: Callable[..., Any], evening: None) -> Config:
    town(a_known_day)
    return settings(database__url=database_url)


def test_stats_and_the_report_show_the_same_figures(configured: Config, capsys: pytest.CaptureFixture[str]) -> None:
    stats.run(configured, DAY, everything=False, as_json=True)
    of_stats = json.loads(capsys.readouterr().out)
    command.run(configured, DAY, "json", None)
    of_report = json.loads(capsys.readouterr().out)
    assert (of_stats["received"], of_stats["on_time_share"], of_stats["overdue"]) == (11, 0.5, 1)
    assert {key: of_report[key] for key in of_stats} == of_stats
    stats.run(configured, DAY, everything=False, as_json=False)
    shown = capsys.readouterr().out
    assert "按时办结率" in shown
    assert "50.0%" in shown
    stats.run(configured, DAY, everything=True, as_json=True)
    assert json.loads(capsys.readouterr().out)["opened"] == 8


def test_the_json_names_everything_and_puts_hours_in_the_offices_zone(
    town: Callable[..., Any], content: Content
) -> None:
    town(a_known_day)
    found = json.loads(json.dumps(as_json(named(looked_at(town), content))))
    assert found["now"] == "2026-11-22T18:00+08:00"
    assert found["topics"][0] == {"name": content.intents[FISH].title, "count": 3}
    assert found["overdue_cases"] == [
        {
            "id": 7,
            "text": "房产证",
            "department": "city_management",
            "department_name": "城管大队",
            "due": "2026-11-21T18:00+08:00",
        }
    ]
    assert (len(found["days"]), found["days"][-1]["day"]) == (8, "2026-11-22")


@with_font
def test_the_page_holds_the_numbers_the_picture_and_no_strange_markup(
    configured: Config, tmp_path: Path, town: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    async def a_third(t: Town) -> None:
        await cases_take(t, 1, await t.asks(Outcome.UNANSWERED, text="楼下"))

    town(a_third)
    file = tmp_path / "日报.html"
    assert command.run(configured, DAY, None, file) == 0
    page = file.read_text("utf-8")
    assert "按时办结率 50 %（1/2）" in page
    assert "&lt;b&gt;楼下&lt;/b&gt;" in page
    assert "<b>" not in page
    picture = base64.b64decode(page.split("base64,")[1].split('"')[0])
    assert Image.open(io.BytesIO(picture)).size == (1600, 900)
    assert str(file) in capsys.readouterr().out


async def cases_take(town: Town, number: int, question: int) -> None:
    await town.store.write(lambda c: cases.take_question(c, question, number, "", b"", "", ()))


def test_a_table_opens_in_a_spreadsheet_and_no_cell_is_a_formula(
    configured: Config, tmp_path: Path, town: Callable[..., Any]
) -> None:
    town(lambda t: t.asks(intent="=1+1", region="@SUM(A1)"))
    file = tmp_path / "日报.xlsx"
    assert command.run(configured, DAY, None, file) == 0
    sheet = load_workbook(file).worksheets[0]
    rows = {(a.value, b.value): c for a, b, c in sheet.iter_rows(min_row=2)}
    assert (rows["提问", "收到"].value, rows["事项", "按时办结率"].value) == (12, 0.5)
    assert rows["答得最多", "'=1+1"].value == 1
    assert rows["地区", "'@SUM(A1)"].value == 1
    assert not any(cell.data_type == "f" for row in sheet.rows for cell in row)


def test_without_a_chinese_font_a_line_says_so_and_the_report_still_comes(
    configured: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chart, "find_font", lambda: None)
    assert command.run(configured, DAY, "html", None) == 0
    out, error = capsys.readouterr()
    assert "收到 11 条" in out
    assert "没有找到中文字体" in out
    assert "<img" not in out
    assert error.count("\n") == 1
    assert command.run(configured, DAY, None, None) == 0
    assert capsys.readouterr().out.startswith("信息日报 2026-11-22（周日）\n收到 11 条")


def test_a_font_that_lacks_a_letter_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart, "_NEEDED", "收\ufffe")
    assert chart.find_font.__wrapped__() is None
    monkeypatch.setattr(chart, "_KNOWN", ())
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(chart, "_NEEDED", "收")
    assert chart.find_font.__wrapped__() is None, "without fontconfig only the known places are looked at"


@pytest.mark.parametrize(
    ("most", "end"), [(0, 4), (1, 4), (4, 4), (5, 8), (131, 160), (160, 160), (161, 200), (12345, 16000)]
)
def test_an_axis_ends_at_a_round_number_not_below_the_highest_bar(most: int, end: int) -> None:
    assert chart.scale(most) == end


@pytest.mark.parametrize(
    ("kind", "file", "words"),
    [
        (None, "a.pdf", "不会写「pdf」"),
        ("xlsx", None, "xlsx 要写到文件里"),
        ("json", "/nowhere/a.json", "写不了"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_line(
    database_url: str, town: Callable[..., Any], kind: str | None, file: str | None, words: str
) -> None:
    town(lambda t: asyncio.sleep(0))
    with pytest.raises(HotlineError, match=words) as error:
        command.run(settings(database__url=database_url), DAY, kind, Path(file) if file else None)
    assert "\n" not in str(error.value)


def test_being_content_means_the_same_here_and_in_casework() -> None:
    assert set(CONTENT) == set(Satisfaction) - {Satisfaction.UNSATISFIED}
