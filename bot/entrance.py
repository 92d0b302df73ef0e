"""One-time links into the console: who may have one, and where it leads."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from bot.config import Config, WebSettings
from bot.errors import HotlineError
from bot.store import doors
from bot.store.engine import Store

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
PATH = "/staff/in/"


async def make_link(config: Config, store: Store, name: str, now: datetime, port: int | None = None) -> str:
    """A link that signs `name` in once, for ten minutes; raises HotlineError where somebody could read along."""
    base = address(config.web, port)
    until = now + timedelta(minutes=config.web.link_minutes)
    key = await store.write(lambda c: doors.make_link(c, name, now, until))
    return f"{base}{PATH}{key}"


def address(web: WebSettings, port: int | None = None) -> str:
    """Where staff sign in; raises HotlineError where there is neither https nor this machine alone."""
    if web.public_url:
        parts = urlsplit(web.public_url)
        if parts.scheme == "https" or is_loopback(parts.hostname or ""):
            return web.public_url
        raise HotlineError("web.public_url 没有加密:登录要用 https 的网址,或者留空,只在服务器本机上登录")
    if not is_loopback(_EVERYWHERE.get(web.host, web.host).strip("[]")):
        raise HotlineError(f"{web.host} 没有加密,不能登录;请设置 https 的 web.public_url,或把 web.host 改为 127.0.0.1")
    return local_address(web, port)


def local_address(web: WebSettings, port: int | None = None) -> str:
    """Where the server listens, as this machine sees it."""
    host = _EVERYWHERE.get(web.host, f"[{web.host}]" if ":" in web.host else web.host)
    return f"http://{host}:{web.port if port is None else port}"


def is_loopback(host: str) -> bool:
    """Whether it is this machine itself."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
