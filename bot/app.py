"""Builds everything from a Config, from the bottom up."""

import hashlib
from collections.abc import Callable, Mapping

from bot.config import Config
from bot.content.lint import Rules
from bot.content.load import Content, load_content
from bot.content.models import Intent, SmallTalk, Topic, UrgentRule
from bot.dialogue import Dialogue, Limits
from bot.errors import ContentError, Problem
from bot.matching.cache import Cache
from bot.matching.calibration import Mix
from bot.matching.encoder import make_encoders
from bot.matching.matcher import Kind, Matcher, Phrase
from bot.matching.wording import Wording


def read_content(config: Config, *, checks: bool = True) -> tuple[Content, list[Problem]]:
    """What the folders hold (the check questions only when asked for), and what is wrong with their form."""
    settings = config.content
    return load_content(settings.intents, settings.knowledge, settings.max_file_bytes, checks=checks)


def build_dialogue(config: Config, content: Content, before_fit: Callable[[], None] = lambda: None) -> Dialogue:
    """The dialogue over this content; fits the matcher, after calling `before_fit`, unless that was done before."""
    wording = Wording(content.synonyms, content.padding.lead, content.padding.trail)
    phrases = labelled(content, wording)
    background = [wording.standard(line) for line in content.background]
    settings = config.matching
    mix = Mix(settings.mix_wrong, settings.mix_near, settings.mix_far)
    matcher = None
    for encoder in reversed(make_encoders(settings.encoder)):
        index = Cache(settings.cache, encoder).index(phrases, background, wording.lead, before_fit)
        above = index.forecast.thresholds(settings.target, mix, settings.false_alarms, settings.topic_margin)
        matcher = Matcher(phrases, encoder, index, above, matcher)
    assert matcher is not None
    limits = Limits(
        config.limits.message_length,
        settings.max_choices,
        settings.place_bonus,
        settings.place_malus,
        settings.remembered_answers,
    )
    return Dialogue(content, matcher, wording, limits)


def content_version(config: Config) -> str:
    """A name for the content as its files are now; the same files give the same name."""
    digest = hashlib.sha256()
    for folder in (config.content.intents, config.content.knowledge):
        for file in sorted(folder.glob("*.yaml")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


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
