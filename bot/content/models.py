"""What may stand in `knowledge/` and `intents/`: one frozen model per kind of file."""

import calendar
import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from bot.schema import Frozen

GENERAL = ""
"""The region of an answer that holds everywhere."""

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


def last_day(when: str) -> date:
    """The last day that `2022`, `2022-04` or `2022-04-06` covers; raises ValueError."""
    fit = _DAY.fullmatch(when)
    if not fit:
        raise ValueError(when)
    year, month, day = (int(part) if part else 0 for part in fit.groups())
    month = month or 12
    return date(year, month, day or calendar.monthrange(year, month)[1])


def _date(when: str) -> str:
    try:
        if when:
            last_day(when)
    except (ValueError, calendar.IllegalMonthError):
        raise PydanticCustomError("bad_date", "not a date") from None
    return when


When = Annotated[str, AfterValidator(_date)]


class Fact(Frozen):
    """One thing a document says."""

    where: Text
    statement: Text


class Document(Frozen):
    """One source and its facts; without `published` it is general knowledge."""

    title: Text
    publisher: Text
    published: When = ""
    document: str = ""
    facts: Annotated[dict[str, Fact], Field(min_length=1)]


class Answer(Frozen):
    """What is said to those who ask for one place."""

    region: str = GENERAL
    text: Text
    facts: Annotated[tuple[Text, ...], Field(min_length=1)]
    valid_until: When = ""
    expiry_known: bool = True
    """False: the day is our estimate and never shown."""

    def expired(self, today: date) -> bool:
        """Whether the rule is over on `today`."""
        return bool(self.valid_until) and last_day(self.valid_until) < today


class Intent(Frozen):
    """One thing citizens ask about."""

    title: Text
    department: Text
    phrases: tuple[Text, ...]
    answers: Annotated[tuple[Answer, ...], Field(min_length=1)]
    next: tuple[Text, ...] = ()

    def answer_for(self, region: str) -> Answer | None:
        """The answer given for exactly this region."""
        return next((a for a in self.answers if a.region == region), None)


class Member(Frozen):
    """What makes a question be about this member of a family."""

    words: tuple[Text, ...] = ()
    unless: tuple[Text, ...] = ()
    """Taken out of the question before `words` are looked for: 不带星 is no star."""
    doubt: tuple[Text, ...] = ()
    """Where one of these stands too, the member is not certain and `otherwise` answers."""
    sounds: tuple[Text, ...] = ()
    """Homophones of these (带型号 for 带星号) are a doubt for all the other members."""
    beats: tuple[Text, ...] = ()


class Family(Frozen):
    """Close intents that are matched as one; a word or the nearest phrase then decides between them."""

    members: Annotated[dict[str, Member], Field(min_length=2)]
    otherwise: str = ""
    """With words: who answers when none, several or a doubtful one fits: the member that gives every rule."""
    join: Annotated[float, Field(ge=0, le=2)] = 0.12
    """Without words: members nearly as near as the best one are answered together."""


class Topic(Frozen):
    """A shadow topic: near to ours, never answered, never offered."""

    title: Text
    phrases: Annotated[tuple[Text, ...], Field(min_length=1)]


class Region(Frozen):
    """A place we have answers for, or one that leads to it."""

    parent: str = ""
    aliases: tuple[Text, ...] = ()
    systems: tuple[Text, ...] = ()
    """Named systems that carry this place and stay in the text."""


class Department(Frozen):
    """Who handles a matter: the dispatch list."""

    name: Text
    handles: Text


class UrgentRule(Frozen):
    """Words of an emergency (`…` stands for up to four characters), and sentences for what no word list foresees."""

    text: Text
    words: Annotated[tuple[Text, ...], Field(min_length=1)]
    unless: tuple[Text, ...] = ()
    """Where one of these stands too it is talk about the past, insurance, prevention: no emergency …"""
    always: tuple[Text, ...] = ()
    """… unless one of these says that it is happening now."""
    phrases: tuple[Text, ...] = ()


class SmallTalk(Frozen):
    """A courtesy and its reply."""

    reply: Text
    phrases: Annotated[tuple[Text, ...], Field(min_length=1)]


class Padding(Frozen):
    """Polite openings and endings that are not part of the matter."""

    lead: tuple[Text, ...] = ()
    trail: tuple[Text, ...] = ()


class Background(Frozen):
    """Sentences that no intent should answer."""

    lines: tuple[Text, ...] = ()


class Regions(Frozen):
    """All our places, and words that only look like places."""

    places: Annotated[dict[str, Region], Field(min_length=1)]
    lookalikes: tuple[Text, ...] = ()


class Check(Frozen):
    """A test question and the outcome it must reach."""

    ask: str
    expect: Text
    region: str = ""
    """The place whose answer must be given; `general` for the general one."""
    number: str = ""
    intent: str = ""
    """With `ask_region`: the intent whose place must be asked for."""
    remembered: str = ""
    """The citizen's city from earlier in the talk."""
    known_failure: str = ""
    note: str = ""

    @property
    def expected(self) -> str:
        """In words for admins."""
        return self.expect + (f"({self.region})" if self.region else "")
