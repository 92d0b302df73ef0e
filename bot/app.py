"""Builds everything from a Config, from the bottom up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.config import Config
from bot.content.lint import Rules
from bot.content.load import Content, load_content
from bot.content.models import Intent, SmallTalk, Topic, UrgentRule
from bot.dialogue import Dialogue, Limits
from bot.errors import ContentError, Problem
from bot.matching.cache import Cache, Fitted
from bot.matching.calibration import Mix
from bot.matching.encoder import Encoder, Remembered, make_encoders
from bot.matching.matcher import Kind, Matcher, Material, Phrase
from bot.matching.wording import Wording


def read_content(config: Config, *, checks: bool = True) -> tuple[Content, list[Problem]]:
    """What the folders hold (the check questions only when asked for), and what is wrong with their form."""
    settings = config.content
    return load_content(settings.intents, settings.knowledge, settings.max_file_bytes, checks=checks)


def build_dialogue(
    config: Config,
    content: Content,
    before_fit: Callable[[], None] = lambda: None,
    *,
    like: Dialogue | None = None,
    encoders: Sequence[Encoder] = (),
    proposed: bool = False,
) -> Dialogue:
    """The dialogue over this content; fits the matcher, after calling `before_fit`, unless that was done before.

    `like`: a dialogue over nearly the same content, whose space takes in the new phrases: seconds instead of minutes.
    `encoders`: in place of those that the settings name. `proposed`: in the spaces that `propose_spaces` fitted.
    """
    stuff, settings = _stuff(content), config.matching
    mix = Mix(settings.mix_wrong, settings.mix_near, settings.mix_far)
    known = _fitted(like)
    matcher = None
    most = settings.remembered_answers
    for encoder in reversed(encoders or [Remembered(e, most) for e in make_encoders(settings.encoder)]):
        cache = Cache(settings.cache, encoder)
        material = stuff.phrases, stuff.background, stuff.lead
        index = cache.propose(*material) if proposed else cache.index(*material, before_fit, known.get(encoder.version))
        above = index.forecast.thresholds(settings.target, mix, settings.false_alarms, settings.topic_margin)
        matcher = Matcher(stuff.phrases, encoder, index, above, matcher, stuff.background)
    assert matcher is not None
    limits = Limits(
        config.limits.message_length,
        settings.max_choices,
        settings.place_bonus,
        settings.place_malus,
        settings.remembered_answers,
    )
    return Dialogue(content, matcher, stuff.wording, limits)


def is_fitted(config: Config, content: Content) -> bool:
    """Whether the space that the matcher of this content has is settled, and not only borrowed from another's."""
    stuff = _stuff(content)
    caches = (Cache(config.matching.cache, encoder) for encoder in make_encoders(config.matching.encoder))
    return all(cache.is_fitted(stuff.phrases, stuff.background, stuff.lead) for cache in caches)


def propose_spaces(config: Config, content: Content) -> None:
    """Fits it one of its own, minutes; no start takes it before `settle_spaces`."""
    stuff = _stuff(content)
    for encoder in make_encoders(config.matching.encoder):
        Cache(config.matching.cache, encoder).propose(stuff.phrases, stuff.background, stuff.lead)


def keep_spaces(config: Config, dialogue: Dialogue) -> None:
    """The next start has the spaces that this dialogue borrowed."""
    _for_each_space(config, dialogue, Cache.keep)


def settle_spaces(config: Config, dialogue: Dialogue) -> None:
    """Its content has the spaces of this dialogue for good."""
    _for_each_space(config, dialogue, Cache.settle)


def _for_each_space(config: Config, dialogue: Dialogue, deed: Callable[..., None]) -> None:
    stuff = _stuff(dialogue.content)
    for matcher in filter(None, (dialogue.matcher, dialogue.matcher.second)):
        cache = Cache(config.matching.cache, matcher.encoder)
        deed(cache, stuff.phrases, stuff.background, stuff.lead, matcher.index)


@dataclass(frozen=True)
class _Stuff:
    """What a matcher is made of."""

    wording: Wording
    phrases: list[Phrase]
    background: list[str]

    @property
    def lead(self) -> Sequence[str]:
        return self.wording.lead


def _stuff(content: Content) -> _Stuff:
    wording = Wording(content.synonyms, content.padding.lead, content.padding.trail)
    background = [wording.standard(line) for line in content.background]
    return _Stuff(wording, labelled(content, wording), background)


def _fitted(like: Dialogue | None) -> dict[str, Fitted]:
    """By encoder."""
    matchers = [m for m in (like.matcher, like.matcher.second) if m] if like else []
    return {m.encoder.version: Fitted(m.index, Material(m.phrases, m.background)) for m in matchers}


def labelled(content: Content, wording: Wording) -> list[Phrase]:
    """Every phrase in standard words, with its label and what that is for."""
    family = {member: key for key, f in content.families.items() for member in f.members}
    kinds: list[tuple[Mapping[str, Intent | UrgentRule | Topic | SmallTalk], Kind]] = [
        (content.intents, Kind.INTENT),
        (content.urgent, Kind.URGENT),
        (content.topics, Kind.OTHER),
        (content.small_talk, Kind.OTHER),
    ]
    phrases = [
        Phrase(wording.standard(text), family.get(key, key), key, kind)
        for entries, kind in kinds
        for key, entry in entries.items()
        for text in entry.phrases
    ]
    return list(dict.fromkeys(phrases))


def rules(config: Config) -> Rules:
    """What `lint` holds answers to."""
    return Rules(config.content.max_answer_characters, config.content.numbers_without_proof)


def usable(problems: list[Problem]) -> None:
    """Raises ContentError when any problem is more than a warning."""
    errors = [p for p in problems if not p.is_warning]
    if errors:
        raise ContentError(errors)
