"""`config.yaml` plus the environment -> one frozen Config; nobody else reads either."""

import os
from collections.abc import Iterator, Mapping
from datetime import date, time
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from bot.errors import ContentError, Problem
from bot.schema import Frozen, closest, validate
from bot.yamlfile import Node, Sheet, read

PREFIX = "HOTLINE_"
MAX_CONFIG_BYTES = 1_000_000

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("bad_zone", "unknown time zone") from None
    return name


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if url and not (parts.scheme in {"http", "https"} and parts.hostname):
        raise PydanticCustomError("bad_url", "not a web address")
    return url.rstrip("/")


def _day(text: str) -> str:
    try:
        if text:
            date.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("bad_day", "not a day") from None
    return text


def _clock_time(text: str) -> str:
    try:
        return time.fromisoformat(text).strftime("%H:%M")
    except ValueError:
        raise PydanticCustomError("bad_time", "not a time of day") from None


Day = Annotated[str, AfterValidator(_day)]
ClockTime = Annotated[str, AfterValidator(_clock_time)]


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise PydanticCustomError("bad_network", "not an address") from None
    return text


Network = Annotated[str, AfterValidator(_network)]


class ContentSettings(Frozen):
    """Where the content stands and what `hotline check` tolerates."""

    intents: Path = Path("intents")
    knowledge: Path = Path("knowledge")
    max_file_bytes: Count = 2_000_000
    max_answer_characters: Count = 250
    near_duplicate: Annotated[float, Field(ge=0, le=100)] = 92
    gate_drop: Annotated[float, Field(ge=0, le=100)] = 1
    """So many points the share of check questions right may fall before a change is refused."""
    gate_questions: Annotated[int, Field(ge=0)] = 500
    """So many real questions a change is tried on."""
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


class DatabaseSettings(Frozen):
    """Where questions, cases and unfinished messages are kept."""

    url: SecretStr = SecretStr("sqlite:///.data/hotline.db")
    """`sqlite:///FILE` or `postgresql://…`; it may hold a password, so it never shows itself."""


class TelegramSettings(Frozen):
    """How the bot reaches Telegram; the token comes from the environment only."""

    token: SecretStr = SecretStr("")
    api_url: Annotated[str, AfterValidator(_http_url)] = "https://api.telegram.org"
    webhook_url: Annotated[str, AfterValidator(_http_url)] = ""
    messages_per_second: Positive = 25
    messages_per_second_in_chat: Positive = 1
    messages_per_minute_in_group: Positive = 20
    chats_at_once: Count = 64


class WebSettings(Frozen):
    """Where the web server listens, and whom it believes; the secret comes from the environment only."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: Annotated[str, AfterValidator(_http_url)] = ""
    """How people reach it from outside; links are built from it."""
    internal: tuple[Network, ...] = ("127.0.0.0/8", "::1")
    """Who may read /readyz and /metrics."""
    trusted_proxies: tuple[Network, ...] = ("127.0.0.0/8", "::1")
    """Whose X-Forwarded-* headers say who is really asking."""
    messages_per_minute_from_address: Count = 120
    body_bytes: Count = 65_536
    streams: Count = 2000
    """Pages that are kept up to date at once; further ones do without."""
    link_minutes: Count = 10
    idle_minutes: Count = 60
    """So long after their last click staff are signed out."""
    secret_file: Path = Path(".data/secret")
    secret: SecretStr = SecretStr("")


class LimitSettings(Frozen):
    """What citizens may send, and how long it is kept."""

    message_length: Annotated[int, Field(ge=1, le=4096)] = 500
    messages_per_minute: Count = 20
    messages_per_minute_in_all: Count = 6000
    keep_days: Count = 180


class TimeSettings(Frozen):
    """The one zone of the whole product, and when staff work."""

    zone: Annotated[str, AfterValidator(_known_zone)] = "Asia/Shanghai"
    work_from: ClockTime = "09:00"
    work_until: ClockTime = "17:30"
    holidays: tuple[Day, ...] = ()
    """Own days off; they win over the national calendar, like `workdays`."""
    workdays: tuple[Day, ...] = ()
    answer_within_hours: Count = 24

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> "TimeSettings":
        if self.work_from >= self.work_until:
            raise PydanticCustomError("bad_hours", "closes before it opens")
        return self


class CaseSettings(Frozen):
    """How staff's work list is kept."""

    join_above: Share = 0.973
    """A question so like an open case belongs to it, by the encoder e5 …"""
    suggest_above: Share = 0.94
    """… and from here on staff are told that it may be the same."""
    join_above_without_e5: Share = 0.9
    suggest_above_without_e5: Share = 0.82
    come_back_after: Count = 5
    """So many more people must ask before an ignored matter is seen again."""
    close_after_days: Count = 7
    remind_hours_before: Positive = 2
    answer_length: Count = 2000


class Person(Frozen):
    """Somebody who works on cases."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    role: Literal["staff", "admin"] = "staff"
    id: int | None = None
    """Their number at Telegram."""


class Canned(Frozen):
    """A reply that is needed again and again."""

    name: Annotated[str, Field(min_length=1)]
    text: Annotated[str, Field(min_length=1)]


class StaffSettings(Frozen):
    """Who works on cases, and where."""

    chat_id: int = 0
    people: tuple[Person, ...] = (Person(name="管理员", role="admin"),)
    canned: tuple[Canned, ...] = ()


class ReportSettings(Frozen):
    """When the daily report goes to staff's chat."""

    at: ClockTime = "17:30"


class ChatSettings(Frozen):
    """How the bot introduces itself."""

    examples: tuple[str, ...] = ("南京房产证能在网上办吗", "绿码带星去南通要核酸吗", "房产证怎么查档案")
    """Shown as buttons after /start."""


class LogSettings(Frozen):
    """How the log is written."""

    format: Literal["plain", "json"] = "plain"


class NoticeSettings(Frozen):
    """What everybody is told first while it lasts: a typhoon, a failure of the hotline."""

    text: str = ""
    since: Annotated[Day, Field(alias="from")] = ""
    until: Day = ""

    def on(self, day: date) -> str:
        """The text, on the days from the first to the last one."""
        begun = not self.since or date.fromisoformat(self.since) <= day
        over = bool(self.until) and day > date.fromisoformat(self.until)
        return self.text if begun and not over else ""


class Config(Frozen):
    """Everything that can be set; paths are absolute."""

    content: ContentSettings = ContentSettings()
    matching: MatchingSettings = MatchingSettings()
    limits: LimitSettings = LimitSettings()
    time: TimeSettings = TimeSettings()
    cases: CaseSettings = CaseSettings()
    staff: StaffSettings = StaffSettings()
    report: ReportSettings = ReportSettings()
    chat: ChatSettings = ChatSettings()
    notice: NoticeSettings = NoticeSettings()
    database: DatabaseSettings = DatabaseSettings()
    telegram: TelegramSettings = TelegramSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()
    _file: Path | None = PrivateAttr(None)

    @property
    def file(self) -> Path | None:
        """Where it was read from."""
        return self._file

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which days begin and dates are shown."""
        return ZoneInfo(self.time.zone)


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The settings of `path`, overridden by HOTLINE_<SECTION>__<KEY>; raises ContentError with every problem."""
    sheet = read(path, MAX_CONFIG_BYTES)
    problems = [*sheet.problems, *_secrets_in_the_file(sheet), *_override(sheet, environment)]
    config, more = validate(sheet, (), Config)
    problems += more
    if config is None or any(not p.is_warning for p in problems):
        raise ContentError(problems)
    config = _absolute(config, path.resolve().parent)
    config._file = path.resolve()
    return config


def _secrets_in_the_file(sheet: Sheet) -> Iterator[Problem]:
    """Files are copied, mailed and committed: nothing secret must stand in one."""
    for section, key, what in (("telegram", "token", "令牌"), ("web", "secret", "密钥")):
        there = sheet.node.value.get(section) if isinstance(sheet.node.value, dict) else None
        if there and isinstance(there.value, dict) and key in there.value:
            variable = f"{PREFIX}{section}__{key}".upper()
            cure = f"{what}不能写在文件里;请删掉这一行,改用环境变量 {variable}"
            yield sheet.problem((section, key), f"{section}.{key}:{cure}")


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
        for key, setting in type(field.default).model_fields.items():
            yield section, setting.alias or key, isinstance(setting.default, tuple)


def _absolute(config: Config, base: Path) -> Config:
    def under(path: Path) -> Path:
        return base / path.expanduser()

    content = config.content.model_copy(
        update={"intents": under(config.content.intents), "knowledge": under(config.content.knowledge)}
    )
    matching = config.matching.model_copy(update={"cache": under(config.matching.cache)})
    database = config.database.model_copy(update={"url": SecretStr(_anchored(config.database.url, base))})
    web = config.web.model_copy(update={"secret_file": under(config.web.secret_file)})
    return config.model_copy(update={"content": content, "matching": matching, "database": database, "web": web})


def _anchored(url: SecretStr, base: Path) -> str:
    scheme, found, file = url.get_secret_value().partition(":///")
    if not found or not scheme.startswith("sqlite") or not file or file.startswith(":"):
        return url.get_secret_value()
    return f"{scheme}:///{base / Path(file).expanduser()}"
