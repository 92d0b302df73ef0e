"""The command line: parses, hands over, prints errors as one line and turns them into exit codes."""

import argparse
import io
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bot.errors import HotlineError

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
    check.add_argument(
        "--curve",
        nargs="?",
        type=Path,
        const=Path(".data/curve.svg"),
        metavar="图.svg",
        help="算出并画出 target 取不同值时的成绩",
    )
    return parser
