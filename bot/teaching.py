"""From a case to knowledge: what staff answered becomes files that the gate then judges. Pure: files in, files out."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from bot.content import edit
from bot.content.load import Content
from bot.edition import INTENTS, KNOWLEDGE, Files
from bot.errors import HotlineError
from bot.masking import MASKED, mask
from bot.text import normalise
from bot.yamlfile import Plain

CASES = f"{INTENTS}/from_cases.yaml"
CHECKS = f"{INTENTS}/checks/from_cases.yaml"
BACKGROUND = f"{INTENTS}/background.yaml"
STAFF = f"{KNOWLEDGE}/staff.yaml"
_DOCUMENT = "staff"
_KEY = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_OF_OFFICES = {"«固话»", "«邮箱»"}
"""Offices have these too."""
FEWEST_NEW = 2
"""A label with a single phrase answers only that phrase."""


class Kind(StrEnum):
    """What the bot is to learn."""

    PHRASE = "phrase"
    """More ways to ask for an intent that is there."""
    INTENT = "intent"
    """A new intent that gives staff's answer."""
    REFUSE = "refuse"
    """Nothing of the kind is to be answered."""


class Unteachable(HotlineError):
    """Cannot be learnt like this, in words for staff."""


@dataclass(frozen=True)
class Proposal:
    """What somebody of staff wants the bot to learn from a case."""

    kind: Kind
    phrases: tuple[str, ...]
    checks: tuple[str, ...] = ()
    """Wordings that must reach the same; never phrases: that would prove nothing."""
    intent: str = ""
    title: str = ""
    department: str = ""
    region: str = ""
    answer: str = ""
    answered_by: str = ""
    """The department, and who in it."""
    answered_on: str = ""
    """A day, YYYY-MM-DD."""
    case: int = 0

    def as_json(self) -> dict[str, Any]:
        """What is kept of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Proposal":
        """The same, as it was kept."""
        lists = {name: tuple(kept.get(name, ())) for name in ("phrases", "checks")}
        return cls(**{**kept, **lists, "kind": Kind(kept["kind"])})


def wordings(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Phrases and check questions out of a case's wordings: the first is a phrase, the others prove it.

    What was masked is left out, and what then says the same as another one.
    """
    clean: dict[str, str] = {}
    for bare in filter(None, map(unmasked, texts)):
        clean.setdefault(normalise(bare), bare)
    found = list(clean.values())
    return found[:1], found[1:]


def unmasked(text: str) -> str:
    """A citizen's words without what stands for their data."""
    return " ".join(MASKED.sub("", mask(text)).split()).strip("，,。.、 ")


def checked(proposal: Proposal, content: Content) -> Proposal:
    """The same, tidied; raises Unteachable with what is missing."""
    phrases = tuple(dict.fromkeys(p for text in proposal.phrases if (p := unmasked(text))))
    known = {normalise(p) for p in phrases}
    checks = tuple(dict.fromkeys(c for text in proposal.checks if (c := unmasked(text)) and normalise(c) not in known))
    if not phrases:
        raise Unteachable("至少要写一条问法")
    if not checks and proposal.kind is not Kind.REFUSE:
        raise Unteachable("请再用别的说法写一句，当作检查题；它不能和问法一样")
    if proposal.kind is Kind.PHRASE and proposal.intent not in content.intents:
        raise Unteachable(f"没有意图「{proposal.intent}」")
    if proposal.kind is Kind.INTENT:
        _check_intent(proposal, phrases, content)
    return Proposal(**{**proposal.as_json(), "kind": proposal.kind, "phrases": phrases, "checks": checks})


def _check_intent(proposal: Proposal, phrases: Sequence[str], content: Content) -> None:
    if not _KEY.fullmatch(proposal.intent):
        raise Unteachable("意图的名称用英文小写，中间有一个点，例如 parking.apply")
    if proposal.intent in content.intents or proposal.intent in content.topics:
        raise Unteachable(f"「{proposal.intent}」已经有了，请换一个名称")
    if not proposal.title.strip():
        raise Unteachable("请写标题，它会出现在按钮上")
    if proposal.department not in content.departments:
        raise Unteachable("请选部门")
    if proposal.region and proposal.region not in content.regions.places:
        raise Unteachable(f"regions.yaml 里没有「{proposal.region}」")
    if not proposal.answer.strip():
        raise Unteachable("这个事项还没有答复")
    for name, text in (("标题", proposal.title), ("答复", proposal.answer)):
        private = set(MASKED.findall(mask(text))) - _OF_OFFICES
        if private:
            what = "、".join(sorted(private)).replace("«", "").replace("»", "")
            raise Unteachable(f"{name}里有{what}，不能让机器人对所有人说；请换一种写法")
    if len(phrases) < FEWEST_NEW:
        raise Unteachable(f"新意图至少要 {FEWEST_NEW} 条问法才认得准，请用市民的口气再写一条")


def taught(files: Files, proposal: Proposal, content: Content) -> dict[str, bytes]:
    """The files with it; raises HotlineError when they cannot be edited safely."""
    changed = _Changed(files)
    match proposal.kind:
        case Kind.PHRASE:
            sheet, _ = content.places["intent", proposal.intent]
            name = f"{INTENTS}/{sheet.path.name}"
            changed.text(name, edit.add_phrases(changed[name], proposal.intent, proposal.phrases))
        case Kind.INTENT:
            _add_intent(changed, proposal)
        case Kind.REFUSE:
            changed.text(BACKGROUND, edit.add_lines(changed[BACKGROUND], proposal.phrases))
    for ask in proposal.checks:
        expected = {"expect": "unanswered"} if proposal.kind is Kind.REFUSE else _expected(proposal)
        _add_check(changed, {"ask": ask, **expected})
    return changed.files


def _add_check(changed: "_Changed", check: dict[str, Plain]) -> None:
    changed.grow(CHECKS, lambda text: edit.add_check(text, check), [check])


def _expected(proposal: Proposal) -> dict[str, str]:
    """A question whose place is known must get that place's answer, asked by somebody there."""
    known = {"region": proposal.region, "remembered": proposal.region} if proposal.region else {}
    return {"expect": proposal.intent, **known}


def _add_intent(changed: "_Changed", proposal: Proposal) -> None:
    fact, day = proposal.intent.replace(".", "-"), date.fromisoformat(proposal.answered_on)
    when = f"{day.year}年{day.month}月{day.day}日"
    said = f"{when}{proposal.answered_by}答复：{proposal.answer}"
    said_there: dict[str, Plain] = {"where": f"事项 {proposal.case}，{when}，{proposal.answered_by}", "statement": said}
    document: dict[str, Plain] = {"title": "工作人员的答复", "publisher": "12345热线", "facts": {fact: said_there}}
    changed.grow(STAFF, lambda text: edit.add_fact(text, fact, said_there), document)
    answer: dict[str, Plain] = {"region": proposal.region} if proposal.region else {}
    answer |= {"text": f"据{said}", "facts": [f"{_DOCUMENT}/{fact}"]}
    entry: dict[str, Plain] = {
        "title": proposal.title.strip(),
        "department": proposal.department,
        "phrases": list(proposal.phrases),
        "answers": [answer],
    }
    changed.grow(CASES, lambda text: edit.add_entry(text, proposal.intent, entry), {proposal.intent: entry})


class _Changed:
    """Files being edited as text."""

    def __init__(self, files: Files) -> None:
        self.files = dict(files)

    def __getitem__(self, name: str) -> str:
        try:
            return self.files[name].decode()
        except KeyError:
            raise Unteachable(f"没有文件 {name}") from None
        except UnicodeDecodeError:
            raise Unteachable(f"{name} 不是 UTF-8 编码") from None

    def text(self, name: str, text: str) -> None:
        self.files[name] = text.encode()

    def grow(
        self, name: str, more: Callable[[str], str], first: Mapping[str, Plain] | Sequence[Mapping[str, Plain]]
    ) -> None:
        """More in a file, or a new one with the first of it."""
        self.text(name, more(self[name]) if name in self.files else edit.new_file(first))
