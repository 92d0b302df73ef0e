"""`hotline fit`: fits a space and thresholds of its own for what is live; `serve` runs it, and then the gate."""

import os

from bot import app
from bot.commands.database import last_published, with_store
from bot.config import Config
from bot.edition import files_of, open_files

_NICENESS = 15


def run(config: Config) -> int:
    """Minutes, in the background of everything else; the cache has them afterwards, for `serve` to try."""
    os.nice(_NICENESS)
    files = with_store(config, last_published, checked=False) or files_of(config)
    content, problems = open_files(config, files, checks=False)
    app.usable(problems)
    app.propose_spaces(config, content)
    return 0
