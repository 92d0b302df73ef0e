"""`hotline check --health`: which intents to mend first, one line each."""

import asyncio
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

from bot.app import build_dialogue, read_content, rules, usable
from bot.commands.ask import tell_of_fit
from bot.config import Config
from bot.content.lint import dangling
from bot.content.load import Content
from bot.errors import HotlineError
from bot.gate import Grade, run_checks
from bot.health import RECENT_DAYS, Harm, Health, IntentHealth, health
from bot.store.engine import Store
from bot.store.usage import Usage, UsageOfIntents

_MOST_SAID = 2
_MOST_FACTS = 10


def run(config: Config, *, as_json: bool) -> int:
    """Always 0: what can run may go on running; content that cannot is a ContentError."""
    now = datetime.now(config.zone)
    content, problems = read_content(config)
    usable([*problems, *dangling(content, rules(config))])
    dialogue = build_dialogue(config, content, tell_of_fit)
    found = health(dialogue, run_checks(dialogue, now), _usage(config, now), now.date())
    if as_json:
        print(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        print("\n".join([*_lines(content, found), *_summary(found)]))
    return 0


def _usage(config: Config, now: datetime) -> Usage | None:
    """None, and a word why, where there is no record: health can be told without."""
    url = config.database.url.get_secret_value()
    if url.startswith("sqlite") and not Path(url.partition(":///")[2]).is_file():
        return None  # looking must not make a database
    try:
        return asyncio.run(_read(url, now))
    except HotlineError as error:
        print(f"没有使用情况:{error}", file=sys.stderr)
        return None


async def _read(url: str, now: datetime) -> Usage:
    store = Store(url)
    try:
        await store.check()
        return await UsageOfIntents(store).since(now - timedelta(RECENT_DAYS))
    finally:
        await store.close()


def _lines(content: Content, found: Health) -> list[str]:
    lines = [
        str(content.problem("check", c.name, (), f"检查题「{c.ask}」应为 {c.expected},实际 {c.got};先改这一道"))
        for c in found.strays
    ]
    lines += [_line(content, one) for one in found.intents if one.troubles]
    for fact in found.unused_facts[:_MOST_FACTS]:
        stem, _, key = fact.partition("/")
        message = f"事实「{key}」没有答复用到;写进一条答复的 facts,或删掉"
        lines.append(str(content.problem("document", stem, ("facts", key), message)))
    return lines


def _line(content: Content, one: IntentHealth) -> str:
    said = [str(t) for t in one.troubles[:_MOST_SAID]]
    more = len(one.troubles) - len(said)
    return str(content.problem("intent", one.intent, (), "。".join([*said, *([f"还有 {more} 项"] if more else [])])))


_KINDS = {
    Harm.WRONG: "有检查题答错",
    Harm.UNSOLVED: "常被评没解决",
    Harm.OUTDATED: "过期了还有人问",
    Harm.UNSTEADY: "问法认不稳",
    Harm.UNTIDY: "有别的要理一理",
}


def _summary(found: Health) -> list[str]:
    kinds = [f"{name} {n} 个" for harm, name in _KINDS.items() if (n := len(found.having(harm)))]
    fine = sum(not one.troubles for one in found.intents)
    lines = [f"{len(found.intents)} 个意图:{','.join([*kinds, f'没有问题 {fine} 个'])}"]
    phrases = sum(one.phrases for one in found.intents)
    right = sum(one.left_out_right for one in found.intents)
    if phrases:
        lines.append(f"问法 {phrases} 条,逐条拿掉再问,{right / phrases:.1%} 还认得")
    if found.unused_facts:
        listed = f"(上面列了 {_MOST_FACTS} 条,全部见 --json)" if len(found.unused_facts) > _MOST_FACTS else ""
        lines.append(f"没有用到的事实 {len(found.unused_facts)} 条{listed}")
    if not found.knows_usage:
        lines.append("没有提问记录,不知道什么常被问、什么常没解决;运行 hotline serve 以后才有")
    checks, names = sum(found.checks.values()), {Grade.RIGHT: "答对", Grade.NEAR: "差一步", Grade.WRONG: "答错"}
    told = ",".join(f"{names[g]} {n}" for g, n in found.checks.items())
    return [*lines, f"检查题 {checks} 道:{told}"] if checks else lines
