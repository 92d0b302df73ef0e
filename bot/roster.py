"""Who works here, as `config.yaml` says at this moment: who is taken out of it is out at once, without a restart."""

import logging
from pathlib import Path

from bot.config import Canned, Config, Person, StaffSettings, load_config
from bot.errors import ContentError

log = logging.getLogger(__name__)
_Stamp = tuple[int, int, int] | None


class Roster:
    """The people and their ready replies; a mistake in the file is logged once and leaves them as they were."""

    def __init__(self, config: Config) -> None:
        self._file, self._known = config.file, config.staff
        self._stamp = _stamp(self._file)

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody who may work on cases."""
        return self._now().people

    @property
    def canned(self) -> tuple[Canned, ...]:
        """Replies that are needed again and again."""
        return self._now().canned

    def named(self, name: str) -> Person | None:
        """The one of that name."""
        return next((p for p in self.people if p.name == name), None)

    def with_id(self, telegram_id: int) -> Person | None:
        """The one with that number at Telegram."""
        return next((p for p in self.people if p.id == telegram_id), None)

    def _now(self) -> StaffSettings:
        stamp = _stamp(self._file)
        if self._file and stamp != self._stamp:
            self._stamp = stamp
            try:
                self._known = load_config(self._file).staff
            except ContentError as mistake:
                log.warning("人员名单没有更新,先用原来的:%s", mistake)
        return self._known


def _stamp(file: Path | None) -> _Stamp:
    """Changes whenever the file does."""
    try:
        found = file.stat() if file else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None
