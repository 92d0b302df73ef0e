"""Staff's console: the work list, one case, and everything that can be done about it."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot import voice
from bot.casework import File, Refused
from bot.config import Person
from bot.hotline import Hotline
from bot.store import cases
from bot.store.cases import DONE, OPEN, CaseState, Filter, Reason
from bot.store.figures import standing
from bot.text import Script, clean, to_script
from bot.web.pages import Pages, form_of, whole
from bot.web.signin import HOME, SignIn
from bot.web.streams import STAFF, Streams, since

MOST_LISTED = 50
_MOST_CONTEXTS, _CONTEXT = 5, 3
_SHELVES: dict[str, tuple[str, tuple[CaseState, ...]]] = {
    "": ("未办结", OPEN),
    "new": ("待认领", (CaseState.NEW,)),
    "claimed": ("已认领", (CaseState.CLAIMED,)),
    "answered": ("已答复", (CaseState.ANSWERED,)),
    "closed": ("已办结", (CaseState.CLOSED,)),
    "ignored": ("已忽略", (CaseState.IGNORED,)),
    "all": ("全部", tuple(CaseState)),
}
Form = dict[str, list[str]]
Deed = Callable[[int, Person, Form], Awaitable[str]]


class Console:
    """The pages of 待办."""

    def __init__(self, hotline: Hotline, pages: Pages, door: SignIn, streams: Streams) -> None:
        self.hotline, self.pages, self.door, self.streams = hotline, pages, door, streams
        self.casework, self.store = hotline.casework, hotline.store
        self._deeds: dict[str, Deed] = {
            "claim": self._claim,
            "answer": self._answer,
            "assign": self._assign,
            "back": self._send_back,
            "note": self._note,
            "ignore": self._ignore,
            "merge": self._merge,
            "split": self._split,
            "reopen": self._reopen,
        }

    def routes(self) -> list[Route]:
        """Where each page is."""
        staff = self.door.only_staff
        return [
            Route(HOME, staff(self.listed)),
            Route(HOME + "/{number:int}", staff(self.shown)),
            Route(HOME + "/{number:int}/preview", staff(self.preview), methods=["POST"]),
            Route(HOME + "/{number:int}/{deed}", staff(self.done), methods=["POST"]),
            Route("/staff/events", staff(self.events, is_activity=False)),
        ]

    # ---- the list

    async def listed(self, request: Request, person: Person) -> Response:
        """The most pressing cases first."""
        asked = {key: value.strip() for key, value in request.query_params.items() if value.strip()}
        page = whole(asked.get("page", "")[:6]) or 1
        try:
            which = self._filter(asked, person, skip=(page - 1) * MOST_LISTED)
        except Refused as refusal:
            raise HTTPException(404) from refusal
        since = await self.streams.newest(STAFF)
        files, now = await self.casework.listed(which), self.casework.clock()
        context = {
            **self._frame(request, person),
            "files": files[:MOST_LISTED],
            "standing": await standing(self.store, now),
            "shelves": {key: name for key, (name, _) in _SHELVES.items()},
            "asked": asked,
            "number": page,
            "earlier": _address(asked, page=page - 1) if page > 1 else "",
            "later": _address(asked, page=page + 1) if len(files) > MOST_LISTED else "",
            "departments": self.casework.departments,
            "reasons": voice.REASONS,
            "called": self.casework.called,
            "since": since,
        }
        return self.pages.render("case_list.html" if "x-part" in request.headers else "cases.html", context)

    def _filter(self, asked: dict[str, str], person: Person, skip: int) -> Filter:
        state, reason = asked.get("state", ""), asked.get("reason", "")
        if state not in _SHELVES or (reason and reason not in list(Reason)):
            raise Refused("没有这种筛选")
        return Filter(
            states=_SHELVES[state][1],
            department=self.casework.department(asked["department"]) if "department" in asked else "",
            region=asked.get("region", ""),
            claimed_by=person.name if "mine" in asked else "",
            reason=reason,
            text=asked.get("text", ""),
            overdue_at=self.casework.clock() if "overdue" in asked else None,
            most=MOST_LISTED + 1,
            skip=skip,
        )

    # ---- one case

    async def shown(self, request: Request, person: Person) -> Response:
        """Everything about one case."""
        return await self._case(request, person, draft=self._canned(request.query_params.get("canned", "")))

    async def preview(self, request: Request, person: Person) -> Response:
        """What would be sent to whom; nothing has left yet."""
        form, number = await read_form(request), request.path_params["number"]
        file = await self._file(number)
        left_out = _numbers(form, "out")
        receivers = [q for q in file.waiting if q.id not in left_out]
        answer = clean(form.get("text", [""])[0])
        if not answer or not receivers:
            told = "请先写答复。" if receivers else "没有等答复的人了。"
            return await self._case(request, person, told, 409, draft=answer)
        scripts = {Script(q.chosen_script or q.script or Script.SIMPLIFIED) for q in receivers}
        context = {
            **self._frame(request, person),
            "file": file,
            "receivers": receivers,
            "people": len({q.conversation for q in receivers}),
            "left_out": left_out,
            "answer": answer,
            "in_traditional": to_script(answer, Script.TRADITIONAL) if Script.TRADITIONAL in scripts else "",
        }
        return self.pages.render("preview.html", context)

    async def done(self, request: Request, person: Person) -> Response:
        """Does something about a case, and shows it; a colleague who was a moment earlier is named."""
        number, deed = request.path_params["number"], request.path_params["deed"]
        if deed not in self._deeds:
            raise HTTPException(404)
        form = await read_form(request)
        try:
            told = await self._deeds[deed](number, person, form)
        except Refused as refusal:
            draft = form.get("text", [""])[0] if deed == "answer" else ""
            return await self._case(request, person, str(refusal), 409, draft=draft)
        return RedirectResponse(f"{HOME}/{number}?{urlencode({'done': told})}", 303)

    async def events(self, request: Request, person: Person) -> Response:
        """Tells the page when something became of any case."""
        return self.streams.response(STAFF, since(request), self.door.still_in(request))

    async def _case(
        self, request: Request, person: Person, told: str = "", status: int = 200, *, draft: str = ""
    ) -> Response:
        number = request.path_params["number"]
        file = await self._file(number)
        since = await self.streams.newest(STAFF)
        async with self.store.reading() as connection:
            like = await self.hotline.grouping.answered_like(connection, number)
            asked = [q.id for q in file.questions if q.text is not None][-_MOST_CONTEXTS:]
            contexts = {q: found for q in asked if (found := await cases.before(connection, q, _CONTEXT))}
        context = {
            **self._frame(request, person),
            "file": file,
            "is_open": file.case.state in OPEN,
            "is_mine": file.case.claimed_by in {"", person.name},
            "is_done": file.case.state in (*DONE, CaseState.IGNORED, CaseState.WITHDRAWN),
            "like": [(await self.casework.file(n), likeness) for n, likeness in like if n != number],
            "contexts": contexts,
            "departments": self.casework.departments,
            "called": self.casework.called,
            "canned": self.casework.roster.canned,
            "draft": draft,
            "longest": self.casework.config.cases.answer_length,
            "told": told or _DONE.get(request.query_params.get("done", ""), ""),
            "is_refusal": bool(told),
            "since": since,
        }
        return self.pages.render("case.html", context, status)

    # ---- deeds: each gives the word for what was done

    async def _claim(self, number: int, person: Person, form: Form) -> str:
        await self.casework.claim(number, person.name)
        return "claimed"

    async def _answer(self, number: int, person: Person, form: Form) -> str:
        text, seen = form.get("text", [""])[0], _numbers(form, "seen")
        await self.casework.answer(number, text, person.name, leave_out=_numbers(form, "out"), seen=seen)
        return "answered"

    async def _assign(self, number: int, person: Person, form: Form) -> str:
        await self.casework.assign(number, form.get("department", [""])[0], person.name, form.get("note", [""])[0])
        return "assigned"

    async def _send_back(self, number: int, person: Person, form: Form) -> str:
        reason = clean(form.get("note", [""])[0])
        if not reason:
            raise Refused("退单要写理由")
        await self.casework.send_back(number, person.name, reason)
        return "sent_back"

    async def _note(self, number: int, person: Person, form: Form) -> str:
        await self.casework.note(number, person.name, form.get("note", [""])[0])
        return "noted"

    async def _ignore(self, number: int, person: Person, form: Form) -> str:
        reasons = ("垃圾信息" if "spam" in form else "", clean(form.get("note", [""])[0]))
        await self.casework.ignore(number, person.name, "：".join(filter(None, reasons)))
        return "ignored"

    async def _merge(self, number: int, person: Person, form: Form) -> str:
        into = whole(form.get("into", [""])[0].strip())
        if into is None:
            raise Refused("请写要并入的事项号码")
        await self.casework.merge(number, into, person.name)
        return "merged"

    async def _split(self, number: int, person: Person, form: Form) -> str:
        questions = _numbers(form, "out")
        if not questions:
            raise Refused("请先勾选要拆出去的问题")
        await self.casework.split(number, questions, person.name)
        return "split"

    async def _reopen(self, number: int, person: Person, form: Form) -> str:
        await self.casework.reopen(number, person.name, clean(form.get("note", [""])[0]))
        return "reopened"

    # ---- inside

    async def _file(self, number: int) -> File:
        try:
            return await self.casework.file(number)
        except Refused as refusal:
            raise HTTPException(404) from refusal

    def _canned(self, name: str) -> str:
        return next((c.text for c in self.casework.roster.canned if c.name == name), "")

    def _frame(self, request: Request, person: Person) -> dict[str, Any]:
        return {"person": person, "page": request.url.path}


_DONE = {
    "claimed": "已认领。",
    "answered": "答复已发出。",
    "assigned": "已派单，并告诉了市民。",
    "sent_back": "已退单。",
    "noted": "备注已写下。",
    "ignored": "已忽略。",
    "merged": "已并单。",
    "split": "已拆单。",
    "reopened": "已重新处理。",
}


def _address(asked: dict[str, str], page: int) -> str:
    return "?" + urlencode({**asked, "page": page})


def _numbers(form: Form, name: str) -> list[int]:
    return [number for value in form.get(name, []) if (number := whole(value)) is not None]


async def read_form(request: Request) -> Form:
    """What was posted; raises HTTPException where it is not a form."""
    try:
        return await form_of(request)
    except ValueError:
        raise HTTPException(400) from None
