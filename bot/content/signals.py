"""What comes before any matching: emergencies and small talk, by word lists that admins edit."""

import re
from collections.abc import Mapping

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
        self._rules = [(number, _any(rule.words), _any(rule.unless)) for number, rule in rules.items()]

    def number(self, text: str) -> str:
        """The number to dial first, or nothing: words of an emergency that remain once look-alikes are taken out."""
        bare = normalise(text)
        for number, words, unless in self._rules:
            found = words.search(bare)
            if found and words.search(unless.sub("|", bare)):
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


def _any(words: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all words, longest first; `…` stands for up to four characters."""
    ordered = sorted({w for w in words if normalise(w)}, key=len, reverse=True)
    gap = f".{{0,{GAP_CHARACTERS}}}"
    parts = (gap.join(re.escape(normalise(part)) for part in re.split(r"…+|\.{3}", word)) for word in ordered)
    return re.compile("|".join(parts) or "(?!)")
