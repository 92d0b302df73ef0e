"""What comes before any matching: emergencies and small talk, by word lists that admins edit."""

import re
from collections.abc import Iterable, Mapping

from rapidfuzz import fuzz, process

from bot.content.models import SmallTalk, UrgentRule
from bot.text import normalise

GAP = "…"
GAP_CHARACTERS = 4
SHORT = 10
"""Small talk is at most this long; longer messages have something to say."""
ALIKE = 80


class Emergencies:
    """The rules of urgent.yaml, in their order."""

    def __init__(self, rules: Mapping[str, UrgentRule]) -> None:
        self._rules = [(n, any_of(r.words), any_of(r.unless), any_of(r.always)) for n, r in rules.items()]

    def number(self, text: str) -> str:
        """The number to dial first, or nothing. 救命 and the like count whatever else is said."""
        bare = normalise(text)
        for number, words, unless, always in self._rules:
            if always.search(bare) or (words.search(bare) and not unless.search(bare)):
                return number
        return ""


class SmallTalks:
    """Greetings and the like: the whole message, nearly word for word."""

    def __init__(self, talks: Mapping[str, SmallTalk]) -> None:
        self._talks = {normalise(p): key for key, talk in talks.items() for p in talk.phrases}

    def which(self, text: str) -> str:
        """The key of the courtesy that the whole text is, or nothing."""
        bare = normalise(text)
        if bare in self._talks or len(bare) > SHORT or not bare:
            return self._talks.get(bare, "")
        best = process.extractOne(bare, self._talks.keys(), scorer=fuzz.ratio, score_cutoff=ALIKE)
        return self._talks[best[0]] if best else ""


def any_of(words: Iterable[str]) -> re.Pattern[str]:
    """One pattern for all words over normalised text, longest first; `…` stands for up to four characters."""
    ordered = sorted({w for w in words if normalise(w)}, key=len, reverse=True)
    gap = f".{{0,{GAP_CHARACTERS}}}"
    parts = (gap.join(re.escape(normalise(part)) for part in re.split(r"…+|\.{3}", word)) for word in ordered)
    return re.compile("|".join(parts) or "(?!)")
