"""Commands that keep a node well: queue, refused, doctor, backup, restore."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from node import app, founding, observe, running, settings
from node import backup as backups
from node import doctor as doctors
from node import printing as show_
from node.model import utcnow
from node.opening import opened, passphrase_from, quoted, with_data
from node.printing import as_json as print_json
from node.printing import hint, out, say
from node.storage import arrivals, refusals
from node.storage import queue as stored_queue

DONE, FAILED = 0, 1


async def queue(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node, node.store.read() as tx:
        total = await stored_queue.waiting(tx)
        owed = await stored_queue.overview(tx)
        waiting, parked = await arrivals.waiting(tx)
    if as_json:
        rows = [
            {
                "activity": item.activity,
                "inbox": item.inbox,
                "attempts": item.attempts,
                "since": show_.stamp(item.created_at),
                "next_at": show_.stamp(item.next_at),
                "error": item.error,
            }
            for item in owed
        ]
        print_json({"owed": total, "deliveries": rows, "arrivals": {"waiting": waiting, "parked": parked}})
        return
    for item in owed:
        tried = (
            f"tried {item.attempts} times, again at {item.next_at:%Y-%m-%d %H:%M:%S} UTC" if item.attempts else "due"
        )
        why = f": {show_.one_line(item.error)}" if item.error else ""
        out(f"{item.inbox}  {tried}{why}")
    say(f"{total} deliveries owed; {waiting} arrivals to be tried again, {parked} parked")
    if total and not running.is_running(data):
        hint(f"they go out when the node runs: cuicui run{with_data(data)}")


async def refused(data: Path, passphrase_file: Path | None, limit: int, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node, node.store.read() as tx:
        found = await refusals.newest(tx, limit)
    if as_json:
        print_json(
            [
                {
                    "at": show_.stamp(item.at),
                    "host": item.host,
                    "code": item.code,
                    "message": item.message,
                    "times": item.times,
                }
                for item in found
            ]
        )
        return
    for item in found:
        times = f" ({item.times} times)" if item.times > 1 else ""
        at = f"{item.at:%Y-%m-%d %H:%M:%S}"
        out(f"{at}  {show_.one_line(item.host)}  {item.code}{times}  {show_.one_line(item.message)}")
    if not found:
        say("nobody was turned away")


async def doctor(data: Path, passphrase_file: Path | None, *, as_json: bool) -> int:
    os.umask(0o077)
    chosen = settings.load(data)
    observe.set_up("error", chosen.log_format)
    found = await doctors.look(chosen, passphrase_from(passphrase_file), utcnow)
    if as_json:
        print_json([asdict(item) for item in found])
    else:
        for item in found:
            out(f"{item.level.value:<5} {item.about:<10} {item.said}")
            if item.hint:
                out(f"{'':<16} hint: {item.hint}")
    return FAILED if any(item.level is doctors.Level.FAIL for item in found) else DONE


def make_backup(data: Path, file: Path) -> int:
    os.umask(0o077)
    chosen = settings.load(data)
    if not founding.exists(chosen):
        raise app.no_node(data)
    made = backups.make(chosen, file, utcnow())
    out(str(file))
    saved = "database, keys, settings, pictures" if made.database else "keys, settings, pictures"
    say(f"saved {made.size} bytes: {saved}; whoever has this file has your keys")
    if not made.database:
        say("the database is on a PostgreSQL server and is not in it: save it with pg_dump as well")
    hint(f"check it: cuicui backup --verify {quoted(file)}")
    return DONE


def check_backup(file: Path, passphrase_file: Path | None) -> int:
    checked = backups.check(file, passphrase_from(passphrase_file))
    out(f"ok    {checked.handle} at {checked.base_url}, saved {checked.made_at}, schema {checked.schema}")
    if not checked.database:
        say("the database is not in it, but on a PostgreSQL server")
    if not checked.keys_opened:
        say("the keys are sealed and no passphrase was given: their files are whole, their contents were not tried")
    return DONE


def restore(data: Path, file: Path) -> int:
    os.umask(0o077)
    restored = backups.restore(file, data)
    out(f"{restored.handle} at {restored.base_url}, as of {restored.made_at}, is in {data}")
    if not restored.database:
        say("the database is not in it: load what pg_dump saved before you start the node")
    hint(f"start it: cuicui run{with_data(data)}")
    return DONE
