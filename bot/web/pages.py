"""Templates with what they all need: the script, dates in the office's zone, files that browsers keep."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.requests import Request
from starlette.responses import HTMLResponse

from bot import voice
from bot.config import Config
from bot.text import Script, to_script
from bot.worktime import Clock

STATIC = Path(__file__).parent / "static"
_MOST_FIELDS = 500
MOST_DIGITS = 18
_WARNING, _SOURCES = "⚠️", ("出处：", "出處：")


class Pages:
    """Renders our templates."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._zone, self._clock = config.zone, clock
        self._templates = Environment(
            loader=PackageLoader("bot.web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
            auto_reload=False,
        )
        self._templates.filters |= {
            "t": _in_script,
            "moment": self._moment,
            "ago": self._ago,
            "kind": kind_of_line,
            "percent": lambda share: "—" if share is None else f"{share:.1%}",
        }
        self._templates.globals |= {"static": static, "voice": voice, "title": "12345 智能问答"}

    def render(self, template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        """One page, or a part of one."""
        return HTMLResponse(self.text(template, context), status)

    def text(self, template: str, context: Mapping[str, Any]) -> str:
        """The same, not yet sent."""
        known = {"script": Script.SIMPLIFIED, "now": self._clock(), "notice": "", **context}
        return self._templates.get_template(template).render(known)

    def _moment(self, at: datetime | None) -> str:
        """11-22 09:00, with the year where it is another one."""
        if at is None:
            return ""
        there = at.astimezone(self._zone)
        is_this_year = there.year == self._clock().astimezone(self._zone).year
        return there.strftime("%m-%d %H:%M" if is_this_year else "%Y-%m-%d %H:%M")

    def _ago(self, at: datetime | None) -> str:
        """How long ago, or how long until, in the largest unit."""
        if at is None:
            return ""
        seconds = (self._clock() - at).total_seconds()
        size = abs(seconds)
        for unit, length in (("天", 86_400), ("小时", 3_600), ("分钟", 60)):
            if size >= length:
                return f"{int(size // length)} {unit}{'前' if seconds > 0 else '后'}"
        return "刚刚" if seconds >= 0 else "马上"


@pass_context
def _in_script(context: Context, text: str) -> str:
    """Our own words in the reader's script."""
    return to_script(text, context["script"])


def kind_of_line(line: str) -> str:
    """Warnings stand out, sources step back."""
    if line.startswith(_WARNING):
        return "warning"
    return "source" if line.startswith(_SOURCES) else ""


@cache
def static(name: str) -> str:
    """The address of a file of ours; another one whenever the file changes, so that browsers may keep it."""
    digest = hashlib.blake2s((STATIC / name).read_bytes(), digest_size=6).hexdigest()
    return f"/static/{name}?v={digest}"


def whole(text: str) -> int | None:
    """The number that somebody sent; None for what is none, or is larger than any of ours."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


async def form_of(request: Request) -> dict[str, list[str]]:
    """What a plain form sent."""
    body = (await request.body()).decode("utf-8", "replace")
    return parse_qs(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
