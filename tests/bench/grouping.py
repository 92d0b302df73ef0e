"""New questions joining the open case that asks the same: how many join, and how many of those are right.

python tests/bench/grouping.py FOLDER [--encoders use,e5] [--streams 10] [--right 0.975]

FOLDER holds covid_clusters_tianchi.jsonl, one {"text", "intent", …} a line; an intent is a matter here. A stream is so
many matters, half of them cut down to a single question, all questions shuffled. Each question joins the nearest case
that is near enough and has the same details, or opens a case; a join is right when the case's first question is of the
same matter. Thresholds are chosen on streams of one half of the matters and reported on streams of the other half.
Texts that are equal when normalised are one question, and matters that share one are one matter.
"""

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from bot.app import build_dialogue, read_content
from bot.config import load_config
from bot.matching.encoder import Doubles, Floats
from bot.matching.grouping import OpenCases, same_details
from bot.matching.matcher import Matcher
from bot.text import for_encoder, normalise

ROOT = Path(__file__).parents[2]
NAME = "covid_clusters_tianchi.jsonl"

SEED = 12345
TRIED = 3
"""Nearest cases that are looked at for one with the same details."""
MATTERS = (100, 400)
GRID = np.round(np.arange(0.70, 0.995, 0.003), 3)

Matters = dict[str, list[str]]
"""matter -> its wordings"""
Stream = list[tuple[str, str]]
"""(matter, question), as they come in"""
Project = Callable[[Sequence[str]], Floats]
"""Rows of length 1."""


@dataclass(frozen=True)
class Setting:
    """When a question joins a case, and when staff are told of one."""

    join: float
    suggest: float
    details: bool = True
    """Whether numbers and denials must be the same."""


@dataclass(frozen=True)
class Tally:
    """What became of one stream, as shares."""

    right: float
    """Of the joins."""
    recall: float
    """Right joins, of the questions whose matter had been asked."""
    suggested: float
    """Of the same questions, those that did not join and for which the right case was suggested."""
    false_joins: float
    """Of the questions that were the first of their matter."""
    false_suggestions: float
    """Of the same."""


# ---- the streams


def read(path: Path) -> Matters:
    """Matters with two wordings or more; those that share a wording are one."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    first: dict[str, tuple[str, str]] = {}
    same: dict[str, str] = {}
    for row in (r for r in lines if not r["intent"].startswith("__")):
        intent = _root(same, row["intent"])
        other, _ = first.setdefault(normalise(row["text"]), (intent, row["text"]))
        if _root(same, other) != intent:
            same[_root(same, other)] = intent
    matters: Matters = defaultdict(list)
    for intent, text in first.values():
        matters[_root(same, intent)].append(text)
    return {matter: texts for matter, texts in matters.items() if len(texts) > 1}


def _root(same: dict[str, str], intent: str) -> str:
    while intent in same:
        intent = same[intent]
    return intent


def halves(matters: Matters) -> tuple[Matters, Matters]:
    """One half to choose thresholds on, another to report on."""
    names = sorted(matters)
    random.Random(SEED).shuffle(names)
    middle = len(names) // 2
    return {m: matters[m] for m in names[:middle]}, {m: matters[m] for m in names[middle:]}


def stream(matters: Matters, number: int, seed: int) -> Stream:
    """The questions of so many matters, in a random order; every second matter was asked once only."""
    rnd = random.Random(seed)
    chosen = rnd.sample(sorted(matters), number)
    several = [(matter, text) for matter in chosen[::2] for text in matters[matter]]
    once = [(matter, rnd.choice(matters[matter])) for matter in chosen[1::2]]
    return rnd.sample(several + once, len(several + once))


# ---- what becomes of them


def run(questions: Stream, rows: Floats, setting: Setting) -> Tally:
    """Puts the questions of a stream into cases, one after the other."""
    cases, opened, seen = OpenCases(rows.shape[1]), dict[int, tuple[str, str]](), set[str]()
    count: Counter[str] = Counter()
    for number, ((matter, text), row) in enumerate(zip(questions, rows, strict=True)):
        near = cases.nearest(row, TRIED)
        joined = next(
            (n.case for n in near if n.likeness >= setting.join and _same(text, opened[n.case][1], setting)), None
        )
        suggested = near[0].case if joined is None and near and near[0].likeness >= setting.suggest else None
        known = "known" if matter in seen else "new"
        count[known] += 1
        for what, case in (("joined", joined), ("suggested", suggested)):
            if case is not None:
                count[f"{known} {what} {'right' if opened[case][0] == matter else 'wrong'}"] += 1
        if joined is None:
            opened[number] = (matter, text)
        cases.add(number, number if joined is None else joined, row)
        seen.add(matter)
    joins = sum(count[f"{known} joined {how}"] for known in ("known", "new") for how in ("right", "wrong"))
    return Tally(
        right=count["known joined right"] / max(1, joins),
        recall=count["known joined right"] / max(1, count["known"]),
        suggested=count["known suggested right"] / max(1, count["known"]),
        false_joins=count["new joined wrong"] / count["new"],
        false_suggestions=count["new suggested wrong"] / count["new"],
    )


def _same(text: str, other: str, setting: Setting) -> bool:
    return not setting.details or same_details(text, other)


def choose(streams: Sequence[Stream], project: Project, details: bool, right: float, false: float) -> Setting | None:
    """The lowest thresholds that keep the promises; None when no `join` does."""
    made = [(s, project([text for _, text in s])) for s in streams]

    def mean(setting: Setting, of: str) -> float:
        return float(np.mean([getattr(run(s, rows, setting), of) for s, rows in made]))

    join = next((j for j in GRID if mean(Setting(j, 2, details), "right") >= right), None)
    if join is None:
        return None
    suggest = next(s for s in GRID if s >= join or mean(Setting(join, s, details), "false_suggestions") <= false)
    return Setting(float(join), float(suggest), details)


# ---- the vectors


def projections(matcher: Matcher, names: Sequence[str], centre_on: Sequence[str]) -> dict[str, Project]:
    """By name, what to compare: raw, centred and whitened rows of each encoder, and both encoders' beside each other."""
    by_encoder = dict(zip(("use", "e5"), (matcher, matcher.second), strict=True))
    made: dict[str, Project] = {}
    for name in names:
        one = by_encoder[name]
        if one is not None:
            rows = remembered(partial(_encoded, one))
            mean = rows(centre_on).mean(0)
            made[f"{name} raw"] = rows
            made[f"{name} centred"] = partial(_moved, rows, mean, np.eye(len(mean), dtype=np.float32))
            made[f"{name} whitened"] = partial(_moved, rows, one.index.centre, one.index.whitener)
    whitened = [project for name, project in made.items() if name.endswith("whitened")]
    if len(whitened) > 1:  # the likeness of rows beside each other is the mean of the two
        made["both whitened"] = lambda texts: _unit(np.hstack([project(texts) for project in whitened]))
    return made


def remembered(encode: Project) -> Project:
    """The same, each text encoded once."""
    known: dict[str, Floats] = {}

    def rows(texts: Sequence[str]) -> Floats:
        known.update((t, encode([t])[0]) for t in texts if t not in known)
        return np.stack([known[t] for t in texts])

    return rows


def _encoded(matcher: Matcher, texts: Sequence[str]) -> Floats:
    return matcher.encoder.encode([for_encoder(text) for text in texts])


def _moved(encode: Project, centre: Floats, whitener: Floats, texts: Sequence[str]) -> Floats:
    return _unit((encode(texts) - centre) @ whitener)


def _unit(rows: Doubles) -> Floats:
    return np.asarray(rows / np.maximum(1e-9, np.linalg.norm(rows, axis=1, keepdims=True)), np.float32)


# ---- the report


def line(setting: Setting, tallies: Sequence[Tally]) -> str:
    def mean(name: str) -> float:
        return float(np.mean([getattr(t, name) for t in tallies]))

    right, recall = [t.right for t in tallies], [t.recall for t in tallies]
    text = f"join {setting.join:.3f}: right {np.mean(right):.4f} ±{np.std(right):.3f} (worst {min(right):.3f})"
    text += f"  recall {np.mean(recall):.3f} ±{np.std(recall):.3f}"
    text += f"  of first questions {mean('false_joins'):.3f} joined"
    if setting.suggest < setting.join:
        text += f"; suggest {setting.suggest:.3f}: right {mean('suggested'):.3f}"
        text += f", of first questions {mean('false_suggestions'):.3f}"
    return text


def report(setting: Setting, late: Mapping[int, Sequence[Stream]], project: Project) -> None:
    """The chosen thresholds on the other half, then the curve around them."""
    for matters, streams in late.items():
        made = [(s, project([text for _, text in s])) for s in streams]
        print(f"  {matters} matters: {line(setting, [run(s, rows, setting) for s, rows in made])}", flush=True)
        for join in GRID[np.abs(GRID - setting.join) < 0.031][::2] if setting.details else ():
            around = Setting(float(join), 2)
            print(f"    {line(around, [run(s, rows, around) for s, rows in made])}", flush=True)


def time_one(dimensions: int) -> None:
    rows = _unit(np.random.default_rng(SEED).standard_normal((10_000, dimensions), np.float32))
    cases = OpenCases(dimensions)
    for number, row in enumerate(rows):
        cases.add(number, number, row)
    times = []
    for row in rows[:500]:
        start = perf_counter()
        cases.nearest(row, TRIED)
        times.append(1000 * (perf_counter() - start))
    middle, late = np.quantile(times, [0.5, 0.99])
    print(f"one look among 10,000 cases of {dimensions} dimensions: median {middle:.2f} ms, p99 {late:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoders", default="use,e5")
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--right", type=float, default=0.975, help="share of joins that must be right")
    parser.add_argument("--false", type=float, default=0.06, help="share of first questions with a suggestion at most")
    args = parser.parse_args()
    config = load_config(ROOT / "config.yaml", {})
    matcher = build_dialogue(config, read_content(config, checks=False)[0]).matcher
    chosen_on, reported_on = halves(read(args.folder / NAME))
    print(f"{NAME}: {len(chosen_on)} matters to choose on, {len(reported_on)} to report on, seed {SEED}")
    early = [stream(chosen_on, MATTERS[0], SEED + n) for n in range(args.streams)]
    late = {m: [stream(reported_on, m, SEED + n) for n in range(args.streams * MATTERS[0] // m + 1)] for m in MATTERS}
    mean_of = [text for s in early[:3] for _, text in s]
    for name, project in projections(matcher, args.encoders.split(","), mean_of).items():
        for details in (False, True):
            setting = choose(early, project, details, args.right, args.false)
            print(f"\n{name}{', same details' * details}: {setting or 'no threshold is good enough'}", flush=True)
            if setting:
                report(setting, late, project)
    time_one(512)


if __name__ == "__main__":
    main()
