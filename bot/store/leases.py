"""A row that one process holds at a time: who polls, sends what is later, and tidies up at night."""

import os
import secrets
import socket
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Select, Update, delete, select, update

from bot.store.engine import Store, Transaction
from bot.store.schema import leases

SECONDS = 15


class Lease:
    """One name, held from `take` until `release` or, when the process stands still, for 15 seconds more."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.holder = f"{_machine()}/{os.getpid()}/{secrets.token_hex(4)}"

    async def take(self, now: datetime) -> str:
        """Takes or renews it: empty when it is ours, else the process that holds it."""

        async def work(connection: Transaction) -> str:
            await connection.execute(self.store.insert_new(leases), {"name": self.name, "holder": "", "until": now})
            row = (await connection.execute(self._row().with_for_update())).one_or_none()
            if row is None:  # let go between the two statements: the next try finds it free
                return "another process that is just leaving"
            if row.holder != self.holder and row.until > now and _is_alive(row.holder):
                return str(row.holder)
            until = now + timedelta(seconds=SECONDS)
            await connection.execute(self._change().values(holder=self.holder, until=until))
            return ""

        return await self.store.write(work)

    async def release(self) -> None:
        """Lets the next one in at once."""
        mine = (leases.c.name == self.name, leases.c.holder == self.holder)

        async def work(connection: Transaction) -> None:
            await connection.execute(delete(leases).where(*mine))

        await self.store.write(work)

    def _row(self) -> Select[Any]:
        return select(leases).where(leases.c.name == self.name)

    def _change(self) -> Update:
        return update(leases).where(leases.c.name == self.name)


@cache
def _machine() -> str:
    """Where process numbers mean the same: a host since its start, and within it one container."""
    marks = [socket.gethostname()]
    with suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8])
        marks.append(os.readlink("/proc/self/ns/pid").strip("pid:[]"))
    return ".".join(marks)


def _is_alive(holder: str) -> bool:
    """False only when it is certain: a process of this machine that is gone, or had our own number."""
    host, _, rest = holder.partition("/")
    pid = rest.partition("/")[0]
    if host != _machine() or not pid.isdigit():
        return bool(holder)
    if int(pid) == os.getpid():
        return False
    with suppress(ProcessLookupError):
        return _signalled(int(pid))
    return False


def _signalled(pid: int) -> bool:
    with suppress(PermissionError):
        os.kill(pid, 0)
    return True
