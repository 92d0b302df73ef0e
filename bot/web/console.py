"""Staff's console: the work list, one case, and everything that can be done about it."""

from starlette.routing import Route

from bot.hotline import Hotline
from bot.web.pages import Pages
from bot.web.signin import SignIn
from bot.web.streams import Streams


class Console:
    """The pages of 待办."""

    def __init__(self, hotline: Hotline, pages: Pages, door: SignIn, streams: Streams) -> None:
        self.hotline, self.pages, self.door, self.streams = hotline, pages, door, streams

    def routes(self) -> list[Route]:
        """Where each page is."""
        return []
