"""Admins' pages: what the bot learns from cases, the content's files, what went live, and taking it back."""

import difflib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot import voice
from bot.casework import File, Refused
from bot.comparison import lines_of
from bot.config import Person
from bot.content import edit
from bot.content.models import Answer
from bot.edition import INTENTS, version_of
from bot.errors import HotlineError
from bot.hotline import Hotline
from bot.lessons import MOOT, Lessons
from bot.rehearsal import Verdict
from bot.reload import Gone
from bot.store import published
from bot.teaching import Kind, Proposal, wordings
from bot.web.console import Form, read_form
from bot.web.pages import Pages, whole
from bot.web.signin import HOME, Page, SignIn

LEARN, CONTENT, HISTORY = "/staff/learn", "/staff/content", "/staff/history"
_MOST_DIFF = 400


class Workshop:
    """Where content is changed; every change goes through the gate."""

    def __init__(self, hotline: Hotline, pages: Pages, door: SignIn, lessons: Lessons) -> None:
        self.hotline, self.pages, self.door = hotline, pages, door
        self.lessons, self.reloader = lessons, lessons.reloader
        self.casework, self.store = hotline.casework, hotline.store

    def routes(self) -> list[Route]:
        """Where each page is."""
        staff = self.door.only_staff
        return [
            Route(HOME + "/{number:int}/learn", staff(self.lesson)),
            Route(HOME + "/{number:int}/learn", staff(self.propose), methods=["POST"]),
            Route(LEARN, staff(self.proposals)),
            Route(LEARN, self._admins(self.decide), methods=["POST"]),
            Route(CONTENT, staff(self.files)),
            Route(CONTENT + "/{name:path}", self._admins(self.file), methods=["GET", "POST"]),
            Route("/staff/edit/{intent}", self._admins(self.quick_edit), methods=["POST"]),
            Route("/staff/health", staff(self.health)),
            Route(HISTORY, staff(self.history)),
            Route(HISTORY + "/{number:int}", staff(self.version)),
            Route(HISTORY + "/{number:int}/undo", self._admins(self.undo), methods=["POST"]),
        ]

    def _admins(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request, person: Person) -> Response:
            if person.role != "admin":
                raise HTTPException(403)
            return await page(request, person)

        return self.door.only_staff(guarded)

    # ---- what the bot learns from a case

    async def lesson(self, request: Request, person: Person) -> Response:
        """The form for a case: a phrase of an intent, a new intent, or nothing to be answered."""
        return await self._lesson(request, person)

    async def propose(self, request: Request, person: Person) -> Response:
        """Keeps a proposal; an admin's goes live at once where the gate has nothing against it."""
        number, form = request.path_params["number"], await read_form(request)
        file = await self._case(number)
        try:
            proposal = self._proposal(file, form)
        except HotlineError as mistake:
            return await self._lesson(request, person, str(mistake), 409, form)
        kept = await self.lessons.propose(proposal, person.name)
        if person.role == "admin":
            await self.lessons.approve([kept], person.name)
        return RedirectResponse(f"{HOME}/{number}/learn", 303)

    def _proposal(self, file: File, form: Form) -> Proposal:
        kind = _one(form, "kind")
        if kind not in list(Kind):
            raise Refused("请选要教什么")
        return self.lessons.proposal(
            file,
            Kind(kind),
            _lines(form, "phrases"),
            _lines(form, "checks"),
            intent=_one(form, "intent") if kind == Kind.PHRASE else _one(form, "key"),
            title=_one(form, "title"),
            department=_one(form, "department"),
            region=_one(form, "region"),
        )

    async def _lesson(
        self, request: Request, person: Person, told: str = "", status: int = 200, form: Form | None = None
    ) -> Response:
        number = request.path_params["number"]
        file = await self._case(number)
        phrases, checks = wordings(file.wordings)
        content = self.hotline.dialogue.content
        nearest = {title for title, _ in (file.questions[0].nearest if file.questions else ())}
        context = {
            **self._frame(request, person),
            "file": file,
            "made": await self.lessons.of_case(number),
            "kinds": voice.LESSONS,
            "states": _STATES,
            "intents": sorted(content.intents.items(), key=lambda one: one[1].title not in nearest),
            "departments": self.casework.departments,
            "regions": content.regions.places,
            "phrases": form.get("phrases", [""])[0] if form else "\n".join(phrases),
            "checks": form.get("checks", [""])[0] if form else "\n".join(checks),
            "asked": dict.fromkeys(_FIELDS, "")
            | ({key: values[-1] for key, values in form.items()} if form else {"region": file.case.region}),
            "told": told,
        }
        return self.pages.render("lesson.html", context, status)

    async def proposals(self, request: Request, person: Person) -> Response:
        """What waits for an admin."""
        return await self._proposals(request, person)

    async def decide(self, request: Request, person: Person) -> Response:
        """Takes the ticked ones up, or rejects them."""
        form = await read_form(request)
        chosen = [n for text in form.get("pick", []) if (n := whole(text)) is not None]
        if not chosen:
            return await self._proposals(request, person, "请先勾选", 409)
        if "reject" in form:
            try:
                await self.lessons.reject(chosen, person.name, _one(form, "why"))
            except Refused as refusal:
                return await self._proposals(request, person, str(refusal), 409)
            return RedirectResponse(LEARN, 303)
        refused = await self.lessons.approve(chosen, person.name)
        reasons = Counter(why if why in MOOT else "没有上线，原因见下" for why in refused.values())
        told = [f"{len(chosen) - len(refused)} 条已上线", *(f"{count} 条{why}" for why, count in reasons.items())]
        return await self._proposals(request, person, "，".join(told) + "。")

    async def _proposals(self, request: Request, person: Person, told: str = "", status: int = 200) -> Response:
        waiting = await self.lessons.waiting()
        context = {**self._frame(request, person), "waiting": waiting, "kinds": voice.LESSONS, "told": told}
        return self.pages.render("proposals.html", context, status)

    # ---- the files

    async def files(self, request: Request, person: Person) -> Response:
        """All of them, and what is wrong on disk at the moment."""
        return await self._files(request, person)

    async def _files(self, request: Request, person: Person, told: str = "", status: int = 200) -> Response:
        files = await self.reloader.on_disk()
        async with self.store.reading() as connection:
            live = await published.latest(connection)
        context = {
            **self._frame(request, person),
            "files": sorted((name, len(body)) for name, body in files.items()),
            "trouble": self.reloader.trouble,
            "version": self.reloader.version,
            "live": live.id if live and live.version == self.reloader.version else None,
            "told": told,
        }
        return self.pages.render("files.html", context, status)

    async def file(self, request: Request, person: Person) -> Response:
        """One file as text: look at it, try a draft, save it through the gate."""
        name = request.path_params["name"]
        files = await self.reloader.on_disk()
        form = await read_form(request) if request.method == "POST" else None
        now = _text(files.get(name, b""))
        draft = _newlines(form.get("text", [""])[0], now) if form else now
        if hindrance := self._hindrance(files.get(name)):
            if form:  # what was written must not be lost
                return self._editor(request, person, name, draft, draft, told=hindrance, status=409)
            if name not in files:
                raise HTTPException(404)
            return await self._files(request, person, f"{name}：{hindrance}", 409)
        if form is None:
            return self._editor(request, person, name, now, now)
        opened = _one(form, "opened")
        if "save" not in form:
            return await self._look_at(request, person, name, now, draft, opened, form)
        if opened != _digest(now):
            told = "您打开之后，别人改过这个文件。下面是您写的；和现在文件的差别也在下面，请对照着改，再存一次。"
            return self._editor(request, person, name, now, draft, told=told, status=409)
        try:
            verdict = await self.reloader.save(name, files[name], draft.encode(), person.name, _one(form, "why"))
        except HotlineError as error:
            return self._editor(request, person, name, now, draft, told=f"没有上线：{error}。", status=409)
        if verdict.may_go_live:
            return RedirectResponse(f"{CONTENT}/{name}?saved", 303)
        return self._editor(request, person, name, now, draft, verdict=verdict, told="没有上线。", status=409)

    def _hindrance(self, body: bytes | None) -> str:
        """Why a file cannot be changed here; nothing where it can."""
        if body is None:
            return "这个文件没有了，可能刚被删掉或改了名。"
        if len(body) > self.hotline.config.content.max_file_bytes:
            return "文件太大，不能在这里改；请在电脑上拆成几个文件。"
        try:
            body.decode()
        except UnicodeDecodeError:
            return "这个文件不是 UTF-8 编码，不能在这里改；请在电脑上用编辑器另存为 UTF-8。"
        return ""

    async def _look_at(
        self, request: Request, person: Person, name: str, now: str, draft: str, opened: str, form: Form
    ) -> Response:
        files = {**await self.reloader.on_disk(), name: draft.encode()}
        question, place, verdict, reply, why = _one(form, "q"), _one(form, "region"), None, None, ""
        told = ""
        try:
            if "try" in form and question:
                region = self.hotline.dialogue.find_region(place) or place
                reply, why = await self.reloader.try_out(files, question, region)
            else:
                verdict = await self.reloader.rehearse(files)
        except HotlineError as error:
            told = f"{error}。"
        more: dict[str, Any] = {
            "reply": reply,
            "why_reply": why,
            "question": question,
            "place": place,
            "opened": opened,
        }
        return self._editor(request, person, name, now, draft, verdict=verdict, told=told, **more)

    def _editor(
        self,
        request: Request,
        person: Person,
        name: str,
        now: str,
        draft: str,
        *,
        verdict: Verdict | None = None,
        told: str = "",
        status: int = 200,
        **more: Any,
    ) -> Response:
        titles = {key: intent.title for key, intent in self.hotline.dialogue.content.intents.items()}
        context = {
            **self._frame(request, person),
            "name": name,
            "draft": draft,
            "opened": _digest(now),
            "diff": _diff(now, draft),
            "verdict": verdict,
            "report": lines_of(verdict.comparison, titles) if verdict and verdict.comparison else [],
            "told": told or ("已上线。" if "saved" in request.query_params else ""),
            "question": "",
            "place": "",
            "reply": None,
            "why_reply": "",
            **more,
        }
        return self.pages.render("editor.html", context, status)

    async def quick_edit(self, request: Request, person: Person) -> Response:
        """A phrase more or less, or an answer's text, from the intent's page; shown as a draft before it is saved."""
        intent, form = request.path_params["intent"], await read_form(request)
        content = self.hotline.dialogue.content
        if intent not in content.intents:
            raise HTTPException(404)
        name = f"{INTENTS}/{content.places['intent', intent][0].path.name}"
        now = _text((await self.reloader.on_disk()).get(name, b""))
        try:
            draft = _edited(now, intent, content.intents[intent].answers, form)
        except HotlineError as refusal:
            return self._editor(request, person, name, now, now, told=str(refusal), status=409)
        return self._editor(
            request, person, name, now, draft, told="请看一遍差别，再保存。" if draft != now else "没有改动。"
        )

    async def health(self, request: Request, person: Person) -> Response:
        """What to mend first."""
        found = await self.reloader.health()
        shown = [one for one in found.intents if one.troubles]
        context = {**self._frame(request, person), "health": found, "shown": shown}
        return self.pages.render("health.html", context)

    # ---- what went live

    async def history(self, request: Request, person: Person) -> Response:
        """The versions that went live, the latest first."""
        return await self._history(request, person)

    async def _history(self, request: Request, person: Person, told: str = "", status: int = 200) -> Response:
        async with self.store.reading() as connection:
            versions = await published.history(connection)
        context = {**self._frame(request, person), "versions": versions, "told": told}
        return self.pages.render("history.html", context, status)

    async def version(self, request: Request, person: Person) -> Response:
        """One version: what it changed, and what the gate found."""
        number = request.path_params["number"]
        async with self.store.reading(long=True) as connection:
            versions = await published.history(connection)
            position = next((n for n, v in enumerate(versions) if v.id == number), None)
            if position is None:
                raise HTTPException(404)
            after = await published.files_of(connection, number) or {}
            older = versions[position + 1] if position + 1 < len(versions) else None
            before = await published.files_of(connection, older.id) if older else None
        diffs = []
        for name in sorted({*after, *(before or {})} if before is not None else ()):
            was, now_is = _text((before or {}).get(name, b"")), _text(after.get(name, b""))
            if was != now_is:
                diffs.append((name, _diff(was, now_is)))
        context = {
            **self._frame(request, person),
            "shown": versions[position],
            "is_live": versions[position].version == self.reloader.version,
            "diffs": diffs,
        }
        return self.pages.render("version.html", context)

    async def undo(self, request: Request, person: Person) -> Response:
        """Puts a version back; of what is live, the files."""
        was = self.reloader.version
        try:
            await self.reloader.undo(request.path_params["number"], person.name)
        except Gone:
            raise HTTPException(404) from None
        except HotlineError as error:
            return await self._history(request, person, f"没有退回：{error}。", 409)
        return RedirectResponse(CONTENT if self.reloader.version == was else HISTORY, 303)

    # ---- inside

    async def _case(self, number: int) -> File:
        try:
            return await self.casework.file(number)
        except Refused:
            raise HTTPException(404) from None

    def _frame(self, request: Request, person: Person) -> dict[str, Any]:
        return {"person": person, "page": request.url.path, "is_admin": person.role == "admin"}


_FIELDS = ("kind", "intent", "key", "title", "department", "region")
_STATES = {"open": "待管理员同意", "live": "已上线", "rejected": "没有采纳"}


def _edited(text: str, intent: str, answers: Sequence[Answer], form: Form) -> str:
    for phrase in form.get("remove", []):
        text = edit.remove_phrase(text, intent, phrase)
    if new := _lines(form, "phrases"):
        text = edit.add_phrases(text, intent, new)
    region = _one(form, "region")
    now = next((a for a in answers if a.region == region), None)
    answer, end = _one(form, "answer"), _one(form, "valid_until")
    if answer and not (now and answer == now.text.strip()):
        text = edit.replace_answer(text, intent, region, answer)
    if end and not (now and end == now.valid_until):
        text = edit.set_valid_until(text, intent, region, end)
    elif "valid_until" in form and not end and now and now.valid_until:
        text = edit.remove_valid_until(text, intent, region)
    return text


def _one(form: Form, name: str) -> str:
    return form.get(name, [""])[-1].replace("\r\n", "\n").strip()


def _lines(form: Form, name: str) -> list[str]:
    return [line.strip() for line in form.get(name, [""])[-1].splitlines() if line.strip()]


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _newlines(text: str, like: str) -> str:
    """A form sends every line end as CRLF; the file keeps its own."""
    plain = text.replace("\r\n", "\n")
    return plain.replace("\n", "\r\n") if "\r\n" in like else plain


def _digest(text: str) -> str:
    return version_of({"": text.encode()})


def _diff(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that differ with two around them: their kind (add, cut, same, gap) and text."""
    kinds = {"+": "add", "-": "cut", " ": "same", "@": "gap"}
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]
    return [(kinds[line[0]], "" if line[0] == "@" else line[1:]) for line in lines[:_MOST_DIFF]]
