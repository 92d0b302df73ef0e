"""`hotline parked`: updates that could not be handled, for a person to see, send back or give up."""

from collections.abc import Sequence

from bot.commands.database import with_store
from bot.config import Config
from bot.errors import HotlineError
from bot.store import inbox
from bot.store.engine import Store

_KINDS = {"unreadable": "读不懂", "failed": "处理失败"}


def show(config: Config) -> int:
    """One line each, oldest first."""
    parked = with_store(config, inbox.parked)
    for one in parked:
        when = one.received_at.astimezone(config.zone)
        print(
            f"{one.update_id}  {when:%Y-%m-%d %H:%M:%S}  {_KINDS.get(one.kind, one.kind)}  {one.error}  「{one.text}」"
        )
    if not parked:
        print("没有搁置的消息")
    return 0


def retry(config: Config, update_ids: Sequence[int]) -> int:
    """A running `serve` takes them up within two seconds, else the next one does."""
    ids = _known(config, update_ids)
    with_store(config, lambda store: store.write(lambda c: inbox.retry(c, ids)))
    print(f"已放回 {len(ids)} 条,运行中的 hotline serve 会马上再处理")
    return 0


def drop(config: Config, update_ids: Sequence[int]) -> int:
    """Gives them up; their words are deleted."""
    ids = _known(config, update_ids)
    with_store(config, lambda store: store.write(lambda c: inbox.drop(c, ids)))
    print(f"已丢弃 {len(ids)} 条")
    return 0


def _known(config: Config, update_ids: Sequence[int]) -> list[int]:
    """The ids named, or all; raises HotlineError for one that is not parked."""

    async def there(store: Store) -> set[int]:
        return {one.update_id for one in await inbox.parked(store)}

    parked = with_store(config, there)
    unknown = [i for i in update_ids if i not in parked]
    if unknown:
        raise HotlineError(f"没有搁置编号 {'、'.join(map(str, unknown))};hotline parked list 看有哪些")
    return list(update_ids) or sorted(parked)
