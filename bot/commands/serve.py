"""`hotline serve`: runs until SIGTERM or Ctrl-C."""

import asyncio
import gc
import logging
import signal
from datetime import datetime

from bot import logs
from bot.app import build_dialogue, rules, usable
from bot.commands.ask import tell_of_fit
from bot.commands.database import last_published, with_store
from bot.config import Config
from bot.content.lint import dangling
from bot.dialogue import Dialogue
from bot.edition import Files, files_of, open_files, version_of
from bot.entrance import is_loopback, local_address, make_link
from bot.errors import ContentError
from bot.service import Service

log = logging.getLogger(__name__)

WITHOUT_TOKEN = """没有设置 HOTLINE_TELEGRAM__TOKEN,现在只开网页,不收 Telegram 消息。
取得令牌:在 Telegram 里找 @BotFather,发 /newbot,按提示起名,它会给一串「数字:字母」的令牌;
然后设置环境变量 HOTLINE_TELEGRAM__TOKEN=令牌,再运行 hotline serve。"""


def run(config: Config) -> int:
    """0 after a stop that was asked for."""
    token = config.telegram.token.get_secret_value()
    logs.set_up(token, as_json=config.log.format == "json")
    files, dialogue = _content(config)
    if not token:
        print(WITHOUT_TOKEN, flush=True)
    asyncio.run(_serve(config, dialogue, files))
    return 0


def _content(config: Config) -> tuple[Files, Dialogue]:
    """What was live last, so that broken files silence nobody; else, as on the first start, what is in the folders.

    Raises ContentError where neither can be used.
    """
    live = with_store(config, last_published, checked=False)
    if live:
        try:
            return live, _usable(config, live)
        except ContentError as mistakes:  # an older program published it
            log.warning("%s", mistakes)
    files = files_of(config)
    return files, _usable(config, files)


def _usable(config: Config, files: Files) -> Dialogue:
    content, problems = open_files(config, files, checks=False)
    usable([*problems, *dangling(content, rules(config))])
    return build_dialogue(config, content, tell_of_fit)


async def _serve(config: Config, dialogue: Dialogue, files: Files) -> None:
    def clock() -> datetime:
        return datetime.now(config.zone)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Service(config, dialogue, version_of(files), clock, files) as service:
        await _tell_where(config, service)
        gc.collect()
        gc.freeze()  # all of this stays: to look through it for garbage would hold up a reply for a tenth of a second
        running = asyncio.create_task(service.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        for task in (running, stopping):
            task.cancel()
        await asyncio.wait([running, stopping])
    if not running.cancelled():
        running.result()


async def _tell_where(config: Config, service: Service) -> None:
    """Both addresses; who has no other way in gets a link while nobody else can read it."""
    port = service.web.port
    base = config.web.public_url or local_address(config.web, port)
    print(f"hotline 已启动(健康检查 {base}/healthz)\n市民问答:{base}/", flush=True)
    admin = next((p for p in config.staff.people if p.role == "admin" and p.id is None), None)
    if admin and is_loopback(config.web.host):
        link = await make_link(config, service.store, admin.name, service.clock(), port)
        minutes = config.web.link_minutes
        print(f"工作台({admin.name},{minutes} 分钟内有效,只能用一次):{link}", flush=True)
    else:
        print(f"工作台:{base}/staff(登录链接:hotline link --as 姓名)", flush=True)
