"""`hotline fit`: gives the content that is live a space and thresholds of its own; `serve` runs it after a change."""

import os

from bot import app
from bot.commands.database import last_published, with_store
from bot.config import Config
from bot.edition import files_of, open_files

_NICENESS = 15


def run(config: Config) -> int:
    """Minutes, in the background of everything else; the cache has it afterwards."""
    os.nice(_NICENESS)
    files = with_store(config, last_published, checked=False) or files_of(config)
    content, problems = open_files(config, files, checks=False)
    app.usable(problems)
    app.fit(config, content)
    return 0
