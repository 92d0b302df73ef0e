"""How fast we may send: over all, in one chat, in one group; a 429 stops its chat."""

import asyncio
from collections import deque
from math import inf

from bot.config import TelegramSettings

_CHATS_IN_A_ROW = 3
"""So many chats refused one after the other, and it is not the chats: everything waits."""
_REMEMBERED_CHATS = 10_000


class Window:
    """At most so many in so many seconds; each caller gets the moment at which it may go."""

    def __init__(self, rate: float, seconds: float = 1.0) -> None:
        self.most = max(1, int(rate))
        self.seconds = seconds * self.most / rate
        self._taken: deque[float] = deque(maxlen=self.most)

    def next(self, now: float) -> float:
        """The first free moment."""
        return max(now, self._taken[0] + self.seconds) if len(self._taken) == self.most else now

    def take(self, now: float) -> float:
        """The first free moment, which is then taken."""
        moment = self.next(now)
        self._taken.append(moment)
        return moment

    def is_idle(self, now: float) -> bool:
        """Whether nothing was taken lately."""
        return not self._taken or self._taken[-1] + self.seconds < now


class Pace:
    """One for all that is sent; what waits here holds up nobody but its own chat."""

    def __init__(self, settings: TelegramSettings) -> None:
        self._settings = settings
        self._all = Window(settings.messages_per_second)
        self._letters = Window(settings.messages_per_second / 2)
        self._chats: dict[int, list[Window]] = {}
        self._stopped: dict[int, float] = {}
        self._refused: list[int] = []
        self._all_stopped = -inf

    async def reply(self, chat: int) -> None:
        """Waits until a reply may leave for this chat."""
        await self.open(chat)
        await _until(self._all.take(_now()))
        await self._take(chat)

    async def letter(self, chat: int) -> None:
        """Waits until what is no reply may leave: at most half of the pace, and only what replies leave free."""
        await self.open(chat)
        await _until(self._letters.take(_now()))
        while self._all.next(_now()) > _now():
            await _until(self._all.next(_now()))
        self._all.take(_now())
        await self._take(chat)

    async def open(self, chat: int) -> None:
        """Waits until something may be sent to this chat, as far as the chat is concerned."""
        while (until := self._free_at(chat)) > _now():
            await _until(until)

    def is_open(self, chat: int) -> bool:
        """Whether something may be sent to this chat now, as far as the chat is concerned."""
        return self._free_at(chat) <= _now()

    def refused(self, chat: int, seconds: float) -> None:
        """Telegram answered 429 for this chat."""
        self._stopped[chat] = _now() + seconds
        self._refused = [*(c for c in self._refused if c != chat), chat]
        if len(self._refused) >= _CHATS_IN_A_ROW:
            self._all_stopped = _now() + seconds
            self._refused = []

    def accepted(self) -> None:
        """Telegram took a message: what was refused before was about those chats alone."""
        self._refused = []

    async def _take(self, chat: int) -> None:
        """Counted when it leaves, not when it began to wait for the others; it may have been stopped meanwhile."""
        await self.open(chat)
        self._stopped.pop(chat, None)
        windows = self._chats.get(chat)
        if windows is None:
            self._tidy()
            windows = self._chats[chat] = [Window(self._settings.messages_per_second_in_chat)]
            if chat < 0:  # groups have negative numbers
                windows.append(Window(self._settings.messages_per_minute_in_group, 60))
        for window in windows:
            await _until(window.take(_now()))

    def _free_at(self, chat: int) -> float:
        windows = (window.next(_now()) for window in self._chats.get(chat, ()))
        return max(self._stopped.get(chat, -inf), self._all_stopped, *windows, -inf)

    def _tidy(self) -> None:
        if len(self._chats) >= _REMEMBERED_CHATS:
            now = _now()
            self._chats = {c: ws for c, ws in self._chats.items() if not all(w.is_idle(now) for w in ws)}


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _until(moment: float) -> None:
    if moment > _now():
        await asyncio.sleep(moment - _now())
