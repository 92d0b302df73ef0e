"""What the check questions would give at other targets: the price of answering directly, as a table and a picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pygal
from pygal.style import LightSolarizedStyle

from bot.app import build_dialogue
from bot.config import Config
from bot.content.load import Content
from bot.dialogue import Outcome
from bot.gate import Grade, Graded, run_checks

TARGETS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Point:
    """Shares at one target; of the questions that have an answer the first three, of those that have none the last."""

    target: float
    right: float
    near: float
    wrong: float
    false: float


def curve(config: Config, content: Content, targets: Sequence[float] = TARGETS) -> Iterator[Point]:
    """One point a target; nothing is fitted anew, only the thresholds move."""
    for target in targets:
        settings = config.matching.model_copy(update={"target": target})
        dialogue = build_dialogue(config.model_copy(update={"matching": settings}), content)
        yield _point(target, run_checks(dialogue, datetime.now(config.zone)))


def _point(target: float, graded: Sequence[Graded]) -> Point:
    unknown = [g for g in graded if g.check.expect == Outcome.UNANSWERED]
    known = [g for g in graded if g.check.expect not in {Outcome.UNANSWERED, Outcome.URGENT, Outcome.SMALLTALK}]
    right, near, wrong = (_share([g.grade is grade for g in known]) for grade in Grade)
    false = _share([g.reply.outcome in {Outcome.ANSWERED, Outcome.ASK_REGION} for g in unknown])
    return Point(target, right, near, wrong, false)


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


def draw(points: Sequence[Point], path: Path) -> None:
    """The points as a picture (SVG) that needs nothing from elsewhere."""
    chart = pygal.Line(
        js=(),
        style=LightSolarizedStyle(background="white", plot_background="white", font_family="sans-serif"),
        width=760,
        height=420,
        range=(0, 100),
        x_title="matching.target, %",
        legend_at_bottom=True,
        show_dots=True,
        value_formatter=lambda share: f"{share:.0f} %",
    )
    chart.x_labels = [f"{p.target:.1%}".rstrip("%") for p in points]
    names = {
        "right": "answered right",
        "near": "one tap away",
        "wrong": "answered wrong",
        "false": "no answer known, answered",
    }
    for field, name in names.items():
        chart.add(name, [100 * getattr(p, field) for p in points])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(chart.render())
