"""`hotline check`: every mistake in content and config as one line with its cure, then the check questions' shares."""

from datetime import datetime
from pathlib import Path

from bot.app import build_dialogue, read_content, rules
from bot.commands.ask import tell_of_fit
from bot.commands.curve import curve, draw
from bot.config import Config
from bot.content.lint import expired, lint
from bot.content.load import Content
from bot.errors import Problem
from bot.gate import Grade, Graded, failures, near_duplicates, run_checks, told


def run(config: Config, *, show_expired: bool, show_near: bool, picture: Path | None) -> int:
    """0 when the content may go live, 1 when something must be put right."""
    now = datetime.now(config.zone)
    content, problems = read_content(config)
    problems += lint(content, rules(config))
    graded: list[Graded] = []
    if not _errors(problems) and content.intents:
        dialogue = build_dialogue(config, content, tell_of_fit)
        problems += near_duplicates(dialogue, config.content.near_duplicate)
        graded = run_checks(dialogue, now)
        problems += failures(dialogue, graded)
    over = expired(content, now.date())
    for problem in sorted(dict.fromkeys([*problems, *(over if show_expired else [])])):
        print(problem)
    if over and not show_expired:
        print(f"有 {len(over)} 条答复已过期(答复时会先说明);逐条列出:hotline check --expired")
    if show_near:
        for g in (g for g in graded if g.grade is Grade.NEAR):
            print(f"差一步 {g.name}「{g.check.ask}」应为 {g.check.expect},实际 {told(g.reply)}")
    _summary(graded, problems)
    if picture and graded:
        _curve(config, content, picture)
    return 1 if _errors(problems) else 0


def _summary(graded: list[Graded], problems: list[Problem]) -> None:
    if graded:
        shares = {g: sum(x.grade is g for x in graded) for g in Grade}
        names = {Grade.RIGHT: "答对", Grade.NEAR: "差一步", Grade.WRONG: "答错"}
        told = ",".join(f"{names[g]} {n / len(graded):.1%}({n})" for g, n in shares.items())
        print(f"检查题 {len(graded)} 道:{told}")
    elif not _errors(problems):
        print("没有检查题;请在 intents/checks/ 里写几道,见 intents/README.md")
    errors = len(_errors(problems))
    print(f"有 {errors} 处错误要改" if errors else "内容没有错误")


def _curve(config: Config, content: Content, picture: Path) -> None:
    """What other targets would give, line by line as they are known."""
    print("matching.target   能答的题:答对  差一步    答错   答不了的题:误答")
    points = []
    for p in curve(config, content):
        points.append(p)
        mark = "  现在的设置" if p.target == config.matching.target else ""
        shares = f"{p.right:20.1%}{p.near:8.1%}{p.wrong:8.1%}{p.false:16.1%}"
        print(f"{p.target:<10}{shares}{mark}", flush=True)
    draw(points, picture)
    print(f"图:{picture}")


def _errors(problems: list[Problem]) -> list[Problem]:
    return [p for p in problems if not p.is_warning]
