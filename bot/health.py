"""How healthy the content is, intent by intent: what to mend first, for the terminal, a page and the admins' chat."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from enum import IntEnum
from functools import cached_property
from typing import Any

from bot.content.load import Content
from bot.content.models import Answer, Intent, SmallTalk, Topic, UrgentRule, last_day
from bot.dialogue import Dialogue
from bot.gate import Grade, Graded, told
from bot.matching.leave_one_out import LeftOut, left_out
from bot.store.usage import NEVER, Usage, Used

RECENT_DAYS = 30
"""What `Used.recently` is expected to count, and how soon an answer that will expire is told of."""
OLD_DAYS = 365
ENOUGH_VOTES, MANY_UNSOLVED = 5, 0.3
LOW_LEFT_OUT = 0.8
MANY_NEAR = 0.1
MOST_EXAMPLES = 3
_TITLES_IN_CHAT = 3


class Harm(IntEnum):
    """The worst that an intent does to citizens; intents are listed by it, and those of one kind by how much of it.

    1. WRONG: a check question about it is answered wrongly, known failures too. More of them first.
    2. UNSOLVED: of ENOUGH_VOTES or more, MANY_UNSOLVED or more said that it did not help. The larger share first.
    3. OUTDATED: an answer of it is over, and it still answered in the last RECENT_DAYS. The more often first.
    4. UNSTEADY: a single phrase, or of its phrases, each left out alone, fewer than LOW_LEFT_OUT would still lead to
       it. The smaller share first.
    5. UNTIDY: anything else there is to say: over and not asked for, soon over, no check question, many of these one
       tap away, sources older than OLD_DAYS, never used. More of these first.
    6. NONE.

    What is equal so far: the one that answered more often recently first, then by name.
    """

    WRONG = 1
    UNSOLVED = 2
    OUTDATED = 3
    UNSTEADY = 4
    UNTIDY = 5
    NONE = 6


@dataclass(frozen=True)
class Trouble:
    """One thing to mend: what is wrong, and what to do about it."""

    harm: Harm
    what: str
    cure: str
    size: float = 0
    example: str = ""

    def __str__(self) -> str:
        return f"{self.what}{self.example and ','}{self.example};{self.cure}"


@dataclass(frozen=True)
class WrongCheck:
    """A check question that was answered wrongly."""

    name: str
    """The file and position it stands at."""
    ask: str
    expected: str
    got: str


@dataclass(frozen=True)
class Confusion:
    """A phrase that would lead elsewhere if it were not there."""

    phrase: str
    rival: str
    """The intent, shadow topic … it would lead to,"""
    like: str
    """by this phrase."""


@dataclass(frozen=True)
class Ending:
    """An answer that is over, or soon will be."""

    region: str
    valid_until: str


@dataclass(frozen=True)
class IntentHealth:
    """Everything there is to say about one intent."""

    intent: str
    title: str
    phrases: int
    left_out_right: int = 0
    """Of its phrases, each left out alone, so many would still lead to it (or to its family)."""
    rivals: Mapping[str, int] = field(default_factory=dict)
    """What the others would lead to, most first."""
    confusions: tuple[Confusion, ...] = ()
    """The worst of these."""
    checks: int = 0
    checks_near: tuple[str, ...] = ()
    """What is asked in those that are one tap away."""
    checks_wrong: tuple[WrongCheck, ...] = ()
    expired: tuple[Ending, ...] = ()
    expiring: tuple[Ending, ...] = ()
    old_sources: Mapping[str, str] = field(default_factory=dict)
    """document -> when it was published, of those older than OLD_DAYS."""
    used: Used | None = None
    """None where there is no record."""

    @property
    def left_out_share(self) -> float:
        """0 to 1; 0 where there is nothing to leave out, and for a single phrase outside any family."""
        return self.left_out_right / self.phrases if self.phrases else 0.0

    @property
    def unsolved_share(self) -> float | None:
        """Of the votes; None where they are too few to say."""
        votes = self.used.solved + self.used.unsolved if self.used else 0
        return self.used.unsolved / votes if self.used and votes >= ENOUGH_VOTES else None

    @cached_property
    def troubles(self) -> tuple[Trouble, ...]:
        """What to mend, the worst first."""
        return tuple(sorted(_troubles(self), key=lambda t: t.harm))

    @property
    def harm(self) -> Harm:
        """The worst of it."""
        return self.troubles[0].harm if self.troubles else Harm.NONE

    @property
    def rank(self) -> tuple[float, ...]:
        """Smaller is more pressing; see `Harm`."""
        size = len(self.troubles) if self.harm is Harm.UNTIDY else sum(t.size for t in self.troubles[:1])
        return self.harm, -size, -(self.used or NEVER).recently


@dataclass(frozen=True)
class Health:
    """The health of all content on one day."""

    today: date
    intents: tuple[IntentHealth, ...]
    """Those that hurt citizens most first."""
    strays: tuple[WrongCheck, ...]
    """Wrong check questions about no intent: a missed emergency, a courtesy."""
    unused_facts: tuple[str, ...]
    """`document/fact` that no answer names."""
    checks: Mapping[Grade, int]
    knows_usage: bool

    def having(self, harm: Harm) -> list[IntentHealth]:
        """The intents with such a trouble, whatever else they have."""
        return [i for i in self.intents if any(t.harm is harm for t in i.troubles)]

    def as_json(self) -> dict[str, Any]:
        """Everything, with what to do in words."""
        intents = []
        for one in self.intents:
            more = {"harm": one.harm.name.lower(), "left_out_share": round(one.left_out_share, 3)}
            last = one.used.last.isoformat() if one.used and one.used.last else None
            used = one.used and {**asdict(one.used), "last": last}
            said = [{"harm": t.harm.name.lower(), "what": t.what, "cure": t.cure} for t in one.troubles]
            intents.append({**asdict(one), **more, "used": used, "troubles": said})
        return {**asdict(self), "today": self.today.isoformat(), "intents": intents}


def health(dialogue: Dialogue, graded: Sequence[Graded], usage: Usage | None, today: date) -> Health:
    """The health of a dialogue's content, from its check questions as they ended and how its intents were used.

    `usage` is None or empty where there is no record; it counts as recent what came in the last RECENT_DAYS.
    Leaving phrases out takes some seconds for thousands of them, the rest nothing; of two encoders the first one is
    judged.
    """
    content = dialogue.content
    checks = _by_intent(content, graded)
    phrases = _left_out(dialogue)
    intents = []
    for key, intent in content.intents.items():
        mine = checks.get(key, [])
        near = tuple(g.check.ask for g in mine if g.grade is Grade.NEAR)
        wrong = tuple(_wrong(g) for g in mine if g.grade is Grade.WRONG)
        one = IntentHealth(key, intent.title, len(phrases.get(key, ())), checks=len(mine), checks_near=near)
        one = replace(one, checks_wrong=wrong, used=usage.get(key, NEVER) if usage else None)
        intents.append(_with_confusions(_with_dates(one, content, intent, today), phrases.get(key, ())))
    return Health(
        today,
        tuple(sorted(intents, key=lambda i: (*i.rank, i.intent))),
        tuple(_wrong(g) for g in checks.get("", ()) if g.grade is Grade.WRONG),
        _unused(content),
        {grade: sum(g.grade is grade for g in graded) for grade in Grade},
        bool(usage),
    )


def weekly_line(found: Health) -> str:
    """One or two lines for the admins' chat."""
    counts = {name: len(found.having(harm)) for harm, name in _IN_CHAT.items()}
    parts = [f"{n} 个{name}" for name, n in counts.items() if n]
    if found.strays:
        parts.insert(0, f"求救、寒暄之类的检查题答错 {len(found.strays)} 道")
    pressing = [i for i in found.intents if i.harm < Harm.UNTIDY][:_TITLES_IN_CHAT]
    lead = f"内容体检({found.today.month} 月 {found.today.day} 日):{len(found.intents)} 个意图"
    if not parts:
        return f"{lead},没有要紧的。"
    worst = "、".join(f"{i.title}({i.troubles[0].what})" for i in pressing)
    second = f"先看:{worst}。" if worst else ""
    return f"{lead},{','.join(parts)}。\n{second}逐条看:hotline check --health"


_IN_CHAT = {
    Harm.WRONG: "有检查题答错",
    Harm.UNSOLVED: "常被评「没解决」",
    Harm.OUTDATED: "过期了还有人问",
    Harm.UNSTEADY: "问法认不稳",
}


# ---- what there is to say


def _troubles(one: IntentHealth) -> Iterator[Trouble]:
    yield from _of_checks(one)
    yield from _of_phrases(one)
    yield from _of_dates(one)
    yield from _of_usage(one)


def _of_checks(one: IntentHealth) -> Iterator[Trouble]:
    if one.checks_wrong:
        worst = one.checks_wrong[0]
        example = f"「{worst.ask}」应为 {worst.expected},实际 {worst.got}"
        wrong = len(one.checks_wrong)
        yield Trouble(Harm.WRONG, f"检查题答错 {wrong} 道", "补问法或影子话题", wrong, example)
    if not one.checks:
        yield Trouble(Harm.UNTIDY, "没有检查题", "请没看过问法的人写几道")
    elif len(one.checks_near) >= one.checks * MANY_NEAR:
        what = f"检查题 {one.checks} 道里 {len(one.checks_near)} 道差一步"
        yield Trouble(Harm.UNTIDY, what, "hotline check --near 逐条看,补问法")


def _of_phrases(one: IntentHealth) -> Iterator[Trouble]:
    if one.phrases <= 1 and not one.left_out_right:
        what = f"只有 {one.phrases} 条问法,别的说法都不会直接答"
        yield Trouble(Harm.UNSTEADY, what, "补到十条以上", 1.0)
    elif one.left_out_share < LOW_LEFT_OUT:
        rivals = "、".join(list(one.rivals)[:2])
        example = "".join(f",如「{c.phrase}」认成 {c.rival}" for c in one.confusions[:1])
        what = f"{one.phrases} 条问法逐条拿掉再问,只有 {one.left_out_share:.0%} 还认得"
        cure, size = "补说法不同的问法", 1 - one.left_out_share
        yield Trouble(Harm.UNSTEADY, what, cure, size, f"别的多认成 {rivals}{example}")


def _of_dates(one: IntentHealth) -> Iterator[Trouble]:
    recently = one.used.recently if one.used else 0
    if one.expired and recently:
        what = f"{_named(one.expired)}已过期,这件事 {RECENT_DAYS} 天里还答了 {recently} 次"
        yield Trouble(Harm.OUTDATED, what, "换成现行的规定", recently)
    elif one.expired:
        yield Trouble(Harm.UNTIDY, f"{_named(one.expired)}已过期", "换成现行的规定,或移到 shadow.yaml")
    if one.expiring:
        first = min(ending.valid_until for ending in one.expiring)
        yield Trouble(Harm.UNTIDY, f"{_named(one.expiring)}到 {first} 为止", "准备新的规定")
    if one.old_sources and not one.expired:
        oldest = min(one.old_sources.values())
        yield Trouble(Harm.UNTIDY, f"出处是 {oldest} 的,超过一年", "核对现在还对不对")


def _of_usage(one: IntentHealth) -> Iterator[Trouble]:
    share = one.unsolved_share
    if one.used and share is not None and share >= MANY_UNSOLVED:
        what = f"{one.used.solved + one.used.unsolved} 人评价,{share:.0%} 说没解决"
        yield Trouble(Harm.UNSOLVED, what, "核对答复,看看缺什么", share)
    if one.used and not one.used.in_all:
        yield Trouble(Harm.UNTIDY, "从没用过", "看看问法是不是市民的说法")


def _named(endings: Sequence[Ending]) -> str:
    where = "、".join(e.region or "通用" for e in endings[:MOST_EXAMPLES])
    return f"{where}等 {len(endings)} 条答复" if len(endings) > MOST_EXAMPLES else f"{where}的答复"


# ---- where it comes from


def _by_intent(content: Content, graded: Sequence[Graded]) -> Mapping[str, list[Graded]]:
    """The check questions about each intent; under "" those about none."""
    found: dict[str, list[Graded]] = defaultdict(list)
    for g in graded:
        found[_about(content, g)].append(g)
    return found


def _about(content: Content, g: Graded) -> str:
    """The intent that must be answered, or the one that was answered or offered first where none should be."""
    offered = [choice.intent for choice in g.reply.choices]
    candidates = [g.check.intent, g.check.expect, *([] if g.grade is Grade.RIGHT else [g.reply.intent, *offered])]
    return next((key for key in candidates if key in content.intents), "")


def _wrong(g: Graded) -> WrongCheck:
    return WrongCheck(g.name, g.check.ask, g.check.expected, told(g.reply))


def _with_dates(one: IntentHealth, content: Content, intent: Intent, today: date) -> IntentHealth:
    ending = [a for a in intent.answers if a.valid_until]
    over = [a for a in ending if a.expired(today)]
    soon = [a for a in ending if a not in over and last_day(a.valid_until) <= today + timedelta(RECENT_DAYS)]
    sources = {
        name: document.published
        for answer in intent.answers
        for name in (fact.partition("/")[0] for fact in answer.facts)
        if (document := content.documents.get(name)) and document.published
    }
    old = {name: when for name, when in sources.items() if last_day(when) < today - timedelta(OLD_DAYS)}
    return replace(one, expired=_endings(over), expiring=_endings(soon), old_sources=old)


def _endings(answers: Sequence[Answer]) -> tuple[Ending, ...]:
    return tuple(Ending(a.region, a.valid_until) for a in answers)


def _with_confusions(one: IntentHealth, phrases: Sequence[tuple[LeftOut, Confusion]]) -> IntentHealth:
    misled = sorted((pair for pair in phrases if not pair[0].is_right), key=lambda pair: -pair[0].lead)
    rivals = dict(Counter(confusion.rival for _, confusion in misled).most_common())
    worst = tuple(confusion for _, confusion in misled[:MOST_EXAMPLES])
    return replace(one, left_out_right=len(phrases) - len(misled), rivals=rivals, confusions=worst)


def _left_out(dialogue: Dialogue) -> Mapping[str, list[tuple[LeftOut, Confusion]]]:
    """Every phrase of each intent, as it was written."""
    written = _written(dialogue)
    found: dict[str, list[tuple[LeftOut, Confusion]]] = defaultdict(list)
    for one in left_out(dialogue.matcher):
        mine, other = (written.get((p.intent, p.text), p.text) for p in (one.phrase, one.first))
        found[one.phrase.intent].append((one, Confusion(mine, one.first.intent, other)))
    return found


def _written(dialogue: Dialogue) -> dict[tuple[str, str], str]:
    """(intent, phrase in standard words) -> the phrase as it was written."""
    content, standard = dialogue.content, dialogue.wording.standard
    entries: dict[str, Intent | Topic | UrgentRule | SmallTalk] = {
        **content.small_talk,
        **content.urgent,
        **content.topics,
        **content.intents,
    }
    return {(key, standard(text)): text for key, entry in entries.items() for text in entry.phrases}


def _unused(content: Content) -> tuple[str, ...]:
    used = {fact for intent in content.intents.values() for answer in intent.answers for fact in answer.facts}
    every = [f"{name}/{fact}" for name, document in content.documents.items() for fact in document.facts]
    return tuple(fact for fact in every if fact not in used)
