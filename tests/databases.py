"""Databases for tests: an SQLite file, or a PostgreSQL cluster of the test run's own."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg


def programs() -> Path | None:
    """Where PostgreSQL's server programs are; Debian keeps them off the PATH."""
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(on_path).parent if on_path else debian[-1].parent if debian else None


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of a running server without any database of ours; it vanishes afterwards."""
    where = programs()
    assert where, "PostgreSQL is not installed"
    with tempfile.TemporaryDirectory(prefix="hotline-pg-") as folder:
        data, port = f"{folder}/data", _free_port()
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(folder, "postgres")
        _run([where / "initdb", "-D", data, "-A", "trust", "-U", "hotline", "--no-sync", "-E", "UTF8"])
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
        _run([where / "pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start"])
        try:
            yield f"postgresql://hotline@127.0.0.1:{port}"
        finally:
            _run([where / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])


def new_database(server: str, name: str) -> str:
    """An empty database's URL."""

    async def create() -> None:
        connection = await asyncpg.connect(f"{server}/postgres")
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    return f"{server}/{name}"


def _run(command: list[Path | str]) -> None:
    as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*as_owner, *map(str, command)], check=True, capture_output=True, cwd="/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
