"""Pages that stay open: one look at the database a second wakes those for whom something is new."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bot.errors import HotlineError
from bot.store import cases, transcript
from bot.store.engine import Store
from bot.web.pages import whole

CHANNEL = "web"
STAFF = 0
"""In place of a conversation: whoever watches the work list."""
_LOOK_SECONDS = 1.0
_BREATH_SECONDS = 7.5
_COMMENT_EVERY = 2
_MOST_EACH = 8
"""Pages of one citizen that are kept up to date: nobody takes them all."""
_LATE = 100
"""Two transactions may be seen in another order than they took their numbers in."""
log = logging.getLogger(__name__)


class Stream:
    """One open page, and how far it is told."""

    def __init__(self, conversation: int) -> None:
        self.conversation, self.news, self.id = conversation, asyncio.Event(), 0

    def wake(self, number: int) -> None:
        """Something up to that number is there."""
        if number > self.id:
            self.id = number
            self.news.set()


def since(request: Request) -> int:
    """How far a page says that it is told; 0 for whatever is no such number."""
    return whole(request.headers.get("last-event-id") or request.query_params.get("since", "")) or 0


class Streams:
    """All open pages; `run` until cancelled, `close` before the server stops."""

    def __init__(self, store: Store, most: int) -> None:
        self.store, self.most = store, most
        self._open: dict[int, set[Stream]] = {}
        self._closing = asyncio.Event()
        self._letter = 0

    @property
    def count(self) -> int:
        """Open pages."""
        return sum(map(len, self._open.values()))

    async def run(self) -> None:
        """Looks once a second."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self._look()
            except HotlineError as error:
                log.warning("streams: %s", error)

    def close(self) -> None:
        """Ends every stream: the pages come back by themselves."""
        self._closing.set()
        for streams in self._open.values():
            for stream in streams:
                stream.news.set()

    async def newest(self, conversation: int) -> int:
        """How far a conversation, or the work list, has come."""
        async with self.store.reading() as connection:
            if conversation == STAFF:
                return sum(await cases.last_steps(connection))
            return await transcript.last_letter_to(connection, conversation)

    def response(self, conversation: int, since: int, may_stay: Callable[[], Awaitable[bool]]) -> Response:
        """Events for one page: its first says where it stands; 204 tells a page to do without."""
        mine = len(self._open.get(conversation, ())) if conversation != STAFF else 0
        if self.count >= self.most or mine >= _MOST_EACH or self._closing.is_set():
            return Response(status_code=204)
        events = self._events(Stream(conversation), since, may_stay)
        return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _events(self, stream: Stream, since: int, may_stay: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
        self._open.setdefault(stream.conversation, set()).add(stream)
        try:
            newest = stream.id = await self.newest(stream.conversation)
            # what came between the page and its stream must not wait for what comes next
            yield f"retry: 3000\nid: {newest}\nevent: {'news' if newest > since else 'here'}\ndata: {newest}\n\n"
            loop, breaths = asyncio.get_running_loop(), 0
            checked = loop.time()
            while not self._closing.is_set():
                if await self._is_news(stream):
                    yield f"id: {stream.id}\nevent: news\ndata: {stream.id}\n\n"
                if loop.time() - checked < _BREATH_SECONDS:
                    continue
                checked, breaths = loop.time(), breaths + 1
                if self._closing.is_set() or not await may_stay():
                    return
                if breaths % _COMMENT_EVERY == 0:
                    yield ": \n\n"
        finally:
            self._open[stream.conversation].discard(stream)
            if not self._open[stream.conversation]:
                del self._open[stream.conversation]

    async def _is_news(self, stream: Stream) -> bool:
        try:
            await asyncio.wait_for(stream.news.wait(), _BREATH_SECONDS)
        except TimeoutError:
            return False
        stream.news.clear()
        return not self._closing.is_set()

    async def _look(self) -> None:
        async with self.store.reading() as connection:
            newest = await transcript.last_letter(connection)
            letters = await transcript.waiting_after(connection, CHANNEL, self._letter - _LATE) if self._open else {}
            step = sum(await cases.last_steps(connection)) if STAFF in self._open else 0
        self._letter = newest
        for conversation, number in {**letters, STAFF: step}.items():
            for stream in self._open.get(conversation, ()):
                stream.wake(number)
