"""When staff work: own days in the config first, then the national calendar, then plain weekdays."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import chinese_calendar

from bot.config import TimeSettings

Clock = Callable[[], datetime]
"""What time it is, in the office's zone."""
_A_YEAR = 366
_A_WEEKEND = timedelta(days=3)
_WEEKDAYS = "一二三四五六日"


def weekday(day: date) -> str:
    """周日"""
    return f"周{_WEEKDAYS[day.weekday()]}"


class Worktime:
    """Working days and hours of one office."""

    def __init__(self, settings: TimeSettings) -> None:
        self.opens, self.closes = time.fromisoformat(settings.work_from), time.fromisoformat(settings.work_until)
        self.off = frozenset(map(date.fromisoformat, settings.holidays))
        self.on = frozenset(map(date.fromisoformat, settings.workdays))
        self.hours = settings.answer_within_hours

    def works(self, day: date) -> bool:
        """Whether staff work on `day`."""
        if day in self.off or day in self.on:
            return day in self.on
        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError:  # the calendar of a year is decreed in the autumn before
            return day.weekday() < 5

    def next_day(self, day: date) -> date:
        """The first working day after `day`; a year ahead where there is none."""
        for days in range(1, _A_YEAR):
            if self.works(day + timedelta(days=days)):
                return day + timedelta(days=days)
        return day + timedelta(days=_A_YEAR)

    def due(self, now: datetime) -> datetime:
        """Until when to answer what comes in at `now`: 24 hours are a working day, the rest are hours at work."""
        moment = self._at_work(now)
        days, rest = divmod(self.hours, 24)
        for _ in range(days):
            moment = datetime.combine(self.next_day(moment.date()), moment.timetz())
        left = timedelta(hours=rest)
        while left > (today := self._closing(moment) - moment):
            left -= today
            moment = self._opening(moment, self.next_day(moment.date()))
        return moment + left

    def _at_work(self, now: datetime) -> datetime:
        """`now`, or the next moment at which staff are there."""
        if not self.works(now.date()) or now >= self._closing(now):
            return self._opening(now, self.next_day(now.date()))
        return max(now, self._opening(now, now.date()))

    def _opening(self, now: datetime, day: date) -> datetime:
        return datetime.combine(day, self.opens, now.tzinfo)

    def _closing(self, now: datetime) -> datetime:
        return datetime.combine(now.date(), self.closes, now.tzinfo)

    def promise(self, now: datetime) -> str:
        """What a citizen is told about when staff answer; `now` in the office's zone."""
        today = now.date()
        if self.works(today) and now.time() < self.opens:
            return f"工作人员今天 {self.opens:%H:%M} 上班后在这里答复您，一般 {self.hours} 小时内"
        day = self.next_day(today)
        when = f" {day.month} 月 {day.day} 日（{weekday(day)}）"
        if day == today + timedelta(days=1):
            when = "明天"
        if self.works(today) and now.time() < self.closes:
            soon = day - today <= _A_WEEKEND
            usual = f"工作日一般 {self.hours} 小时内在这里答复您"
            return usual if soon else f"工作人员今天下班前或{when}上班后在这里答复您"
        return f"现在是休息时间，工作人员{when}上班后在这里答复您，一般 {self.hours} 小时内"
