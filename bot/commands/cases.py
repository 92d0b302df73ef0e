"""`hotline cases`: staff's work list on the command line, beside a running `serve`, which delivers what is answered."""

import argparse
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from bot import voice
from bot.app import read_content
from bot.casework import Casework, File, person
from bot.commands import table
from bot.commands.database import with_store
from bot.config import Config
from bot.errors import HotlineError
from bot.store.cases import CaseQuestion, CaseState, Filter
from bot.table import Cell

T = TypeVar("T")


def run(config: Config, options: argparse.Namespace) -> int:
    """One action; raises HotlineError when it cannot be done."""
    return _ACTIONS[options.action](config, options)


def _work(config: Config, work: Callable[[Casework], Awaitable[T]]) -> T:
    content, _ = read_content(config, checks=False)  # a mistake in it must not keep staff from answering
    return with_store(
        config,
        lambda store: work(Casework(config, content.departments, store, lambda: datetime.now(config.zone))),
    )


# ---- looking


def _list(config: Config, options: argparse.Namespace) -> int:
    files, casework = _listed(config, options)
    now = datetime.now(config.zone)
    if options.json:
        print(json.dumps([_as_json(file, now) for file in files], ensure_ascii=False))
    elif not files:
        print("没有符合条件的事项")
    else:
        print("\n".join(_line(file, casework, now) for file in files))
    return 0


def _listed(config: Config, options: argparse.Namespace) -> tuple[list[File], Casework]:
    now = datetime.now(config.zone)

    async def look(casework: Casework) -> tuple[list[File], Casework]:
        which = Filter(
            states=tuple(map(CaseState, options.state)) if options.state else Filter.states,
            department=casework.department(options.department) if options.department else "",
            region=options.region or "",
            claimed_by=person(config, options.mine).name if options.mine else "",
            text=options.text or "",
            overdue_at=now if options.overdue else None,
            most=options.most,
        )
        return await casework.listed(which), casework

    return _work(config, look)


def _show(config: Config, options: argparse.Namespace) -> int:
    async def look(casework: Casework) -> tuple[File, Casework]:
        number = await casework.of_ticket(options.id) if options.ticket else options.id
        return await casework.file(number), casework

    file, casework = _work(config, look)
    now = datetime.now(config.zone)
    if options.json:
        print(json.dumps({**_as_json(file, now), **_details(file, now)}, ensure_ascii=False))
    else:
        print("\n".join(_page(file, casework, now)))
    return 0


def _export(config: Config, options: argparse.Namespace) -> int:
    files, casework = _listed(config, options)
    now = datetime.now(config.zone)
    return table.write([_HEAD, *(_cells(file, casework, now) for file in files)], options.file, options.format, "事项")


# ---- doing


def _claim(config: Config, options: argparse.Namespace) -> int:
    return _do(config, options, lambda work, who: work.claim(options.id, who), "已认领")


def _assign(config: Config, options: argparse.Namespace) -> int:
    if options.back:
        if not options.note:
            raise HotlineError("退单要写理由:--note 理由")
        return _do(config, options, lambda work, who: work.send_back(options.id, who, options.note), "已退单")
    if not options.department:
        raise HotlineError("请写派给哪个部门,或用 --back 退单")
    return _do(
        config, options, lambda work, who: work.assign(options.id, options.department, who, options.note), "已派单"
    )


def _note(config: Config, options: argparse.Namespace) -> int:
    return _do(config, options, lambda work, who: work.note(options.id, who, options.text), "已记下")


def _ignore(config: Config, options: argparse.Namespace) -> int:
    reason = "：".join(filter(None, ("垃圾信息" if options.spam else "", options.note)))
    return _do(config, options, lambda work, who: work.ignore(options.id, who, reason), "已忽略")


def _merge(config: Config, options: argparse.Namespace) -> int:
    return _do(
        config, options, lambda work, who: work.merge(options.id, options.into, who), f"已并入事项 {options.into}"
    )


def _split(config: Config, options: argparse.Namespace) -> int:
    return _do(config, options, lambda work, who: work.split(options.id, options.tickets, who), "已拆为事项")


def _reopen(config: Config, options: argparse.Namespace) -> int:
    return _do(config, options, lambda work, who: work.reopen(options.id, who, options.note), "已重新处理")


def _answer(config: Config, options: argparse.Namespace) -> int:
    text = _canned(config, options.canned) if options.canned else options.text
    if not text:
        raise HotlineError("请写答复,或用 --canned 名称 选一条常用答复")
    who = person(config, options.who).name
    seen: list[int] | None = None
    if not options.yes:
        file = _work(config, lambda casework: casework.file(options.id))
        receivers = [q for q in file.waiting if q.id not in options.leave_out]
        print("\n".join(_preview(file, receivers, text)))
        if not _agreed():
            raise HotlineError("没有发送")
        seen = [q.id for q in file.waiting]
    people = _work(config, lambda work: work.answer(options.id, text, who, leave_out=options.leave_out, seen=seen))
    print(f"事项 {options.id} 已答复,发给 {people} 人;运行中的 hotline serve 会马上送达")
    return 0


def _agreed() -> bool:
    try:
        return input("发送吗?(是/否)").strip().lower() in {"是", "y", "yes"}
    except EOFError:
        return False


def _do(
    config: Config,
    options: argparse.Namespace,
    deed: Callable[[Casework, str], Awaitable[int | None]],
    done: str,
) -> int:
    who = person(config, options.who).name
    new = _work(config, lambda casework: deed(casework, who))
    print(f"事项 {options.id} {done}{f' {new}' if new else ''}")
    return 0


def _canned(config: Config, name: str) -> str:
    found = next((c.text for c in config.staff.canned if c.name == name), "")
    if not found:
        names = "、".join(c.name for c in config.staff.canned) or "(还没有)"
        raise HotlineError(f"config.yaml 的 staff.canned 里没有「{name}」;有:{names}")
    return found


_ACTIONS = {
    "list": _list,
    "show": _show,
    "claim": _claim,
    "answer": _answer,
    "assign": _assign,
    "note": _note,
    "ignore": _ignore,
    "merge": _merge,
    "split": _split,
    "reopen": _reopen,
    "export": _export,
}


# ---- how it looks


def _as_json(file: File, now: datetime) -> dict[str, Any]:
    case = file.case
    return {
        "id": case.id,
        "state": case.state,
        "count": case.count,
        "region": case.region,
        "department": case.department,
        "due": case.due_at and case.due_at.astimezone(now.tzinfo).isoformat(timespec="minutes"),
        "overdue": case.is_overdue(now),
        "questions": file.wordings,
        "askers": case.askers,
        "reason": case.reason,
        "claimed_by": case.claimed_by,
        "waiting": case.waiting,
        "reopened": case.reopened,
    }


def _details(file: File, now: datetime) -> dict[str, Any]:
    case = file.case
    return {
        "like": case.like_id,
        "answer": case.answer,
        "answered_by": case.answered_by,
        "tickets": [
            {
                "ticket": q.id,
                "text": q.text,
                "asked_at": q.asked_at.astimezone(now.tzinfo).isoformat(timespec="seconds"),
                "region": q.region,
                "delivery": q.delivery,
                "satisfaction": q.satisfaction,
                "why": q.why,
                "nearest": [{"title": title, "score": score} for title, score in q.nearest],
            }
            for q in file.questions
        ],
        "history": [
            {
                "at": e.at.astimezone(now.tzinfo).isoformat(timespec="seconds"),
                "who": e.who,
                "what": e.what,
                "note": e.note,
            }
            for e in file.history
        ],
    }


def _line(file: File, casework: Casework, now: datetime) -> str:
    case = file.case
    marks = ["超时"] * case.is_overdue(now) + ["不满意"] * bool(case.reopened) + ["可能重复"] * bool(case.like_id)
    state = voice.CASE_STATES[case.state] + (f"({case.claimed_by})" if case.claimed_by else "")
    where = " ".join(filter(None, (case.region, casework.called(case.department))))
    what = voice.shortened(file.wordings[0] if file.wordings else "(已撤回)")
    columns = (f"{case.id:>6}", f"{case.askers} 人", state, _until(case.due_at, now), *marks, where, f"「{what}」")
    return "  ".join(filter(None, columns))


def _page(file: File, casework: Casework, now: datetime) -> list[str]:
    case = file.case
    lines = [_line(file, casework, now), f"  原因:{voice.REASONS[case.reason]}"]
    if case.like_id:
        lines.append(f"  可能与事项 {case.like_id} 相同;并单:hotline cases merge {case.id} {case.like_id} --as 姓名")
    lines.append("  问题:")
    lines += [f"    {_question(q, now)}" for q in file.questions]
    nearest = file.questions[0].nearest if file.questions else ()
    if nearest:
        lines.append("  机器人觉得最像:" + "、".join(f"「{title}」{score:.2f}" for title, score in nearest))
    if case.answer:
        lines.append(f"  答复({case.answered_by}):{case.answer}")
    lines.append("  经过:")
    lines += [
        f"    {_when(e.at, now)}  {e.who}  {voice.DEEDS[e.what]}" + (f"  {e.note}" if e.note else "")
        for e in file.history
    ]
    return lines


def _question(question: CaseQuestion, now: datetime) -> str:
    text = question.text if question.text is not None else "(已撤回)"
    marks = (
        question.region,
        voice.delivery(question),
        voice.SATISFACTION.get(question.satisfaction, ""),
        question.why and f"({question.why})",
        "" if question.is_reachable else "联系不上",
    )
    return "  ".join([f"编号 {question.id}", _when(question.asked_at, now), text, *filter(None, marks)])


def _preview(file: File, receivers: list[CaseQuestion], text: str) -> list[str]:
    people = len({q.conversation for q in receivers})
    return [
        f"事项 {file.case.id} 的答复会发给 {people} 人:",
        *(f"  编号 {q.id}  {q.text}" + ("" if q.is_reachable else "  (联系不上)") for q in receivers),
        f"答复:{text}",
    ]


def _until(due: datetime | None, now: datetime) -> str:
    return f"{due.astimezone(now.tzinfo):%m-%d %H:%M}前" if due else "没有期限"


def _when(moment: datetime, now: datetime) -> str:
    return f"{moment.astimezone(now.tzinfo):%m-%d %H:%M}"


_HEAD = (
    "事项", "状态", "原因", "地区", "部门", "认领", "期限", "超时", "问题数", "人数", "问法", "答复", "答复人",
)  # fmt: skip


def _cells(file: File, casework: Casework, now: datetime) -> list[Cell]:
    case, late = file.case, "是" if file.case.is_overdue(now) else ""
    due = f"{case.due_at.astimezone(now.tzinfo):%Y-%m-%d %H:%M}" if case.due_at else ""
    return [
        case.id, voice.CASE_STATES[case.state], voice.REASONS[case.reason], case.region,
        casework.called(case.department), case.claimed_by, due, late,
        case.count, case.askers, "\n".join(file.wordings), case.answer or "", case.answered_by,
    ]  # fmt: skip
