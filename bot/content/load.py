"""Reads `intents/` and `knowledge/` into one frozen Content; gathers every problem instead of stopping at the first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.content.models import (
    Background,
    Check,
    Department,
    Document,
    Fact,
    Family,
    Intent,
    Padding,
    Regions,
    SmallTalk,
    Topic,
    UrgentRule,
)
from bot.errors import ContentError, Problem
from bot.files import legible
from bot.schema import M, validate
from bot.yamlfile import LOST, Key, Node, Sheet, read


@dataclass(frozen=True)
class Content:
    """Everything admins wrote, by its id."""

    folder: Path
    documents: Mapping[str, Document]
    """By file name without ending; a fact is named `document/fact`."""
    intents: Mapping[str, Intent]
    topics: Mapping[str, Topic]
    families: Mapping[str, Family]
    departments: Mapping[str, Department]
    urgent: Mapping[str, UrgentRule]
    small_talk: Mapping[str, SmallTalk]
    synonyms: Mapping[str, str]
    regions: Regions
    padding: Padding
    background: tuple[str, ...]
    checks: tuple[tuple[str, Check], ...]
    """With the file and position they stand at, `epidemic/12`."""
    places: Mapping[tuple[str, str], tuple[Sheet, tuple[Key, ...]]] = field(repr=False)
    """(kind, id) -> the sheet and position at which it was defined."""
    unreadable: frozenset[str] = frozenset()
    """Kinds of which a file could not be read, and `kind id` of single entries: what refers to them is not judged."""

    def fact(self, name: str) -> Fact | None:
        """The fact called `document/fact`."""
        stem, _, key = name.partition("/")
        document = self.documents.get(stem)
        return document.facts.get(key) if document else None

    def outline(self) -> "Content":
        """What answers: without check questions, and of every thing only the file and line at which it begins."""
        ends = {
            key: (Sheet(sheet.path, Node(sheet.node.at(loc).line, "")), ()) for key, (sheet, loc) in self.places.items()
        }
        return replace(self, checks=(), places=ends)

    def problem(self, kind: str, key: str, loc: tuple[Key, ...], message: str, *, is_warning: bool = False) -> Problem:
        """A problem at `loc` inside the thing called `key`."""
        sheet, start = self.places[kind, key]
        return sheet.problem((*start, *loc), f"{key}:{message}", is_warning=is_warning)


def load_content(
    intents: Path, knowledge: Path, max_bytes: int, *, checks: bool = True
) -> tuple[Content, list[Problem]]:
    """What can be read of both folders, and every problem of their form; raises ContentError if a folder is missing."""
    for folder, key in ((intents, "content.intents"), (knowledge, "content.knowledge")):
        if not folder.is_dir():
            raise ContentError([Problem(folder, 1, f"找不到这个文件夹;请检查 config.yaml 里的 {key}")])
    return _Loading(intents, max_bytes).run(knowledge, checks=checks)


class _Loading:
    """One run over the folders; `problems` grows on the way."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self.problems: list[Problem] = []
        self.places: dict[tuple[str, str], tuple[Sheet, tuple[Key, ...]]] = {}
        self.unreadable: set[str] = set()

    def run(self, knowledge: Path, *, checks: bool) -> tuple[Content, list[Problem]]:
        single = {
            "departments": Department,
            "families": Family,
            "shadow": Topic,
            "smalltalk": SmallTalk,
            "urgent": UrgentRule,
        }
        wholes = {"regions", "padding", "background", "synonyms"}
        own = [p for p in _yaml_files(self.folder) if p.stem not in {*single, *wholes}]
        content = Content(
            folder=self.folder,
            documents=self.documents(_yaml_files(knowledge)),
            intents=self.entries("intent", own, Intent),
            topics=self.entries("topic", self.named("shadow"), Topic),
            families=self.entries("family", self.named("families"), Family),
            departments=self.entries("department", self.named("departments"), Department),
            urgent=self.entries("urgent", self.named("urgent"), UrgentRule),
            small_talk=self.entries("smalltalk", self.named("smalltalk"), SmallTalk),
            synonyms=self.synonyms(),
            regions=self.whole("regions", Regions) or Regions.model_construct(places={}, lookalikes=()),
            padding=self.whole("padding", Padding) or Padding(),
            background=(self.whole("background", Background) or Background()).lines,
            checks=tuple(self.checks()) if checks else (),
            places=self.places,
            unreadable=frozenset(self.unreadable),
        )
        for stem in ("regions", "departments"):
            if not self._named(stem):
                self.problems.append(Problem(self.folder, 1, f"缺少 {stem}.yaml;请放回去"))
        if not content.urgent and "urgent" not in self.unreadable:
            missing = "没有紧急情况的规则(urgent.yaml);有人求救时机器人不会先给 119、110、120"
            self.problems.append(Problem(self.folder, 1, missing, is_warning=True))
        return content, self.problems

    def named(self, stem: str) -> list[Path]:
        """The file of this name; while it is missing, nothing that refers to it is judged."""
        found = self._named(stem)
        if not found:
            self.unreadable.add({"departments": "department"}.get(stem, stem))
        return found

    def _named(self, stem: str) -> list[Path]:
        return [p for p in _yaml_files(self.folder) if p.stem == stem]

    def sheet(self, kind: str, path: Path) -> Sheet | None:
        try:
            name = legible(path.name)
            if LOST in name:
                cure = "文件名读不出来(不是 UTF-8);请改成英文字母的名字"
                raise ContentError([Problem(path.with_name(name), 1, cure)])
            sheet = read(path, self.max_bytes)
        except ContentError as error:
            self.problems += error.problems
            self.unreadable.add(kind)
            return None
        self.problems += sheet.problems
        return sheet

    def model(self, sheet: Sheet, loc: tuple[Key, ...], model: type[M]) -> M | None:
        made, problems = validate(sheet, loc, model)
        self.problems += problems
        return made

    def entries(self, kind: str, paths: list[Path], model: type[M]) -> dict[str, M]:
        """`id: …` entries of some files; a broken one is reported and the others are kept."""
        made: dict[str, M] = {}
        for sheet in filter(None, (self.sheet(kind, p) for p in paths)):
            for key in self.keys(sheet):
                if (kind, key) in self.places:
                    other, at = self.places[kind, key]
                    where = f"{other.path.name} 第 {other.node.at(at).line} 行"
                    self.problems.append(sheet.problem((key,), f"「{key}」在 {where}已经有了;请合并或改名"))
                    continue
                self.places[kind, key] = sheet, (key,)
                entry = self.model(sheet, (key,), model)
                if entry is not None:
                    made[key] = entry
                else:
                    self.unreadable.add(f"{kind} {key}")
        return made

    def keys(self, sheet: Sheet) -> list[str]:
        if isinstance(sheet.node.value, dict):
            return list(sheet.node.value)
        self.problems.append(sheet.problem((), "整个文件应是「名称: 内容」的形式;请检查冒号和缩进"))
        return []

    def whole(self, stem: str, model: type[M]) -> M | None:
        """The one file of this name as a model."""
        for path in self.named(stem):
            sheet = self.sheet(stem, path)
            if sheet:
                self.places[stem, stem] = sheet, ()
                made = self.model(sheet, (), model)
                if made is None:
                    self.unreadable.add(stem)
                return made
        return None

    def documents(self, paths: list[Path]) -> dict[str, Document]:
        made = {}
        for path in paths:
            sheet = self.sheet(f"document {path.stem}", path)
            document = self.model(sheet, (), Document) if sheet else None
            if sheet and document:
                self.places["document", path.stem] = sheet, ()
                made[path.stem] = document
            else:
                self.unreadable.add(f"document {path.stem}")
        return made

    def synonyms(self) -> dict[str, str]:
        made = {}
        for path in self.named("synonyms"):
            sheet = self.sheet("synonyms", path)
            for key in self.keys(sheet) if sheet else ():
                value = sheet.node.at((key,)).value if sheet else ""
                if isinstance(value, str) and value and sheet:
                    made[key] = value
                    self.places["synonym", key] = sheet, (key,)
                elif sheet:
                    self.problems.append(sheet.problem((key,), f"{key}:右边应是一个词;请写成「{key}: 标准说法」"))
        return made

    def checks(self) -> Iterator[tuple[str, Check]]:
        for path in _yaml_files(self.folder / "checks"):
            sheet = self.sheet("check", path)
            if sheet and not isinstance(sheet.node.value, list):
                self.problems.append(sheet.problem((), "检查题应是列表;请每行写一条,以「- 」开头"))
            elif sheet:
                for position in range(len(sheet.node.value)):
                    check = self.model(sheet, (position,), Check)
                    name = f"{path.stem}/{position + 1}"
                    self.places["check", name] = sheet, (position,)
                    if check:
                        yield name, check


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.y*ml") if p.suffix in {".yaml", ".yml"} and not p.name.startswith("."))
