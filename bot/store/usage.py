"""How often each intent answers, and what citizens say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select

from bot.dialogue import Outcome
from bot.store.engine import Store
from bot.store.questions import Feedback
from bot.store.schema import questions


@dataclass(frozen=True)
class Used:
    """How one intent was used."""

    recently: int = 0
    """Questions that it answered since the day that counts as recent."""
    in_all: int = 0
    solved: int = 0
    unsolved: int = 0
    last: datetime | None = None

    def __add__(self, later: "Used") -> "Used":
        return Used(
            self.recently + later.recently,
            self.in_all + later.in_all,
            self.solved + later.solved,
            self.unsolved + later.unsolved,
            later.last or self.last,
        )


NEVER = Used()
Usage = Mapping[str, Used]
"""By intent; one that is not there was never used."""


class UsageOfIntents:
    """Counts what is recent each time, and what was before once a day: looking through everything takes long."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._before: tuple[datetime, dict[str, Used]] | None = None

    async def since(self, day: datetime) -> Usage:
        """The usage of every intent that was ever used; what came from `day` on is recent."""
        if self._before is None or self._before[0] != day:
            self._before = day, await self._counted(questions.c.asked_at < day)
        before = self._before[1]
        now = await self._counted(questions.c.asked_at >= day)
        recent = {key: replace(used, recently=used.in_all) for key, used in now.items()}
        return {key: before.get(key, NEVER) + recent.get(key, NEVER) for key in before.keys() | recent.keys()}

    async def _counted(self, period: ColumnElement[bool]) -> dict[str, Used]:
        q = questions.c
        solved, unsolved = (func.sum(case((q.feedback == said, 1), else_=0)) for said in Feedback)
        query = (
            select(q.intent, func.count(), solved, unsolved, func.max(q.asked_at))
            .where(q.outcome == Outcome.ANSWERED, period)
            .group_by(q.intent)
        )
        async with self.store.reading(long=True) as connection:
            rows = (await connection.execute(query)).all()
        return {key: Used(0, int(count), int(good), int(bad), last) for key, count, good, bad, last in rows}
