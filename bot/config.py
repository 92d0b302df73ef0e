"""`config.yaml` plus the environment -> one frozen Config; nobody else reads either."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from bot.errors import ContentError, Problem
from bot.schema import Frozen, closest, validate
from bot.yamlfile import Node, Sheet, read

PREFIX = "HOTLINE_"
MAX_CONFIG_BYTES = 1_000_000

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("bad_zone", "unknown time zone") from None
    return name


class ContentSettings(Frozen):
    """Where the content stands and what `hotline check` tolerates."""

    intents: Path = Path("intents")
    knowledge: Path = Path("knowledge")
    max_file_bytes: Count = 2_000_000
    max_answer_characters: Count = 250
    near_duplicate: Annotated[float, Field(ge=0, le=100)] = 92
    numbers_without_proof: tuple[str, ...] = ("12345", "119", "110", "120", "122")


class MatchingSettings(Frozen):
    """How sure the matcher must be; see `bot.matching`."""

    encoder: Literal["use", "e5", "both", "lexical"] = "both"
    cache: Path = Path(".data/cache")
    target: Share = 0.02
    false_alarms: Share = 0.015
    mix_wrong: Share = 0.7
    mix_near: Share = 0.2
    mix_far: Share = 0.1
    place_bonus: Share = 0.15
    place_malus: Share = 0.3
    topic_margin: Share = 0.08
    max_choices: Annotated[int, Field(ge=1, le=8)] = 3
    remembered_answers: Count = 4096


class LimitSettings(Frozen):
    """What one citizen may send."""

    question_characters: Count = 500


class TimeSettings(Frozen):
    """The one zone of the whole product."""

    zone: Annotated[str, AfterValidator(_known_zone)] = "Asia/Shanghai"


class Config(Frozen):
    """Everything that can be set; paths are absolute."""

    content: ContentSettings = ContentSettings()
    matching: MatchingSettings = MatchingSettings()
    limits: LimitSettings = LimitSettings()
    time: TimeSettings = TimeSettings()

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which days begin and dates are shown."""
        return ZoneInfo(self.time.zone)


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The settings of `path`, overridden by HOTLINE_<SECTION>__<KEY>; raises ContentError with every problem."""
    sheet = read(path, MAX_CONFIG_BYTES)
    problems = [*sheet.problems, *_override(sheet, environment)]
    config, more = validate(sheet, (), Config)
    problems += more
    if config is None or any(not p.is_warning for p in problems):
        raise ContentError(problems)
    return _absolute(config, path.resolve().parent)


def _override(sheet: Sheet, environment: Mapping[str, str]) -> list[Problem]:
    """Puts the environment's values into the sheet; the problems are variables that mean nothing."""
    settings = {f"{PREFIX}{s}__{k}".upper(): (s, k, kind) for s, k, kind in _settings()}
    problems = []
    for variable in sorted(v for v in environment if v.startswith(PREFIX) and "__" in v):
        if variable.upper() not in settings:
            near = closest(variable, list(settings))
            problems.append(Problem(sheet.path, 1, f"环境变量 {variable} 没有对应的设置{near}"))
            continue
        section, key, is_list = settings[variable.upper()]
        text = environment[variable]
        value = [Node(1, part.strip()) for part in text.split(",")] if is_list else text
        if isinstance(sheet.node.value, dict):
            below = sheet.node.value.setdefault(section, Node(1, {})).value
            if isinstance(below, dict):
                below[key] = Node(1, value)
    return problems


def _settings() -> Iterator[tuple[str, str, bool]]:
    """Section, key, and whether it is a list, of every setting."""
    for section, field in Config.model_fields.items():
        for key, default in field.default:
            yield section, key, isinstance(default, tuple)


def _absolute(config: Config, base: Path) -> Config:
    def under(path: Path) -> Path:
        return base / path.expanduser()

    content = config.content.model_copy(
        update={"intents": under(config.content.intents), "knowledge": under(config.content.knowledge)}
    )
    matching = config.matching.model_copy(update={"cache": under(config.matching.cache)})
    return config.model_copy(update={"content": content, "matching": matching})
