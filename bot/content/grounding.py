"""Every figure, date, phone number and 「name」 of an answer must stand in the facts it names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.text import fold, normalise

_NAME = re.compile(r"「([^「」]+)」|《([^《》]+)》|『([^『』]+)』|“([^“”]+)”")
_MONTH, _DAY = r"(1[0-2]|0?[1-9])", r"(3[01]|[12]\d|0?[1-9])"
_DATE = re.compile(
    rf"(?<!\d)((?:19|20)\d\d)\s*[年\-/.]\s*(?:{_MONTH}(?!\d)\s*(?:[月\-/.]\s*(?:{_DAY}\s*(?:日|号|(?!\d)))?)?)?"
    rf"|(?<!\d){_MONTH}\s*月\s*(?:{_DAY}\s*[日号])?"
)
_PHONE = re.compile(r"\d{3,4}[- ]\d{7,8}|\d{7,12}")
_UNITS = ("个工作日", "工作日", "小时", "分钟", "个月", "天", "周", "岁", "元", "%", "公里", "公顷", "亩")
_UNIT = "|".join(_UNITS)
_NUMBER = re.compile(rf"(第\s*)?(\d+(?:,\d{{3}})*(?:\.\d+)?)\s*(万亿|万|亿|千|百)?\s*(?:多|余)?\s*({_UNIT})?")
_COUNTERS = "家类项种个人次件期笔辆户倍宗级条支只份台"
_SPOKEN = re.compile(rf"(?<![\d.])(第)?([一二两三四五六七八九十百千万亿零〇]+)\s*(?:余|多)?\s*({_UNIT}|[{_COUNTERS}])")
_ORDINAL = "第"
_SCALES = {"百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000, "万亿": 1_000_000_000_000}
_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}


Amount = tuple[Decimal, str]
"""A number and its unit; the unit is empty for a mere counter (17家, 17个), and 第 where it only numbers (第17条)."""


@dataclass(frozen=True)
class Claims:
    """What a text says that can be proved or not."""

    amounts: frozenset[Amount]
    dates: frozenset[tuple[int, int, int]]
    """(year, month, day), 0 where not said."""
    names: frozenset[str]
    phones: Mapping[str, str]
    """digits -> as written"""


def unproved(text: str, statements: Sequence[str], published: Iterable[str], free: Iterable[str]) -> list[str]:
    """The claims of `text` that no statement holds, as they are written; the documents' own dates count as held."""
    held = claims("\n".join([*statements, *published]))
    free_claims = claims(" ".join(free))
    known_names = [normalise(s) for s in statements]
    said = claims(text)
    missing = [f"「{name}」" for name in said.names if not any(normalise(name) in s for s in known_names)]
    missing += [w for digits, w in said.phones.items() if digits not in {*held.phones, *free_claims.phones}]
    missing += [_written(d) for d in said.dates if not any(_within(d, h) for h in held.dates)]
    known = {*held.amounts, *free_claims.amounts}
    numbers = {number for number, unit in known if unit != _ORDINAL}
    missing += [_told(n, u) for n, u in said.amounts if (n, u) not in known and (u or n not in numbers)]
    return sorted(missing)


def claims(text: str) -> Claims:
    """All that can be proved in `text`; what stands inside a 「name」 belongs to the name."""
    names = frozenset(name for groups in _NAME.findall(text) for name in groups if name)
    rest = _NAME.sub(" ", fold(text))
    dates, rest = _taken(_DATE, rest)
    phones, rest = _taken(_PHONE, rest)
    return Claims(
        amounts=frozenset(filter(_worth_proof, [*map(_amount, _NUMBER.finditer(rest)), *_spoken_amounts(rest)])),
        dates=frozenset(map(_date, dates)),
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


def _worth_proof(amount: Amount) -> bool:
    """第一时间 and 第二种 prove nothing, however they are written."""
    return amount[1] != _ORDINAL or amount[0] >= 10


def _told(number: Decimal, unit: str) -> str:
    return f"{unit}{number:f}" if unit == _ORDINAL else f"{number:f}{unit}"


def _amount(found: re.Match[str]) -> Amount:
    number = Decimal(found[2].replace(",", "")) * _SCALES.get(found[3] or "", 1)
    return number.normalize(), found[4] or (_ORDINAL if found[1] else "")


def _spoken_amounts(text: str) -> Iterable[Amount]:
    """十七家, 七十万笔, 三天; 一个 and the like are too common to prove anything."""
    for found in _SPOKEN.finditer(text):
        unit = found[3] if found[3] in _UNITS else found[1] or ""
        value = _read_numeral(found[2])
        if unit or value >= 10:
            yield Decimal(value).normalize(), unit


def _read_numeral(numeral: str) -> int:
    total = section = digit = 0
    for c in numeral:
        if c in _DIGITS:
            digit = _DIGITS[c]
        elif c in "万亿":
            total = (total + section + digit) * _SCALES[c]
            section = digit = 0
        else:
            section += (digit or 1) * (10 if c == "十" else _SCALES[c])
            digit = 0
    return total + section + digit
