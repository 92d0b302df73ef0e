"""Old content against new, before anything goes live: what becomes wrong, which answers change, who attracts whom."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from bot.content.models import Check
from bot.dialogue import Dialogue, Outcome, Question, Reply, State
from bot.gate import Grade, grade, told

_LEAD, _EXCERPT = 8, 40
"""Characters that are shown before texts part, and in all."""


@dataclass(frozen=True)
class Change:
    """One question whose reply is another one."""

    ask: str
    before: str
    after: str
    """Outcome, intent, region and score in a few words; where nothing else differs, the texts."""
    expected: str = ""
    """Of a check question: what it must reach."""


@dataclass(frozen=True)
class Shares:
    """How the check questions ended."""

    right: int
    near: int
    wrong: int

    @property
    def right_share(self) -> float:
        """0 to 1; 1 where there are none."""
        return self.right / (self.right + self.near + self.wrong or 1)


@dataclass(frozen=True)
class Comparison:
    """What a person reads in a minute."""

    wrong: tuple[Change, ...]
    """Check questions that become wrong, or are new and wrong."""
    nearer: tuple[Change, ...]
    """Check questions that were right and now take one tap more."""
    better: tuple[Change, ...]
    answers: tuple[Change, ...]
    """Real questions that are answered in another way."""
    attracted: dict[str, tuple[str, ...]]
    """intent -> real and check questions that another one, or none, answered before."""
    checks_before: Shares
    checks_after: Shares
    """Of the check questions that both have."""
    outcomes_before: dict[str, int]
    outcomes_after: dict[str, int]
    """Of the real questions."""
    checks_gone: int = 0

    def refusals(self, drop: float) -> list[str]:
        """Why it must not go live, in a line each; none: it may. `drop`: points of the share right, in percent."""
        lines = [f"检查题「{c.ask}」应为 {c.expected},会变成 {c.after}(现在 {c.before})" for c in self.wrong]
        lost = 100 * (self.checks_before.right_share - self.checks_after.right_share)
        if lost > drop:
            lines.append(f"检查题答对的比例降了 {lost:.1f} 个百分点,超过 content.gate_drop 的 {drop:g}")
        return lines

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return asdict(self)


def compare(old: Dialogue, new: Dialogue, real: Sequence[str], now: datetime) -> Comparison:
    """What the new content changes for the check questions of both and for real ones."""
    wrong, nearer, better = list[Change](), list[Change](), list[Change]()
    attracted: dict[str, list[str]] = defaultdict(list)
    before, after = Counter[Grade](), Counter[Grade]()
    known = {_same(check) for _, check in old.content.checks}
    for _, check in new.content.checks:
        was, now_is = _asked(old, check, now), _asked(new, check, now)
        old_grade, new_grade = grade(check, was), grade(check, now_is)
        change = Change(check.ask, told(was), told(now_is), check.expected)
        is_new = _same(check) not in known
        if not is_new:
            before[old_grade] += 1
            after[new_grade] += 1
        if new_grade is Grade.WRONG and not check.known_failure and (is_new or old_grade is not Grade.WRONG):
            wrong.append(change)
        elif (old_grade, new_grade) == (Grade.RIGHT, Grade.NEAR):
            nearer.append(change)
        elif old_grade is not Grade.RIGHT and new_grade is Grade.RIGHT:
            better.append(change)
        _note_attracted(attracted, check.ask, was, now_is)
    answers, outcomes_before, outcomes_after = list[Change](), Counter[str](), Counter[str]()
    for ask in real:
        was, now_is = (one.step(Question(ask, now), State())[0] for one in (old, new))
        outcomes_before[was.outcome] += 1
        outcomes_after[now_is.outcome] += 1
        if _meant(was) != _meant(now_is):
            answers.append(Change(ask, *_told_apart(was, now_is)))
        _note_attracted(attracted, ask, was, now_is)
    kept = {_same(check) for _, check in new.content.checks}
    return Comparison(
        tuple(wrong),
        tuple(nearer),
        tuple(better),
        tuple(answers),
        {intent: tuple(dict.fromkeys(asked)) for intent, asked in attracted.items()},
        _shares(before),
        _shares(after),
        dict(outcomes_before),
        dict(outcomes_after),
        len(known - kept),
    )


def lines_of(found: Comparison, titles: Mapping[str, str], most: int = 10) -> list[str]:
    """The same for a terminal or a chat."""

    def listed(heading: str, changes: Sequence[Change]) -> list[str]:
        if not changes:
            return []
        lines = [
            f"  「{c.ask}」{c.before} → {c.after}" + (f"(应为 {c.expected})" if c.expected else "") for c in changes
        ]
        more = [f"  ……共 {len(changes)} 条"] if len(changes) > most else []
        return [f"{heading}:{len(changes)}", *lines[:most], *more]

    before, after = found.checks_before, found.checks_after
    shares = f"{before.right_share:.1%} → {after.right_share:.1%}"
    lines = [f"检查题答对 {shares},差一步 {before.near} → {after.near},答错 {before.wrong} → {after.wrong}"]
    lines += listed("会变错的检查题", found.wrong)
    lines += listed("要多点一下的检查题", found.nearer)
    lines += listed("变好的检查题", found.better)
    lines += listed("答复会变的真实提问", found.answers)
    for intent, asked in sorted(found.attracted.items(), key=lambda one: -len(one[1]))[:most]:
        examples = "、".join(f"「{ask}」" for ask in asked[:3])
        lines.append(f"「{titles.get(intent, intent)}」会多答 {len(asked)} 个问题:{examples}")
    if found.checks_gone:
        lines.append(f"删掉了 {found.checks_gone} 道检查题")
    return lines


def _asked(dialogue: Dialogue, check: Check, now: datetime) -> Reply:
    return dialogue.step(Question(check.ask, now), State(region=check.remembered))[0]


def _same(check: Check) -> tuple[str, ...]:
    return (check.ask, check.expect, check.region, check.number, check.intent, check.remembered)


def _told_apart(was: Reply, now_is: Reply) -> tuple[str, str]:
    """Both in a few words; where these are the same, the texts from where they part."""
    if _meant(replace(was, text="")) != _meant(replace(now_is, text="")):
        return told(was), told(now_is)
    pairs = enumerate(zip(was.text, now_is.text, strict=False))
    part = next((n for n, (one, other) in pairs if one != other), min(len(was.text), len(now_is.text)))
    start = max(0, part - _LEAD)
    before, after = (f"「{'…' if start else ''}{one.text[start : start + _EXCERPT]}」" for one in (was, now_is))
    return before, after


def _meant(reply: Reply) -> tuple[object, ...]:
    """What makes a reply another one: not its score."""
    choices = tuple(c.intent for c in reply.choices)
    return (reply.outcome, reply.intent, reply.region, reply.text, choices, reply.also)


def _note_attracted(attracted: dict[str, list[str]], ask: str, was: Reply, now_is: Reply) -> None:
    if now_is.outcome is Outcome.ANSWERED and (was.outcome, was.intent) != (now_is.outcome, now_is.intent):
        attracted[now_is.intent].append(ask)


def _shares(count: Mapping[Grade, int]) -> Shares:
    return Shares(count.get(Grade.RIGHT, 0), count.get(Grade.NEAR, 0), count.get(Grade.WRONG, 0))
