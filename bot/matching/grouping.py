"""Which open case asks the same as a new question: by what its questions mean, and by numbers and denials."""

import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from bot.matching.encoder import Floats
from bot.text import fold

FIRST_ROOM = 64
"""Rows for which there is room at the start; it doubles when they are taken."""

_DIGITS = str.maketrans("零一二两三四五六七八九", "01223456789")
_NUMBER = re.compile(r"\d+(?:\.\d+)?|[\d十百]+(?=[个周月年岁天日号套次级类人平胎价小档])")
_COUNTED = re.compile(r"[零一二两三四五六七八九十百]+(?=[个周月年岁天日号套次级类人平胎价小档])")
_HARMLESS = re.compile(r"(.)[不没]\1|不动产|不好意思|对不起|非常")
"""What holds such a character and denies nothing: 能不能, 有没有, …"""
_DENIAL = re.compile(r"[不没无未非]")


@dataclass(frozen=True)
class Near:
    """A case and how like its questions a new one is."""

    case: int
    likeness: float
    """-1 to 1, to the mean of the case's questions."""


class OpenCases:
    """The vectors of questions in open cases, found by what they mean; among 10,000 in under a millisecond.

    A case stands where the mean of its questions points: were the nearest question enough, a case would grow by a chain
    of questions each of which is like the last, and end far from where it began.
    """

    def __init__(self, dimensions: int) -> None:
        self._rows: Floats = np.zeros((FIRST_ROOM, dimensions), np.float32)
        """One for each case, of length 1; those after the last case are spare."""
        self._sums: Floats = np.zeros((FIRST_ROOM, dimensions), np.float32)
        """Of the questions of each case; beside the rows."""
        self._cases: list[int] = []
        """The case of each row."""
        self._places: dict[int, int] = {}
        """case -> its row"""
        self._questions: dict[int, dict[int, Floats]] = defaultdict(dict)
        """case -> question -> vector"""
        self._case: dict[int, int] = {}
        """question -> case"""

    def __len__(self) -> int:
        """How many questions there are."""
        return len(self._case)

    def __contains__(self, question: int) -> bool:
        return question in self._case

    def add(self, question: int, case: int, row: Floats) -> None:
        """Takes in a question's vector of length 1; a question that is here already gets this vector and case."""
        self.remove(question)
        self._case[question] = case
        self._questions[case][question] = np.array(row, np.float32)  # a copy: a view would keep its whole array
        place = self._place(case)
        self._point(place, self._sums[place] + row)

    def remove(self, question: int) -> None:
        """Drops a question, and with its last one the case; one that is not here is as good as dropped."""
        case = self._case.pop(question, None)
        if case is not None:
            rest = self._questions[case]
            del rest[question]
            if rest:  # summed anew: what is taken away from a sum leaves crumbs
                self._point(self._places[case], np.sum(list(rest.values()), axis=0))
            else:
                self._drop(case)

    def merge(self, case: int, into: int) -> None:
        """Moves all questions of `case` into another."""
        for question, row in list(self._questions.get(case, {}).items()):
            self.add(question, into, row)

    def close(self, case: int) -> None:
        """Drops all questions of `case`."""
        for question in self._questions.get(case, {}):
            del self._case[question]
        if case in self._places:
            self._drop(case)

    def nearest(self, row: Floats, most: int) -> list[Near]:
        """At most so many cases, the nearest first; of equally near ones the older, that is the lower number."""
        used = len(self._cases)
        if not used or most < 1:
            return []
        likeness = self._rows[:used] @ row
        top = np.argpartition(-likeness, most)[:most] if most < used else np.arange(used)
        near = [Near(self._cases[i], float(likeness[i])) for i in top]
        return sorted(near, key=lambda n: (-n.likeness, n.case))

    def _place(self, case: int) -> int:
        """The row of a case, a new one where it has none."""
        place = self._places.setdefault(case, len(self._cases))
        if place == len(self._cases):
            self._cases.append(case)
            if place == len(self._rows):
                self._rows, self._sums = (np.concatenate([a, np.zeros_like(a)]) for a in (self._rows, self._sums))
            self._sums[place] = 0
        return place

    def _point(self, place: int, total: Floats) -> None:
        """Turns a case's row to where its questions point together."""
        self._sums[place] = total
        self._rows[place] = total / max(1e-9, float(np.linalg.norm(total)))

    def _drop(self, case: int) -> None:
        del self._questions[case]
        place, last = self._places.pop(case), self._cases.pop()
        if last != case:  # the last row fills the gap
            self._rows[place], self._sums[place] = self._rows[len(self._cases)], self._sums[len(self._cases)]
            self._cases[place], self._places[last] = last, place


def same_details(one: str, other: str) -> bool:
    """Whether two questions name the same numbers and both deny or neither does: what encoders hardly tell apart.

    48小时 and 24小时, 带星 and 不带星 are as near to each other as two wordings of one question.
    """
    return _details(one) == _details(other)


def _details(text: str) -> tuple[list[str], bool]:
    folded = fold(text)
    digits = _COUNTED.sub(lambda number: number[0].translate(_DIGITS), folded)  # 一直 and 统一 count nothing
    return sorted(_NUMBER.findall(digits)), bool(_DENIAL.search(_HARMLESS.sub("", folded)))
