"""Personal data in a citizen's words, known by its shape and replaced by its kind."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

MASKED = re.compile("«[^»]{1,12}»")
"""What stands in the place of somebody's data."""


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_SETTLED = "某"  # stands in the view for what an earlier shape took: a letter, so that nothing is joined across it
_DRAWN = {  # what stands for a dash, a dot, nothing or a numeral, though Unicode does not say so
    **dict.fromkeys("_−─━ー", "-"), **dict.fromkeys("·•・‧∙⋅", "."), **dict.fromkeys("\u20e3\u115f\u1160\u2800", " "),
    "○": "零", "两": "二",
}  # fmt: skip

# Spaces and dashes stand inside a number; commas and slashes between numbers too, so there the grouping must tell.
# A star is neither: 138****5678 has nothing left to hide, and the year after it is no part of it.
_GAP, _LOOSE, _APART = r"[-. ]{0,6}", r"(?:[^\w*]|一){0,6}", r"[^\w*]{1,6}"
_EDGE = r"(?<!\d(?=\d))"  # not between two digits
_ONE, _HIGH, _DIGIT = "[1一]", "[3-9三四五六七八九]", r"[\d零一二三四五六七八九]"
_MONTH, _DAY, _CLOCK = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])", r"(?:[01]\d|2[0-3])[0-5]\d"
_BORN = (  # 1990 03 07, also with gaps between the digits
    rf"(?:1{_GAP}[89]|2{_GAP}0){_GAP}\d{_GAP}\d"
    rf"{_GAP}(?:0{_GAP}[1-9]|1{_GAP}[0-2]){_GAP}(?:0{_GAP}[1-9]|[12]{_GAP}\d|3{_GAP}[01])"
)
_MONEY = r" ?[多余餘]?(?:元(?!旦)|[块塊萬亿億平]|万(?!一))"
_AMOUNT = (
    rf"(?:{_MONEY}| ?[多余餘]?(?:[户戶](?![名主口籍])|人(?![名不没在都])|[个個](?!人)|[件次吨斤米亩度份套台辆层室栋幢]"
    r"|[股倍]|公[斤里]|立方|千[伏瓦]|小时|单元|[号號][楼樓]|美元|[℃°%㎡]|k?[vwgm](?![a-z])))"
)
_EXTENSION = r"(?: ?(?:[-#转轉]|分机|分機|ext\.?) ?\d{2,4}(?![-\d]))?"
_AREA = r"(?:10|2\d|[3-9]\d\d)"
_HALVES = rf"(?!\d\d00.\d\d00|20\d\d.20)[2-8]\d{{2,3}}[-. ]\d{{4}}(?!{_GAP}\d)"  # 2000-3000, 2020-2021: sums, years
_LOCAL = rf"(?:[2-8]\d{{6,7}}|{_HALVES})(?!\d|{_AMOUNT}){_EXTENSION}"

_EMAIL = _shape(
    r"(?<![a-z\d])[a-z\d][a-z\d._%+-]{0,63} ?(?:@|\(at\)|\[at\]) ?"
    r"(?:(?:[a-z\d-]+\.)+[a-z]{2,}|[a-z\d-]+。(?:com|cn|net|org))"
)
_PLATE = _shape(  # without I and O; 新GLC300 is a new car
    r"(?!新[a-z]{3})[京津沪滬渝冀豫云雲辽遼黑湘皖鲁魯新苏蘇浙赣贛鄂桂甘晋晉蒙陕陝吉闽閩贵貴粤粵青藏川宁寧琼瓊] ?"
    r"[A-HJ-NP-Z][-. ]{0,2}(?=(?:[a-z]{0,2}\d){3})"
    r"(?:(?:[A-K][A-HJ-NP-Z\d]\d{4}|\d{5}[A-K]|[A-HJ-NP-Z\d]{5})(?![a-z\d])"
    r"|[A-HJ-NP-Z\d]{4}(?:警(?!察)|学(?![校生区员])|[挂掛港澳]))"
)
_IDENTITY = _shape(  # in parts, one that begins with 19 or 20 is a date: no area does
    rf"{_EDGE}(?:(?!(?:19|20)\d{{0,4}}\D)[1-9](?:{_GAP}\d){{5}}{_LOOSE}(?:\d\d{_MONTH}{_DAY}{_LOOSE}\d{{3}}"
    rf"|{_BORN}{_LOOSE}\d(?:{_GAP}\d){{2}}{_GAP}(?:\d|X(?![a-z])))|[1-9]\d{{16}}X){_EDGE}"
)
_CARD = _shape(rf"{_EDGE}[3-69]\d{{3}}(?:{_GAP}\d{{4}}){{3}}(?:{_GAP}\d{{1,3}}(?!{_GAP}\d))?{_EDGE}(?!{_MONEY})")
_DATE = _shape(
    r"(?<!\d)(?:19|20)\d\d(?:([-./ ] ?)(?:1[0-2]|0?[1-9])(?:\1(?:3[01]|[12]\d|0?[1-9]))?"
    rf"|{_MONTH}(?:{_DAY}(?:{_CLOCK}(?:[0-5]\d)?)?)?)(?!\d)"
)
_COMPANY = _shape(r"(?<!\d)[48]00([-. ]?)(?:\d\1?){6}\d(?: ?[-转轉#] ?\d{1,4})?(?![-. ]?\d)")
_MOBILE = _shape(
    rf"{_EDGE}(?:\((?:\+|00)?86\){_GAP}|(?:\+|00)?86{_GAP}|0|\((?=1\d\d\)))?(?:1[3-9]\d{{9}}"
    rf"|(?:{_ONE}{_HIGH}{_DIGIT}{_LOOSE}{_DIGIT}{{4}}{_LOOSE}{_DIGIT}{{4}}"
    rf"|(?<!\d[-. ]){_ONE}{_APART}{_HIGH}(?:{_APART}{_DIGIT}){{9}}"
    rf"|(?=1\d+([-. ]{{1,6}}))1[3-9](?:\1?\d){{9}})(?!{_MONEY})){_EDGE}{_EXTENSION}"
)
_LANDLINE = _shape(
    rf"{_EDGE}(?:(?:(?:\+|00)86{_GAP}|86[- ])0?{_AREA}|[(\[【]0{_AREA}[)\]】]|0{_AREA})[-. /]{{0,3}}"
    rf"(?!{_CLOCK}[- ]{_CLOCK})[1-9]\d{{2,3}}{_GAP}\d{{4}}{_EDGE}{_EXTENSION}"  # 0830-1130 1330-1730
)
_BARE_LANDLINE = _shape(  # eight digits may be anything; after 电话 they are one
    r"(?:电话|電話|座机|座機|固话|固話|致电|致電|来电|來電|[拨撥打]|联系|聯繫|聯絡|联络|传真|傳真|tel|phone|call)"
    r"(?:号码?|號碼?|方式|[我他她人通過过了给給到就])?[ :.(是为為#]{0,3}"
    rf"(?P<numbers>{_LOCAL}(?:[、,/或者和 ]{{1,4}}{_LOCAL})*)"
)
_LONG = _shape(r"(?<![\d¥$€])\d{11,}")
_SCATTERED = _shape(rf"(?<![\d¥$€])\d(?:{_GAP}\d){{10,}}")

_ITEM, _COUNTED = _shape(_LOCAL), _shape(rf"(?:\.\d+)?{_AMOUNT}")
_WHOLE = _shape(r"1\d\d|1\d{4}|9[56]\d{3,4}|\d{1,4}00")  # 110, 12345, 95588, 1500: never a part of something longer
_BY_DIGITS = "号码"
_KINDS = (  # each sees only what those before it have left; what a `None` takes stays as it is
    ("邮箱", _EMAIL), ("身份证号", _IDENTITY), ("银行卡号", _CARD), (None, _DATE), (None, _COMPANY),
    ("手机号", _MOBILE), ("固话", _LANDLINE), (_BY_DIGITS, _LONG), ("固话", _BARE_LANDLINE), ("车牌号", _PLATE),
    (_BY_DIGITS, _SCATTERED),
)  # fmt: skip


def mask(text: str) -> str:
    """`text` with «手机号», «身份证号», … where somebody's data stood; all else stays as it was written."""
    while (masked := _masked(text)) != text:  # a number that is gone may uncover one beside it
        text = masked
    return masked


def _masked(text: str) -> str:
    view, places = _view(text)
    pieces, at = [], 0
    for start, end, kind in sorted(_found(view)):
        pieces += [text[at : places[start]], f"«{kind}»"]
        at = places[end - 1] + 1
    return "".join([*pieces, text[at:]])


def _view(text: str) -> tuple[str, list[int]]:
    """What can be seen of `text`, folded, and where each of its characters stands there."""
    seen = [(char, place) for place, raw in enumerate(text) if (char := _seen(raw))]
    return "".join(char for char, _ in seen), [place for _, place in seen]


@lru_cache(4096)
def _seen(raw: str) -> str:
    if (decimal := unicodedata.decimal(raw, None)) is not None:
        return str(decimal)
    if (numeral := unicodedata.numeric(raw, -1)) in range(10):  # also ① and ²: ①13812345678, 90m²13812345678
        return "零一二三四五六七八九"[int(numeral)]
    folded = unicodedata.normalize("NFKC", raw)
    char = folded if len(folded) == 1 else raw
    if char in _DRAWN or char == "\n":
        return _DRAWN.get(char, char)
    category = unicodedata.category(char)
    return " " if char.isspace() else "-" if category == "Pd" else "" if category[0] in "CM" else char


def _found(view: str) -> Iterator[tuple[int, int, str]]:
    for kind, shape in _KINDS:
        left = list(view)
        for match in shape.finditer(view):
            several = _ITEM.finditer(view, *match.span("numbers")) if shape is _BARE_LANDLINE else [match]
            what = _kind_by_digits(match) if kind == _BY_DIGITS else kind
            for start, end in (one.span() for one in several if what or kind is None):
                left[start:end] = _SETTLED * (end - start)
                if what:
                    yield start, end, what
        view = "".join(left)


def _kind_by_digits(match: re.Match[str]) -> str | None:
    """What the digits of a run are; None for an amount or several numbers."""
    groups, gaps = re.findall(r"\d+", match[0]), set(re.findall(r"(?<=\d)[-. ]+", match[0]))
    if _COUNTED.match(match.string, match.end()) or _are_several(groups):
        return None
    digits = "".join(groups)
    if sure := "手机号" if _MOBILE.fullmatch(digits) else "固话" if _LANDLINE.fullmatch(digits) else None:
        return sure
    return None if len(gaps) > 1 else "银行卡号" if 16 <= len(digits) <= 19 else _BY_DIGITS


def _are_several(groups: list[str]) -> bool:
    """Whether these are numbers of their own, as 1301 1302 1303 or 48 72 24 are, rather than parts of one."""
    if all(map(_WHOLE.fullmatch, groups)):
        return True
    lengths, values = {len(g) for g in groups}, [int(g[:6]) for g in groups]
    return 1 < max(lengths) <= 6 and max(values) - min(values) < 100
