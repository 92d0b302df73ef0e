"""What staff want the bot to learn from a case: kept until an admin decides, then put live through the gate."""

from collections.abc import Sequence

from bot.casework import File, Refused
from bot.hotline import Hotline
from bot.reload import Reloader
from bot.store import proposals
from bot.store.cases import OPEN
from bot.store.engine import Transaction
from bot.store.proposals import Kept, ProposalState
from bot.teaching import Kind, Proposal, checked

_NO_DEPARTMENT = "12345热线"
_DECIDED, _BEING_CHECKED = "已经处理过了", "正在检查，请等结果"
MOOT = (_DECIDED, _BEING_CHECKED)
"""Reasons of `approve` that say nothing about the proposal itself: somebody else was faster."""
_OUTDATED = "事项的答复改过，或还没有重新答复；请按新的答复再教一次"


class Lessons:
    """The proposals, for every place where staff work."""

    def __init__(self, hotline: Hotline, reloader: Reloader) -> None:
        self.hotline, self.reloader = hotline, reloader
        self.casework, self.store = hotline.casework, hotline.store
        self._in_hand: set[int] = set()

    def proposal(
        self,
        file: File,
        kind: Kind,
        phrases: Sequence[str],
        checks: Sequence[str],
        *,
        intent: str = "",
        title: str = "",
        department: str = "",
        region: str = "",
    ) -> Proposal:
        """What a case would teach; raises Unteachable with what is missing."""
        case = file.case
        answered = (case.answered_at or self.hotline.clock()).astimezone(self.hotline.config.zone)
        office = self.casework.called(case.department) if case.department else _NO_DEPARTMENT
        wanted = Proposal(
            kind,
            tuple(phrases),
            tuple(checks),
            intent,
            title,
            department,
            region,
            case.answer or "",
            office,
            answered.date().isoformat(),
            case.id,
        )
        return checked(wanted, self.hotline.dialogue.content)

    async def propose(self, proposal: Proposal, who: str) -> int:
        """Keeps a proposal; its number, also where the same one waits already."""
        now = self.hotline.clock()

        async def work(connection: Transaction) -> int:
            for kept in await proposals.of_case(connection, proposal.case):
                if kept.state is ProposalState.OPEN and Proposal.from_json(kept.proposal) == proposal:
                    return kept.id
            return await proposals.add(connection, proposal.case, proposal.as_json(), who, now)

        return await self.store.write(work)

    async def of_case(self, number: int) -> list[Kept]:
        """What was proposed from a case."""
        async with self.store.reading() as connection:
            return await proposals.of_case(connection, number)

    async def waiting(self) -> list[Kept]:
        """What no admin has decided on, the oldest first."""
        async with self.store.reading() as connection:
            return await proposals.waiting(connection)

    async def approve(self, numbers: Sequence[int], who: str) -> dict[int, str]:
        """Puts them live, as many as may; for the others, which stay as they are, why not."""
        mine = [n for n in numbers if n not in self._in_hand]
        self._in_hand.update(mine)
        try:
            return {n: _BEING_CHECKED for n in numbers if n not in mine} | await self._approve(mine, who)
        finally:
            self._in_hand.difference_update(mine)

    async def reject(self, numbers: Sequence[int], who: str, why: str = "") -> None:
        """They are not taken up; raises Refused where some are decided, or being put live at the moment."""
        if self._in_hand.intersection(numbers):
            raise Refused(_BEING_CHECKED)
        self._in_hand.update(numbers)
        try:
            done = [await self._decide(number, ProposalState.REJECTED, who, why) for number in numbers]
        finally:
            self._in_hand.difference_update(numbers)
        if not all(done):
            raise Refused(f"{sum(done)} 条不采纳，其余{_DECIDED}" if any(done) else _DECIDED)

    async def check_open(self, number: int) -> None:
        """Raises Refused where it is decided or being decided."""
        if number in self._in_hand:
            raise Refused(_BEING_CHECKED)
        async with self.store.reading() as connection:
            if not await proposals.still_open(connection, [number]):
                raise Refused(_DECIDED)

    async def _approve(self, numbers: Sequence[int], who: str) -> dict[int, str]:
        async with self.store.reading() as connection:
            known = await proposals.still_open(connection, numbers)
        refused = {n: _DECIDED for n in numbers if n not in known}
        batch: list[tuple[int, Proposal]] = []
        for number, kept in known.items():
            proposal = Proposal.from_json(kept.proposal)
            if await self._is_outdated(proposal):
                refused[number] = _OUTDATED
            else:
                batch.append((number, proposal))
        found = await self.reloader.teach(batch, who)
        for number, _ in batch:
            if number not in found:
                await self._decide(number, ProposalState.LIVE, who)
        refused |= found
        for number in refused.keys() & known.keys():
            await self._note(number, refused[number])
        return refused

    async def _is_outdated(self, proposal: Proposal) -> bool:
        """Whether its answer is no longer the one that staff gave."""
        if proposal.kind is not Kind.INTENT:
            return False
        case = (await self.casework.file(proposal.case)).case
        return case.state in OPEN or case.answer != proposal.answer

    async def _decide(self, number: int, state: ProposalState, who: str, why: str = "") -> bool:
        now = self.hotline.clock()
        return await self.store.write(lambda c: proposals.decide(c, number, state, who, now, why))

    async def _note(self, number: int, why: str) -> None:
        await self.store.write(lambda c: proposals.note(c, number, why))
