"""All routes, and what happens when one fails."""

import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from bot import metrics, voice
from bot.errors import HotlineError
from bot.hotline import Hotline
from bot.lessons import Lessons
from bot.store.figures import standing
from bot.store.outbox import OutboxState
from bot.web.chat import Chat, Unreadable
from bot.web.console import Console
from bot.web.guard import Guard, came_from, harden
from bot.web.library import Library
from bot.web.pages import MOST_DIGITS, STATIC, Pages
from bot.web.secret import signing_key
from bot.web.signin import SignIn
from bot.web.streams import Streams
from bot.web.visitors import Visitors
from bot.web.workshop import CONTENT, Workshop

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hook:
    """Where Telegram posts updates to, the header it proves itself with, and who takes them."""

    path: str
    secret: str
    deliver: Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Health:
    """Whether the process does its work, and what shows it."""

    ok: bool
    details: dict[str, Any]


class Site:
    """The web application over one hotline; `streams` has to run beside it and be closed before the server stops."""

    def __init__(
        self, hotline: Hotline, health: Callable[[], Health], hook: Hook | None = None, lessons: Lessons | None = None
    ) -> None:
        config = hotline.config
        self.hotline, self.health, self.internal = hotline, health, config.web.internal
        self.reloader = lessons.reloader if lessons else None
        key = signing_key(config.web)
        self.pages = Pages(config, hotline.clock)
        self.streams = Streams(hotline.store, config.web.streams)
        chat = Chat(hotline, self.pages, Visitors(config, key), self.streams)
        door = SignIn(config, hotline.store, hotline.casework.roster, self.pages, hotline.clock, key)
        console = Console(hotline, self.pages, door, self.streams)
        routes = [
            *chat.routes(),
            *door.routes(),
            *(Workshop(hotline, self.pages, door, lessons).routes() if lessons else []),
            *console.routes(),
            *Library(hotline, self.pages, door).routes(),
            Mount("/static", _Kept(directory=STATIC)),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
        ]
        if hook:
            routes.append(Route(hook.path, _webhook(hook), methods=["POST"]))
        self.app = Starlette(
            routes=routes,
            middleware=[
                Middleware(
                    Guard,
                    open_paths=(hook.path,) if hook else (),
                    most_bytes=config.web.body_bytes,
                    long_path=CONTENT + "/",
                )
            ],
            exception_handlers={
                HTTPException: self._refused,
                Unreadable: self._unreadable,
                HotlineError: self._unavailable,
                Exception: self._failed,
            },
        )
        self.app.router.redirect_slashes = False  # it would lead to whatever host the request claims

    # ---- for who looks after it

    async def healthz(self, _request: Request) -> Response:
        """Alive."""
        now = self.health()
        return JSONResponse({"ok": now.ok, **now.details}, 200 if now.ok else 503)

    async def readyz(self, request: Request) -> Response:
        """Able to answer: the database too, and with which content."""
        if not came_from(request, self.internal):
            raise HTTPException(404)
        now, database = self.health(), "ok"
        try:
            await standing(self.hotline.store, self.hotline.clock())
        except HotlineError as error:
            database = str(error)
        ok = now.ok and database == "ok"
        trouble = self.reloader.trouble if self.reloader else None
        content = {"content": self.hotline.version, "content_refused": trouble.lines if trouble else []}
        details = {"ok": ok, "database": database, **content, **now.details}
        return JSONResponse(details, 200 if ok else 503)

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        if not came_from(request, self.internal):
            raise HTTPException(404)
        now = await standing(self.hotline.store, self.hotline.clock())
        metrics.OPEN_CASES.set(now.open)
        metrics.OVERDUE_CASES.set(now.overdue)
        metrics.OUTBOX.set(now.outbox.get(OutboxState.QUEUED, 0))
        metrics.STREAMS.set(self.streams.count)
        body, kind = metrics.exposition()
        return Response(body, media_type=kind)

    # ---- troubles, in words

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        told = {403: voice.ADMINS_ONLY, 404: voice.NO_SUCH_PAGE, 413: voice.TOO_BIG}.get(
            error.status_code, voice.NOT_LIKE_THIS
        )
        response = self._sorry(request, told, error.status_code)
        response.headers.update(error.headers or {})
        return response

    async def _unreadable(self, request: Request, error: Exception) -> Response:
        return self._sorry(request, voice.NOT_LIKE_THIS, 400)

    async def _unavailable(self, request: Request, error: Exception) -> Response:
        log.warning("%s %s: %s", request.method, _route(request), error)
        return self._sorry(request, voice.UNAVAILABLE, 503)

    async def _failed(self, request: Request, error: Exception) -> Response:
        log.exception("%s %s", request.method, _route(request))
        response = self._sorry(request, voice.UNAVAILABLE, 500)
        harden(response.headers)  # it does not pass the guard any more
        return response

    def _sorry(self, request: Request, told: str, status: int) -> Response:
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"error": told}, status)
        return self.pages.render("sorry.html", {"told": told}, status)


class _Number(IntegerConvertor):
    """Numbers in addresses, as long as any of ours can be."""

    regex = f"[0-9]{{1,{MOST_DIGITS}}}"


register_url_convertor("int", _Number())


def _route(request: Request) -> str:
    """For the log: an address itself may hold a link's key."""
    return request.scope["route"].path if "route" in request.scope else ""


class _Kept(StaticFiles):
    """Our files; their addresses change with them, so that browsers may keep them for good."""

    def file_response(self, *args: Any, **more: Any) -> Response:
        """The file, to be kept."""
        response = super().file_response(*args, **more)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    async def get_response(self, path: str, scope: Scope) -> Response:
        """404 for whatever is no file of ours, such as a path with a null byte."""
        try:
            return await super().get_response(path, scope)
        except ValueError:
            raise HTTPException(404) from None


def _webhook(hook: Hook) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        given = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        if not hmac.compare_digest(given.encode(), hook.secret.encode()):
            return Response(status_code=403)
        try:
            update = await request.json()
        except (ValueError, RecursionError):
            return Response(status_code=400)
        if not isinstance(update, dict):
            return Response(status_code=400)
        try:
            await hook.deliver(update)
        except HotlineError as error:
            log.warning("an update is left with Telegram: %s", error)
            return Response(status_code=503)  # Telegram comes again
        return Response(status_code=200)

    return take
