"""What every request passes first: nothing from other sites, no slow bodies, strict headers on the way out."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODY_SECONDS = 10.0
_LONG_BYTES = 1_000_000
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
    """ASGI middleware; `open_paths` take posts from elsewhere, such as Telegram's, and prove them in their own way.

    Below `long_path` whole files are posted.
    """

    def __init__(self, app: ASGIApp, open_paths: Sequence[str], most_bytes: int, long_path: str) -> None:
        self.app, self.open_paths, self.most_bytes = app, frozenset(open_paths), most_bytes
        self.long_path = long_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_open = scope["path"] in self.open_paths
        if not is_open and scope["method"] not in _SAFE and not _is_ours(scope):
            refusal = PlainTextResponse("这个请求来自别的网站，没有处理。", 403)
            await refusal(scope, receive, _with_headers(send))
            return
        is_long = is_open or scope["path"].startswith(self.long_path)
        body = _Body(receive, _LONG_BYTES if is_long else self.most_bytes)
        with suppress(ClientDisconnect):  # gone in the middle of their own request: nobody is there to be told
            await self.app(scope, body.receive, _with_headers(send, body))


def _is_ours(scope: Scope) -> bool:
    """Whether a post comes from our own page, or from no page; browsers say so, others have no cookies to abuse."""
    headers = Headers(scope=scope)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in {"same-origin", "none"}
    if origin is None:
        return True
    if origin == "null":  # an old browser under `no-referrer`: from elsewhere it sends citizens' pages no cookie
        return not scope["path"].startswith(STAFF)
    try:
        return urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False


class _Body:
    """What is sent with a request: who sends too much, or drop by drop, is let go."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive, self._left, self._is_whole = receive, most_bytes, False
        self._until = asyncio.get_running_loop().time() + _BODY_SECONDS
        self.is_refused = False

    async def receive(self) -> Message:
        """The next part; the end of a connection is waited for as long as it takes."""
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise self._refused(408) from None
        self._is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise self._refused(413)
        return message

    def _refused(self, status: int) -> HTTPException:
        self.is_refused = True
        return HTTPException(status)


def harden(headers: MutableHeaders) -> None:
    """Puts in what every response says to browsers."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")  # citizens' words stay in no shared computer


def _with_headers(send: Send, body: _Body | None = None) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            harden(headers)
            if body and body.is_refused:
                headers["Connection"] = "close"  # or the rest would still be read
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
