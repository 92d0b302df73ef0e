"""`hotline chat`: a conversation in the terminal that remembers the city; piped input works the same."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from bot.commands.ask import known_region, open_dialogue, piped_lines
from bot.config import Config
from bot.dialogue import NONE_OF_THESE, Dialogue, Outcome, Question, Reply, State
from bot.errors import HotlineError
from bot.explain import as_text, explained
from bot.text import Script, to_script

WELCOME = "您好，这里是 12345 自动问答。直接打字提问；/help 看说明，/quit 退出。"
HELP = """直接打字提问。出现选项时，输入编号或文字都行。
  /city 南京   记住您的城市；/city 不写名字则忘掉
  /why         上一句为什么这样答
  /quit        退出"""
PROMPT = "问> "


def run(config: Config, *, region: str | None) -> int:
    """Until /quit or the end of input; always 0."""
    dialogue = open_dialogue(config)
    talk = _Talk(config, dialogue, State(region=known_region(dialogue, region)))
    print(WELCOME, flush=True)
    for line in _typed() if sys.stdin.isatty() else _piped():
        answer = talk.hear(line.strip())
        if answer is None:
            break
        print(answer, end="\n\n", flush=True)
    return 0


class _Talk:
    """One conversation: its state, and the last reply for /why."""

    def __init__(self, config: Config, dialogue: Dialogue, state: State) -> None:
        self.config, self.dialogue, self.state = config, dialogue, state
        self.last: Reply | None = None

    def hear(self, line: str) -> str | None:
        """What to print; None when the talk is over."""
        command, _, rest = line.partition(" ")
        match command:
            case "/quit" | "/exit" | "/q":
                return None
            case "/help":
                return HELP
            case "/city":
                return self._move(rest.strip())
            case "/why":
                return as_text(explained(self.dialogue, self.last)) if self.last else "还没有问过"
            case _ if command.startswith("/"):
                return f"没有命令 {command}；/help 看说明"
        question = Question(line, datetime.now(self.config.zone))
        self.last, self.state = self.dialogue.step(question, self.state)
        return shown(self.last, self.state.script)

    def _move(self, name: str) -> str:
        try:
            region = known_region(self.dialogue, name)
        except HotlineError as error:
            return str(error)
        self.state = replace(self.state, region=region, pending=())
        return f"好的，记住您在{region}。" if region else "好的，城市已忘掉。"


def shown(reply: Reply, script: Script | None = None) -> str:
    """The reply with its buttons as a numbered list."""
    script = script or Script.SIMPLIFIED
    lines = [reply.text]
    buttons = reply.choices or reply.follow_ups
    if buttons and not reply.choices:
        lines.append(to_script("还想问：", script))
    lines += [f"  {n}. {c.title}" for n, c in enumerate(buttons, 1)]
    if reply.outcome is Outcome.CHOICES:
        lines.append(to_script(f"  0. {NONE_OF_THESE}", script))
    return "\n".join(lines)


def _typed() -> Iterator[str]:
    from prompt_toolkit import PromptSession  # slow to import, and only a terminal needs it
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(history=InMemoryHistory())
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            yield session.prompt(PROMPT)


def _piped() -> Iterator[str]:
    for line in piped_lines():
        print(f"{PROMPT}{line}")
        yield line
