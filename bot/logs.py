"""Logs for the people who run it: ids and scores, never anybody's words, never the token."""

import json
import logging
import traceback
from datetime import datetime
from types import TracebackType

_TALKATIVE = ("httpx", "httpcore", "telegram", "aiohttp", "alembic", "uvicorn", "asyncio", "watchfiles")


class _Discreet(logging.Formatter):
    """An exception's own text may quote a citizen: only its kind and where it happened are shown."""

    def __init__(self, secret: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secret = secret

    def formatException(  # the name is logging's
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        kind, _, where = ei
        return "".join(traceback.format_tb(where)) + (kind.__name__ if kind else "")

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text.replace(self._secret, "***") if self._secret else text


class _Json(_Discreet):
    """One object a line, for programs that collect logs."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return record.message

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": super().format(record),
        }
        return json.dumps(line, ensure_ascii=False)


def set_up(secret: str = "", *, as_json: bool = False) -> None:
    """Sends logs to standard error, without `secret` wherever it may turn up."""
    handler = logging.StreamHandler()
    handler.setFormatter((_Json if as_json else _Discreet)(secret))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
