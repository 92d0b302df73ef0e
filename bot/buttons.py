"""The buttons below a reply, the same for every channel: what stands on them, and data that outlives a restart."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot import voice
from bot.dialogue import NONE_OF_THESE, Outcome
from bot.hotline import NONE
from bot.store.cases import Reason
from bot.store.questions import Said
from bot.text import Script, to_script

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


def short_id(key: str) -> str:
    """A key as it fits into a button; the same after every restart."""
    return hashlib.blake2s(key.encode(), digest_size=6).hexdigest()


def by_short_id(keys: Iterable[str], wanted: str) -> str | None:
    """The key that a button meant; None when it is no longer there."""
    return next((key for key in keys if short_id(key) == wanted), None)
