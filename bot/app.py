"""Builds everything from a Config, from the bottom up."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from bot.config import Config
from bot.content.lint import Rules
from bot.content.load import Content, load_content
from bot.content.models import Intent, SmallTalk, Topic, UrgentRule
from bot.dialogue import Dialogue, Limits
from bot.errors import ContentError, Problem
from bot.matching.cache import Cache
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
    (wording, material), settings = _material(content), config.matching
    mix = Mix(settings.mix_wrong, settings.mix_near, settings.mix_far)
    known = {matcher.encoder.version: matcher for matcher in _matchers(like)} if like else {}
    matcher = None
    most = settings.remembered_answers
    for encoder in reversed(encoders or [Remembered(e, most) for e in make_encoders(settings.encoder)]):
        cache = Cache(settings.cache, encoder)
        near = known.get(encoder.version)
        index = cache.propose(material) if proposed else cache.index(material, before_fit, near)
        above = index.forecast.thresholds(settings.target, mix, settings.false_alarms, settings.topic_margin)
        matcher = Matcher(material, encoder, index, above, matcher)
    assert matcher is not None
    limits = Limits(
        config.limits.message_length,
        settings.max_choices,
        settings.place_bonus,
        settings.place_malus,
        settings.remembered_answers,
    )
    return Dialogue(content, matcher, wording, limits)


def is_fitted(config: Config, content: Content) -> bool:
    """Whether the spaces that this content has are settled, and not only borrowed from another's."""
    caches = [Cache(config.matching.cache, encoder) for encoder in make_encoders(config.matching.encoder)]
    material = _material(content)[1]
    return all(cache.is_fitted(material) for cache in caches)


def propose_spaces(config: Config, content: Content) -> None:
    """Fits it spaces of its own, minutes; no start takes them before `settle_spaces`."""
    material = _material(content)[1]
    for encoder in make_encoders(config.matching.encoder):
        Cache(config.matching.cache, encoder).propose(material)


def keep_spaces(config: Config, dialogue: Dialogue) -> None:
    """The next start has the spaces that this dialogue borrowed."""
    for matcher in _matchers(dialogue):
        Cache(config.matching.cache, matcher.encoder).keep(matcher.material, matcher.index)


def settle_spaces(config: Config, dialogue: Dialogue) -> None:
    """Its content has the spaces of this dialogue for good."""
    for matcher in _matchers(dialogue):
        Cache(config.matching.cache, matcher.encoder).settle(matcher.material, matcher.index)


def _matchers(dialogue: Dialogue) -> Iterator[Matcher]:
    """One for each encoder."""
    return filter(None, (dialogue.matcher, dialogue.matcher.second))


def _material(content: Content) -> tuple[Wording, Material]:
    wording = Wording(content.synonyms, content.padding.lead, content.padding.trail)
    background = [wording.standard(line) for line in content.background]
    return wording, Material(labelled(content, wording), background, wording.lead)


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
