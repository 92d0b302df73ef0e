"""What staff propose that the bot should learn, until an admin decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update

from bot.store.engine import Transaction
from bot.store.schema import proposals


class ProposalState(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    LIVE = "live"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Kept:
    """One proposal."""

    id: int
    case: int
    state: ProposalState
    proposal: Mapping[str, Any]
    who: str
    at: datetime
    decided_by: str
    decided_at: datetime | None
    note: str
    """Why it did not go live, the last time."""


async def add(connection: Transaction, case: int, proposal: Mapping[str, Any], who: str, now: datetime) -> int:
    """Keeps a proposal; its number."""
    values = {"case_id": case, "state": ProposalState.OPEN, "proposal": dict(proposal), "who": who, "at": now}
    query = proposals.insert().returning(proposals.c.id)
    return int((await connection.execute(query, values)).scalar_one())


async def waiting(connection: Transaction) -> list[Kept]:
    """Those on which nobody has decided, the oldest first."""
    query = select(proposals).where(proposals.c.state == ProposalState.OPEN).order_by(proposals.c.id)
    return [_kept(row) for row in await connection.execute(query)]


async def still_open(connection: Transaction, numbers: Sequence[int]) -> dict[int, Kept]:
    """Those of these numbers on which nobody has decided."""
    query = select(proposals).where(proposals.c.id.in_(numbers), proposals.c.state == ProposalState.OPEN)
    return {row.id: _kept(row) for row in await connection.execute(query)}


async def of_case(connection: Transaction, case: int) -> list[Kept]:
    """What was proposed from a case."""
    query = select(proposals).where(proposals.c.case_id == case).order_by(proposals.c.id)
    return [_kept(row) for row in await connection.execute(query)]


async def decide(
    connection: Transaction, number: int, state: ProposalState, who: str, now: datetime, note: str = ""
) -> bool:
    """Decides on one that is open; False when somebody was a moment earlier."""
    values = {"state": state, "decided_by": who, "decided_at": now, "note": note}
    open_one = (proposals.c.id == number, proposals.c.state == ProposalState.OPEN)
    return (await connection.execute(update(proposals).where(*open_one).values(values))).rowcount == 1


async def note(connection: Transaction, number: int, text: str) -> None:
    """Why it did not go live; it stays open."""
    await connection.execute(update(proposals).where(proposals.c.id == number).values(note=text))


def _kept(row: Any) -> Kept:
    values = row._asdict()
    values["case"] = values.pop("case_id")
    return Kept(**{**values, "state": ProposalState(row.state)})
