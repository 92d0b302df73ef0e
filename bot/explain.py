"""How a reply came about, as a value: for a terminal, and for the console's box to try questions."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.content.load import Content
from bot.dialogue import Dialogue, Outcome, Reply, Trace
from bot.matching.matcher import EXACT, Ranked

MOST_RANKED = 5
_ROLES = {"at": "所在或所问", "to": "要去的", "from": "来自,不算"}


@dataclass(frozen=True)
class Near:
    """A label that came near."""

    label: str
    kind: str
    """What the label names, in words: an intent, a family, a shadow topic …"""
    title: str
    intents: tuple[str, ...]
    """The intents it stands for; none where it is a shadow topic, an emergency or a courtesy."""
    score: float
    phrase: str
    """Its nearest phrase …"""
    likeness: float
    """… and how like that is, -1 to 1."""


@dataclass(frozen=True)
class Explanation:
    """What was found on the way from a question to its reply; what was not looked for is None or empty."""

    outcome: Outcome
    intent: str
    region: str
    places: tuple[str, ...] | None
    """Each with the word it was found by and what it is in the sentence."""
    read: str
    confidence: float | None
    above_answer: float
    above_offer: float
    ranked: tuple[Near, ...]
    why: str

    @property
    def is_exact(self) -> bool:
        """Whether it is word for word a phrase: its confidence says no more than that."""
        return self.confidence is not None and self.confidence >= EXACT


def explained(dialogue: Dialogue, reply: Reply) -> Explanation:
    """How the reply came about, for people who write content."""
    trace, above = reply.trace, dialogue.matcher.above
    ranked = trace.match.ranked[:MOST_RANKED] if trace.match else ()
    return Explanation(
        reply.outcome,
        reply.intent,
        reply.region,
        _places(trace),
        trace.read,
        reply.score,
        above.answer,
        above.offer,
        tuple(_near(dialogue.content, one) for one in ranked),
        trace.why,
    )


def as_text(found: Explanation) -> str:
    """The same as lines for a terminal."""
    lines = [f"  结果:{found.outcome} {found.intent} {found.region}".rstrip()]
    if found.places is not None:
        lines.append(f"  地方:{'、'.join(found.places) or '没说'}")
    if found.read:
        lines.append(f"  读作:{found.read}")
    if found.confidence is not None:
        thresholds = f"直接答 > {found.above_answer:.2f},给选项 > {found.above_offer:.2f}"
        lines.append(f"  把握:{found.confidence:.2f}({thresholds})")
    lines += [f"    {n.score:5.2f}  {n.label}  最近的问法「{n.phrase}」{n.likeness:.2f}" for n in found.ranked]
    if found.why:
        lines.append(f"  原因:{found.why}")
    return "\n".join(lines)


def title_of(content: Content, label: str) -> str:
    """What a label is called; one that means more than one intent names them."""
    if label in content.urgent:
        return f"拨 {label}"
    members = intents_of(content, label)
    if members:
        first = [content.intents[key].title for key in members[:2]]
        return "、".join(first) + (f"等 {len(members)} 个" if len(members) > len(first) else "")
    return content.topics[label].title if label in content.topics else label


def intents_of(content: Content, label: str) -> tuple[str, ...]:
    """The intents that a label stands for."""
    family = content.families.get(label)
    return tuple(key for key in (family.members if family else [label]) if key in content.intents)


def _places(trace: Trace) -> tuple[str, ...] | None:
    if trace.found is None:
        return None
    named = [f"{m.region}({m.word},{_ROLES[m.role]})" for m in trace.found.mentions]
    return (*named, *(f"{region}(系统名)" for region in trace.found.hints))


def _near(content: Content, ranked: Ranked) -> Near:
    label = ranked.label
    return Near(
        label,
        _kind(content, label),
        title_of(content, label),
        intents_of(content, label),
        ranked.score,
        ranked.phrase,
        ranked.likeness,
    )


def _kind(content: Content, label: str) -> str:
    kinds: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("意图", content.intents),
        ("家族", content.families),
        ("影子话题", content.topics),
        ("紧急情况", content.urgent),
        ("寒暄", content.small_talk),
    )
    return next((name for name, entries in kinds if label in entries), "")
