"""Every figure, date, phone number and 「name」 of an answer must stand in the facts it names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.text import fold, normalise

_NAME = re.compile(r"「([^「」]+)」")
_MONTH, _DAY = r"(1[0-2]|0?[1-9])", r"(3[01]|[12]\d|0?[1-9])"
_DATE = re.compile(
    rf"(?<!\d)((?:19|20)\d\d)\s*[年\-/.]\s*(?:{_MONTH}(?!\d)\s*(?:[月\-/.]\s*(?:{_DAY}\s*(?:日|号|(?!\d)))?)?)?"
    rf"|(?<!\d){_MONTH}\s*月\s*(?:{_DAY}\s*[日号])?"
)
_PHONE = re.compile(r"\d{3,4}[- ]\d{7,8}|\d{7,12}")
_NUMBER = re.compile(r"(\d+(?:,\d{3})*(?:\.\d+)?)\s*(万亿|万|亿|千|百)?")
_SPOKEN = re.compile(
    r"([一二两三四五六七八九十百千万亿零〇]+)\s*(?:余|多)?\s*[家类项种个天小时人次件期笔辆户%倍宗亩级条支只份台]"
)
_UNITS = {"百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000, "万亿": 1_000_000_000_000}
_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}


@dataclass(frozen=True)
class Claims:
    """What a text says that can be proved or not."""

    numbers: frozenset[Decimal]
    dates: frozenset[tuple[int, int, int]]
    """(year, month, day), 0 where not said."""
    names: frozenset[str]
    phones: Mapping[str, str]
    """digits -> as written"""


def unproved(text: str, statements: Iterable[str], published: Iterable[str], free: Iterable[str]) -> list[str]:
    """The claims of `text` that no statement holds, as they are written; the documents' own dates count as held."""
    facts = "\n".join(statements)
    held = claims(f"{facts}\n{' '.join(published)}")
    known_names = normalise(facts)
    free_numbers = {Decimal(n) for n in free}
    said = claims(text)
    missing = [f"「{name}」" for name in said.names if normalise(name) not in known_names]
    missing += [written for digits, written in said.phones.items() if digits not in held.phones]
    missing += [_written(d) for d in said.dates if not any(_within(d, h) for h in held.dates)]
    missing += [f"{n:f}" for n in said.numbers - held.numbers - free_numbers]
    return sorted(missing)


def claims(text: str) -> Claims:
    """All that can be proved in `text`; what stands inside a 「name」 belongs to the name."""
    folded = fold(text)
    names = frozenset(_NAME.findall(text))
    rest = _NAME.sub(" ", folded)
    dates, rest = _taken(_DATE, rest)
    phones, rest = _taken(_PHONE, rest)
    return Claims(
        numbers=frozenset([*(_number(m) for m in _NUMBER.finditer(rest)), *_spoken_numbers(rest)]),
        dates=frozenset(_date(m) for m in dates),
        names=names,
        phones={re.sub(r"\D", "", m[0]): m[0] for m in phones},
    )


def _taken(pattern: re.Pattern[str], text: str) -> tuple[list[re.Match[str]], str]:
    return list(pattern.finditer(text)), pattern.sub(" ", text)


def _date(found: re.Match[str]) -> tuple[int, int, int]:
    year, month, day, bare_month, bare_day = (int(g) if g else 0 for g in found.groups())
    return year, month or bare_month, day or bare_day


def _within(said: tuple[int, int, int], held: tuple[int, int, int]) -> bool:
    return all(s in (0, h) for s, h in zip(said, held, strict=True))


def _written(day: tuple[int, int, int]) -> str:
    return "".join(f"{part}{unit}" for part, unit in zip(day, "年月日", strict=True) if part)


def _number(found: re.Match[str]) -> Decimal:
    return (Decimal(found[1].replace(",", "")) * _UNITS.get(found[2] or "", 1)).normalize()


def _spoken_numbers(text: str) -> Iterable[Decimal]:
    """十七家, 七十万笔; single digits such as 一个 are too common to prove anything."""
    for found in _SPOKEN.finditer(text):
        value = _read_numeral(found[1])
        if len(found[1]) > 1 and value >= 10:
            yield Decimal(value).normalize()


def _read_numeral(numeral: str) -> int:
    total = section = digit = 0
    for c in numeral:
        if c in _DIGITS:
            digit = _DIGITS[c]
        elif c in "万亿":
            total = (total + section + digit) * _UNITS[c]
            section = digit = 0
        else:
            section += (digit or 1) * (10 if c == "十" else _UNITS[c])
            digit = 0
    return total + section + digit
