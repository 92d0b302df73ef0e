"""uvicorn in our own event loop: bound before anything starts, stopped when we say so."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from bot.config import WebSettings
from bot.errors import HotlineError, reason

_GRACE_SECONDS = 1


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: the database and Telegram have to be closed too."""
        yield


class WebServer:
    """Listens from `start` to `stop`."""

    def __init__(self, app: Starlette, settings: WebSettings) -> None:
        self._settings = settings
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._running: asyncio.Task[None] | None = None
        self.port = settings.port
        """The real one, also where the settings say 0."""

    async def start(self) -> None:
        """Raises HotlineError when the address cannot be had."""
        listener = self._bind()
        self.port = listener.getsockname()[1]
        self._running = asyncio.create_task(self._server.serve([listener]))
        await self._server.ready.wait()

    async def stop(self) -> None:
        """Lets requests in hand finish, for one second at most."""
        self._server.should_exit = True
        if self._running:
            await self._running

    def _bind(self) -> socket.socket:
        host, port = self._settings.host, self._settings.port
        try:
            listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
            # asyncio does it for sockets of its own only; without, head and body of a reply lie 40 ms apart
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return listener
        except OSError as error:
            cure = "请改 web.host、web.port,或停掉占用它的程序"
            raise HotlineError(f"网页服务打不开 {host}:{port}({reason(error)});{cure}") from None
