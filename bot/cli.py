"""The command line: parses, hands over, prints errors as one line and turns them into exit codes."""

import argparse
import io
import sys
import traceback
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bot.errors import HotlineError

if TYPE_CHECKING:
    from bot.config import Config

OK, MISTAKE, USAGE, OURS, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command: 0 done, 1 the content or settings need a hand, 2 wrong usage, 3 our fault, 130 Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no Chinese must not end in a traceback
    try:
        return _run(_parser().parse_args(arguments))
    except HotlineError as error:
        print(error, file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone; the interpreter would complain at exit
        return OK
    except Exception:
        traceback.print_exc()
        print("程序出错了,这不是您的问题;请把上面的内容发给维护人员", file=sys.stderr)
        return OURS


def _run(options: argparse.Namespace) -> int:
    from bot.config import load_config  # --help needs none of it

    config = load_config(options.config)
    if options.command in _BY_NAME:
        return _BY_NAME[options.command](config, options)
    if options.command == "serve":
        from bot.commands import serve

        return serve.run(config)
    if options.command == "check" and options.health:
        from bot.commands import health

        return health.run(config, as_json=options.json)
    if options.command == "check" and options.json:
        raise HotlineError("--json 要和 --health 一起用")
    if options.command == "check":
        from bot.commands import check

        return check.run(config, show_expired=options.expired, show_near=options.near, picture=options.curve)
    if options.command == "chat":
        from bot.commands import chat

        return chat.run(config, region=options.region)
    from bot.commands import ask

    return ask.run(
        config,
        options.question,
        region=options.region,
        intent=options.intent,
        as_json=options.json,
        explain=options.explain,
    )


def _migrate(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import database

    return database.migrate(config)


def _backup(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import database

    return database.backup(config, options.file)


def _forget(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import database

    return database.forget(config, options.before)


def _stats(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import stats

    return stats.run(config, options.day, everything=options.all, as_json=options.json)


def _report(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import report

    return report.run(config, options.day, options.format, options.file)


def _export(config: "Config", options: argparse.Namespace) -> int:
    if options.content:
        from bot.commands import content

        return content.run(config, options.file, options.format)
    from bot.commands import export

    return export.run(config, options.file, options.format, options.since, options.until)


def _schema(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import schema

    return schema.run(config, options.folder)


def _import(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import drafts

    return drafts.run(config, options.file, options.to)


def _parked(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import parked

    if options.action == "list":
        return parked.show(config)
    return (parked.retry if options.action == "retry" else parked.drop)(config, options.ids)


def _cases(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import cases

    return cases.run(config, options)


def _link(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import link

    return link.run(config, options.who)


def _fit(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import fit

    return fit.run(config)


def _gate(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import gate

    return gate.gate(config, options.against, as_json=options.json)


def _history(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import gate

    return gate.history(config, as_json=options.json)


def _undo(config: "Config", options: argparse.Namespace) -> int:
    from bot.commands import gate

    return gate.undo(config, options.version, options.who)


_BY_NAME = {
    "fit": _fit,
    "gate": _gate,
    "history": _history,
    "undo": _undo,
    "cases": _cases,
    "link": _link,
    "migrate": _migrate,
    "backup": _backup,
    "forget": _forget,
    "stats": _stats,
    "report": _report,
    "export": _export,
    "import": _import,
    "schema": _schema,
    "parked": _parked,
}


class _Parser(argparse.ArgumentParser):
    """argparse speaking Chinese."""

    def __init__(self, **settings: object) -> None:
        super().__init__(add_help=False, allow_abbrev=False, **settings)  # type: ignore[arg-type]
        self._positionals.title, self._optionals.title = "参数", "选项"
        self.add_argument("-h", "--help", action="help", help="显示这份说明")

    def format_usage(self) -> str:
        return super().format_usage().replace("usage:", "用法:")

    def format_help(self) -> str:
        return super().format_help().replace("usage:", "用法:")

    def error(self, message: str) -> NoReturn:
        for english, chinese in _MESSAGES:
            message = message.replace(english, chinese)
        self.exit(USAGE, f"{message}\n{self.format_usage()}")


_MESSAGES = [
    ("unrecognized arguments:", "不认识的参数:"),
    ("the following arguments are required:", "缺少:"),
    ("invalid choice:", "没有这个命令:"),
    ("invalid int value:", "不是数字:"),
    ("expected one argument", "后面要写一个值"),
    ("argument ", ""),
    ("choose from", "可用"),
]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hotline", description="12345 市民热线机器人")
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), metavar="文件", help="设置文件(默认 ./config.yaml)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="命令", title="命令")
    ask = commands.add_parser(
        "ask", help="问一句,看机器人怎么答", description="问一句;不写问题时,标准输入的每一行各当作一次单独的提问。"
    )
    ask.add_argument("question", nargs="?", metavar="问题")
    ask.add_argument("--region", metavar="地区", help="当作市民之前说过的城市")
    ask.add_argument("--intent", metavar="意图", help="当作市民点选了这个意图")
    ask.add_argument("--json", action="store_true", help="输出 JSON,每问一行")
    ask.add_argument("--explain", action="store_true", help="说明为什么这样答")
    chat = commands.add_parser(
        "chat", help="在终端里和机器人聊天", description="在终端里和机器人聊天,它记得说过的城市。"
    )
    chat.add_argument("--region", metavar="地区", help="一开始就当作这个城市的市民")
    check = commands.add_parser("check", help="检查内容和设置", description="检查内容和设置;有错误时退出码为 1。")
    check.add_argument("--expired", action="store_true", help="逐条列出已过期的答复")
    check.add_argument("--near", action="store_true", help="逐条列出差一步的检查题")
    check.add_argument("--health", action="store_true", help="体检:哪些意图最该先改,每个一行")
    check.add_argument("--json", action="store_true", help="和 --health 一起用:输出 JSON")
    check.add_argument(
        "--curve",
        nargs="?",
        type=Path,
        const=Path(".data/curve.svg"),
        metavar="图.svg",
        help="算出并画出 target 取不同值时的成绩",
    )
    commands.add_parser("serve", help="运行机器人", description="运行机器人,直到 Ctrl-C 或 SIGTERM。")
    commands.add_parser("migrate", help="建立或升级数据库", description="建立或升级数据库;serve 启动时也会做。")
    stats = commands.add_parser("stats", help="看今天的数字", description="看一天的数字,默认今天。")
    stats.add_argument("--day", type=_day, metavar="日期", help="哪一天,例如 2026-11-22")
    stats.add_argument("--all", action="store_true", help="有记录以来的全部")
    stats.add_argument("--json", action="store_true", help="输出 JSON")
    report = commands.add_parser(
        "report", help="信息日报", description="一天的信息日报,默认今天;不写文件名时输出到屏幕。"
    )
    report.add_argument("file", nargs="?", type=Path, metavar="文件", help="以 .txt、.html、.xlsx 或 .json 结尾")
    report.add_argument("--day", type=_day, metavar="日期", help="哪一天,例如 2026-11-22")
    report.add_argument("--format", choices=["text", "html", "xlsx", "json"], help="不看文件名,用这种格式")
    report.add_argument("--json", action="store_const", dest="format", const="json", help="同 --format json")
    export = commands.add_parser(
        "export", help="导出提问记录,或全部内容", description="导出提问记录,或全部内容;不写文件名时输出 CSV。"
    )
    export.add_argument("file", nargs="?", type=Path, metavar="文件", help="以 .csv、.xlsx 或(内容).json 结尾")
    export.add_argument("--content", action="store_true", help="导出意图、问法和答复,不导出提问")
    export.add_argument("--format", choices=["csv", "xlsx", "json"], help="不看文件名,用这种格式")
    export.add_argument("--since", type=_day, metavar="日期", help="从哪天起")
    export.add_argument("--until", type=_day, metavar="日期", help="到哪天为止(含)")
    imported = commands.add_parser(
        "import",
        help="把表格里的问答变成草稿",
        description="把表格里的问答变成意图的草稿,看过改好才上线。表头要有问题、答复,可有部门、地区、标题、有效期至。",
    )
    imported.add_argument("file", type=Path, metavar="文件", help="以 .csv 或 .xlsx 结尾")
    imported.add_argument("--to", type=Path, metavar="草稿.yaml", help="写到哪里(默认 .data/drafts/)")
    schema = commands.add_parser(
        "schema",
        help="写出编辑器用的格式说明",
        description="写出各种 YAML 文件的 JSON Schema,编辑器靠它补全、说明和划出错处。",
    )
    schema.add_argument("folder", nargs="?", type=Path, metavar="文件夹", help="写到哪里(默认 intents/.schema)")
    _add_cases(commands.add_parser("cases", help="处理没答上的问题", description="看、认领、答复、派单……事项。"))
    gate = commands.add_parser(
        "gate", help="看内容改动能不能上线", description="拿文件夹里的内容和正在答复的内容比较。"
    )
    gate.add_argument("--against", type=Path, metavar="文件夹", help="和这里面的 intents、knowledge 比较")
    gate.add_argument("--json", action="store_true", help="输出 JSON")
    history = commands.add_parser("history", help="看上线过的内容版本", description="列出上线过的内容版本,新的在前。")
    history.add_argument("--json", action="store_true", help="输出 JSON")
    undo = commands.add_parser(
        "undo",
        help="退回更早的内容版本",
        description="把文件退回正在答复的内容;和它一样时,退回上一个版本。退回前的文件另存一份。",
    )
    undo.add_argument("version", nargs="?", type=int, metavar="版本", help="退回这一个:hotline history 里的号码")
    undo.add_argument("--as", dest="who", default="命令行", metavar="姓名", help="谁退回的")
    commands.add_parser("fit", help="重新学习问法", description="让正在答复的内容有自己的门槛;serve 改动后会自己运行。")
    link = commands.add_parser("link", help="取得工作台的登录链接", description="打印一个只能用一次的登录链接。")
    link.add_argument("--as", dest="who", required=True, metavar="姓名", help="谁,见 config.yaml 的 staff.people")
    backup = commands.add_parser("backup", help="备份数据库", description="备份数据库;运行中也可以。")
    backup.add_argument("file", type=Path, metavar="文件", help="备份到哪里")
    forget = commands.add_parser("forget", help="删除旧的提问原文", description="删除旧的提问原文和联系方式,计数保留。")
    forget.add_argument("--before", type=_day, required=True, metavar="日期", help="这一天以前的")
    parked = commands.add_parser("parked", help="看处理不了的消息", description="看处理不了的消息,放回去再试,或丢弃。")
    parked.add_argument("action", choices=["list", "retry", "drop"], metavar="list|retry|drop", help="看、再试、丢弃")
    parked.add_argument("ids", nargs="*", type=int, metavar="编号", help="哪几条;不写就是全部")
    return parser


def _add_cases(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="动作", title="动作")

    def add(name: str, what: str, *, by: bool = True) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=what, description=f"{what}。")
        if by:
            action.add_argument("id", type=int, metavar="事项")
            action.add_argument(
                "--as", dest="who", required=True, metavar="姓名", help="谁,见 config.yaml 的 staff.people"
            )
        return action

    listed, export = add("list", "列出未办结的事项,最急的在前", by=False), add("export", "导出事项", by=False)
    listed.add_argument("--json", action="store_true", help="输出 JSON")
    export.add_argument("file", nargs="?", type=Path, metavar="文件", help="以 .csv 或 .xlsx 结尾")
    export.add_argument("--format", choices=["csv", "xlsx"], help="不看文件名,用这种格式")
    for listing, most in ((listed, 100), (export, 0)):
        listing.add_argument("--state", action="append", choices=list(_CASE_STATES), help="只看这种状态;可写几次")
        listing.add_argument("--department", metavar="部门")
        listing.add_argument("--region", metavar="地区")
        listing.add_argument("--mine", metavar="姓名", help="只看这个人认领的")
        listing.add_argument("--text", metavar="字词", help="问题或答复里有这些字")
        listing.add_argument("--overdue", action="store_true", help="只看超时的")
        listing.add_argument("--most", type=int, default=most, metavar="条数", help=f"最多几条,0 为全部(默认 {most})")
    show = add("show", "看一个事项的全部情况", by=False)
    show.add_argument("id", type=int, metavar="事项")
    show.add_argument("--ticket", action="store_true", help="写的是市民的编号")
    show.add_argument("--json", action="store_true", help="输出 JSON")
    add("claim", "认领一个事项")
    answer = add("answer", "答复一个事项里的所有人")
    answer.add_argument("text", nargs="?", metavar="答复")
    answer.add_argument("--canned", metavar="名称", help="用一条常用答复")
    answer.add_argument(
        "--leave-out", type=int, action="append", default=[], metavar="编号", help="不发给它,另立一个事项"
    )
    answer.add_argument("--yes", action="store_true", help="不再确认")
    assign = add("assign", "派单给一个部门,或退单")
    assign.add_argument("department", nargs="?", metavar="部门")
    assign.add_argument("--note", default="", metavar="说明")
    assign.add_argument("--back", action="store_true", help="退单,要写理由")
    add("note", "写一条备注").add_argument("text", metavar="备注")
    ignore = add("ignore", "忽略一个事项")
    ignore.add_argument("--note", default="", metavar="理由")
    ignore.add_argument("--spam", action="store_true", help="垃圾信息")
    add("merge", "把一个事项并入另一个").add_argument("into", type=int, metavar="并入事项")
    add("split", "把几个问题拆成另一个事项").add_argument("tickets", type=int, nargs="+", metavar="编号")
    add("reopen", "重新处理一个事项").add_argument("--note", default="", metavar="理由")


_CASE_STATES = ("new", "claimed", "answered", "closed", "ignored", "merged", "withdrawn")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"「{text}」不是日期;请写成 2026-11-22") from None
