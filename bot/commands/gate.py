"""`hotline gate`, `history` and `undo`: what a change of content would do, what was changed, and taking it back."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from bot.commands.ask import tell_of_fit
from bot.commands.database import last_published, with_store
from bot.comparison import lines_of
from bot.config import Config
from bot.edition import Files, files_of, keep_aside, open_files, version_of, written
from bot.errors import HotlineError
from bot.rehearsal import Stage, Verdict
from bot.store import published
from bot.store.engine import Store
from bot.store.record import recent_words


def gate(config: Config, against: Path | None, *, as_json: bool) -> int:
    """0 when what is in the folders may go live, 1 when it is refused; nothing goes live by it."""
    old, real = with_store(config, lambda store: _live(config, store), checked=False)
    if against:
        folders = {"intents": against / "intents", "knowledge": against / "knowledge"}
        settings = config.content.model_copy(update=folders)
        old = files_of(config.model_copy(update={"content": settings}))
        if not old:
            raise HotlineError(f"{against} 里没有 intents 和 knowledge 文件夹")
    draft = files_of(config)
    tell_of_fit()
    verdict = Stage(config).rehearse(old, draft, real)
    if as_json:
        print(json.dumps(_as_json(verdict), ensure_ascii=False))
    else:
        print("\n".join(_report(config, draft, verdict, is_first=old is None)))
    return 0 if verdict.may_go_live else 1


async def _live(config: Config, store: Store) -> tuple[Files | None, list[str]]:
    files = await last_published(store)
    return files, await recent_words(store, config.content.gate_questions)


def _as_json(verdict: Verdict) -> dict[str, object]:
    return {
        "version": verdict.version,
        "may_go_live": verdict.may_go_live,
        "problems": [
            {"file": str(p.path), "line": p.line, "message": p.message, "warning": p.is_warning}
            for p in verdict.problems
        ],
        "refusals": list(verdict.refusals),
        "comparison": verdict.comparison.as_json() if verdict.comparison else None,
    }


def _report(config: Config, draft: Files, verdict: Verdict, *, is_first: bool) -> list[str]:
    lines = [str(p) for p in verdict.problems]
    if verdict.comparison:
        content, _ = open_files(config, draft, checks=False)
        lines += lines_of(verdict.comparison, {key: intent.title for key, intent in content.intents.items()})
    elif is_first and not verdict.errors:
        lines.append("还没有上线过的内容可比较,检查题没有问过;请用 hotline check")
    if verdict.may_go_live:
        return [*lines, "可以上线"]
    return [*lines, *(f"不能上线:{reason}" for reason in verdict.refusals or ("文件有错误",))]


def history(config: Config, *, as_json: bool) -> int:
    """The versions that went live, the latest first."""

    async def look(store: Store) -> list[published.Version]:
        async with store.reading() as connection:
            return await published.history(connection)

    versions = with_store(config, look)
    if as_json:
        rows = [
            {"id": v.id, "version": v.version, "at": v.at.isoformat(), "who": v.who, "why": v.why} for v in versions
        ]
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    for v in versions:
        when = f"{v.at.astimezone(config.zone):%Y-%m-%d %H:%M}"
        print("  ".join(filter(None, (f"{v.id:>4}", when, v.version, v.who, v.why))))
    if not versions:
        print("还没有上线过的内容;先运行一次 hotline serve")
    return 0


def undo(config: Config, number: int | None, who: str) -> int:
    """Puts the files of an earlier version back; a running `serve` then answers by them. The draft is kept aside.

    Without a number: of the live version where the files are others, else of the version before.
    """
    before = files_of(config)

    async def look(store: Store) -> tuple[published.Version, Files]:
        async with store.reading(long=True) as connection:
            versions = await published.history(connection)
            wanted = _wanted(versions, number, version_of(before))
            files = await published.files_of(connection, wanted.id) if wanted else None
        if wanted is None or files is None:
            raise HotlineError(
                "没有更早的版本可退回" if number is None else f"没有版本 {number};hotline history 看有哪些"
            )
        return wanted, files

    version, files = with_store(config, look)
    aside = keep_aside(config, before)
    why, now = f"退回版本 {version.id}", datetime.now(config.zone)

    async def note(store: Store) -> None:
        await store.write(
            lambda c: published.publish(c, version.version, published.pack(files), now, who, why, None), long=True
        )

    with written(config, before, files):
        with_store(config, note)
    when = f"{version.at.astimezone(config.zone):%Y-%m-%d %H:%M}"
    print(f"文件已退回版本 {version.id}({version.version},{when},{version.who});运行中的 hotline serve 随后就按它答复")
    print(f"退回前的文件放在 {aside}")
    return 0


def _wanted(versions: Sequence[published.Version], number: int | None, on_disk: str) -> published.Version | None:
    """The version of this number; without one what is live, where the files differ, else the one before it.

    Before it was live first: who takes back a second time goes one further, not forth again.
    """
    if number is not None:
        return next((v for v in versions if v.id == number), None)
    if versions and versions[0].version != on_disk:
        return versions[0]
    first = max((n for n, v in enumerate(versions) if v.version == on_disk), default=0)
    return versions[first + 1] if first + 1 < len(versions) else None
