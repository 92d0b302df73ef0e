"""Conversations as citizens have them on Telegram, through the real application and a real database."""

from collections.abc import AsyncIterator

import pytest

from bot.dialogue import Dialogue
from tests.line import Citizen, Line, open_line
from tests.telegram_server import TelegramServer


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


@pytest.fixture
async def line(dialogue: Dialogue, telegram: TelegramServer, database_url: str) -> AsyncIterator[Line]:
    async with open_line(dialogue, telegram, database_url) as line:
        yield line


@pytest.fixture
def anna(line: Line) -> Citizen:
    return line.citizen(7)


async def test_a_whole_conversation_from_question_to_ticket_to_forgetting(line: Line, anna: Citizen) -> None:
    await anna.says("在哪里查窗口开不开")
    print(anna.last)
    await anna.says("房产证能在网上办吗")
    print(anna.last)
    await anna.says("镇江")
    print(anna.last)
    await anna.taps("没解决")
    print(anna.last)
    await anna.taps("转人工")
    print(anna.last)
    await anna.says("/status")
    print(anna.last)
    await anna.says("/forget")
    print(anna.last)
    await anna.taps("确定删除")
    print(anna.last)
    await anna.says("/status")
    print(anna.last)
    assert 0
