"""`hotline export`: every question on record as a table."""

from datetime import date, datetime, time, timedelta
from pathlib import Path

from bot import register
from bot.commands import table
from bot.commands.database import with_store
from bot.config import Config
from bot.store.engine import Store
from bot.store.record import Row, rows


def run(config: Config, file: Path | None, kind: str | None, since: date | None, until: date | None) -> int:
    """CSV to standard output without a file; the format follows the file's ending unless it is named."""
    start = datetime.combine(since, time(), config.zone) if since else None
    end = datetime.combine(until + timedelta(days=1), time(), config.zone) if until else None

    async def read(store: Store) -> list[Row]:
        return await rows(store, start, end)

    found = with_store(config, read)
    return table.write([register.HEAD, *(register.cells(row, config.zone) for row in found)], file, kind, "提问")
