"""A change of content tried out in a process of its own, so that nobody's reply waits for it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np

from bot.app import build_dialogue, is_fitted, keep_spaces, rules, settle_spaces, usable
from bot.comparison import Comparison, compare
from bot.config import Config
from bot.content.lint import dangling, lint
from bot.content.load import Content
from bot.dialogue import Dialogue, Question, Reply, State, Trace
from bot.edition import Files, open_files, version_of
from bot.errors import ContentError, Problem
from bot.gate import run_checks
from bot.handover import hand_over
from bot.health import Health, health
from bot.matching.cache import read_arrays, write_arrays
from bot.matching.encoder import Encoder, Floats, make_encoders
from bot.store.usage import Usage

P = ParamSpec("P")
T = TypeVar("T")
_NICENESS = 10
_KEPT = 3
_MOST_REMEMBERED = 50_000


@dataclass(frozen=True)
class Verdict:
    """What became of a change."""

    version: str
    problems: tuple[Problem, ...] = ()
    """Errors and warnings in the files."""
    refusals: tuple[str, ...] = ()
    """What the gate holds against it."""
    comparison: Comparison | None = None
    """None where the files have errors, or there is nothing to compare with."""

    @property
    def errors(self) -> list[Problem]:
        """What keeps it from going live, in the files."""
        return [p for p in self.problems if not p.is_warning]

    @property
    def may_go_live(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.errors and not self.refusals


class Stage:
    """Holds the last contents that were tried, and what questions mean, from one rehearsal to the next."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.encoders = [Remembering(e, config.matching.cache) for e in make_encoders(config.matching.encoder)]
        self._dialogues: dict[str, Dialogue] = {}

    def rehearse(self, live: Files | None, draft: Files, real: Sequence[str]) -> Verdict:
        """Whether `draft` may take the place of `live`; on disk nothing of it is kept but what its sentences mean."""
        version = version_of(draft)
        try:
            content, problems = open_files(self.config, draft)
        except ContentError as error:
            return Verdict(version, error.problems)
        problems = sorted({*problems, *lint(content, rules(self.config))})
        if any(not p.is_warning for p in problems):
            return Verdict(version, tuple(problems))
        old = self._dialogue(live) if live else None
        new = self._built(version, content, old)
        found = compare(old, new, real, datetime.now(self.config.zone)) if old else None
        for encoder in self.encoders:
            encoder.keep()
        refusals = found.refusals(self.config.content.gate_drop) if found else []
        if refusals and live:  # the likeliest reason
            refusals = [*(f"少了文件 {name}" for name in sorted(live.keys() - draft.keys())), *refusals]
        return Verdict(version, tuple(problems), tuple(refusals), found)

    def try_out(self, live: Files, draft: Files, question: str, region: str) -> tuple[Reply | None, str]:
        """What the draft would reply, and in words why; nothing and the mistakes where it cannot be used."""
        content, problems = open_files(self.config, draft)
        errors = [str(p) for p in [*problems, *dangling(content, rules(self.config))] if not p.is_warning]
        if errors:
            return None, "\n".join(errors)
        dialogue = self._built(version_of(draft), content, self._dialogue(live))
        asked = Question(question, datetime.now(self.config.zone))
        reply = dialogue.step(asked, State(region=region))[0]
        return replace(reply, trace=Trace()), reply.trace.why

    def prepare(self, live: Files) -> None:
        """Reads what is live, and what its check questions mean."""
        run_checks(self._dialogue(live), datetime.now(self.config.zone))
        for encoder in self.encoders:
            encoder.keep()

    def examine(self, live: Files, usage: Usage, today: date) -> Health:
        """How healthy the content is."""
        dialogue = self._dialogue(live)
        graded = run_checks(dialogue, datetime.now(self.config.zone))
        return health(dialogue, graded, usage, today)

    def pass_on(self, live: Files, lately: Sequence[str], path: Path) -> None:
        """Leaves the dialogue at `path` for the process that answers, with the replies to what was asked lately."""
        whole, now = self._dialogue(live), datetime.now(self.config.zone)
        dialogue = Dialogue(whole.content.outline(), whole.matcher, whole.wording, whole.limits)
        for text in lately:
            dialogue.step(Question(text, now))
        keep_spaces(self.config, whole)
        hand_over(dialogue, path, self.encoders)

    def needs_space(self, live: Files) -> bool:
        """Whether what is live has only borrowed its space."""
        return not is_fitted(self.config, self._dialogue(live).content)

    def compare_spaces(self, live: Files, real: Sequence[str]) -> Verdict:
        """Whether the space proposed for what is live takes the place of the one it has, which else stays for good."""
        version, old = version_of(live), self._dialogue(live)
        new = build_dialogue(self.config, old.content, encoders=self.encoders, proposed=True)
        found = compare(old, new, real, datetime.now(self.config.zone))
        refusals = found.refusals(self.config.content.gate_drop)
        self._dialogues[version] = old if refusals else new
        settle_spaces(self.config, self._dialogues[version])
        return Verdict(version, refusals=tuple(refusals), comparison=found)

    def _dialogue(self, files: Files) -> Dialogue:
        version = version_of(files)
        if version not in self._dialogues:
            content, problems = open_files(self.config, files)
            usable(problems)
            self._built(version, content, next(reversed(self._dialogues.values()), None))
        return self._dialogues[version]

    def _built(self, version: str, content: Content, like: Dialogue | None) -> Dialogue:
        if version not in self._dialogues:
            made = build_dialogue(self.config, content, like=like, encoders=self.encoders)
            self._dialogues[version] = made
            while len(self._dialogues) > _KEPT:
                self._dialogues.pop(next(iter(self._dialogues)))
        return self._dialogues[version]


class Remembering:
    """An encoder that knows what it was asked before: the check questions are the same every time."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self.encoder, self.version = encoder, encoder.version
        self._file = folder / f"asked-{encoder.version.replace('/', '-')}.npz"
        stored = read_arrays(self._file) or {}
        self._known = dict(zip(map(str, stored.get("texts", ())), stored.get("rows", ()), strict=True))
        self._kept = len(self._known)

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, d) rows of length 1."""
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known.update(zip(new, self.encoder.encode(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32) if texts else self.encoder.encode([])

    def keep(self) -> None:
        """Writes down what is new."""
        if len(self._known) == self._kept:
            return
        last = dict(list(self._known.items())[-_MOST_REMEMBERED:])
        rows = np.array(list(last.values()), np.float32)
        write_arrays(self._file, {"texts": np.array(list(last)), "rows": rows})
        self._kept = len(self._known)


_STAGE: Stage | None = None


def set_up(config: Config) -> None:
    """In the process that rehearses: once, before anything else. It gives way to the one that answers."""
    global _STAGE  # a process of its own has one
    os.nice(_NICENESS)
    Thread(target=_end_with_parent, daemon=True).start()
    _STAGE = Stage(config)


def _end_with_parent() -> None:
    """Else it would wait for ever for work from one that was killed."""
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(0)


def perform(work: Callable[Concatenate[Stage, P], T], *arguments: P.args, **named: P.kwargs) -> T:
    """Does it on that process's own stage."""
    assert _STAGE is not None
    return work(_STAGE, *arguments, **named)
