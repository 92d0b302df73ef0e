"""What staff want the bot to learn from a case: kept until an admin decides, then put live through the gate."""

from collections.abc import Sequence

from bot.casework import File
from bot.errors import HotlineError
from bot.hotline import Hotline
from bot.reload import Reloader
from bot.store import proposals
from bot.store.proposals import Kept, ProposalState
from bot.teaching import Kind, Proposal, checked

_NO_DEPARTMENT = "12345热线"


class Lessons:
    """The proposals, for every place where staff work."""

    def __init__(self, hotline: Hotline, reloader: Reloader) -> None:
        self.hotline, self.reloader = hotline, reloader
        self.casework, self.store = hotline.casework, hotline.store

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
        """Keeps a proposal; its number."""
        now = self.hotline.clock()
        return await self.store.write(lambda c: proposals.add(c, proposal.case, proposal.as_json(), who, now))

    async def of_case(self, number: int) -> list[Kept]:
        """What was proposed from a case."""
        async with self.store.reading() as connection:
            return await proposals.of_case(connection, number)

    async def waiting(self) -> list[Kept]:
        """What no admin has decided on."""
        async with self.store.reading() as connection:
            return await proposals.listed(connection, (ProposalState.OPEN,))

    async def approve(self, numbers: Sequence[int], who: str) -> dict[int, str]:
        """Puts them live, as many as may; for the others, which stay open, why not."""
        waiting = {kept.id: kept for kept in await self.waiting()}
        batch = [(n, Proposal.from_json(waiting[n].proposal)) for n in numbers if n in waiting]
        try:
            refused = await self.reloader.teach(batch, who)
        except HotlineError as trouble:
            refused = {n: str(trouble) for n, _ in batch}
        for number, _ in batch:
            if why := refused.get(number):
                await self._note(number, why)
            else:
                await self._decide(number, ProposalState.LIVE, who)
        return refused

    async def reject(self, numbers: Sequence[int], who: str, why: str = "") -> None:
        """They are not taken up."""
        for number in numbers:
            await self._decide(number, ProposalState.REJECTED, who, why)

    async def _decide(self, number: int, state: ProposalState, who: str, why: str = "") -> None:
        now = self.hotline.clock()
        await self.store.write(lambda c: proposals.decide(c, number, state, who, now, why))

    async def _note(self, number: int, why: str) -> None:
        await self.store.write(lambda c: proposals.note(c, number, why))
