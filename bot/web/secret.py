"""The key that signs cookies: from the environment, else made once and kept beside the database."""

import os
import secrets
from pathlib import Path

from bot.config import WebSettings
from bot.errors import HotlineError


def signing_key(settings: WebSettings) -> str:
    """The same after every restart; raises HotlineError when it can be neither read nor made."""
    return settings.secret.get_secret_value() or _from_file(settings.secret_file)


def _from_file(file: Path) -> str:
    try:
        if not file.exists():
            _make(file)
        key = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise HotlineError(f"密钥文件 {file} 读写不了({error});请检查权限,或设置 HOTLINE_WEB__SECRET") from None
    if not key:
        raise HotlineError(f"密钥文件 {file} 是空的;请删掉它,会重新建一个")
    return key


def _make(file: Path) -> None:
    """Whole or not at all, and for the owner's eyes only; of two at once the first one wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        out.write(secrets.token_urlsafe(48))
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
