"""Who writes on the chat page: a number in a signed cookie, and how much they may ask."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeTimedSerializer
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.requests import Request
from starlette.responses import Response

from bot.config import Config
from bot.store.conversations import Address
from bot.web.streams import CHANNEL

COOKIE = "hotline"
_DAY = 86_400
_RENEWED_AFTER = timedelta(days=1)
_NUMBERS = 2**62


@dataclass(frozen=True)
class Visitor:
    """One browser."""

    number: int
    is_fresh: bool
    """The cookie that it has need not be set again."""

    @property
    def address(self) -> Address:
        """Where their conversation is."""
        return Address(CHANNEL, self.number, self.number)


class Visitors:
    """Tells browsers apart, and keeps each of them from asking too much."""

    def __init__(self, config: Config, key: str) -> None:
        self._days = config.limits.keep_days
        self._signer = URLSafeTimedSerializer(key, "visitor")
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._each = RateLimitItemPerMinute(config.limits.messages_per_minute, namespace="visitor")
        self._address = RateLimitItemPerMinute(config.web.messages_per_minute_from_address, namespace="address")

    def who(self, request: Request) -> Visitor:
        """The one whose cookie came along, however old a page they have; else somebody new."""
        try:
            cookie, age = request.cookies.get(COOKIE, ""), self._days * _DAY
            number, made = self._signer.loads(cookie, max_age=age, return_timestamp=True)
            return Visitor(int(number), is_fresh=datetime.now(made.tzinfo) - made < _RENEWED_AFTER)
        except (BadSignature, ValueError, TypeError):
            return Visitor(secrets.randbelow(_NUMBERS) + 1, is_fresh=False)

    def remember(self, request: Request, response: Response, visitor: Visitor) -> None:
        """Has the browser keep who it is, for as long as we keep what it asked."""
        if not visitor.is_fresh:
            value, age = self._signer.dumps(visitor.number), self._days * _DAY
            secure = request.url.scheme == "https"
            # lax: who comes back by a link from elsewhere finds their answer
            response.set_cookie(COOKIE, value, max_age=age, secure=secure, httponly=True, samesite="lax")

    async def may_ask(self, request: Request, visitor: Visitor) -> bool:
        """False when they, or everybody at their address together, asked too much in the last minute."""
        address = request.client.host if request.client else ""
        mine = await self._limiter.hit(self._each, str(visitor.number))
        return await self._limiter.hit(self._address, address) and mine
