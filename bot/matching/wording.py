"""What admins say about words: synonyms and polite padding, applied to phrases and questions alike."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from bot.text import fold

_EDGES = " ,，.。!！?？~、;；:：\n"


class Wording:
    """Rewrites a question into the words the phrases use."""

    def __init__(self, synonyms: Mapping[str, str], lead: Sequence[str] = (), trail: Sequence[str] = ()) -> None:
        self.synonyms = {fold(left): fold(right) for left, right in synonyms.items()}
        self.lead = sorted(map(fold, lead), key=len, reverse=True)
        self.trail = sorted(map(fold, trail), key=len, reverse=True)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # the right sides too: what is already in the standard words must not be touched by a shorter left side
        words = sorted({*self.synonyms, *self.synonyms.values()}, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, words)) or "(?!)")

    def standard(self, text: str) -> str:
        """The folded text with every synonym replaced."""
        return self._pattern.sub(lambda found: self.synonyms.get(found[0], found[0]), fold(text))

    def bare(self, folded: str) -> str:
        """The folded text without greetings and thanks around it; empty when there was nothing else."""
        text = folded.strip(_EDGES)
        while True:
            lead = next((w for w in self.lead if text.startswith(w)), "")
            trail = next((w for w in self.trail if text.endswith(w)), "")
            if not lead and not trail:
                return text
            text = text[len(lead) :].strip(_EDGES)
            text = text.removesuffix(trail).strip(_EDGES)
