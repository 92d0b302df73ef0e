"""What staff must answer."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert, select

from bot.store.engine import Transaction
from bot.store.schema import cases


class CaseState(StrEnum):
    """Where a case stands."""

    NEW = "new"
    WITHDRAWN = "withdrawn"
    """Nobody waits for it any more: all who asked had their data deleted."""


class Reason(StrEnum):
    """Why a case was opened."""

    NO_MATCH = "no_match"
    NO_REGION = "no_region"
    NONE_OF_THESE = "none_of_these"
    UNSOLVED = "unsolved"
    HUMAN = "human"


async def add(connection: Transaction, reason: Reason, region: str, now: datetime) -> int:
    """Opens a case; its number is staff's, the citizen's is the question's."""
    values = {"state": CaseState.NEW, "reason": reason, "region": region, "opened_at": now}
    return int((await connection.execute(insert(cases).values(values).returning(cases.c.id))).scalar_one())


async def opened_at(connection: Transaction, case: int) -> datetime:
    """When a case was opened."""
    moment: datetime = (await connection.execute(select(cases.c.opened_at).where(cases.c.id == case))).scalar_one()
    return moment
