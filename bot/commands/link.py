"""`hotline link`: a one-time link into the console, printed alone so that it can be passed on."""

from datetime import datetime

from bot.casework import person
from bot.commands.database import with_store
from bot.config import Config
from bot.entrance import make_link


def run(config: Config, name: str) -> int:
    """Prints one address; raises HotlineError for who may not work here."""
    who = person(config, name).name
    print(with_store(config, lambda store: make_link(config, store, who, datetime.now(config.zone))))
    return 0
