"""Word lists that admins edit: emergencies, small talk, and what tells the members of a family apart."""

import re
from collections.abc import Iterable, Mapping
from functools import cache

from rapidfuzz import fuzz, process

from bot.content.models import Family, SmallTalk, UrgentRule
from bot.text import fold, normalise

GAP_CHARACTERS = 4
_BAR = "|"  # never part of normalised text
SHORT = 10
"""Small talk is at most this long; longer messages have something to say."""
ALIKE = 80


class Words:
    """A list of words to look for in normalised text; `…` stands for up to four characters."""

    def __init__(self, words: Iterable[str]) -> None:
        # one conversion for all: there are thousands, and each alone costs as much as its call
        written = [re.split(r"\.{3,}", w) for w in fold(_BAR.join(words)).split(_BAR)]
        parts = [[re.sub(r"[^\w*+]|_", "", part) for part in word] for word in written]
        self._plain = sorted({p[0] for p in parts if len(p) == 1 and p[0]}, key=len, reverse=True)
        parts.sort(key=lambda word: sum(map(len, word)), reverse=True)
        gap = f".{{0,{GAP_CHARACTERS}}}"
        self._gapped = re.compile("|".join(gap.join(map(re.escape, p)) for p in parts if len(p) > 1) or "(?!)")

    def in_text(self, bare: str) -> bool:
        """Whether one of the words occurs."""
        return any(word in bare for word in self._plain) or self._gapped.search(bare) is not None

    def cut_from(self, bare: str) -> str:
        """The text with the words replaced by a mark, longest first."""
        bare = self._gapped.sub(_BAR, bare)
        for word in self._plain:
            bare = bare.replace(word, _BAR)
        return bare


class Emergencies:
    """The rules of urgent.yaml, in their order."""

    def __init__(self, rules: Mapping[str, UrgentRule]) -> None:
        self._rules = [(n, Words(r.words), Words(r.unless), Words(r.always)) for n, r in rules.items()]

    def number(self, text: str) -> str:
        """The number to dial first, or nothing. 救命 and the like count whatever else is said."""
        bare = normalise(text)
        for number, words, unless, always in self._rules:
            if always.in_text(unless.cut_from(bare)) or (words.in_text(bare) and not unless.in_text(bare)):
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


class Sounds:
    """Words to listen for: found in a text that spells them with other characters of the same sound."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = [(word, [_readings(c) for c in word]) for word in map(normalise, words)]

    def misspelt_in(self, bare: str) -> bool:
        """Whether the text sounds like one of the words and does not hold it as it is written."""
        heard = [_readings(c) for c in bare]
        return any(
            bare[at : at + len(word)] != word and all(a & b for a, b in zip(heard[at:], syllables, strict=False))
            for word, syllables in self._words
            for at in range(len(bare) - len(word) + 1)
        )


@cache
def _readings(character: str) -> frozenset[str]:
    """How a character may be read, without tone, in/ing and en/eng as one: many Southerners do not tell them apart."""
    from pypinyin import Style, pinyin  # its dictionary is read here: few questions need it

    readings = pinyin(character, style=Style.NORMAL, heteronym=True)[0]
    return frozenset(r[:-1] if r.endswith(("ing", "eng")) else r for r in readings)


class Decider:
    """Tells a family's members apart by words, and hears their homophones."""

    def __init__(self, family: Family) -> None:
        members = family.members.items()
        self.otherwise = family.otherwise
        self._words = {key: (Words(m.words), Words(m.unless), Words(m.doubt), m.beats) for key, m in members}
        self._sounds = {key: Sounds(m.sounds) for key, m in members}
        self._denials = Words(w for _, m in members for w in m.unless)

    def member(self, read: str) -> str:
        """The member whose words the question holds; `otherwise` when none, several or a doubtful one does."""
        bare = normalise(read)
        fits = [key for key, (words, unless, _, _) in self._words.items() if words.in_text(unless.cut_from(bare))]
        beaten = {b for key in fits for b in self._words[key][3]}
        fits = [key for key in fits if key not in beaten]
        text = self._denials.cut_from(bare)
        if len(fits) != 1 or self._words[fits[0]][2].in_text(text):
            return self.otherwise
        rivals = self._sounds.keys() - {fits[0]} - beaten
        return self.otherwise if any(self._sounds[key].misspelt_in(text) for key in rivals) else fits[0]
