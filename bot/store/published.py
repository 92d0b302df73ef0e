"""The content that went live, version by version: a restart with broken files answers from the last one."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from bot.store.engine import Transaction
from bot.store.schema import published

KEPT = 50


@dataclass(frozen=True)
class Version:
    """One content that went live."""

    id: int
    version: str
    at: datetime
    who: str
    why: str
    report: Mapping[str, Any] | None
    """What the gate found, as JSON."""


async def publish(
    connection: Transaction, version: str, packed: bytes, now: datetime, who: str, why: str, report: Any
) -> None:
    """Keeps packed files as the live content; the same as before is not kept twice, of old ones the last fifty."""
    last = await latest(connection)
    if last and last.version == version:
        return
    values = {"version": version, "at": now, "who": who, "why": why, "report": report, "files": packed}
    await connection.execute(published.insert(), values)
    kept = select(published.c.id).order_by(published.c.id.desc()).limit(KEPT)
    await connection.execute(delete(published).where(published.c.id.not_in(kept.scalar_subquery())))


async def latest(connection: Transaction) -> Version | None:
    """The one that is live."""
    found = await history(connection, 1)
    return found[0] if found else None


async def history(connection: Transaction, most: int = KEPT) -> list[Version]:
    """The latest first."""
    p = published.c
    query = select(p.id, p.version, p.at, p.who, p.why, p.report).order_by(p.id.desc()).limit(most)
    return [Version(*row) for row in await connection.execute(query)]


async def files_of(connection: Transaction, number: int) -> dict[str, bytes] | None:
    """The files of a version by its number; None when it is not kept any more."""
    query = select(published.c.files).where(published.c.id == number)
    packed: bytes | None = (await connection.execute(query)).scalar_one_or_none()
    return _unpacked(packed) if packed is not None else None


async def was_live(connection: Transaction, version: str) -> bool:
    """Whether this very content was live before."""
    query = select(published.c.id).where(published.c.version == version).limit(1)
    return (await connection.execute(query)).first() is not None


def pack(files: Mapping[str, bytes]) -> bytes:
    """Files as they are kept; a tenth of a second for a megabyte."""
    return zlib.compress(json.dumps({name: body.decode("latin-1") for name, body in files.items()}).encode())


def _unpacked(packed: bytes) -> dict[str, bytes]:
    found: dict[str, str] = json.loads(zlib.decompress(packed))
    return {name: body.encode("latin-1") for name, body in found.items()}
