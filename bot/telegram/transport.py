"""HTTP for python-telegram-bot over aiohttp: its own httpx walks every connection on every request."""

import aiohttp
from telegram._utils.types import ODVInput
from telegram.error import NetworkError, TimedOut
from telegram.request import BaseRequest, RequestData

_DEFAULT = BaseRequest.DEFAULT_NONE
_CONNECT_SECONDS = 10.0


class AiohttpRequest(BaseRequest):
    """One pool of connections; `read_timeout` is generous, for a request that timed out may have been carried out."""

    def __init__(self, connections: int = 64, read_timeout: float = 25.0) -> None:
        self._connections, self._read_timeout = connections, read_timeout
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float:
        """Seconds to wait for an answer where a call names none."""
        return self._read_timeout

    async def initialize(self) -> None:
        """Opens the pool; proxies are taken from the environment as usual."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=True)

    async def shutdown(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: ODVInput[float] = _DEFAULT,
        write_timeout: ODVInput[float] = _DEFAULT,
        connect_timeout: ODVInput[float] = _DEFAULT,
        pool_timeout: ODVInput[float] = _DEFAULT,
    ) -> tuple[int, bytes]:
        """Status and body; raises TimedOut and NetworkError, never with the address: the token is in it."""
        if self._session is None:
            raise RuntimeError("not initialised")
        read = self._read_timeout if read_timeout is _DEFAULT else read_timeout
        timeout = aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=read)  # type: ignore[arg-type]
        body = _body(request_data) if request_data else None
        try:
            async with self._session.request(method, url, data=body, timeout=timeout) as response:
                return response.status, await response.read()
        except TimeoutError as error:
            raise TimedOut from error
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(type(error).__name__) from None


def _body(request_data: RequestData) -> aiohttp.FormData | dict[str, str]:
    if not request_data.contains_files:
        return dict(request_data.json_parameters)
    form = aiohttp.FormData(request_data.json_parameters)
    for name, (filename, content, mime) in request_data.multipart_data.items():
        form.add_field(name, content, filename=filename, content_type=mime)
    return form
