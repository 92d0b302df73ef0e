"""What is kept, on both databases: nothing twice, nothing lost, nothing longer than promised."""

import asyncio
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text

from bot.dialogue import Choice, Outcome, Source, State
from bot.errors import HotlineError
from bot.store import cases, conversations, inbox, leases, outbox, questions, retention
from bot.store.conversations import Address
from bot.store.engine import Conflict, DatabaseUnavailable, Store, Transaction, _alembic
from bot.store.figures import figures
from bot.store.inbox import InboxState, Incoming
from bot.store.questions import Feedback, NewQuestion, Said
from bot.store.schema import leases as lease_rows
from bot.store.schema import metadata
from bot.store.schema import outbox as outbox_rows
from bot.store.schema import questions as question_rows
from bot.text import Script

NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)
ANNA, BERT = Address("telegram", 7, 7), Address("telegram", 8, 8)
LARGE = 2**62 + 7
BOT = 1


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = Store(database_url)
    await store.migrate()
    yield store
    await store.close()


async def talk(store: Store, address: Address, state: State | None = None, at: datetime = NOW) -> int:
    async def work(c: Transaction) -> int:
        return await conversations.save(c, await conversations.load(c, address), state or State(), at)

    return await store.write(work)


async def ask(store: Store, conversation: int, key: str, outcome: Outcome = Outcome.ANSWERED, **more: Any) -> int:
    values = {"asked_at": NOW, "text": "房产证", "intent": "i", "region": "南京市", **more}
    reply = Said(0, outcome, "答复", (Choice("甲", "i", "南京市"),)).as_json()
    new = NewQuestion(
        key,
        conversation,
        outcome=outcome,
        score=0.5,
        above_answer=0.7,
        above_offer=0.4,
        content_version="v",
        reply=reply,
        **values,
    )
    return await store.write(lambda c: questions.add(c, new))


async def hand_over(store: Store, question: int) -> int:
    """The case that it opens."""

    async def work(connection: Transaction) -> int:
        case = await cases.add(connection, cases.Opening(cases.Reason.NO_MATCH), NOW)
        await cases.take_question(connection, question, case, "", b"", "", ())
        return case

    return await store.write(work)


async def test_the_migrations_make_exactly_the_tables_of_the_schema(store: Store) -> None:
    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with store.reading(long=True) as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_again_or_from_two_processes_changes_nothing(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(3)]
    assert len(set(await asyncio.gather(*(s.migrate() for s in stores)))) == 1
    for store in stores:
        await store.check()
        await store.close()


async def test_an_empty_database_names_the_command_that_sets_it_up(database_url: str) -> None:
    store = Store(database_url)
    with pytest.raises(HotlineError, match="hotline migrate"):
        await store.check()
    await store.close()


async def test_a_database_of_a_newer_program_is_left_alone(store: Store) -> None:
    async def pretend(c: Transaction) -> None:
        await c.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await store.write(pretend)
    for refused in (store.migrate, store.check):
        with pytest.raises(HotlineError, match="更新的版本"):
            await refused()


@pytest.mark.parametrize(
    "url", ["", "mysql://x/y", "nonsense", "sqlite:////proc/no/such.db", "postgresql://u@127.0.0.1:1/x"]
)
async def test_a_database_that_cannot_be_had_is_told_in_one_line(url: str) -> None:
    with pytest.raises(HotlineError) as error:
        await Store(url).check()
    assert "\n" not in str(error.value)


async def test_a_migration_can_be_taken_back(store: Store) -> None:
    def tables(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names())

    await store.write(lambda c: c.run_sync(_downgrade), long=True)
    async with store.reading(long=True) as connection:
        assert await connection.run_sync(tables) <= {"alembic_version"}


def _downgrade(connection: Connection) -> None:
    command.downgrade(_alembic(connection), "base")


async def test_times_are_utc_and_a_time_without_zone_is_refused(store: Store) -> None:
    there = datetime(2026, 11, 22, 9, tzinfo=UTC).astimezone()

    async def put(c: Transaction, at: datetime) -> None:
        await c.execute(insert(lease_rows).values(name=str(at), holder="", until=at))

    await store.write(lambda c: put(c, there))
    async with store.reading() as connection:
        assert (await connection.execute(select(lease_rows.c.until))).scalar_one() == there
    with pytest.raises(Exception, match="without time zone"):
        await store.write(lambda c: put(c, datetime.fromisoformat("2026-11-22T00:00")))


async def test_one_failing_write_does_not_take_its_neighbours_down(store: Store) -> None:
    async def good(c: Transaction, name: str) -> str:
        await c.execute(insert(lease_rows).values(name=name, holder="", until=NOW))
        return name

    async def bad(c: Transaction) -> str:
        await good(c, "half")
        raise ZeroDivisionError

    work = [store.write(lambda c, n=n: good(c, f"n{n}")) for n in range(5)]
    results = await asyncio.gather(
        *work, store.write(bad), store.write(lambda c: good(c, "last")), return_exceptions=True
    )
    assert [r for r in results if isinstance(r, str)] == ["n0", "n1", "n2", "n3", "n4", "last"]
    async with store.reading() as connection:
        names = set((await connection.execute(select(lease_rows.c.name))).scalars())
    assert names == {"n0", "n1", "n2", "n3", "n4", "last"}


async def test_a_cancelled_writer_leaves_the_others_writing(store: Store) -> None:
    async def put(c: Transaction, name: str) -> None:
        await c.execute(insert(lease_rows).values(name=name, holder="", until=NOW))

    tasks = [asyncio.create_task(store.write(lambda c, n=n: put(c, str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks, timeout=5)
    assert all(t.done() for t in tasks)
    async with store.reading() as connection:
        assert len((await connection.execute(select(lease_rows.c.name))).all()) >= 19


async def test_two_processes_write_to_one_database_and_nothing_is_lost_or_locked(database_url: str) -> None:
    store = Store(database_url)
    await store.migrate()
    await store.close()
    writers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _WRITER, database_url, str(n * 1000), stderr=PIPE)
        for n in range(2)
    ]
    for writer in writers:
        _, errors = await writer.communicate()
        assert (writer.returncode, errors) == (0, b"")
    store = Store(database_url)
    assert len(await inbox.unfinished(store, BOT, InboxState.NEW)) == 600
    await store.close()


_WRITER = """
import asyncio, sys
from datetime import datetime, UTC
from bot.store import inbox
from bot.store.engine import Store
async def main(url, start):
    store = Store(url)
    for n in range(start, start + 300):
        await inbox.add(store, 1, [inbox.Incoming(n, 1, 1, {"n": n})], datetime.now(UTC))
    await store.close()
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_an_update_is_taken_in_once_and_its_words_go_when_it_is_finished(store: Store) -> None:
    one = Incoming(LARGE, -LARGE, 7, {"text": "甲\x00乙\ud800"})
    assert await inbox.add(store, BOT, [one, Incoming(2, 1, 1, {}, InboxState.OVER)], NOW) == {LARGE}
    assert await inbox.add(store, BOT, [one], NOW) == {LARGE}
    assert [(u.update_id, u.chat_id) for u in await inbox.unfinished(store, BOT, InboxState.NEW)] == [(LARGE, -LARGE)]
    await store.write(lambda c: inbox.finish(c, BOT, LARGE, "k", NOW))
    assert await inbox.add(store, BOT, [one], NOW) == set()
    assert [u.raw for u in await inbox.unfinished(store, BOT, InboxState.DONE)] == [{}]
    await store.write(lambda c: inbox.prune(c, NOW + timedelta(days=1)))
    assert await inbox.unfinished(store, BOT, *InboxState) == []


async def test_a_parked_update_is_seen_sent_back_or_dropped(store: Store) -> None:
    await inbox.add(store, BOT, [Incoming(n, 1, 1, {"n": n}) for n in (1, 2, 3)], NOW)
    for n in (1, 2):
        await store.write(lambda c, n=n: inbox.park(c, BOT, n, "failed", "KeyError", "问题"))
    assert [(p.update_id, p.error, p.text) for p in await inbox.parked(store)] == [
        (1, "KeyError", "问题"),
        (2, "KeyError", "问题"),
    ]
    assert await store.write(lambda c: inbox.retry(c, [1, 3])) == 1
    assert await store.write(lambda c: inbox.drop(c, [2, 3])) == 1
    assert await inbox.parked(store) == []
    assert [u.raw for u in await inbox.unfinished(store, BOT, InboxState.RETRY)] == [{"n": 1}]


async def test_a_conversation_comes_back_as_it_was(store: Store) -> None:
    state = State(
        "南京市", Script.TRADITIONAL, Script.SIMPLIFIED, (Choice("甲", "i", "南京市"), Choice("乙", "j")), "i"
    )
    number = await talk(store, Address("telegram", -LARGE, LARGE), state)
    async with store.reading() as connection:
        kept = await conversations.load(connection, Address("telegram", -LARGE, LARGE))
        assert (kept.id, kept.state) == (number, state)
        assert (await conversations.load(connection, ANNA)).id is None


async def test_the_same_deed_is_on_record_once(store: Store) -> None:
    anna = await talk(store, ANNA)
    await ask(store, anna, "telegram:1")
    with pytest.raises(Conflict):
        await ask(store, anna, "telegram:1")


async def test_a_reply_comes_back_as_it_was_said(store: Store) -> None:
    number = await ask(store, await talk(store, ANNA), "telegram:1", Outcome.CHOICES)
    said = Said(number, Outcome.CHOICES, "您想问", (Choice("甲", "i"),), (Choice("乙", "j", "南京市"),), number, True)
    said = replace(
        said, intent="i", region="南京市", score=0.5, sources=(Source("报道", "报社", "2022"),), expired=True
    )
    await store.write(lambda c: questions.keep_reply(c, said))
    async with store.reading() as connection:
        record = await questions.by_key(connection, "telegram:1")
    assert record
    assert record.said == said
    assert not record.replied


async def test_letters_come_oldest_first_and_one_per_conversation(store: Store) -> None:
    anna, bert = await talk(store, ANNA), await talk(store, BERT)

    async def put(c: Transaction) -> None:
        for key, whose in (("a1", anna), ("a2", anna), ("b1", bert), ("a1", anna)):
            await outbox.put(store, c, key, whose, {"text": key}, NOW)

    await store.write(put)
    first, second = await outbox.due(store, "telegram", NOW, 10)
    assert (first.message["text"], second.message["text"]) == ("a1", "b1")
    await store.write(lambda c: outbox.postpone(c, first.id, NOW, 60, "TimedOut"))
    assert [x.message["text"] for x in await outbox.due(store, "telegram", NOW, 10)] == ["b1"]
    later = NOW + timedelta(minutes=2)
    first = (await outbox.due(store, "telegram", later, 9))[0]
    await store.write(lambda c: outbox.settle(c, first, outbox.OutboxState.SENT, later))
    assert [x.message["text"] for x in await outbox.due(store, "telegram", later, 10)] == ["a2", "b1"]
    assert await outbox.due(store, "web", later, 10) == []


async def test_one_process_leads_until_it_lets_go_or_falls_silent(store: Store) -> None:
    first, second = leases.Lease(store, "x"), leases.Lease(store, "x")
    first.holder, second.holder = "elsewhere/1/a", "elsewhere/2/b"
    assert await first.take(NOW) == ""
    assert await second.take(NOW) == first.holder
    assert await first.take(NOW + timedelta(seconds=10)) == ""
    assert await second.take(NOW + timedelta(seconds=20)) == first.holder
    assert await second.take(NOW + timedelta(seconds=26)) == ""
    await first.release()  # no longer its own to give
    assert await first.take(NOW + timedelta(seconds=30)) == second.holder
    await second.release()
    assert await first.take(NOW + timedelta(seconds=31)) == ""


async def test_a_dead_process_of_this_machine_is_succeeded_at_once(store: Store) -> None:
    gone = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await gone.wait()
    dead, heir = leases.Lease(store, "x"), leases.Lease(store, "x")
    dead.holder = heir.holder.split("/")[0] + f"/{gone.pid}/a"
    await dead.take(NOW)
    assert await heir.take(NOW) == ""


async def test_what_is_queued_again_while_it_is_on_its_way_is_sent_again(store: Store) -> None:
    anna = await talk(store, ANNA)
    await store.write(lambda c: outbox.put_again(store, c, "card", anna, {"card": 1}, NOW))
    (on_its_way,) = await outbox.due(store, "telegram", NOW, 9)
    later = NOW + timedelta(seconds=1)
    await store.write(lambda c: outbox.put_again(store, c, "card", anna, {"card": 1}, later))
    await store.write(lambda c: outbox.settle(c, on_its_way, outbox.OutboxState.SENT, later))
    (again,) = await outbox.due(store, "telegram", later, 9)
    await store.write(lambda c: outbox.settle(c, again, outbox.OutboxState.SENT, later))
    assert await outbox.due(store, "telegram", later, 9) == []


async def test_a_person_is_forgotten_in_every_chat_and_the_counts_stay(store: Store) -> None:
    private, group = await talk(store, ANNA, State("南京市")), await talk(store, Address("telegram", -5, 7))
    bert = await talk(store, BERT)
    mine = await ask(store, private, "1", Outcome.UNANSWERED)
    await ask(store, group, "2")
    his = await ask(store, bert, "3", Outcome.UNANSWERED)
    for number in (mine, his):
        await hand_over(store, number)
    await store.write(lambda c: outbox.put(store, c, "k", private, {"text": "答复"}, NOW))

    assert await store.write(lambda c: retention.forget_person(c, "telegram", 7, NOW, "市民")) == 2
    async with store.reading() as connection:
        assert (await conversations.load(connection, ANNA)).id is None
        assert [t.text for t in await questions.tickets_of(connection, bert, 9)] == ["房产证"]
        assert {t.state for t in await questions.tickets_of(connection, private, 9)} == {"withdrawn"}
        assert {t.state for t in await questions.tickets_of(connection, bert, 9)} == {"new"}
        dump = str((await connection.execute(select(question_rows).where(question_rows.c.id == mine))).all())
    assert "房产证" not in dump
    assert "答复" not in dump
    assert await outbox.due(store, "telegram", NOW, 9) == []
    found = await figures(store, None, None)
    assert (found.received, found.people, found.unanswered) == (3, 3, 2)
    assert await store.write(lambda c: retention.forget_person(c, "telegram", 7, NOW, "市民")) == 0


async def test_what_is_old_is_forgotten_and_what_is_new_stays(store: Store) -> None:
    old, day = NOW - timedelta(days=200), NOW - timedelta(days=180)
    silent, active = await talk(store, ANNA, at=old), await talk(store, BERT)
    await ask(store, silent, "1", asked_at=old)
    await ask(store, active, "2", asked_at=old)
    await ask(store, active, "3")
    await inbox.add(store, BOT, [Incoming(9, 1, 1, {"text": "旧"})], old)
    await store.write(lambda c: inbox.park(c, BOT, 9, "failed", "KeyError", "旧"))

    assert await store.write(lambda c: retention.forget_before(c, day)) == 2
    async with store.reading() as connection:
        assert (await conversations.load(connection, ANNA)).id is None
        assert (await conversations.load(connection, BERT)).id == active
        texts = (await connection.execute(select(question_rows.c.text).order_by(question_rows.c.id))).scalars()
        assert list(texts) == [None, None, "房产证"]
    assert await inbox.parked(store) == []
    assert (await figures(store, None, None)).received == 3
    assert await store.write(lambda c: retention.forget_before(c, day)) == 0


async def test_the_figures_add_up_and_count_a_settled_question_once(store: Store) -> None:
    anna, bert = await talk(store, ANNA), await talk(store, BERT)
    await ask(store, anna, "1")
    back = await ask(store, anna, "2", Outcome.ASK_REGION)
    settled = await ask(store, anna, "3", root=back)
    await ask(store, bert, "4", Outcome.CHOICES)
    lost = await ask(store, bert, "5", Outcome.UNANSWERED)
    for n, outcome in enumerate((Outcome.URGENT, Outcome.SMALLTALK)):
        await ask(store, bert, f"x{n}", outcome)
    await ask(store, bert, "old", asked_at=NOW - timedelta(days=1))
    await hand_over(store, lost)
    await store.write(lambda c: questions.rate(c, settled, Feedback.UNSOLVED))

    f = await figures(store, NOW, NOW + timedelta(days=1))
    assert f.received == f.answered + f.by_choice + f.asked_back + f.unanswered + f.urgent + f.smalltalk == 6
    assert (f.answered, f.by_choice, f.asked_back, f.unanswered) == (1, 1, 1, 1)
    assert (f.people, f.handed_over, f.solved, f.unsolved) == (2, 1, 0, 1)
    assert (f.intents, f.regions, f.cases) == ({"i": 2}, {"南京市": 2}, {"new": 1})
    assert (await figures(store, None, None)).received == 7


async def test_forgetting_reaches_what_was_set_aside(store: Store) -> None:
    await inbox.add(store, BOT, [Incoming(1, 7, 7, {"text": "我的"}), Incoming(2, 8, 8, {"text": "他的"})], NOW)
    for n in (1, 2):
        await store.write(lambda c, n=n: inbox.park(c, BOT, n, "failed", "KeyError", "话"))
    await store.write(lambda c: retention.forget_person(c, "telegram", 7, NOW, "市民"))
    assert [p.update_id for p in await inbox.parked(store)] == [2]
    assert [u.raw for u in await inbox.unfinished(store, BOT, InboxState.DONE)] == [{}]


async def test_another_bot_counts_its_updates_for_itself(store: Store) -> None:
    one = Incoming(1, 7, 7, {"text": "甲"})
    assert await inbox.add(store, 1, [one], NOW) == {1}
    await store.write(lambda c: inbox.finish(c, 1, 1, "k", NOW))
    assert await inbox.add(store, 2, [one], NOW) == {1}
    assert await inbox.unfinished(store, 1, InboxState.NEW) == []


async def test_what_an_older_or_newer_program_wrote_does_not_silence_anybody(store: Store) -> None:
    anna = await talk(store, ANNA, State("南京市"))
    number = await ask(store, anna, "1")
    odd = {"pending": '[["甲", "i", "南京市", 4], ["乙"], ["丙", "j"]]', "reply": '{"text": "好", "new": 1}'}

    async def change(c: Transaction) -> None:
        await c.execute(text("UPDATE conversations SET pending = :pending"), {"pending": odd["pending"]})
        await c.execute(text("UPDATE questions SET reply = :reply"), {"reply": odd["reply"]})

    if store.is_sqlite:
        await store.write(change)
        async with store.reading() as connection:
            state = (await conversations.load(connection, ANNA)).state
            record = await questions.by_id(connection, number)
        assert state.pending == (Choice("甲", "i", "南京市"), Choice("丙", "j"))
        assert record
        assert record.said == Said(number, Outcome.ANSWERED, "好", intent="i", region="南京市", score=0.5)


async def test_a_thank_you_is_not_the_last_question(store: Store) -> None:
    anna = await talk(store, ANNA)
    number = await ask(store, anna, "1")
    await ask(store, anna, "2", Outcome.SMALLTALK)
    async with store.reading() as connection:
        last = await questions.last_of(connection, anna)
    assert last
    assert last.id == number


async def test_a_long_write_lets_the_event_loop_go_on(store: Store) -> None:
    anna = await talk(store, ANNA)
    for n in range(50):
        await ask(store, anna, str(n), asked_at=NOW - timedelta(days=9))
    assert await store.write(lambda c: retention.forget_before(c, NOW), long=True) == 50


async def test_a_letter_that_nobody_came_for_goes_with_the_rest_of_the_talk(store: Store) -> None:
    phone, page = await talk(store, ANNA), await talk(store, Address("web", 7, 7))
    old = NOW - timedelta(days=9)
    for whose in (phone, page):
        await store.write(lambda c, whose=whose: outbox.put(store, c, f"a{whose}", whose, {"text": "好"}, old))
    await store.write(lambda c: retention.forget_before(c, NOW), long=True)
    async with store.reading() as connection:
        left = (await connection.execute(select(outbox_rows.c.conversation_id))).scalars()
        assert list(left) == [phone], "Telegram still takes it"


async def test_a_group_that_moved_keeps_its_conversations(store: Store) -> None:
    old = await talk(store, Address("telegram", -5, 7), State("南京市"))
    await talk(store, Address("telegram", -5, 8))
    newer = await talk(store, Address("telegram", -1005, 8), State("镇江市"))
    await store.write(lambda c: conversations.move(c, "telegram", -5, -1005))
    async with store.reading() as connection:
        assert (await conversations.load(connection, Address("telegram", -1005, 7))).id == old
        assert (await conversations.load(connection, Address("telegram", -1005, 8))).id == newer
        assert (await conversations.load(connection, Address("telegram", -5, 8))).id is None


async def test_a_locked_file_is_a_passing_trouble_not_a_crash(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.store.sqlite.BUSY_SECONDS", 0.05)
    store = Store(f"sqlite:///{tmp_path}/x.db")
    await store.migrate()
    other = sqlite3.connect(tmp_path / "x.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked"):
        await inbox.add(store, BOT, [Incoming(1, 1, 1, {})], NOW)
    other.rollback()
    other.close()
    assert await inbox.add(store, BOT, [Incoming(1, 1, 1, {})], NOW) == {1}
    await store.close()
