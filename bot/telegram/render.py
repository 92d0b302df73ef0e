"""A reply as Telegram shows it: pieces of HTML that fit, and buttons below."""

from collections.abc import Iterator
from html import escape
from typing import Any

from telegram import InlineKeyboardMarkup

from bot.buttons import Rows

MOST_CHARACTERS = 4096


def keyboard(rows: Rows) -> dict[str, Any] | None:
    """The buttons as Telegram wants them; None for none."""
    if not any(rows):
        return None
    return {"inline_keyboard": [[{"text": label, "callback_data": data} for label, data in row] for row in rows]}


def markup(rows: Rows) -> InlineKeyboardMarkup | None:
    """The same for python-telegram-bot."""
    buttons = keyboard(rows)
    return InlineKeyboardMarkup.de_json(buttons) if buttons else None


def pieces(text: str, most: int = MOST_CHARACTERS) -> Iterator[str]:
    """The text in parts that fit into a message each, cut at paragraphs, else lines, else sentences."""
    while len(text) > most:
        head = text[1 : most - 1]
        cut = next((head.rfind(mark) + 1 + len(mark) for mark in ("\n\n", "\n", "。") if mark in head), most)
        yield text[:cut].strip()
        text = text[cut:].strip()
    if text:
        yield text


def as_html(text: str) -> str:
    """Nothing a citizen wrote can become a tag; warnings stand out, sources step back."""
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    safe = escape(line, quote=False)
    if line.startswith("⚠️"):
        return f"<b>{safe}</b>"
    return f"<i>{safe}</i>" if line.startswith(("出处：", "出處：")) else safe
