"""Rows of questions and answers become drafts of intents, for a person to review before they go live. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache

import numpy as np
from rapidfuzz import fuzz, process

from bot.app import labelled
from bot.content.edit import free_name, new_file
from bot.content.load import Content
from bot.content.models import GENERAL, Answer, last_day
from bot.content.regions import Gazetteer
from bot.dialogue import Dialogue
from bot.faq import Entry, Faq, Spot, Tell, Unusable
from bot.gate import SAME_MEANING
from bot.jsonschema import modeline
from bot.masking import MASKED, mask
from bot.matching.encoder import Floats
from bot.matching.matcher import Phrase
from bot.matching.wording import Wording
from bot.schema import closest
from bot.text import fold, for_encoder, normalise
from bot.yamlfile import Plain

MOST_ENCODED = 2_000
"""Of so many questions at most the meaning is compared too: the encoder takes its time."""
UNKNOWN_DEPARTMENT = "待定"
"""No department is called so: `hotline check` asks for the right one."""
_LONGEST_TITLE = 12
_EVERYWHERE = {"", "通用", "全部", "所有", "不限", "全国", "general"}
_YES = {"是", "yes", "true", "1"}
_AT_ONCE, _ENCODED_AT_ONCE = 512, 64
_MOST_WHERE = 10


@dataclass(frozen=True, order=True)
class Note:
    """Something that a reviewer should look at."""

    spot: Spot
    message: str


@dataclass
class DraftAnswer:
    """What is said for one place, and the rows that say it."""

    region: str
    text: str
    valid_until: str
    is_estimated: bool
    spots: list[Spot] = field(default_factory=list)


@dataclass
class Draft:
    """One intent to be."""

    department: str
    title: str
    answers: list[DraftAnswer]
    phrases: dict[str, tuple[str, Spot]] = field(default_factory=dict)
    """By their normal form: each as written, and where it stood first."""

    @property
    def spots(self) -> list[Spot]:
        """All rows it was made of."""
        return sorted({*(s for a in self.answers for s in a.spots), *(s for _, s in self.phrases.values())})


@dataclass
class Drafts:
    """What became of a file."""

    intents: list[Draft] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)
    rows: int = 0
    repeated: int = 0
    """Rows that say again, word for word, what another one says."""
    known: int = 0
    """Rows that say what the content says already."""

    @property
    def phrases(self) -> int:
        """In all intents."""
        return sum(len(draft.phrases) for draft in self.intents)


def drafts(faq: Faq, content: Content, alike: float, tell: Tell, dialogue: Dialogue | None = None) -> Drafts:
    """The drafts, what a reviewer should look at, and the rows of which nothing can be made.

    Rows with the same answer, department and region are one intent with several phrases; answers of one department
    for other regions join it where they share a question. Questions as `alike` in letters (0-100) as `hotline check`
    minds are pointed out; with a `dialogue` also those that mean the same.
    """
    made = Drafts(unusable=list(faq.unusable), rows=len(faq.entries) + len(faq.unusable))
    desk = _Desk(content, made)
    for n, entry in enumerate(faq.entries, 1):
        desk.take(entry)
        tell("整理", n, len(faq.entries))
    made.intents = _joined(desk.drafts)
    made.notes += _look_alikes(made.intents, content, alike, tell, dialogue)
    made.notes.sort()
    made.unusable.sort(key=lambda row: row.spot)
    return made


# ---- one row


class _Desk:
    """Takes one row after the other."""

    def __init__(self, content: Content, made: Drafts) -> None:
        self.content, self.made = content, made
        self.gazetteer = Gazetteer(content.regions)
        self.departments = {word: key for key, d in content.departments.items() for word in (key, d.name)}
        self._drafts: dict[tuple[str, ...], Draft] = {}
        self._said = {
            (normalise(phrase), intent.department, *_as_said(answer)): intent.title
            for intent in content.intents.values()
            for answer in intent.answers
            for phrase in intent.phrases
        }
        # looking through the names of the whole country takes milliseconds, and a table has few
        self._known_department, self._known_region = cache(self._which_department), cache(self._which_region)

    @property
    def drafts(self) -> list[Draft]:
        """In the order in which they first came."""
        return list(self._drafts.values())

    def take(self, entry: Entry) -> None:
        """Puts the row into a draft, or among the unusable ones."""
        question, answer, title = mask(entry.question), mask(entry.answer), mask(entry.title)
        bare = normalise(entry.question)
        valid_until = _day(entry.valid_until)
        if not bare:
            self.made.unusable.append(Unusable(entry.spot, f"问题「{entry.question}」里没有文字;请改正"))
            return
        if valid_until is None:
            reason = f"有效期「{entry.valid_until}」不是日期;请写成 2025-12-31"
            self.made.unusable.append(Unusable(entry.spot, reason))
            return
        department, region = self._department(entry), self._region(entry)
        is_estimated = entry.estimated.lower() in _YES
        said = (bare, department, region, " ".join(entry.answer.split()), valid_until, not is_estimated)
        if said in self._said and entry.title in ("", self._said[said]):
            self.made.known += 1
            return
        self._look_at(entry, question, answer, title)
        key = (" ".join(answer.split()), department, region, valid_until, str(is_estimated))
        there = self._drafts.get(key)
        if there is None:
            draft = DraftAnswer(region, answer, valid_until, is_estimated)
            there = self._drafts[key] = Draft(department, title, [draft])
        there.answers[0].spots.append(entry.spot)
        self.made.repeated += bare in there.phrases
        there.phrases.setdefault(bare, (question, entry.spot))

    def _note(self, entry: Entry, message: str) -> None:
        self.made.notes.append(Note(entry.spot, message))

    def _department(self, entry: Entry) -> str:
        department, message = self._known_department(entry.department)
        if message:
            self._note(entry, message)
        return department

    def _region(self, entry: Entry) -> str:
        region, message = self._known_region(entry.region)
        if message:
            self._note(entry, message)
        return region

    def _which_department(self, name: str) -> tuple[str, str]:
        """Its key, or the name as it is, and what is wrong with it."""
        if not name:
            return UNKNOWN_DEPARTMENT, f"没有部门,先写「{UNKNOWN_DEPARTMENT}」;请填 departments.yaml 里的名字"
        if name in self.departments:
            return self.departments[name], ""
        known = closest(name, list(self.departments)) or ";请先写进 departments.yaml,草稿里写它的键"
        return name, f"没有部门「{name}」{known}"

    def _which_region(self, name: str) -> tuple[str, str]:
        """Its full name, or the name as it is, and what is wrong with it."""
        if name.lower() in _EVERYWHERE:
            return GENERAL, ""
        places, called = self.content.regions.places, self.gazetteer.names.get(name, [])
        region = called[0] if len(called) == 1 and name not in places else name
        if region in places:
            return region, ""
        if region in self.gazetteer.parents:
            return region, f"「{region}」还不在 regions.yaml 里;请先写进去"
        known = closest(name, [*places, *self.gazetteer.names]) or ";请写全称"
        return region, f"没有地区「{name}」{known}"

    def _look_at(self, entry: Entry, question: str, answer: str, title: str) -> None:
        """Points out what only a person can put right."""
        if question != entry.question:
            self._note(entry, f"问题里的{_kinds(question)}已遮盖;请把那几个字删掉")
        if title != entry.title:
            self._note(entry, f"标题里的{_kinds(title)}已遮盖;请换一个标题")
        if answer != entry.answer:
            self._note(entry, f"答复里的{_kinds(answer)}已遮盖;若是公开的,请照原文补回")
        mentions = self.gazetteer.find(fold(question)).mentions
        if mentions:
            cure = "" if entry.region else f",地区写「{mentions[-1].region}」"
            self._note(entry, f"问题里有地名「{mentions[-1].word}」;问法不写地名,请删掉{cure}")


def _as_said(answer: Answer) -> tuple[str, str, str, bool]:
    return answer.region, " ".join(answer.text.split()), answer.valid_until, answer.expiry_known


def _kinds(masked: str) -> str:
    return "、".join(dict.fromkeys(MASKED.findall(masked)))


def _day(text: str) -> str | None:
    """`2025年12月31日` or `2025/12/31` as content has it; None where it is no date."""
    parts = re.fullmatch(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2}))?)?[年月日]?(?: 00:00:00)?", text)
    if not text or not parts:
        return None if text else ""
    day = "-".join(part.zfill(2) for part in parts.groups() if part)
    try:
        last_day(day)
    except ValueError:  # the 13th month is one too
        return None
    return day


def _joined(separate: Sequence[Draft]) -> list[Draft]:
    """Answers for several regions become one intent where the same question was asked, in one department."""
    together: list[Draft] = []
    asking: dict[str, list[Draft]] = defaultdict(list)
    for draft in separate:
        home = next((d for bare in draft.phrases for d in asking[bare] if _belong_together(d, draft)), None)
        if home is None:
            home = draft
            together.append(draft)
        else:
            home.answers += draft.answers
            home.title = home.title or draft.title
            home.phrases = {**draft.phrases, **home.phrases}
        for bare in draft.phrases:
            asking[bare].append(home)
    for draft in together:
        draft.title = draft.title or _title(draft)
        draft.phrases = dict(sorted(draft.phrases.items(), key=lambda phrase: phrase[1][1]))
    return together


def _belong_together(one: Draft, other: Draft) -> bool:
    there = {answer.region for answer in one.answers}
    return one.department == other.department and not any(a.region in there for a in other.answers)


def _title(draft: Draft) -> str:
    shortest = min((text for text, _ in draft.phrases.values()), key=len)
    return MASKED.sub("", shortest).strip(" ?？。,，!！")[:_LONGEST_TITLE] or shortest[:_LONGEST_TITLE]


# ---- what is nearly the same


@dataclass(frozen=True)
class _New:
    """A question of the file, in the words in which phrases are compared."""

    draft: int
    text: str
    spot: Spot
    standard: str


def _look_alikes(
    intents: Sequence[Draft], content: Content, alike: float, tell: Tell, dialogue: Dialogue | None
) -> Iterator[Note]:
    """Each question with the phrase it is most like: one that is there already, and one of another draft."""
    wording = Wording(content.synonyms, content.padding.lead, content.padding.trail)
    known = dialogue.matcher.phrases if dialogue else labelled(content, wording)
    new = [_New(n, t, s, wording.standard(t)) for n, d in enumerate(intents) for t, s in d.phrases.values()]
    bare_known, bare_new = [normalise(p.text) for p in known], [normalise(q.standard) for q in new]
    owner = np.array([q.draft for q in new])
    meant = _meanings(new, dialogue, tell) if dialogue and len(new) <= MOST_ENCODED else None
    for start in range(0, len(new), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        letters = _letters(bare_new[part], bare_known, alike)
        meaning = meant[part] @ dialogue.matcher.index.rows[: len(known)].T if dialogue and meant is not None else None
        for at, other in _best(letters, meaning, alike):
            yield _already(new[start + at], known[other])
        letters = _letters(bare_new[part], bare_new, alike)
        meaning = meant[part] @ meant.T if meant is not None else None
        earlier = np.arange(len(new)) < np.arange(start, start + len(letters))[:, None]
        elsewhere = earlier & (owner != owner[part][:, None])
        for at, other in _best(letters, meaning, alike, elsewhere):
            yield _twice(new[start + at], new[other])
        tell("找相近的问法", min(start + _AT_ONCE, len(new)), len(new))


def _letters(some: Sequence[str], others: Sequence[str], alike: float) -> Floats:
    return process.cdist(some, others, scorer=fuzz.ratio, score_cutoff=alike, dtype=np.float32, workers=-1)


def _meanings(new: Sequence[_New], dialogue: Dialogue, tell: Tell) -> Floats:
    """(new, d) rows in the space in which likeness is meaning."""
    matcher, rows = dialogue.matcher, []
    for start in range(0, len(new), _ENCODED_AT_ONCE):
        part = [for_encoder(q.standard) for q in new[start : start + _ENCODED_AT_ONCE]]
        rows.append(matcher.whitened(matcher.encoder.encode(part)))
        tell("比较意思", min(start + _ENCODED_AT_ONCE, len(new)), len(new))
    return np.vstack(rows) if rows else np.zeros((0, dialogue.matcher.index.rows.shape[1]), np.float32)


def _best(
    letters: Floats, meaning: Floats | None, alike: float, among: np.ndarray | None = None
) -> Iterator[tuple[int, int]]:
    """Of each row that is alike to any column, the likest."""
    likeness = letters if meaning is None else letters + 100 * meaning
    hits = letters >= alike if meaning is None else (letters >= alike) | (meaning >= SAME_MEANING)
    hits = hits if among is None else hits & among
    for at in np.flatnonzero(hits.any(1)):
        yield int(at), int(np.where(hits[at], likeness[at], -np.inf).argmax())


def _already(new: _New, there: Phrase) -> Note:
    if normalise(new.standard) == normalise(there.text):
        return Note(new.spot, f"「{new.text}」已经是「{there.intent}」的问法;请删掉,或把答复并到那里")
    message = f"「{new.text}」和「{there.intent}」的问法「{there.text}」太像;请删掉,或把答复并到那里"
    return Note(new.spot, message)


def _twice(new: _New, earlier: _New) -> Note:
    if normalise(new.standard) == normalise(earlier.standard):
        return Note(new.spot, f"「{new.text}」{earlier.spot}也问过,答复、部门或地区不同;请只留一处")
    return Note(new.spot, f"「{new.text}」和{earlier.spot}的「{earlier.text}」太像;请并成一个意图,或改一条")


# ---- files


@dataclass(frozen=True)
class DraftFiles:
    """Intents, and the document that holds their answers as facts, ready to be moved where content is."""

    intents: str
    document: str
    """The name of the document, as the intents' `facts` have it."""
    facts: str


def written(
    made: Drafts, source: str, name: str, taken: Iterable[str], most_bytes: int, today: date
) -> list[DraftFiles]:
    """The drafts as files, in as many parts as keep each within `most_bytes`; `taken`: ids that are used already."""
    said: dict[Spot, list[str]] = defaultdict(list)
    for note in made.notes:
        said[note.spot].append(" ".join(f"#  {note.spot}:{note.message}".split()))  # no line may end inside it
    parts = [_Part(source, f"imported-{name}", today)]
    ids = set(taken)
    for draft in made.intents:
        key = free_name(f"{name}.row_{draft.spots[0].row}", ids)
        ids.add(key)
        notes = [line for spot in draft.spots for line in said[spot]]
        if parts[-1].size and parts[-1].size + _weight(draft, notes) > most_bytes:
            parts.append(_Part(source, f"imported-{name}-{len(parts) + 1}", today))
        parts[-1].add(key, draft, notes)
    return [part.files for part in parts]


def _weight(draft: Draft, notes: Sequence[str]) -> int:
    """More bytes than it will take in either file."""
    texts = [*notes, *(text for text, _ in draft.phrases.values()), *(answer.text for answer in draft.answers)]
    return sum(2 * len(text.encode()) + 20 for text in texts) + 200 * (1 + len(draft.answers))


class _Part:
    """One pair of files in the making."""

    def __init__(self, source: str, document: str, today: date) -> None:
        self.source, self.document = source, document
        self.size = 0
        self._facts: dict[str, Plain] = {}
        self._intents = [
            modeline("intents"),
            f"# 草稿,{today} 由 {source} 导入,还没有上线。请逐条核对:标题、部门、地区、答复是不是现行的规定。",
            f"# 改好以后把本文件移到 intents/,{document}.yaml 移到 knowledge/,再运行 hotline check。",
        ]

    def add(self, key: str, draft: Draft, notes: Sequence[str]) -> None:
        """Appends one intent, with what there is to look at above it."""
        answers: list[Plain] = [self._answer(key.partition(".")[2], answer) for answer in draft.answers]
        phrases: list[Plain] = [text for text, _ in draft.phrases.values()]
        entry: dict[str, Plain] = {"title": draft.title, "department": draft.department}
        entry |= {"phrases": phrases, "answers": answers}
        self._intents += ["", *notes, new_file({key: entry}).rstrip("\n")]
        self.size += _weight(draft, notes)

    def _answer(self, row: str, answer: DraftAnswer) -> dict[str, Plain]:
        fact = free_name(row, self._facts)
        self._facts[fact] = {"where": _where(self.source, answer.spots), "statement": answer.text}
        said: dict[str, Plain] = {"region": answer.region} if answer.region else {}
        said |= {"text": answer.text, "facts": [f"{self.document}/{fact}"]}
        if answer.valid_until:
            said["valid_until"] = answer.valid_until
        return said | ({"expiry_known": "false"} if answer.is_estimated else {})

    @property
    def files(self) -> DraftFiles:
        """The texts."""
        whole: Mapping[str, Plain] = {"title": self.source.rpartition(".")[0], "publisher": "", "facts": self._facts}
        head = [
            modeline("knowledge", "../intents/.schema"),
            f"# 草稿,由 {self.source} 导入。publisher 填谁发布的;有发布日期的添一行 published,例如 published: 2024-05;",
            "# title、publisher、published 是市民看到的出处。每条事实请对照原文核对。",
        ]
        facts = "\n".join([*head, new_file(whole) if self._facts else ""])
        return DraftFiles("\n".join(self._intents) + "\n", self.document, facts)


def _where(source: str, spots: Sequence[Spot]) -> str:
    """`faq.csv 第 2–9 行、第 12 行`."""
    runs: list[list[Spot]] = []
    for spot in spots:
        if runs and runs[-1][-1] == Spot(spot.row - 1, spot.sheet):
            runs[-1].append(spot)
        else:
            runs.append([spot])
    listed = [str(run[0]).replace(" 行", f"–{run[-1].row} 行") if len(run) > 1 else str(run[0]) for run in runs]
    return f"{source} {'、'.join(listed[:_MOST_WHERE])}" + (f"等 {len(spots)} 行" if len(runs) > _MOST_WHERE else "")
