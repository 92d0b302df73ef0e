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
_WIDTH, _HEIGHT, _LEFT, _TOP = 720, 400, 60, 20
_RIGHT, _BOTTOM = _WIDTH - 20, _HEIGHT - 90


def draw(points: Sequence[Point], path: Path) -> None:
    """The points as a picture (SVG): shares in percent over the target, the targets evenly spaced."""
    step = (_RIGHT - _LEFT) / max(1, len(points) - 1)

    def y(share: float) -> float:
        return _BOTTOM - share * (_BOTTOM - _TOP)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">']
    parts.append('<rect width="100%" height="100%" fill="white"/><g font-size="12" fill="#57606a">')
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{_LEFT} {y(share):.1f}H{_RIGHT}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for n, point in enumerate(points):
        parts.append(
            f'<text x="{_LEFT + n * step:.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{point.target:g}</text>'
        )
    middle = (_LEFT + _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_BOTTOM + 40}" text-anchor="middle">matching.target</text></g>')
    for k, (field, (name, colour)) in enumerate(_LINES.items()):
        corners = [(_LEFT + n * step, y(getattr(point, field))) for n, point in enumerate(points)]
        line = " ".join(f"{x:.1f},{at:.1f}" for x, at in corners)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{at:.1f}" r="3" fill="{colour}"/>' for x, at in corners]
        x = _LEFT + (0, 130, 250, 380)[k]
        parts.append(f'<circle cx="{x}" cy="{_HEIGHT - 18}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 10}" y="{_HEIGHT - 14}" font-size="13">{name}</text>')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")
