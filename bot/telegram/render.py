"""A reply as Telegram shows it: pieces of HTML that fit, and buttons with short ids that outlive a restart."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from telegram import InlineKeyboardMarkup

from bot import voice
from bot.dialogue import NONE_OF_THESE, Outcome
from bot.hotline import NONE
from bot.store.cases import Reason
from bot.store.questions import Said
from bot.text import Script, to_script

MOST_CHARACTERS = 4096
Button = tuple[str, str]
"""What stands on it, and the data that comes back: at most 64 bytes."""
Rows = Sequence[Sequence[Button]]
CITIES_IN_A_ROW = 3


def rows_of(said: Said) -> list[list[Button]]:
    """The buttons below a reply, in its script."""
    return [[(to_script(label, said.script), data) for label, data in row] for row in _rows_of(said)]


def _rows_of(said: Said) -> list[list[Button]]:
    listed = enumerate((*said.choices, *said.follow_ups))
    buttons = [(choice.title, f"q:{said.question}:{n}") for n, choice in listed]
    match said.outcome:
        case Outcome.ASK_REGION:
            return in_rows(buttons, CITIES_IN_A_ROW)
        case Outcome.CHOICES:
            return [*in_rows(buttons), [(NONE_OF_THESE, f"q:{said.question}:{NONE}")]]
        case Outcome.ANSWERED:
            rated = [(voice.SOLVED, f"y:{said.question}"), (voice.UNSOLVED, f"n:{said.question}")]
            return [*in_rows(buttons), rated]
    return [[(voice.TO_STAFF, f"h:{said.question}:{Reason.NONE_OF_THESE}")]] if said.offers_staff else in_rows(buttons)


def rows_of_letter(message: Mapping[str, Any]) -> list[list[Button]]:
    """Below staff's answer: what they think of it."""
    number, script = message.get("rates"), Script(message.get("script", Script.SIMPLIFIED))
    if number is None:
        return []
    return [[(to_script(label, script), f"r:{number}:{how}") for how, label in voice.SATISFACTION.items()]]


def in_rows(buttons: Iterable[Button], width: int = 1) -> list[list[Button]]:
    """So many buttons side by side."""
    listed = list(buttons)
    return [listed[n : n + width] for n in range(0, len(listed), width)]


def keyboard(rows: Rows) -> dict[str, Any] | None:
    """The buttons as Telegram wants them; None for none."""
    if not any(rows):
        return None
    return {"inline_keyboard": [[{"text": label, "callback_data": data} for label, data in row] for row in rows]}


def markup(rows: Rows) -> InlineKeyboardMarkup | None:
    """The same for python-telegram-bot."""
    buttons = keyboard(rows)
    return InlineKeyboardMarkup.de_json(buttons) if buttons else None


def short_id(key: str) -> str:
    """A key as it fits into a button; the same after every restart."""
    return hashlib.blake2s(key.encode(), digest_size=6).hexdigest()


def by_short_id(keys: Iterable[str], wanted: str) -> str | None:
    """The key that a button meant; None when it is no longer there."""
    return next((key for key in keys if short_id(key) == wanted), None)


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
