"""What is promised depends on whether somebody is at work."""

from datetime import date, datetime

import pytest

from bot.config import TimeSettings
from bot.worktime import Worktime

OFFICE = Worktime(TimeSettings())


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-11-23", True),
        ("2026-11-22", False),
        ("2026-10-01", False),
        ("2026-10-10", True),  # a Saturday worked for the holidays
        ("2031-03-03", True),  # a year no calendar knows: weekdays
        ("2031-03-02", False),
    ],
)
def test_the_national_calendar_decides(day: str, works: bool) -> None:
    assert OFFICE.works(date.fromisoformat(day)) is works


def test_own_days_win_over_the_national_calendar() -> None:
    office = Worktime(TimeSettings(holidays=("2026-11-23",), workdays=("2026-11-22", "2026-10-01")))
    assert not office.works(date(2026, 11, 23))
    assert office.works(date(2026, 11, 22))
    assert office.works(date(2026, 10, 1))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("2026-11-23T10:00", "工作日一般 24 小时内在这里答复您"),
        ("2026-11-23T08:00", "今天 09:00 上班后"),
        ("2026-11-23T20:00", "工作人员明天上班后"),
        ("2026-11-20T20:00", " 11 月 23 日（周一）上班后"),
        ("2026-09-30T16:00", "今天下班前或 10 月 8 日（周四）上班后"),
        ("2026-11-20T16:00", "工作日一般 24 小时内在这里答复您"),
        ("2026-09-30T18:00", "10 月 8 日（周四）上班后"),
    ],
)
def test_the_promise_follows_the_clock(now: str, words: str) -> None:
    assert words in OFFICE.promise(datetime.fromisoformat(now))


def test_an_office_without_a_single_working_day_still_gets_an_answer() -> None:
    days = (date.fromordinal(date(2026, 11, 23).toordinal() + n).isoformat() for n in range(400))
    office = Worktime(TimeSettings(holidays=tuple(days)))
    assert "上班后" in office.promise(datetime.fromisoformat("2026-11-23T20:00"))
