"""What the check questions would give at other targets: the price of answering directly, as a table and a picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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


_LINES = {
    "right": ("answered right", "#1a7f37"),
    "near": ("one tap away", "#9a6700"),
    "wrong": ("answered wrong", "#cf222e"),
    "false": ("answered though we have no answer", "#8250df"),
}
_WIDTH, _HEIGHT, _LEFT, _RIGHT = 720, 460, 60, 690
_PANELS = (("right", "near"), 20, 220), (("wrong", "false"), 260, 370)
"""Which lines stand together, and from where to where: the shares of mistakes need a scale of their own."""


def draw(points: Sequence[Point], path: Path) -> None:
    """The points as a picture (SVG): shares over the target, the targets evenly spaced."""
    across = [_LEFT + n * (_RIGHT - _LEFT) / max(1, len(points) - 1) for n in range(len(points))]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">']
    parts.append('<rect width="100%" height="100%" fill="white"/>')
    for fields, top, bottom in _PANELS:
        parts += _panel(points, across, fields, top, bottom)
    for x, point in zip(across, points, strict=True):
        parts.append(_text(x, 388, f"{point.target:g}", "middle"))
    parts.append(_text((_LEFT + _RIGHT) / 2, 410, "matching.target", "middle"))
    for x, (name, colour) in zip((60, 200, 330, 470), _LINES.values(), strict=True):
        parts += [f'<circle cx="{x}" cy="436" r="5" fill="{colour}"/>', _text(x + 10, 440, name, "start")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def _panel(points: Sequence[Point], across: Sequence[float], fields: Sequence[str], top: int, bottom: int) -> list[str]:
    largest = max(float(getattr(p, field)) for p in points for field in fields)
    most = 1.0 if largest > 0.5 else max(0.01, largest)
    parts: list[str] = []
    for part in (0, 0.5, 1):
        y = bottom - part * (bottom - top)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="#d0d7de"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{part * most:.1%}", "end"))
    for field in fields:
        colour = _LINES[field][1]
        corners = [(x, bottom - getattr(p, field) / most * (bottom - top)) for x, p in zip(across, points, strict=True)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in corners]
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" fill="#57606a" text-anchor="{anchor}">{text}</text>'
