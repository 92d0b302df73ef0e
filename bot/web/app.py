"""Routes: `/healthz`, and the webhook when Telegram is to call us."""

import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.errors import HotlineError

_MOST_BYTES = 1_000_000
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


def build_app(health: Callable[[], Health], hook: Hook | None = None) -> Starlette:
    """The application; `health` is asked at every request."""

    async def healthz(_request: Request) -> Response:
        now = health()
        return JSONResponse({"ok": now.ok, **now.details}, 200 if now.ok else 503)

    routes = [Route("/healthz", healthz)]
    if hook:
        routes.append(Route(hook.path, _webhook(hook), methods=["POST"]))
    return Starlette(routes=routes, max_body_size=_MOST_BYTES)


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
