"""What every request passes first: nothing from other sites, no slow bodies, strict headers on the way out."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODY_SECONDS = 10.0
_SAFE = {"GET", "HEAD", "OPTIONS"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STAFF = "/staff"


class Guard:
    """ASGI middleware; `open_paths` take posts from elsewhere, such as Telegram's, and prove them in their own way."""

    def __init__(self, app: ASGIApp, open_paths: Sequence[str] = (), most_bytes: int = 65_536) -> None:
        self.app, self.open_paths, self.most_bytes = app, frozenset(open_paths), most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in self.open_paths:
            await self.app(scope, receive, send)
            return
        if scope["method"] not in _SAFE and not _is_ours(scope):
            refusal = PlainTextResponse("这个请求来自别的网站，没有处理。", 403)
            await refusal(scope, receive, _with_headers(send))
            return
        await self.app(scope, _in_time(receive, self.most_bytes), _with_headers(send))


def _is_ours(scope: Scope) -> bool:
    """Whether a post comes from our own page, or from no page; browsers say so, others have no cookies to abuse."""
    headers = Headers(scope=scope)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in {"same-origin", "none"}
    if origin is None:
        return True
    if (
        origin == "null"
    ):  # an old browser under `no-referrer`: to citizens' pages it then sends no cookie from elsewhere
        return not scope["path"].startswith(STAFF)
    return urlsplit(origin).netloc == headers.get("host")


def _in_time(receive: Receive, most_bytes: int) -> Receive:
    """Who sends too much, or drop by drop, is let go; the end of a connection is waited for as long as it takes."""
    is_whole, left = False, most_bytes

    async def received() -> Message:
        nonlocal is_whole, left
        if is_whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), _BODY_SECONDS)
        except TimeoutError:
            return {"type": "http.disconnect"}
        is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413)
        return message

    return received


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")  # citizens' words stay in no shared computer
        await send(message)

    return sent


def came_from(request: Request, networks: Sequence[str]) -> bool:
    """Whether the one who asks is in one of these networks."""
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return any(address in ip_network(network) for network in networks)


def is_local(request: Request) -> bool:
    """Whether it is asked on this machine."""
    return came_from(request, ("127.0.0.0/8", "::1/128"))


def is_private(request: Request) -> bool:
    """Whether nobody between us can read along: https, or this machine."""
    return request.url.scheme == "https" or is_local(request)
