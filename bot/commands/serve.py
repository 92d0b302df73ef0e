"""`hotline serve`: runs until SIGTERM or Ctrl-C."""

import asyncio
import logging
import signal
from datetime import datetime

from bot import logs
from bot.app import content_version
from bot.commands.ask import open_dialogue
from bot.config import Config
from bot.dialogue import Dialogue
from bot.service import Service

log = logging.getLogger(__name__)

WITHOUT_TOKEN = """没有设置 HOTLINE_TELEGRAM__TOKEN,现在只开健康检查,不收 Telegram 消息。
取得令牌:在 Telegram 里找 @BotFather,发 /newbot,按提示起名,它会给一串「数字:字母」的令牌;
然后设置环境变量 HOTLINE_TELEGRAM__TOKEN=令牌,再运行 hotline serve。"""


def run(config: Config) -> int:
    """0 after a stop that was asked for."""
    token = config.telegram.token.get_secret_value()
    logs.set_up(token)
    version = content_version(config)
    dialogue = open_dialogue(config)
    if not token:
        print(WITHOUT_TOKEN, flush=True)
    asyncio.run(_serve(config, dialogue, version))
    return 0


async def _serve(config: Config, dialogue: Dialogue, version: str) -> None:
    def clock() -> datetime:
        return datetime.now(config.zone)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Service(config, dialogue, version, clock) as service:
        print(f"hotline 已启动:http://{config.web.host}:{service.web.port}/healthz", flush=True)
        running = asyncio.create_task(service.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        for task in (running, stopping):
            task.cancel()
        await asyncio.wait([running, stopping])
    if not running.cancelled():
        running.result()
