"""`hotline ask`: one question, or one a line from standard input; nothing is stored, nothing is remembered."""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from bot.app import build_dialogue, read_content, rules, usable
from bot.config import Config
from bot.content.lint import dangling
from bot.dialogue import Dialogue, Question, Reply, State, as_dict
from bot.errors import HotlineError
from bot.explain import as_text, explained
from bot.text import script_of


def run(
    config: Config, question: str | None, *, region: str | None, intent: str | None, as_json: bool, explain: bool
) -> int:
    """Always 0: a question that cannot be answered is no mistake of the one who asks."""
    dialogue = open_dialogue(config)
    state = State(region=known_region(dialogue, region))
    if intent is not None and intent not in dialogue.content.intents:
        raise HotlineError(f"没有意图「{intent}」;可用:{'、'.join(dialogue.content.intents)}")
    for text in piped_lines() if question is None else [question]:
        asked = Question(text, datetime.now(config.zone))
        reply = _reply(dialogue, asked, intent, state)
        print(json.dumps(as_dict(text, reply), ensure_ascii=False) if as_json else _plain(reply), flush=True)
        if explain:
            print(as_text(explained(dialogue, reply)), flush=True, file=sys.stderr if as_json else sys.stdout)
        if question is None and not as_json:
            print(flush=True)
    return 0


def open_dialogue(config: Config) -> Dialogue:
    """The dialogue over content that it can run with; what else is wrong is for `hotline check`."""
    content, problems = read_content(config, checks=False)
    usable([*problems, *dangling(content, rules(config))])
    return build_dialogue(config, content, tell_of_fit)


def tell_of_fit() -> None:
    """Says to who waits at a terminal why the first start takes a while."""
    if sys.stderr.isatty():
        print("内容是新的，正在学习问法（约两三分钟，只此一次）……", file=sys.stderr, flush=True)


def known_region(dialogue: Dialogue, name: str | None) -> str:
    """The place a person typed on the command line; raises HotlineError when there is none of that name."""
    if not name:
        return ""
    region = dialogue.find_region(name)
    if not region:
        raise HotlineError(f"不认识地区「{name}」;请写省、市、县(区)的名字,例如 南京市")
    return region


def _reply(dialogue: Dialogue, question: Question, intent: str | None, state: State) -> Reply:
    if intent is None:
        return dialogue.step(question, state)[0]
    named = dialogue.find_region(question.text)
    state = replace(state, script=script_of(question.text))
    return dialogue.choose(intent, named, question.asked_at.date(), state)[0]


def _plain(reply: Reply) -> str:
    lines = [reply.text]
    lines += [f"  {n}. {c.title}" for n, c in enumerate(reply.choices, 1)]
    return "\n".join(lines)


def piped_lines() -> Iterable[str]:
    """Standard input, line by line."""
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # a stray byte must not end the run
    return (line.rstrip("\r\n") for line in sys.stdin)
