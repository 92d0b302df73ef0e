"""One step of a conversation, pure: what was known and one question in, a reply and what is known now out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from bot.content.load import Content
from bot.content.models import GENERAL, Answer, Intent
from bot.content.regions import Fit, Found, Gazetteer, Resolution, Role
from bot.content.signals import Decider, Emergencies, SmallTalks
from bot.matching.matcher import EXACT, Match, Matcher, Verdict
from bot.matching.wording import Wording
from bot.memory import Memory
from bot.text import Script, clean, fold, normalise, script_of, to_script

NONE_OF_THESE = "都不是"


class Outcome(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    CHOICES = "choices"
    ASK_REGION = "ask_region"
    UNANSWERED = "unanswered"
    URGENT = "urgent"
    SMALLTALK = "smalltalk"


@dataclass(frozen=True)
class Question:
    """What somebody wrote, at the door."""

    text: str
    asked_at: datetime


@dataclass(frozen=True)
class Choice:
    """A button: an intent, with the place it is about when that is known."""

    title: str
    intent: str
    region: str = ""


@dataclass(frozen=True)
class Source:
    """Where an answer stands: a document, or general knowledge when `published` is empty."""

    title: str
    publisher: str
    published: str = ""

    def __str__(self) -> str:
        return f"{self.title}（{self.publisher}）" + (f"，{self.published}" if self.published else "")


@dataclass(frozen=True)
class State:
    """What is remembered of a conversation."""

    region: str = ""
    script: Script | None = None
    chosen_script: Script | None = None
    """The script they asked for; it wins over the one they write in."""
    pending: tuple[Choice, ...] = ()
    """The choices last offered: typing one of them, or its number, works as well as tapping."""
    about: str = ""
    """The intent last answered or asked back about: a bare 「镇江」 asks the same for there."""


@dataclass(frozen=True)
class Trace:
    """How a reply came about, for people who look into it; never shown to citizens."""

    read: str = ""
    """The question in standard words, without place and padding."""
    found: Found | None = None
    match: Match | None = None
    why: str = ""


@dataclass(frozen=True)
class Reply:
    """What is said, in the script of the one who asked."""

    outcome: Outcome
    text: str
    intent: str = ""
    """The intent answered or asked back about; the number to dial, or the courtesy."""
    region: str = ""
    """The place whose answer was given; empty for the general one."""
    sources: tuple[Source, ...] = ()
    expired: bool = False
    choices: tuple[Choice, ...] = ()
    follow_ups: tuple[Choice, ...] = ()
    also: tuple[str, ...] = ()
    """Further intents answered in the same message."""
    open: str = ""
    """Unanswered and for staff: what was understood. Who hands it over says this and the ticket instead of `text`."""
    none_of_these: bool = False
    """The choices last offered were turned down."""
    chosen: bool = False
    """It settles an earlier question: a button, or its title, number or place typed."""
    trace: Trace = Trace()

    @property
    def score(self) -> float | None:
        """The matcher's confidence, where it was asked."""
        return self.trace.match.confidence if self.trace.match else None


class Shown(Protocol):
    """What a reply that is shown has."""

    @property
    def outcome(self) -> Outcome: ...
    @property
    def text(self) -> str: ...
    @property
    def intent(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def score(self) -> float | None: ...
    @property
    def sources(self) -> tuple[Source, ...]: ...
    @property
    def expired(self) -> bool: ...
    @property
    def choices(self) -> tuple[Choice, ...]: ...


def as_dict(question: str, said: Shown, ticket: int | None = None) -> dict[str, object]:
    """A reply with the keys that other programs rely on."""
    source = said.sources[0] if said.sources else None
    return {
        "question": question,
        "outcome": str(said.outcome),
        "intent": said.intent or None,
        "region": said.region or None,
        "text": said.text,
        "source": source
        and {"title": source.title, "publisher": source.publisher, "published": source.published or None},
        "expired": said.expired,
        "score": None if said.score is None else round(said.score, 3),
        "choices": [{"title": c.title, "intent": c.intent, "region": c.region or None} for c in said.choices],
        "ticket": ticket,
    }


@dataclass(frozen=True)
class Limits:
    """What the dialogue keeps to."""

    message_length: int
    max_choices: int
    place_bonus: float
    place_malus: float
    remembered_answers: int


class Dialogue:
    """Content, places and matcher together; `step` has no memory of its own but caches."""

    def __init__(self, content: Content, matcher: Matcher, wording: Wording, limits: Limits) -> None:
        self.content, self.matcher, self.wording, self.limits = content, matcher, wording, limits
        self.gazetteer = Gazetteer(content.regions)
        self.emergencies = Emergencies(content.urgent)
        self.small_talks = SmallTalks(content.small_talk)
        self.deciders = {key: Decider(f) for key, f in content.families.items() if f.otherwise}
        most = limits.remembered_answers
        self._steps = Memory[tuple[str, date, State], tuple[Reply, State]](most)
        # what costs most is the same for everybody, whatever was said before
        self._urgent = Memory[str, str](most)
        self._matches = Memory[tuple[str, Found], Match](most)
        self._lately = Memory[str, None](most)

    def step(self, question: Question, state: State = State()) -> tuple[Reply, State]:  # frozen
        """The reply to `question` and the conversation's new state."""
        text, today = question.text, question.asked_at.date()
        stepped = self._steps.recall((text, today, state), lambda: self._fresh_step(text, today, state))
        self._lately.recall(text, lambda: None)
        return stepped

    def is_familiar(self, text: str) -> bool:
        """Whether it was asked before: `step` need not match it again and takes half a millisecond."""
        return text in self._lately

    def asked_lately(self, most: int) -> list[str]:
        """The last questions, the latest last."""
        return self._lately.last(most)

    def choose(self, intent: str, region: str, today: date, state: State) -> tuple[Reply, State]:
        """The answer of an intent; without a region the remembered one counts, else it is asked for."""
        reply = self._about([intent], Found(""), region or state.region, today, Trace(why="选了这一项"))
        return self._finish(replace(reply, chosen=True), state)

    def pick(self, choice: Choice, today: date, state: State) -> tuple[Reply, State]:
        """The reply to a tapped button; a city that was tapped is remembered."""
        if choice.title == choice.region:
            state = replace(state, region=choice.region)
        return self.choose(choice.intent, choice.region, today, state)

    def turn_down(self, state: State) -> tuple[Reply, State]:
        """The reply to 都不是."""
        reply = Reply(Outcome.UNANSWERED, _DONT_KNOW, none_of_these=True, chosen=True, trace=Trace(why="选项都不是"))
        return self._finish(reply, state)

    def find_region(self, text: str) -> str:
        """The region a person means by `text`, or nothing."""
        mentions = self.gazetteer.find(fold(text)).mentions
        return mentions[-1].region if mentions else ""

    def standard(self, text: str) -> str:
        """What a question says in standard words, without place and padding."""
        bare = self.wording.bare(fold(text))
        return self.wording.standard(self.gazetteer.find(bare).rest) or bare

    def department_of(self, label: str) -> str:
        """The key of the department that answers an intent or a family; nothing for a shadow topic."""
        intent = self._first_intent(label)
        return intent.department if intent else ""

    def title_of(self, label: str) -> str:
        """What a label is called."""
        intent = self._first_intent(label)
        return intent.title if intent else self._title(label)

    def _first_intent(self, label: str) -> Intent | None:
        family = self.content.families.get(label)
        return self.content.intents.get(next(iter(family.members)) if family else label)

    # ---- one message

    def _fresh_step(self, raw: str, today: date, state: State) -> tuple[Reply, State]:
        text = clean(raw)
        state = replace(state, script=state.chosen_script or script_of(text) or state.script)
        number = self._number_to_dial(text)
        if number:
            return self._finish(Reply(Outcome.URGENT, self.content.urgent[number].text, number), state)
        typed = self._typed(text, today, state)
        if typed:
            return typed
        refusal = self._unreadable(text)
        return self._finish(refusal, state) if refusal else self._finish(*self._said(text, today, state))

    def _number_to_dial(self, text: str) -> str:
        number = self._urgent.recall(text, lambda: self.emergencies.number(text))
        return number or (normalise(text) if normalise(text) in self.content.urgent else "")

    def _unreadable(self, text: str) -> Reply | None:
        if len(text) > self.limits.message_length:
            limit = self.limits.message_length
            return Reply(Outcome.UNANSWERED, f"您写的超过 {limit} 字，我读不准。请用一两句话说要办的事和所在的城市。")
        if not re.search("[一-鿿]", text) and not self.matcher.knows(text):
            return Reply(Outcome.SMALLTALK, "请用中文说说您要问的事，最好带上城市，例如「南京房产证能在网上办吗」。")
        return None

    def _typed(self, text: str, today: date, state: State) -> tuple[Reply, State] | None:
        """The answer to a question back: a number, a title, a place."""
        bare = normalise(text)
        if bare in _NONE or (state.pending and bare in _OTHERS):
            return self.turn_down(state)
        offered = {n: c for n, c in enumerate(state.pending, 1) if c.intent in self.content.intents}
        numbered = {str(n): choice for n, choice in offered.items()}
        titled = {normalise(c.title): c for c in offered.values()}
        number = _ORDINAL.sub(lambda found: str("一二三四五六七八九".find(found[1]) + 1 or found[1]), bare)
        choice = numbered.get(number) or titled.get(bare) or self._typed_place(text, state)
        return self.pick(choice, today, state) if choice else None

    def _typed_place(self, text: str, state: State) -> Choice | None:
        """「镇江」 after 「请问是哪个城市？」, or 「那常州呢」 after an answer: the same for there, button or not."""
        found = self.gazetteer.find(fold(text))
        if (
            state.about not in self.content.intents
            or not found.mentions
            or not _ONLY_FILLER.fullmatch(normalise(found.rest))
        ):
            return None
        region = found.mentions[-1].region
        return Choice(region, state.about, region)

    def _said(self, text: str, today: date, state: State) -> tuple[Reply, State]:
        talk = self.small_talks.which(text)
        bare = self.wording.bare(fold(text))
        talk = (
            talk
            or self.small_talks.which(bare)
            or ("" if normalise(bare) else "greeting" * ("greeting" in self.content.small_talk))
        )
        if talk:
            return self._courtesy(talk), state
        parts = [p for p in _PARTS.split(bare) if len(normalise(p)) >= _SHORTEST_PART][:_MOST_PARTS]
        if len(parts) > 1:
            several = self._several_questions(parts, today, state)
            if several:
                return several
        return self._one_question(bare, today, state)

    def _courtesy(self, talk: str, trace: Trace = Trace()) -> Reply:  # frozen
        return Reply(Outcome.SMALLTALK, self.content.small_talk[talk].reply, talk, trace=trace)

    def _several_questions(self, parts: Sequence[str], today: date, state: State) -> tuple[Reply, State] | None:
        """Two matters in one message: both answers, or the one and the other asked back; None when it is one matter."""
        sure: list[Reply] = []
        after = state
        for part in parts:
            reply, after = self._one_question(part, today, after)
            if reply.outcome is Outcome.URGENT:
                return reply, after
            if reply.outcome in _SURE and reply.intent not in {r.intent for r in sure}:
                sure.append(reply)
        if len(sure) < 2:
            return None
        first, second, *rest = sorted(sure, key=lambda r: r.outcome is not Outcome.ANSWERED)
        if first.outcome is not Outcome.ANSWERED:
            return self._put_off(first, [second, *rest]), after
        both = replace(
            first,
            text=f"{first.text}\n\n{second.text}",
            sources=tuple(dict.fromkeys([*first.sources, *second.sources])),
            expired=first.expired or second.expired,
            choices=second.choices,
            also=(*first.also, second.intent, *second.also) if second.outcome is Outcome.ANSWERED else first.also,
        )
        return self._put_off(both, rest), after

    def _put_off(self, reply: Reply, others: Sequence[Reply]) -> Reply:
        """The reply, and which of the matters asked about are still open."""
        titles = "、".join(f"「{self.content.intents[r.intent].title}」" for r in others)
        return replace(reply, text=f"{reply.text}\n\n您还问了{titles}，请接着再问一次。") if others else reply

    def _one_question(self, bare: str, today: date, state: State) -> tuple[Reply, State]:
        found = self.gazetteer.find(bare, state.region)
        read = self.wording.standard(found.rest)
        state = self._remember(found, state)
        if not normalise(read):
            return self._only_a_place(found, state), state
        match = self._match(read, replace(found, rest=""))
        trace = Trace(read, found, match)
        return self._decide(trace, found, today, state), state

    def _match(self, read: str, places: Found) -> Match:
        return self._matches.recall((read, places), lambda: self.matcher.match(read, self._place_prior(places)))

    def _remember(self, found: Found, state: State) -> State:
        here = [m.region for m in found.mentions if m.role is Role.AT]
        return replace(state, region=here[-1]) if here else state

    def _only_a_place(self, found: Found, state: State) -> Reply:
        region = found.mentions[-1].region if found.mentions else state.region
        about = [
            Choice(i.title, key, r.region)
            for key, i in self.content.intents.items()
            if (r := self.gazetteer.resolve(i, found)).fit is Fit.ANSWER and r.region != GENERAL
        ]
        trace = Trace(found=found, why="只说了地方")
        if not about:
            return Reply(Outcome.SMALLTALK, f"请问您要问{region}的什么事？", trace=trace)
        choices = tuple(about[: self.limits.max_choices])
        return Reply(Outcome.CHOICES, f"请问您要问{region}的什么事？直接说也可以。", choices=choices, trace=trace)

    # ---- from a match to a reply

    def _decide(self, trace: Trace, found: Found, today: date, state: State) -> Reply:
        match = trace.match
        assert match is not None
        top = match.ranked[0].label
        if top in self.content.urgent and match.confidence > self.matcher.above.urgent:
            return Reply(Outcome.URGENT, self.content.urgent[top].text, top, trace=replace(trace, why="像是紧急情况"))
        if top in self.content.small_talk and match.confidence > _SURE_COURTESY and not found.mentions:
            return self._courtesy(top, trace)
        if match.verdict is Verdict.ANSWER:
            intents = self._members(top, match, trace.read, found, state.region)
            why = "第二个编码器有把握，直接答" if match.seconded else "把握够，直接答"
            return self._about(intents, found, state.region, today, replace(trace, why=why))
        if match.verdict is Verdict.OFFER:
            choices = tuple(self._offers(match, trace.read, found, state.region))[: self.limits.max_choices]
            if choices:
                offered = replace(trace, why="有几分像，请市民选")
                return Reply(Outcome.CHOICES, "您想问的是哪一件？", choices=choices, trace=offered)
        why = "把握不够" if top in self.matcher.intents else f"最接近影子话题「{self._title(top)}」"
        return Reply(Outcome.UNANSWERED, _DONT_KNOW, open=_NOT_SURE, trace=replace(trace, why=why))

    def _about(self, intents: Sequence[str], found: Found, remembered: str, today: date, trace: Trace) -> Reply:
        """The answer of the first intent (with close relatives), or the question which place is meant."""
        key = intents[0]
        intent = self.content.intents[key]
        resolved = self.gazetteer.resolve(intent, found, remembered)
        if resolved.fit is Fit.ASK:
            choices = tuple(Choice(region, key, region) for region in resolved.options)
            text = f"「{intent.title}」各地不一样，请问您问的是哪里？"
            shared = [m.region for m in found.mentions if m.region in self.gazetteer.shared]
            if shared:
                text = f"不止一个地方有{shared[0]}，请问您问的是哪里的？"
            return Reply(Outcome.ASK_REGION, text, key, choices=choices, trace=trace)
        asked = self.gazetteer.named(found) or ((remembered,) if remembered else ())
        answer = intent.answer_for(resolved.region)
        if resolved.fit is Fit.NONE or answer is None:
            lack = f"您问的「{intent.title}」，我没有{'、'.join(asked)}的资料，不能拿别处的规定答您"
            text = f"{lack}。请拨当地 12345。"
            return Reply(Outcome.UNANSWERED, text, key, open=lack, trace=replace(trace, why="没有这个地方的答复"))
        lead = ""
        if asked and resolved.region == GENERAL and len(intent.answers) > 1:
            lead = f"我没有{'、'.join(asked)}的具体资料，下面是一般的说法。\n"
        elif asked and resolved.region != GENERAL and not any(self.gazetteer.inside(a, resolved.region) for a in asked):
            lead = f"我没有{'、'.join(asked)}全市的资料，只有{resolved.region}的。\n"
        relatives = dict(self._relatives(intents[1:], found, remembered))
        answers = [answer, *relatives.values()]
        return Reply(
            Outcome.ANSWERED,
            lead + "\n\n".join(self._said_with_source(a, today) for a in answers),
            key,
            resolved.region,
            tuple(dict.fromkeys(s for a in answers for s in self._sources(a))),
            any(a.expired(today) for a in answers),
            follow_ups=tuple(self._follow_ups(intent, found, resolved.region or remembered)),
            also=tuple(relatives),
            trace=trace,
        )

    def _relatives(self, intents: Sequence[str], found: Found, remembered: str) -> Iterator[tuple[str, Answer]]:
        for key in intents:
            intent = self.content.intents[key]
            resolved = self.gazetteer.resolve(intent, found, remembered)
            answer = intent.answer_for(resolved.region) if resolved.fit is Fit.ANSWER else None
            if answer:
                yield key, answer

    def _said_with_source(self, answer: Answer, today: date) -> str:
        sources = self._sources(answer)
        notice = _notice(answer, sources[0]) if answer.expired(today) else ""
        return f"{notice}{answer.text}\n出处：{'；'.join(map(str, sources))}"

    def _sources(self, answer: Answer) -> list[Source]:
        """Dated documents before general knowledge."""
        names = dict.fromkeys(fact.partition("/")[0] for fact in answer.facts)
        documents = (self.content.documents[name] for name in names)
        return sorted((Source(d.title, d.publisher, d.published) for d in documents), key=lambda s: not s.published)

    def _follow_ups(self, intent: Intent, found: Found, place: str) -> Iterator[Choice]:
        """What citizens ask next, where there is something to say about this place."""
        for key in intent.next:
            resolved = self._resolve(key, found, place)
            if resolved.fit is not Fit.NONE:
                yield Choice(self.content.intents[key].title, key, resolved.region)

    def _offers(self, match: Match, read: str, found: Found, remembered: str) -> Iterator[Choice]:
        for ranked in self.matcher.worth_offering(match):
            for key in self._members(ranked.label, match, read, found, remembered):
                resolved = self.gazetteer.resolve(self.content.intents[key], found, remembered)
                if resolved.fit is not Fit.NONE:
                    yield Choice(self.content.intents[key].title, key, resolved.region)

    def _members(self, label: str, match: Match, read: str, found: Found, remembered: str) -> list[str]:
        """The intents of a family that the question is about, best first; the label itself where it is no family."""
        family = self.content.families.get(label)
        if family is None:
            return [label]
        if match.confidence >= EXACT and len(match.nearness) == 1:
            return list(match.nearness)
        if family.otherwise:
            return [self.deciders[label].member(read)]
        near = {i: n + self._bonus(i, found) for i, n in match.nearness.items() if i in family.members}
        order = sorted(near, key=lambda i: -near[i])
        fits = [i for i in order if self._resolve(i, found, remembered).fit is not Fit.NONE]
        if not fits or near[fits[0]] < near[order[0]] - family.join:
            return order[:1]  # the one that is meant has nothing for this place: no other may stand in for it
        return [i for i in fits if near[i] > near[fits[0]] - family.join][:2]

    def _bonus(self, intent: str, found: Found) -> float:
        places = self.gazetteer.named(found)
        exact = any(a.region in places for a in self.content.intents[intent].answers if a.region)
        return self.limits.place_bonus if exact else 0.0

    def _resolve(self, intent: str, found: Found, remembered: str) -> Resolution:
        return self.gazetteer.resolve(self.content.intents[intent], found, remembered)

    def _place_prior(self, found: Found) -> Mapping[str, float]:
        """A named place speaks against labels that have nothing for it, and for those with an answer exactly there."""
        places = self.gazetteer.named(found)
        if not places:
            return {}
        prior = {}
        for label in self.matcher.intents:
            members = self.content.families[label].members if label in self.content.families else [label]
            intents = [self.content.intents[m] for m in members]
            if any(a.region in places for i in intents for a in i.answers):
                prior[label] = self.limits.place_bonus
            elif all(self.gazetteer.resolve(i, found).fit is Fit.NONE for i in intents):
                prior[label] = -self.limits.place_malus
        return prior

    def _title(self, label: str) -> str:
        return self.content.topics[label].title if label in self.content.topics else label

    def _finish(self, reply: Reply, state: State) -> tuple[Reply, State]:
        """In the citizen's script, and with the choices remembered."""
        script = state.script or Script.SIMPLIFIED
        choices, follow_ups = (
            tuple(replace(c, title=to_script(c.title, script)) for c in cs) for cs in (reply.choices, reply.follow_ups)
        )
        text, open_ = to_script(reply.text, script), to_script(reply.open, script)
        said = replace(reply, text=text, open=open_, choices=choices, follow_ups=follow_ups)
        if reply.outcome is Outcome.SMALLTALK:
            return said, state  # a thank-you does not take back what was asked
        asked_back = reply.choices[0].intent if reply.choices else ""  # of two matters, the one still open
        about = asked_back if len({c.intent for c in reply.choices}) == 1 else reply.intent
        about = about if about in self.content.intents else ""
        return said, replace(state, pending=reply.choices or reply.follow_ups, about=about)


_NOT_SURE = "这个问题我还答不准"
_DONT_KNOW = f"{_NOT_SURE}，请拨 12345 问工作人员。急事请直接拨 119、110、120、122。"
_PARTS = re.compile(r"[?。!;\n]+|另外|顺便问")
_SHORTEST_PART = 4
_SURE_COURTESY = 0.62
"""So sure must the matcher be of a courtesy that is not word for word in the list: it ends the matter."""
_MOST_PARTS = 6
_NONE = {normalise(w) for w in (NONE_OF_THESE, "都没有", "都不对", "两个都不是", "三个都不是", "一个都不是")}
_OTHERS = {"0", *(normalise(w) for w in ("其他", "别的"))}
_ORDINAL = re.compile(r"^(?:选|第)?([一二三四五六七八九]|\d)(?:个|项|条)?$")
_ONLY_FILLER = re.compile(r"(那|那么|我在|在|是)?(呢|吧|的|啊|呀)*")
_SURE = {Outcome.ANSWERED, Outcome.ASK_REGION}


def _notice(answer: Answer, source: Source) -> str:
    over = f"{_spoken(answer.valid_until)}后已失效" if answer.expiry_known else "早已失效"
    when = f" {_spoken(source.published[:7])}的" if source.published else "过去的"
    return f"⚠️ 以下是{when}规定，{over}，现行规定请拨 12345。\n"


def _spoken(when: str) -> str:
    """2021-08 -> 2021 年 8 月"""
    return "".join(
        f"{int(part)} {unit}" + " " * (unit != "日") for part, unit in zip(when.split("-"), "年月日", strict=False)
    ).strip()
