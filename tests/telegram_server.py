"""A Telegram Bot API server on loopback, for tests and benches: what `{url}/bot{token}/{method}` answers."""

import asyncio
import json
import re
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from html import unescape
from http import HTTPStatus
from itertools import chain, count, islice
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, unquote

import aiohttp
from aiohttp import web

JSON = dict[str, Any]
BOT = {"id": 123456, "is_bot": True, "first_name": "12345", "username": "hotline_test_bot"}
SHY = {"chat_member", "message_reaction", "message_reaction_count"}  # come only to bots that ask for them
NOT_TEXT = {
    "allowed_updates", "chat_id", "commands", "drop_pending_updates", "entities", "limit", "max_connections",
    "message_id", "offset", "reply_markup", "reply_parameters", "timeout",
}  # fmt: skip
TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "a": "text_link", "code": "code",
    "pre": "pre", "blockquote": "blockquote", "tg-spoiler": "spoiler", "span": "spoiler",
}  # fmt: skip
TAG = re.compile(r"""<(/?)([^\s<>]*)((?:\s+[^\s=<>]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[\w.-]+))?)*)\s*>""")
HREF = re.compile(r"""\bhref\s*=\s*["']?([^"'\s]+)""")
CHARACTER = re.compile(r"&(?:#x[0-9a-f]+|#\d+|lt|gt|amp|quot);?", re.IGNORECASE)
COMMAND = re.compile(r"/\w+(@\w+)?", re.ASCII)
BLOCKED = "Forbidden: bot was blocked by the user"
OTHER_POLLER = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


class Refused(Exception):
    """An answer with `ok: false`; status 0 is no answer at all, the connection is cut."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        answer = {"ok": False, "error_code": status, "description": description}
        self.body = json.dumps(answer | ({"parameters": parameters} if parameters else {})).encode()


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of the bot as it was when it was sent."""

    method: str
    chat_id: int
    text: str
    """As the citizen reads it, without tags (of a photo: its caption); what was posted is in `params`."""
    params: JSON
    message_id: int
    at: float
    """time.monotonic()"""

    @property
    def buttons(self) -> dict[str, str]:
        """What each button says, and the data (or address) behind it."""
        rows = (self.params.get("reply_markup") or {}).get("inline_keyboard", ())
        return {b["text"]: b.get("callback_data") or b.get("url", "") for b in chain.from_iterable(rows)}


class Call(NamedTuple):
    method: str
    params: JSON
    status: int


class Fault(NamedTuple):
    refused: Callable[[], Refused]
    chat: int | None
    after: bool


class Update(NamedTuple):
    number: int
    lane: tuple[str, int]
    """Telegram has one webhook request in flight in each: messages by chat and, beside them, taps by user."""
    body: bytes


class TelegramServer:
    """A Bot API server on loopback: real offset semantics, long poll, faults on demand.

    HTML is the one parse mode it knows. Its state survives `stop()` and `start(server.port)`.
    """

    token = "123456:TEST-token-of-nobody"

    def __init__(self, *, latency: float = 0.0) -> None:
        self.latency = latency
        """Seconds between the work and the answer; may be changed at any time."""
        self.url, self.port = "", 0
        self.sent: list[Sent] = []
        self.calls: list[Call] = []
        self.messages: dict[tuple[int, int], JSON] = {}
        """Every message by chat and message_id, as it looks now."""
        self.blocked: set[int] = set()
        self.migrated: dict[int, int] = {}
        self.webhook: JSON | None = None
        self.backoff = (0.1, 2.0)
        """Seconds before a refused webhook request is repeated: at first, and at most."""
        self.next_update_id = 100_000_001
        self.pending: OrderedDict[int, Update] = OrderedDict()
        """What the bot has not confirmed yet, oldest first."""
        self._allowed: list[str] = []
        self._poll: asyncio.Future[Refused | None] | None = None
        self._poster: Poster | None = None
        self._changing = asyncio.Lock()
        self._faults: dict[str, dict[Fault, int]] = defaultdict(dict)
        self._happened = asyncio.Event()
        self._by_chat: dict[int, list[Sent]] = defaultdict(list)
        self._read: dict[int, int] = defaultdict(int)
        self._message_ids, self._query_ids = count(1), count(1)
        self._queries: set[str] = set()
        self._methods: dict[str, Callable[[JSON], Any]] = {
            "getMe": lambda _: BOT | {"can_join_groups": True, "can_read_all_group_messages": False},
            "getUpdates": self._get_updates,
            "sendMessage": self._send_message,
            "sendPhoto": partial(self._send_file, "photo"),
            "sendDocument": partial(self._send_file, "document"),
            "sendChatAction": lambda params: bool(self._reachable(params)),
            "editMessageText": self._edit_text,
            "editMessageReplyMarkup": lambda params: self._change(params, reply_markup=_keyboard(params)),
            "answerCallbackQuery": self._answer_callback_query,
            "getChat": self._get_chat,
            "setMyCommands": _set_my_commands,
            "deleteMyCommands": lambda _: True,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._get_webhook_info,
        }

    async def start(self, port: int = 0) -> None:
        # a long poll ends with its client; a message is sent or not, nothing between
        server = web.Server(self._serve, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024).start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open_webhook()

    async def stop(self) -> None:
        self._end_poll(Refused(0, "stopped"))
        async with self._changing:
            await self._close_webhook()
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    # what citizens do

    def message(
        self, chat: int, text: str | None = None, *, user: int | None = None, group: bool = False,
        reply_to: int | None = None, **more: Any,
    ) -> int:  # fmt: skip
        """Returns its update_id, which is its message_id too; `more` fields: `date`, `entities`, `photo` …"""
        message = {
            "message_id": self.next_update_id,
            "from": _citizen(user or abs(chat)),
            "chat": _chat(chat, group),
            "date": int(time.time()),
            "text": text,
            "entities": _commands(text or ""),
            "reply_to_message": self.messages[chat, reply_to] if reply_to else None,
        }
        return self.push({"message": self._remember(message | more)})

    def tap(self, chat: int, message_id: int, data: str, *, user: int | None = None) -> int:
        gone = {"chat": _chat(chat), "message_id": message_id, "date": 0}
        message = self.messages.get((chat, message_id), gone)
        query = {"id": str(next(self._query_ids)), "from": _citizen(user or abs(chat)), "message": message}
        return self.push({"callback_query": query | {"chat_instance": str(chat), "data": data}})

    def edit(self, chat: int, message_id: int, text: str, *, user: int | None = None) -> int:
        message = self.messages[chat, message_id]
        change = {"text": text, "entities": _commands(text), "edit_date": int(time.time())}
        sender = {"from": _citizen(user)} if user else {}
        return self.push({"edited_message": self._remember(message | change | sender)})

    def push(self, update: JSON) -> int:
        """Any update: its id, or 0 if the bot did not ask for this kind. An old id repeats an update to a webhook."""
        number: int = update.get("update_id", self.next_update_id)
        kind = next((key for key in update if key != "update_id"), "")
        if kind not in self._allowed if self._allowed else kind in SHY:
            return 0
        if kind == "callback_query":
            self._queries.add(update[kind].get("id", ""))
        self.next_update_id = max(self.next_update_id, number + 1)
        body = json.dumps({"update_id": number, **update}).encode()
        self.pending[number] = waiting = Update(number, _lane(kind, update.get(kind) or {}), body)
        if self._poster:
            self._poster.add(waiting)
        self._end_poll(None)
        return number

    def _remember(self, message: JSON) -> JSON:
        message = {key: value for key, value in message.items() if value not in (None, "", [])}
        self.messages[message["chat"]["id"], message["message_id"]] = message
        return message

    # what the bot did

    def texts(self, chat: int) -> list[str]:
        return [sent.text for sent in self._by_chat[chat]]

    async def until(self, condition: Callable[[], bool], timeout: float = 10) -> None:  # noqa: ASYNC109
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s; {self._story()}")
            self._happened.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._happened.wait(), 0.02)

    async def reply(self, chat: int, *, after: int = 0, timeout: float = 10) -> Sent:  # noqa: ASYNC109
        """The chat's next message that no `reply` has returned yet, and later than the message_id `after`."""

        def unread() -> list[Sent]:
            return [sent for sent in self._by_chat[chat][self._read[chat] :] if sent.message_id > after]

        await self.until(lambda: bool(unread()), timeout)
        sent = unread()[0]
        self._read[chat] = self._by_chat[chat].index(sent) + 1
        return sent

    def _story(self) -> str:
        sent = "".join(f"\n  to {s.chat_id}: {s.text[:80]!r}" for s in self.sent[-10:]) or " nothing"
        calls = ", ".join(f"{c.method} {c.status}" for c in self.calls[-10:]) or "nothing"
        return f"the bot last sent:{sent}\nand last called: {calls}\nupdates not confirmed: {len(self.pending)}"

    # faults

    def fail(
        self, method: str, status: int, description: str = "", *, times: int = 1, chat: int | None = None,
        retry_after: int | None = None, after: bool = False,
    ) -> None:  # fmt: skip
        """The next `times` calls (for this chat) are refused; status 0 cuts the connection; `after` the work is done."""
        assert method in self._methods, method
        parameters = {"retry_after": retry_after or 1} if status == HTTPStatus.TOO_MANY_REQUESTS else {}
        refused = partial(Refused, status, description or _description(status, **parameters), **parameters)
        self._faults[method][Fault(refused, chat, after)] = times

    def _fault(self, method: str, params: JSON) -> Fault | None:
        faults = self._faults.get(method, {})
        fault = next((fault for fault in faults if fault.chat in (None, params.get("chat_id"))), None)
        if fault:
            faults[fault] -= 1
            if not faults[fault]:
                del faults[fault]
        return fault

    # requests

    async def _serve(self, request: web.BaseRequest) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        bot, _, method = unquote(path).rpartition("/")
        params: JSON = {}
        status = 200
        try:
            params = await _params(request, query)
            if bot != f"/bot{self.token}":
                raise Refused(401, "Unauthorized")
            body = await self._work(method, params)
        except Refused as refused:
            status, body = refused.status, refused.body
        self.calls.append(Call(method, params, status))
        self._happened.set()
        if self.latency:
            await asyncio.sleep(self.latency)
        if not status and request.transport:
            request.transport.abort()
        return web.Response(body=body, status=status or 500, headers={"Content-Type": "application/json"})

    async def _work(self, method: str, params: JSON) -> bytes:
        work = self._methods.get(method)
        if not work:
            raise Refused(404, "Not Found")
        fault = self._fault(method, params)
        if fault and not fault.after:
            raise fault.refused()
        result = work(params)
        if asyncio.iscoroutine(result):
            result = await result
        if fault:
            raise fault.refused()
        return b'{"ok":true,"result":%b}' % (result if isinstance(result, bytes) else json.dumps(result).encode())

    # updates, polled

    async def _get_updates(self, params: JSON) -> bytes:
        if self.webhook:
            raise Refused(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first")
        self._end_poll(Refused(409, OTHER_POLLER))
        self._allow(params)
        self._confirm(params.get("offset", 0))
        timeout = min(float(params.get("timeout", 0)), 50)
        if timeout > 0 and not self.pending:
            await self._long_poll(timeout)
        oldest = islice(self.pending.values(), min(params.get("limit") or 100, 100))
        return b"[%b]" % b",".join(update.body for update in oldest)

    async def _long_poll(self, seconds: float) -> None:
        self._poll = poll = asyncio.get_running_loop().create_future()
        await asyncio.wait([poll], timeout=seconds)
        if poll.done() and (refused := poll.result()):
            raise refused

    def _end_poll(self, refused: Refused | None) -> None:
        if self._poll and not self._poll.done():
            self._poll.set_result(refused)

    def _confirm(self, offset: int) -> None:
        if offset < 0:  # all but the last so many
            offset = next(islice(reversed(self.pending), -offset - 1, None), 0)
        if offset > self.next_update_id + 10:
            return  # a number from before the numbering began anew: Telegram starts at the oldest update
        while self.pending and next(iter(self.pending)) < offset:
            self.pending.popitem(last=False)

    def _allow(self, params: JSON) -> None:
        """Remembered, and for updates to come only, as Telegram does."""
        self._allowed = params.get("allowed_updates", self._allowed) or []

    # updates, posted

    async def _set_webhook(self, params: JSON) -> bool:
        if not re.fullmatch(r"[\w-]{0,256}", params.get("secret_token", ""), re.ASCII):
            raise Refused(400, "Bad Request: secret token contains unallowed characters")
        self._end_poll(Refused(409, "Conflict: terminated by setWebhook request"))
        self._allow(params)
        await self._change_webhook(params if params.get("url") else None, params)
        return True

    async def _delete_webhook(self, params: JSON) -> bool:
        await self._change_webhook(None, params)
        return True

    async def _change_webhook(self, webhook: JSON | None, params: JSON) -> None:
        async def change() -> None:
            async with self._changing:
                await self._close_webhook()
                self.webhook = webhook
                if params.get("drop_pending_updates"):
                    self.pending.clear()
                self._open_webhook()

        await asyncio.shield(asyncio.create_task(change()))  # to its end, even if the bot is killed meanwhile

    def _get_webhook_info(self, _: JSON) -> JSON:
        url = self.webhook["url"] if self.webhook else ""
        return {"url": url, "has_custom_certificate": False, "pending_update_count": len(self.pending)}

    def _open_webhook(self) -> None:
        if self.webhook:
            self._poster = Poster(self.webhook, self.backoff, lambda number: self.pending.pop(number, None))
            for update in self.pending.values():
                self._poster.add(update)

    async def _close_webhook(self) -> None:
        poster, self._poster = self._poster, None
        if poster:
            await poster.close()

    # messages

    def _send_message(self, params: JSON) -> JSON:
        text, entities = _shown(params, "text", 4096)
        return self._send("sendMessage", params, text, {"text": text, "entities": entities})

    def _send_file(self, kind: str, params: JSON) -> JSON:
        if not params.get(kind):
            raise Refused(400, f"Bad Request: there is no {kind} in the request")
        caption, entities = _shown(params, "caption", 1024)
        file = {"file_id": "a-file", "file_unique_id": "a-file"}
        content = [file | {"width": 90, "height": 90}] if kind == "photo" else file
        more = {"caption": caption, "caption_entities": entities}
        return self._send(f"send{kind.title()}", params, caption, {kind: content, **more})

    def _send(self, method: str, params: JSON, text: str, content: JSON) -> JSON:
        chat, keyboard, number = self._reachable(params), _keyboard(params), next(self._message_ids)
        answered = (params.get("reply_parameters") or {}).get("message_id", 0)
        sent = Sent(method, chat, text, params, number, time.monotonic())
        self.sent.append(sent)
        self._by_chat[chat].append(sent)
        message = {"message_id": number, "from": BOT, "chat": _chat(chat), "date": int(time.time())}
        more = {"reply_markup": keyboard, "reply_to_message": self.messages.get((chat, answered))}
        return self._remember(message | content | more)

    def _edit_text(self, params: JSON) -> JSON:
        text, entities = _shown(params, "text", 4096)
        return self._change(params, text=text, entities=entities, reply_markup=_keyboard(params))

    def _change(self, params: JSON, **new: Any) -> JSON:
        message = self.messages.get((self._reachable(params), params.get("message_id", 0)))
        if not message:
            raise Refused(400, "Bad Request: message to edit not found")
        if message["from"] != BOT:
            raise Refused(400, "Bad Request: message can't be edited")
        if all((message.get(key) or None) == (value or None) for key, value in new.items()):
            raise Refused(400, "Bad Request: message is not modified: content and reply markup are exactly the same")
        return self._remember(message | new | {"edit_date": int(time.time())})

    def _answer_callback_query(self, params: JSON) -> bool:
        if params.get("callback_query_id") not in self._queries:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        return True

    def _get_chat(self, params: JSON) -> JSON:
        gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
        more = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": dict.fromkeys(gifts, True)}
        return _chat(self._reachable(params)) | more

    def _reachable(self, params: JSON) -> int:
        chat = params.get("chat_id")
        if not isinstance(chat, int):
            raise Refused(400, "Bad Request: chat not found")
        if chat in self.blocked:
            raise Refused(403, BLOCKED)
        if chat in self.migrated:
            moved = "Bad Request: group chat was upgraded to a supergroup chat"
            raise Refused(400, moved, migrate_to_chat_id=self.migrated[chat])
        return chat


class Poster:
    """Posts updates to a webhook, lane beside lane, each update again and again until it is taken."""

    def __init__(self, webhook: JSON, backoff: tuple[float, float], taken: Callable[[int], object]) -> None:
        self._url, self._backoff, self._taken = webhook["url"], backoff, taken
        secret = webhook.get("secret_token")
        self._session = aiohttp.ClientSession(
            headers={"Content-Type": "application/json"}
            | ({"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}),
            connector=aiohttp.TCPConnector(limit=webhook.get("max_connections") or 40),
            timeout=aiohttp.ClientTimeout(sock_read=60),  # the wait for a free connection is not limited
        )
        self._lanes: dict[tuple[str, int], deque[Update]] = defaultdict(deque)
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, update: Update) -> None:
        lane = self._lanes[update.lane]
        lane.append(update)
        if len(lane) == 1:
            task = asyncio.create_task(self._drain(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def _drain(self, lane: deque[Update]) -> None:
        first, most = self._backoff
        delay = first
        while lane:
            if await self._post(lane[0]):
                self._taken(lane.popleft().number)
                delay = first
            else:
                await asyncio.sleep(delay)
                delay = min(delay * 2, most)

    async def _post(self, update: Update) -> bool:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(self._url, data=update.body, allow_redirects=False) as response:
                return 200 <= response.status < 300
        return False


async def _params(request: web.BaseRequest, query: str) -> JSON:
    """The parameters of any kind of request, uploads as bytes, what is not text read as JSON."""
    params: JSON = dict(parse_qsl(query, keep_blank_values=True))
    if request.content_type == "multipart/form-data":
        for name, value in (await request.clone(client_max_size=50 << 20).post()).items():
            params[name] = _read_and_close(value) if isinstance(value, web.FileField) else value
    elif body := (await request.read()).decode():
        is_json = request.content_type == "application/json"
        params |= _read_json(body) if is_json else parse_qsl(body, keep_blank_values=True)
    for name in NOT_TEXT & params.keys():
        if isinstance(params[name], str) and not params[name].startswith("@"):
            params[name] = _read_json(params[name])
    return params


def _read_and_close(part: web.FileField) -> bytes:
    with part.file:
        return part.file.read()


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Refused(400, "Bad Request: can't parse JSON object") from None


def _description(status: int, retry_after: int = 0) -> str:
    known = {0: "no answer", 403: BLOCKED, 409: OTHER_POLLER, 429: f"Too Many Requests: retry after {retry_after}"}
    return known.get(status) or HTTPStatus(status).phrase


def _citizen(user: int) -> JSON:
    return {"id": user, "is_bot": False, "first_name": f"Citizen {user}", "language_code": "zh-hans"}


def _chat(chat: int, group: bool = False) -> JSON:
    if group or chat < 0:
        kind = "supergroup" if str(chat).startswith("-100") else "group"
        return {"id": chat, "type": kind, "title": f"Group {chat}"}
    return {"id": chat, "type": "private", "first_name": f"Citizen {chat}"}


def _commands(text: str) -> list[JSON]:
    command = COMMAND.match(text)
    return [{"type": "bot_command", "offset": 0, "length": command.end()}] if command else []


def _lane(kind: str, content: Any) -> tuple[str, int]:
    by_chat = kind in ("message", "edited_message")
    with suppress(AttributeError):  # a test pushes broken updates too
        sender = content.get("chat") if by_chat else content.get("from") or content.get("chat")
        return ("message" if by_chat else kind), (sender or {}).get("id", 0)
    return kind, 0


def _set_my_commands(params: JSON) -> bool:
    if not all(re.fullmatch("[a-z0-9_]{1,32}", command["command"]) for command in params["commands"]):
        raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
    return True


def _keyboard(params: JSON) -> JSON | None:
    markup: JSON = params.get("reply_markup") or {}
    for button in chain.from_iterable(markup.get("inline_keyboard", ())):
        if not 1 <= len(button.get("callback_data", "-").encode()) <= 64:
            raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
        if button.keys() == {"text"}:
            raise Refused(400, "Bad Request: can't parse inline keyboard button: Text buttons are unallowed")
    return markup if markup.get("inline_keyboard") else None


def _shown(params: JSON, field: str, most: int) -> tuple[str, list[JSON]]:
    """What the citizen reads of a text or caption, and its entities."""
    text, mode = params.get(field, ""), (params.get("parse_mode") or "").lower()
    if mode not in ("", "html"):
        raise Refused(400, "Bad Request: unsupported parse_mode")
    shown, entities = _read_html(text) if mode else (text, params.get("entities", []))
    if field == "text" and not shown.strip():
        raise Refused(400, "Bad Request: message text is empty")
    if len(shown.strip()) > most:
        raise Refused(400, f"Bad Request: message {'' if field == 'text' else 'caption '}is too long")
    return shown, entities


def _read_html(text: str) -> tuple[str, list[JSON]]:
    """The text without tags, and its entities, counted in UTF-16 as Telegram counts."""
    shown, start, entities = "", 0, []
    unclosed: list[JSON] = []
    for tag in TAG.finditer(text):
        shown += _plain(text[start : tag.start()])
        start, closing, name = tag.end(), tag[1], tag[2].lower()
        if closing:
            if not unclosed or name not in ("", unclosed[-1]["tag"]):
                raise _unparsable(f'Unexpected end tag "{name}"')
            entity = unclosed.pop()
            del entity["tag"]
            entities.append(entity | {"length": _units(shown) - entity["offset"]})
        else:
            if name not in TAGS:
                raise _unparsable(f'Unsupported start tag "{name}"')
            href = HREF.search(tag[3])
            link = {"url": _plain(href[1])} if name == "a" and href else {}
            unclosed.append({"tag": name, "type": TAGS[name], "offset": _units(shown), **link})
    if unclosed:
        raise _unparsable(f'Can\'t find end tag corresponding to start tag "{unclosed[-1]["tag"]}"')
    return shown + _plain(text[start:]), entities


def _plain(text: str) -> str:
    if "<" in text:
        raise _unparsable("Unclosed start tag")
    return CHARACTER.sub(lambda character: unescape(character[0]), text)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _unparsable(problem: str) -> Refused:
    return Refused(400, f"Bad Request: can't parse entities: {problem}")
