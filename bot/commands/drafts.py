"""`hotline import`: a table of questions and answers becomes drafts beside the content, for a person to review."""

import re
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from bot.app import build_dialogue, is_fitted, read_content
from bot.config import Config
from bot.content.load import Content
from bot.dialogue import Dialogue
from bot.drafts import MOST_ENCODED, Drafts, drafts, written
from bot.errors import HotlineError, reason
from bot.faq import Faq, Spot, read_faq

_FOLDER = Path(".data/drafts")
_SHOWN_EVERY_SECONDS = 0.2
_ROOM = 0.9  # of the largest file that the bot reads


def run(config: Config, file: Path, to: Path | None) -> int:
    """0 when there is something to review, 1 when no row could be used."""
    to = _target(config, file, to)
    bar = _Progress()
    faq = read_faq(file, bar.tell)
    content, _ = read_content(config, checks=False)
    dialogue = _dialogue(config, content, faq)
    made = drafts(faq, content, config.content.near_duplicate, bar.tell, dialogue)
    bar.clear()
    taken = {*content.intents, *content.topics, *content.families, *content.small_talk}
    most = int(config.content.max_file_bytes * _ROOM)
    parts = written(made, faq.name, _slug(to.stem), taken, most, datetime.now(config.zone).date())
    files = dict[Path, str]()
    for n, part in enumerate(parts if made.intents else [], 1):
        files[to if n == 1 else to.with_stem(f"{to.stem}-{n}")] = part.intents
        files[to.with_name(f"{part.document}.yaml")] = part.facts
    _save(files)
    _tell(faq, made, files, compared_meanings=dialogue is not None)
    return 0 if made.intents else 1


def _target(config: Config, file: Path, to: Path | None) -> Path:
    """Where the drafts go: never where they would go live by themselves."""
    base = config.file.parent if config.file else Path.cwd()
    to = to or base / _FOLDER / f"{file.stem}.yaml"
    if to.suffix not in {".yaml", ".yml"}:
        raise HotlineError(f"草稿 {to} 要以 .yaml 结尾")
    for folder in (config.content.intents, config.content.knowledge):
        if to.resolve().is_relative_to(folder.resolve()):
            raise HotlineError(f"草稿不能直接放进 {folder.name}/,那样会上线;请用 --to 换一个地方")
    return to


def _dialogue(config: Config, content: Content, faq: Faq) -> Dialogue | None:
    """For comparing meanings where that costs seconds: there are few questions, and nothing has to be learnt first."""
    if len(faq.entries) > MOST_ENCODED or not content.intents or not is_fitted(config, content):
        return None
    return build_dialogue(config, content)


def _slug(name: str) -> str:
    """The name as an intent's may be: 常见问题 -> changjianwenti."""
    from pypinyin import lazy_pinyin

    return re.sub(r"[^a-z0-9]+", "_", "".join(lazy_pinyin(name)).lower()).strip("_") or "faq"


def _save(files: Mapping[Path, str]) -> None:
    """All of them, and never over what somebody may have worked on."""
    there = [path for path in files if path.exists()]
    if there:
        raise HotlineError(f"{there[0]} 已经有了;请先移走,或用 --to 换一个名字")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise HotlineError(f"写不了 {path}:{reason(error)}") from None


def _tell(faq: Faq, made: Drafts, files: Mapping[Path, str], *, compared_meanings: bool) -> None:
    for row in made.unusable:
        print(f"{_at(faq, row.spot)}: 没有用上:{row.reason}")
    rows: dict[str, list[Spot]] = defaultdict(list)
    for note in made.notes:
        rows[note.message].append(note.spot)
    for message, spots in rows.items():
        print(f"{_at(faq, spots[0])}: 提醒:{message}" + (f"(共 {len(spots)} 行)" if len(spots) > 1 else ""))
    used = made.rows - len(made.unusable) - made.known
    known = f",{made.known} 行和现在的一样,略过" if made.known else ""
    print(
        f"读了 {made.rows} 行:用上 {used} 行(其中 {made.repeated} 行是重复的){known},没有用上 {len(made.unusable)} 行;"
        f"做成 {len(made.intents)} 个意图、{made.phrases} 条问法,要看的 {len(made.notes)} 处"
    )
    if not compared_meanings:
        print(f"只比较了字面(意思要在内容学过以后、{MOST_ENCODED} 行以内才比较)")
    if files:
        print("草稿(还没有上线):" + "、".join(map(str, files)))
        print("看过改好以后,意图移到 intents/,imported-… 移到 knowledge/,再运行 hotline check")


def _at(faq: Faq, spot: Spot) -> str:
    return f"{faq.name}:{spot.sheet}:{spot.row}" if spot.sheet else f"{faq.name}:{spot.row}"


class _Progress:
    """One line on a terminal that says how far it is; elsewhere nothing."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()
        self._last = 0.0

    def tell(self, what: str, done: int, total: int) -> None:
        """Shown a few times a second at most."""
        if self._shows and (done == total or time.monotonic() - self._last > _SHOWN_EVERY_SECONDS):
            self._last = time.monotonic()
            print(f"\r\033[K{what} {done:,}{f' / {total:,}' if total else ''}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Takes the line away."""
        if self._shows:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
