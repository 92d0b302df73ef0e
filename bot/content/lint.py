"""What is wrong between the files: dangling references, phrases that clash, answers that say more than their facts."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from bot.content.grounding import unproved
from bot.content.load import Content
from bot.content.models import GENERAL, Answer, Intent
from bot.content.regions import Gazetteer
from bot.errors import Problem
from bot.masking import MASKED
from bot.schema import closest
from bot.text import normalise

FEWEST_PHRASES = 3
_SEPARATED = re.compile("[，、；]")
LONGEST_TITLE = 12
"""Titles become buttons."""
OUTCOMES = ("unanswered", "urgent", "smalltalk", "ask_region")


@dataclass(frozen=True)
class Rules:
    """The settings that `lint` needs."""

    max_answer_characters: int
    numbers_without_proof: Sequence[str]


def lint(content: Content, rules: Rules) -> list[Problem]:
    """Every problem between the files, in no particular order."""
    return [*dangling(content, rules), *_phrases(content), *_checks(content)]


def dangling(content: Content, rules: Rules) -> list[Problem]:
    """The problems that the bot could not even run with."""
    return [*_empty(content), *_intents(content, rules), *_families(content), *_regions(content)]


def _empty(content: Content) -> Iterator[Problem]:
    if not content.intents and not any(u == "intent" or u.startswith("intent ") for u in content.unreadable):
        yield Problem(content.folder, 1, "这里没有意图;请先写一个,见 intents/README.md")


def expired(content: Content, today: date) -> list[Problem]:
    """The answers that are over on `today`, as warnings."""
    return [
        content.problem("intent", key, ("answers", n), f"已于 {a.valid_until} 后过期", is_warning=True)
        for key, intent in content.intents.items()
        for n, a in enumerate(intent.answers)
        if a.expired(today)
    ]


def _intents(content: Content, rules: Rules) -> Iterator[Problem]:
    for key, intent in content.intents.items():
        if key in content.topics:
            yield content.problem("intent", key, (), "shadow.yaml 里有同名的影子话题;请改名或删掉其中一个")
        if intent.department not in content.departments and _whole(content, "department", intent.department):
            cure = _department(content, intent.department)
            yield content.problem("intent", key, ("department",), f"没有部门「{intent.department}」{cure}")
        for n, following in enumerate(intent.next):
            if following not in content.intents and _whole(content, "intent", following):
                known = closest(following, list(content.intents)) or ";请改正或删掉"
                yield content.problem("intent", key, ("next", n), f"没有意图「{following}」{known}")
        if len(intent.phrases) < FEWEST_PHRASES:
            message = f"只有 {len(intent.phrases)} 条问法,至少要 {FEWEST_PHRASES} 条才认得准;请补充"
            yield content.problem("intent", key, ("phrases",), message, is_warning=True)
        if len(intent.title) > LONGEST_TITLE:
            message = f"标题超过 {LONGEST_TITLE} 字,按钮上放不下;请缩短"
            yield content.problem("intent", key, ("title",), message, is_warning=True)
        yield from _answers(content, key, intent, rules)


def _answers(content: Content, key: str, intent: Intent, rules: Rules) -> Iterator[Problem]:
    seen: set[str] = set()
    for n, answer in enumerate(intent.answers):
        if answer.region in seen:
            where = f"「{answer.region}」的" if answer.region else "通用(没写 region)的"
            yield content.problem("intent", key, ("answers", n), f"{where}答复写了两次;请合并")
        seen.add(answer.region)
        places = content.regions.places
        if answer.region != GENERAL and answer.region not in places and "regions" not in content.unreadable:
            known = closest(answer.region, list(places)) or ";请先写进 regions.yaml"
            yield content.problem("intent", key, ("answers", n, "region"), f"没有地区「{answer.region}」{known}")
        if masked := MASKED.search(answer.text):
            message = f"答复里还留着「{masked[0]}」,市民会照样看到;请写全,或改写这一句"
            yield content.problem("intent", key, ("answers", n, "text"), message)
        if len(answer.text) > rules.max_answer_characters:
            message = f"答复有 {len(answer.text)} 字,超过 {rules.max_answer_characters} 字;请缩短到手机一屏"
            yield content.problem("intent", key, ("answers", n, "text"), message, is_warning=True)
        yield from _facts(content, key, n, answer, rules)


def _facts(content: Content, key: str, n: int, answer: Answer, rules: Rules) -> Iterator[Problem]:
    facts = {name: content.fact(name) for name in answer.facts}
    missing = [name for name, fact in facts.items() if fact is None]
    for name in missing:
        if _whole(content, "document", name.partition("/")[0]):
            position = answer.facts.index(name)
            message = f"没有事实「{name}」{_fact(content, name)}"
            yield content.problem("intent", key, ("answers", n, "facts", position), message)
    if missing:
        return  # what stood in them is unknown
    statements = [fact.statement for fact in facts.values() if fact]
    published = [content.documents[name.partition("/")[0]].published for name in facts]
    for claim in unproved(answer.text, statements, published, rules.numbers_without_proof):
        message = f"答复里的 {claim} 在它的事实里找不到;请核对,或在 facts 里补上有它的事实"
        yield content.problem("intent", key, ("answers", n, "text"), message)


def _department(content: Content, wanted: str) -> str:
    """What to write in place of a department that there is not."""
    known = next((key for key, d in content.departments.items() if d.name == wanted), "")
    if known:
        return f";这里写它在 departments.yaml 里的键「{known}」"
    return closest(wanted, list(content.departments)) or ";请先写进 departments.yaml,这里写它的键"


def _fact(content: Content, wanted: str) -> str:
    """The same for a fact."""
    if _SEPARATED.search(wanted):
        return ";几条事实之间用英文逗号「,」隔开"
    stem = wanted.partition("/")[0]
    if stem != wanted and stem not in content.documents:
        return f";knowledge/ 里没有 {stem}.yaml{closest(stem, list(content.documents))}"
    every = [f"{name}/{fact}" for name, document in content.documents.items() for fact in document.facts]
    return closest(wanted, every) or ";请先写进 knowledge/"


def _phrases(content: Content) -> Iterator[Problem]:
    """One phrase in two intents or topics is an error; twice in the same one is only untidy."""
    owners: dict[str, tuple[str, str, int]] = {}
    everything = [("intent", k, i.phrases) for k, i in content.intents.items()]
    everything += [("topic", k, t.phrases) for k, t in content.topics.items()]
    for kind, key, phrases in everything:
        for n, phrase in enumerate(phrases):
            bare = normalise(phrase)
            if not bare:
                yield content.problem(kind, key, ("phrases", n), f"问法「{phrase}」里没有文字;请改正或删掉")
                continue
            if masked := MASKED.search(phrase):
                message = f"问法「{phrase}」里还留着「{masked[0]}」;请删掉这几个字"
                yield content.problem(kind, key, ("phrases", n), message)
            other_kind, other, position = owners.setdefault(bare, (kind, key, n))
            if other != key:
                sheet, start = content.places[other_kind, other]
                at = sheet.problem((*start, "phrases", position), "")
                message = f"问法「{phrase}」也是「{other}」的问法({at.path.name} 第 {at.line} 行);请只留一处"
                yield content.problem(kind, key, ("phrases", n), message)
            elif position != n:
                message = f"问法「{phrase}」重复了;请删掉一条"
                yield content.problem(kind, key, ("phrases", n), message, is_warning=True)


def _families(content: Content) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    for key, family in content.families.items():
        if key in {*content.intents, *content.topics, *content.small_talk, *content.urgent}:
            yield content.problem("family", key, (), "家族和意图、影子话题、寒暄不能同名;请改名")
        for member, decides in family.members.items():
            if member not in content.intents and _whole(content, "intent", member):
                known = closest(member, list(content.intents)) or ";请改正或删掉"
                yield content.problem("family", key, ("members", member), f"没有意图「{member}」{known}")
            if owner.setdefault(member, key) != key:
                message = f"意图「{member}」已在家族「{owner[member]}」里;一个意图只能在一个家族"
                yield content.problem("family", key, ("members", member), message)
            for beaten in decides.beats:
                if beaten not in family.members:
                    message = f"beats 里的「{beaten}」不是这个家族的成员"
                    yield content.problem("family", key, ("members", member, "beats"), message)
        by_words = any(m.words for m in family.members.values())
        if by_words and family.otherwise not in family.members:
            message = "用 words 决定时要写 otherwise:说全所有规定的那个成员,拿不准时由它回答"
            yield content.problem("family", key, ("otherwise",), message)


def _regions(content: Content) -> Iterator[Problem]:
    names: dict[str, str] = {}
    places = content.regions.places
    for name, place in places.items():
        loc = ("places", name)
        if place.parent and place.parent not in places:
            known = closest(place.parent, list(places)) or ";请补上它"
            yield content.problem(
                "regions", "regions", (*loc, "parent"), f"「{name}」的上级「{place.parent}」不存在{known}"
            )
        for word in (name, *place.aliases, *place.systems):
            if names.setdefault(word, name) != name:
                message = f"「{word}」同时指「{names[word]}」和「{name}」;请只留一处"
                yield content.problem("regions", "regions", loc, message)
        above = _above(name, content)
        if name in above and name == min(above):  # one line for each circle
            yield content.problem("regions", "regions", loc, f"「{name}」的上级绕回了自己;请改正 parent")


def _above(name: str, content: Content) -> set[str]:
    above: set[str] = set()
    place = content.regions.places.get(name)
    while place and place.parent and place.parent not in above:
        above.add(place.parent)
        place = content.regions.places.get(place.parent)
    return above


def _checks(content: Content) -> Iterator[Problem]:
    phrases: dict[str, list[str]] = defaultdict(list)
    for key, intent in content.intents.items():
        for phrase in intent.phrases:
            phrases[normalise(phrase)].append(key)
    gazetteer = Gazetteer(content.regions) if content.checks and "regions" not in content.unreadable else None
    missing: dict[str, list[str]] = defaultdict(list)
    for name, check in content.checks:
        expected = check.intent or check.expect
        if expected not in (*content.intents, *OUTCOMES) and _whole(content, "intent", expected):
            missing[expected].append(name)
        for key, place in (("region", check.region), ("remembered", check.remembered)):
            if place not in ("", "general") and gazetteer and place not in gazetteer.parents:
                yield content.problem("check", name, (key,), f"没有地区「{place}」;请写全称,例如 南京市")
        if check.expect in phrases[normalise(check.ask)]:
            message = f"检查题「{check.ask}」就是一条问法,证明不了什么;请换一种说法"
            yield content.problem("check", name, ("ask",), message)
    for expected, names in missing.items():
        known = closest(expected, [*content.intents, *OUTCOMES]) or ";请改正"
        more = f"(共 {len(names)} 道检查题)" if len(names) > 1 else ""
        yield content.problem("check", names[0], ("expect",), f"没有意图「{expected}」{more}{known}")


def _whole(content: Content, kind: str, key: str) -> bool:
    """Whether a missing `key` is really missing, not merely in a file or entry that could not be read."""
    return kind not in content.unreadable and f"{kind} {key}" not in content.unreadable
