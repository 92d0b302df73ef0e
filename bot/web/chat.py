"""Citizens' chat: the same dialogue, record and cases as everywhere, on plain pages that scripts make smoother."""

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from bot import voice
from bot.buttons import Button, by_short_id, rows_of, rows_of_letter, short_id
from bot.dialogue import Outcome, State, as_dict
from bot.errors import HotlineError
from bot.hotline import Asked, Declined, Hotline, kept
from bot.store.cases import Reason, Satisfaction
from bot.store.questions import Feedback, Said
from bot.store.transcript import Exchange, Letter
from bot.text import Script, to_script
from bot.web.pages import Pages, form_of
from bot.web.streams import Streams, since
from bot.web.visitors import Visitor, Visitors

MOST_SHOWN = 100
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_OFFERED = {Reason.NONE_OF_THESE, Reason.UNSOLVED, Reason.OUTDATED}
_KEY = re.compile(r"[A-Za-z0-9_-]{1,36}")
_TRADITIONAL = re.compile(r"zh-(?:Hant|TW|HK|MO)", re.IGNORECASE)
Rows = list[list[Button]]


@dataclass(frozen=True)
class Bubble:
    """One thing that was said, as the page shows it."""

    id: str
    who: str
    """citizen, bot or staff."""
    at: Any
    lines: tuple[str, ...]
    rows: Rows
    note: str = ""
    """What became of it."""


class Chat:
    """The pages that citizens see."""

    def __init__(self, hotline: Hotline, pages: Pages, visitors: Visitors, streams: Streams) -> None:
        self.hotline, self.pages, self.visitors, self.streams = hotline, pages, visitors, streams

    def routes(self) -> list[Route]:
        """Where each page is."""
        return [
            Route("/", self.page),
            Route("/log", self.log),
            Route("/events", self.events),
            Route("/ask", self.ask, methods=["POST"]),
            Route("/do", self.do, methods=["POST"]),
            Route("/topics", self.topics),
            Route("/about", self.about, methods=["POST"]),
            Route("/city", self.city, methods=["GET", "POST"]),
            Route("/script", self.script, methods=["POST"]),
            Route("/status", self.status),
            Route("/privacy", self.privacy),
            Route("/forget", self.forget, methods=["POST"]),
        ]

    # ---- the conversation

    async def page(self, request: Request) -> Response:
        """The whole page."""
        return await self._page(request, self.visitors.who(request))

    async def log(self, request: Request) -> Response:
        """What was said, for the page's script."""
        return await self._log(request, self.visitors.who(request))

    async def events(self, request: Request) -> Response:
        """Tells the page when something came; it then fetches the log."""
        conversation = await self.hotline.conversation_of(self.visitors.who(request).address)
        if conversation is None:
            return Response(status_code=204)
        return self.streams.response(conversation, since(request), _always)

    async def ask(self, request: Request) -> Response:
        """A question, typed; with `staff` it goes straight to them."""
        visitor = self.visitors.who(request)
        sent = await _sent(request)
        text = sent.get("text", "").strip()
        if not await self.visitors.may_ask(request, visitor):
            return await self._sorry(request, visitor, voice.TOO_FAST, 429)
        asked = self._asked(visitor, text, sent)
        if not text:
            if "staff" in sent:
                return await self._done(request, visitor, lambda: self._hand_over_last(visitor))
            return await self._sorry(request, visitor, voice.NOTHING_WRITTEN, 400)
        said = await (self.hotline.ask_staff(asked) if "staff" in sent else self.hotline.answer(asked))
        said = said or await self.hotline.said_before(asked.update_key)
        return await self._answered(request, visitor, text, said)

    async def do(self, request: Request) -> Response:
        """A button below a reply."""
        visitor, sent = self.visitors.who(request), await _sent(request)
        if not await self.visitors.may_ask(request, visitor):
            return await self._sorry(request, visitor, voice.TOO_FAST, 429)
        return await self._done(request, visitor, lambda: self._pressed(visitor, sent))

    async def about(self, request: Request) -> Response:
        """A matter picked from the list of all."""
        visitor, sent = self.visitors.who(request), await _sent(request)
        if not await self.visitors.may_ask(request, visitor):
            return await self._sorry(request, visitor, voice.TOO_FAST, 429)
        intent = by_short_id(self.hotline.dialogue.content.intents, sent.get("intent", "")) or ""
        asked = self._asked(visitor, "", sent)

        async def picked() -> None:
            said = await self.hotline.ask_about(asked, intent)
            if said:
                await self.hotline.note_replied(said.question)

        return await self._done(request, visitor, picked)

    async def _pressed(self, visitor: Visitor, sent: dict[str, str]) -> None:
        kind, *rest = sent.get("do", "").split(":")
        address = visitor.address
        match kind, rest:
            case "q", [number, position]:
                said = await self.hotline.pick(self._asked(visitor, "", sent), _number(number), _number(position))
                if said:
                    await self.hotline.note_replied(said.question)
            case "y", [number]:
                await self.hotline.rate(address, _number(number), Feedback.SOLVED)
            case "n", [number]:
                await self.hotline.rate(address, _number(number), Feedback.UNSOLVED)
            case "h", [number, reason] if reason in _OFFERED:
                await self.hotline.hand_over(address, _number(number), Reason(reason))
            case "r", [number, how]:
                await self.hotline.rate_staff(address, _number(number), Satisfaction(how))
            case _:
                raise Declined(voice.OLD_BUTTON)

    async def _hand_over_last(self, visitor: Visitor) -> None:
        last = await self.hotline.last_question(visitor.address)
        if last is None:
            raise Declined(voice.NOTHING_TO_HAND_OVER_HERE)
        await self.hotline.hand_over(visitor.address, last.id, Reason.HUMAN)

    async def _done(self, request: Request, visitor: Visitor, deed: Callable[[], Awaitable[None]]) -> Response:
        try:
            await deed()
        except Declined as sorry:
            return await self._sorry(request, visitor, str(sorry), 409)
        except ValueError:
            return await self._sorry(request, visitor, voice.OLD_BUTTON, 409)
        return await self._back(request, visitor)

    async def _answered(self, request: Request, visitor: Visitor, text: str, said: Said | None) -> Response:
        if said is None:
            return await self._back(request, visitor)
        noted = BackgroundTask(self.hotline.note_replied, said.question)
        if _wants_json(request):
            response: Response = JSONResponse(as_dict(kept(text), said, said.ticket), background=noted)
            self.visitors.remember(request, response, visitor)
            return response
        response = await self._back(request, visitor)
        response.background = noted
        return response

    async def _back(self, request: Request, visitor: Visitor) -> Response:
        """The page as it is now; by way of a redirect, so that reloading it asks nothing again."""
        if _wants_part(request):
            return await self._log(request, visitor)
        response = RedirectResponse("/#end", 303)
        self.visitors.remember(request, response, visitor)
        return response

    async def _sorry(self, request: Request, visitor: Visitor, told: str, status: int) -> Response:
        state = await self.hotline.state_of(visitor.address)
        told = to_script(told, _script(request, state))
        if _wants_json(request):
            return JSONResponse({"error": told}, status)
        if _wants_part(request):
            return await self._log(request, visitor, told, status)
        return await self._page(request, visitor, told, status)

    async def _log(self, request: Request, visitor: Visitor, told: str = "", status: int = 200) -> Response:
        context = await self._conversation(request, visitor)
        response = self.pages.render("log.html", {**context, "told": told}, status)
        self.visitors.remember(request, response, visitor)
        return response

    async def _page(self, request: Request, visitor: Visitor, told: str = "", status: int = 200) -> Response:
        context = {**await self._conversation(request, visitor), "told": told}
        response = self.pages.render("chat.html", context, status)
        self.visitors.remember(request, response, visitor)
        return response

    async def _conversation(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        shown = await self.hotline.transcript(visitor.address, MOST_SHOWN)
        letters = [one.id for one in shown if isinstance(one, Letter)]
        return {
            **await self._frame(request, visitor),
            "bubbles": list(bubbles(shown, self.hotline)),
            "since": max(letters, default=0),
            "examples": self.hotline.config.chat.examples,
        }

    async def _frame(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        """What stands around every page."""
        state, config = await self.hotline.state_of(visitor.address), self.hotline.config
        return {
            "script": _script(request, state),
            "chosen_script": state.chosen_script or "",
            "region": state.region,
            "notice": config.notice.on(self.hotline.clock().date()),
            "key": secrets.token_urlsafe(12),
            "longest": config.limits.message_length,
            "page": request.url.path,
        }

    # ---- what citizens set and look up

    async def topics(self, request: Request) -> Response:
        """Everything that can be answered, by department."""
        content = self.hotline.dialogue.content
        listed = [
            (department.name, [(i.title, short_id(k)) for k, i in content.intents.items() if i.department == key])
            for key, department in content.departments.items()
        ]
        return await self._plain(request, "topics.html", departments=[(name, found) for name, found in listed if found])

    async def city(self, request: Request) -> Response:
        """Remembers a city, or asks for one."""
        visitor = self.visitors.who(request)
        if request.method != "POST":  # HEAD looks as well
            return await self._plain(request, "city.html", cities=self._cities())
        if not await self.visitors.may_ask(request, visitor):
            return await self._plain(request, "city.html", 429, cities=self._cities(), told=voice.TOO_FAST)
        sent = await _sent(request)
        name = sent.get("name", "").strip()
        region = self.hotline.dialogue.find_region(name) if name else ""
        if name and not region:
            told = voice.NO_SUCH_CITY_HERE.format(voice.shortened(name))
            return await self._plain(request, "city.html", 400, cities=self._cities(), told=told)
        await self.hotline.live_in(visitor.address, region)
        return self._to(request, visitor, "/city")

    async def script(self, request: Request) -> Response:
        """Which script to write in from now on."""
        visitor, sent = self.visitors.who(request), await _sent(request)
        if not await self.visitors.may_ask(request, visitor):
            return await self._sorry(request, visitor, voice.TOO_FAST, 429)
        code = sent.get("script", "")
        if code not in voice.SCRIPTS:
            return await self._sorry(request, visitor, voice.OLD_BUTTON, 400)
        await self.hotline.write_in(visitor.address, Script(code) if code else None)
        back = sent.get("back", "/")
        return self._to(request, visitor, back if back in _PAGES else "/")

    async def status(self, request: Request) -> Response:
        """Where their tickets stand."""
        tickets = await self.hotline.tickets(self.visitors.who(request).address)
        return await self._plain(request, "status.html", tickets=tickets)

    async def privacy(self, request: Request) -> Response:
        """What is kept, and the button that deletes it."""
        days = self.hotline.config.limits.keep_days
        return await self._plain(request, "privacy.html", days=days, is_forgotten="forgotten" in request.query_params)

    async def forget(self, request: Request) -> Response:
        """Deletes what they wrote."""
        visitor = self.visitors.who(request)
        await self.hotline.forget(visitor.address)
        return self._to(request, visitor, "/privacy?forgotten")

    async def _plain(self, request: Request, template: str, status: int = 200, **context: Any) -> Response:
        visitor = self.visitors.who(request)
        context = {"told": "", **await self._frame(request, visitor), **context}
        response = self.pages.render(template, context, status)
        self.visitors.remember(request, response, visitor)
        return response

    def _to(self, request: Request, visitor: Visitor, where: str) -> Response:
        response = RedirectResponse(where, 303)
        self.visitors.remember(request, response, visitor)
        return response

    def _cities(self) -> list[str]:
        content = self.hotline.dialogue.content
        return sorted({a.region for i in content.intents.values() for a in i.answers if a.region})

    def _asked(self, visitor: Visitor, text: str, sent: dict[str, str]) -> Asked:
        key = sent.get("key", "")
        key = key if _KEY.fullmatch(key) else secrets.token_urlsafe(12)
        return Asked(visitor.address, text, self.hotline.clock(), f"web:{visitor.number:x}:{key}")


def bubbles(shown: Iterable[Exchange | Letter], hotline: Hotline) -> Iterable[Bubble]:
    """The conversation as it looks now; buttons that have done their work are gone."""
    shown = list(shown)
    exchanges = [one for one in shown if isinstance(one, Exchange)]
    latest = exchanges[-1].number if exchanges else 0
    last_of = {one.root: one.number for one in exchanges}
    last_letter = {one.rates: one.id for one in shown if isinstance(one, Letter)}
    for one in shown:
        if isinstance(one, Letter):
            yield _letter(one, is_last=last_letter[one.rates] == one.id)
            continue
        yield Bubble(f"q{one.number}", "citizen", one.at, tuple(one.text.split("\n")), [])
        yield _reply(one, hotline, is_latest=one.number == latest, is_last=last_of[one.root] == one.number)


def _reply(one: Exchange, hotline: Hotline, *, is_latest: bool, is_last: bool) -> Bubble:
    said, note = one.said, ""
    rows: Rows = rows_of(said)
    if said.outcome is Outcome.ANSWERED:
        *next_ones, rating = rows
        rows = [*(next_ones if is_latest else []), *([] if one.feedback else [rating])]
        if one.feedback == Feedback.SOLVED:
            note = voice.GLAD
    elif said.outcome in (Outcome.CHOICES, Outcome.ASK_REGION) and not is_latest:
        rows = []
    if one.case is not None and said.ticket is None and not one.is_reason and is_last and one.opened_at:
        rows = [row for row in rows if said.outcome is Outcome.ANSWERED]
        note = voice.HANDED_OVER.format(voice.ALL_RIGHT, one.root, hotline.promise(one.opened_at))
    elif one.feedback == Feedback.UNSOLVED and one.case is None:
        note = voice.OFFER_STAFF.format(voice.shortened(one.text))
        offers = ((voice.TO_STAFF, Reason.UNSOLVED), (voice.OUTDATED, Reason.OUTDATED))
        rows = [*rows, [(label, f"h:{one.number}:{reason}") for label, reason in offers]]
    return Bubble(f"a{one.number}", "bot", one.at, tuple(said.text.split("\n")), rows, note)


def _letter(one: Letter, *, is_last: bool) -> Bubble:
    rows: Rows = []
    note = ""
    if one.rates is not None and is_last:
        is_open = not one.satisfaction or (one.satisfaction == Satisfaction.UNSATISFIED and not one.waits)
        rows = rows_of_letter(one.message) if is_open else []
        if not is_open:
            is_bad = one.satisfaction == Satisfaction.UNSATISFIED
            note = voice.WHY_NOT if is_bad else voice.YOUR_RATING.format(voice.SATISFACTION[one.satisfaction])
    return Bubble(f"l{one.id}", "staff", one.at, tuple(one.text.split("\n")), rows, note)


_PAGES = {"/", "/topics", "/city", "/status", "/privacy"}


def _script(request: Request, state: State) -> Script:
    known = state.chosen_script or state.script
    is_traditional = _TRADITIONAL.match(request.headers.get("accept-language", ""))
    return known or (Script.TRADITIONAL if is_traditional else Script.SIMPLIFIED)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _wants_part(request: Request) -> bool:
    """Whether the page's own script asks."""
    return "x-part" in request.headers


async def _always() -> bool:
    return True


async def _sent(request: Request) -> dict[str, str]:
    """What was posted, as a form or as JSON."""
    if "application/json" in request.headers.get("content-type", ""):
        try:
            body = await request.json()
        except (ValueError, RecursionError):
            raise Unreadable() from None
        return {str(k): v for k, v in body.items() if isinstance(v, str)} if isinstance(body, dict) else {}
    try:
        return {key: values[-1] for key, values in (await form_of(request)).items()}
    except ValueError:
        raise Unreadable() from None


class Unreadable(HotlineError):
    """A body that is not what it says it is."""
