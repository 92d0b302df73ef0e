"""`hotline schema`: what editors need to complete, explain and underline in the files that admins edit."""

from pathlib import Path

from bot.config import Config
from bot.errors import HotlineError, reason
from bot.jsonschema import FOLDER, as_text, schemas


def run(config: Config, folder: Path | None) -> int:
    """Always 0."""
    folder = folder or config.content.intents / FOLDER
    text = config.file.read_text(encoding="utf-8") if config.file else ""
    made = schemas(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, schema in made.items():
            (folder / name).write_text(as_text(schema), encoding="utf-8")
    except OSError as error:
        raise HotlineError(f"写不了 {folder}:{reason(error)};请换一个文件夹") from None
    print(f"已写好 {len(made)} 个文件,在 {folder}")
    return 0
