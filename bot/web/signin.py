"""Signing staff in: a link that works once, a session that ends; who lost their role is out at their next click."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot import voice
from bot.config import Config, Person
from bot.entrance import PATH
from bot.roster import Roster
from bot.store import doors
from bot.store.engine import Store
from bot.web.guard import is_private
from bot.web.pages import Pages
from bot.worktime import Clock

COOKIE = "hotline_staff"
HOME = "/staff/cases"
_TRIES_A_MINUTE = 20
Page = Callable[[Request, Person], Awaitable[Response]]


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in."""

    key: str
    person: Person


class SignIn:
    """The door of the console."""

    def __init__(self, config: Config, store: Store, roster: Roster, pages: Pages, clock: Clock, key: str) -> None:
        self.store, self.roster, self.pages, self.clock = store, roster, pages, clock
        self._idle = timedelta(minutes=config.web.idle_minutes)
        self._signer = URLSafeSerializer(key, "staff")
        self._limiter, self._tries = FixedWindowRateLimiter(MemoryStorage()), RateLimitItemPerMinute(_TRIES_A_MINUTE)

    def routes(self) -> list[Route]:
        """Where the door is."""
        return [
            Route("/staff", self.door),
            Route(PATH + "{key}", self.link, methods=["GET", "POST"]),
            Route("/staff/out", self.sign_out, methods=["POST"]),
        ]

    async def door(self, request: Request) -> Response:
        """How to get in; who is in goes on."""
        if await self.session(request, is_activity=False):
            return RedirectResponse(HOME, 303)
        return self._page(request, "door.html", is_private=is_private(request))

    async def link(self, request: Request) -> Response:
        """Opening it shows one button; pressing that uses it up: previews of links in chats only look."""
        if not await self._limiter.hit(self._tries, request.client.host if request.client else ""):
            return self._page(request, "door.html", 429, told=voice.TOO_MANY_TRIES, is_private=True)
        if not is_private(request):
            return self._page(request, "door.html", 403, is_private=False)
        key, now = request.path_params["key"], self.clock()
        if request.method != "POST":  # HEAD looks as well
            async with self.store.reading() as connection:
                name = await doors.whose_link(connection, key, now)
            if name is None or self.roster.named(name) is None:
                return self._page(request, "door.html", 410, told=voice.LINK_IS_OVER, is_private=True)
            return self._page(request, "enter.html", name=name)

        async def enter(connection: Any) -> str | None:
            name = await doors.use_link(connection, key, now)
            if name is None or self.roster.named(name) is None:
                return None
            return await doors.open_session(connection, name, now, self._idle)

        session = await self.store.write(enter)
        if session is None:
            return self._page(request, "door.html", 410, told=voice.LINK_IS_OVER, is_private=True)
        response = RedirectResponse(HOME, 303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, str(self._signer.dumps(session)), secure=secure, httponly=True, samesite="strict")
        return response

    async def sign_out(self, request: Request) -> Response:
        """Ends all sessions of whoever asks, wherever they are."""
        session = await self.session(request, is_activity=False)
        if session:
            await self.store.write(lambda c: doors.close_sessions(c, session.person.name))
        response = RedirectResponse("/staff", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    async def session(self, request: Request, *, is_activity: bool = True) -> Session | None:
        """Who is signed in; looking does not keep a session alive unless it `is_activity`."""
        try:
            key = str(self._signer.loads(request.cookies.get(COOKIE, "")))
        except BadSignature:
            return None
        now = self.clock()
        async with self.store.reading() as connection:
            found = await doors.whose_session(connection, key, now, self._idle)
        person = self.roster.named(found[0]) if found else None
        if found is None or person is None:
            return None
        if is_activity and found[1]:
            await self.store.write(lambda c: doors.seen(c, key, now))
        return Session(key, person)

    def only_staff(self, page: Page, *, is_activity: bool = True) -> Callable[[Request], Awaitable[Response]]:
        """The page for those who are signed in; all others are sent to the door."""

        async def guarded(request: Request) -> Response:
            session = await self.session(request, is_activity=is_activity)
            if session is None:
                return RedirectResponse("/staff", 303)
            return await page(request, session.person)

        return guarded

    def still_in(self, request: Request) -> Callable[[], Awaitable[bool]]:
        """For pages that stay open: whether who opened it may still see it."""

        async def asked() -> bool:
            return await self.session(request, is_activity=False) is not None

        return asked

    def _page(self, request: Request, template: str, status: int = 200, **context: Any) -> Response:
        return self.pages.render(template, {"told": "", "person": None, **context}, status)
