"""What each command does: open the node, ask the owner's one set of actions, print."""

from __future__ import annotations

import asyncio
import functools
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from platformdirs import user_data_path

from keys import PublicIdentity
from keys import passphrase as passphrases
from keys.multiformat import multikey_from_did
from keys.verify import MAX_BYTES
from node import app, founding, observe, running, settings, text
from node import printing as show_
from node.app import Node
from node.errors import BadKey, NotAllowed, NotFound
from node.federation import evidence, outbox
from node.federation.examine import Examined, Examiner, file_alone
from node.federation.lookup import parse_handle
from node.founding import Founded
from node.ids import Ids
from node.lazily import when_used
from node.model import Draft, KeyState, Post, Verdict, Visibility, utcnow
from node.passwords import hashed
from node.printing import as_json as print_json
from node.printing import hint, out, say
from node.settings import Settings
from node.storage import arrivals, refusals
from node.storage import profile as stored_profile
from node.storage import queue as stored_queue
from node.storage.relations import Relation, State

if TYPE_CHECKING:
    from node import backup as backups
    from node import demo as story
    from node import doctor as doctors
else:  # a node that runs needs none of them
    backups, story, doctors = when_used("node.backup"), when_used("node.demo"), when_used("node.doctor")

DONE, FAILED, UNSURE = 0, 1, 3

ANSWER_WAIT = 1.5
"""Seconds that `follow` waits for the other side's yes, when the node runs."""

_EXIT = {Verdict.SIGNED: DONE, Verdict.VOUCHED: UNSURE, Verdict.CHANGED: UNSURE, Verdict.REFUSED: FAILED}


# ── opening a node ───────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def _opened(data: Path, passphrase_file: Path | None) -> AsyncIterator[Node]:
    """The node of a data directory, to do one thing with it; deliveries are left to the one that runs."""
    os.umask(0o077)
    chosen = settings.load(data)
    observe.set_up("debug" if chosen.log_level == "debug" else "error", chosen.log_format)
    async with app.opened(chosen, passphrase=_passphrase(passphrase_file)) as node:
        yield node


def _passphrase(file: Path | None) -> Callable[[], str | None]:
    """Found once, for three key files: the question is not to be asked three times."""
    prompt = _ask_passphrase if sys.stdin.isatty() else None
    return functools.cache(passphrases.finder(file, prompt=prompt))


def _ask_passphrase() -> str | None:
    return str(click.prompt("Passphrase of the keys", hide_input=True, err=True))


def _at(data: Path) -> str:
    """` --data DIR`, where one has to type it."""
    return "" if data == Path(user_data_path("cuicui")) or os.environ.get("CUICUI_DATA") else f" --data {_quoted(data)}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


# ── start ────────────────────────────────────────────────────────────────────────────────────


async def init(
    data: Path,
    flags: Mapping[str, object],
    handle: str | None,
    name: str,
    password_file: Path | None,
    passphrase_file: Path | None,
    *,
    ask_passphrase: bool,
) -> None:
    os.umask(0o077)
    chosen = settings.load(data, flags=flags)
    if "listen" not in chosen.model_fields_set and (listen := founding.default_listen(chosen.base_url)):
        chosen = settings.load(data, flags={**flags, "listen": listen})
    made = await founding.found(
        chosen,
        handle=handle or founding.default_handle(),
        name=name,
        password=_first_line(password_file) if password_file else os.environ.get("CUICUI_PASSWORD") or None,
        passphrase=_new_passphrase(passphrase_file, ask=ask_passphrase),
    )
    _introduce(made.ids, made.keys.identity.public)
    out(f"data       {data}")
    say("the keys in it are your identity: keep them private, and keep a copy")
    hint(f"start it: cuicui run{_at(data)}")


def _new_passphrase(file: Path | None, *, ask: bool) -> str | None:
    def prompt() -> str:
        return str(click.prompt("Passphrase to seal the keys", hide_input=True, confirmation_prompt=True, err=True))

    return passphrases.finder(file, prompt=prompt if ask else None)()


def _first_line(file: Path) -> str:
    try:
        line = file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise NotAllowed(f"{file} is not UTF-8 text") from None
    except OSError as error:
        raise NotAllowed(f"cannot read {file}: {error.strerror}") from None
    if not line:
        raise NotAllowed(f"{file} is empty", hint="its first line is the password")
    return line


def _introduce(ids: Ids, key: PublicIdentity) -> None:
    out(f"handle     @{ids.acct}")
    out(f"address    {ids.profile_page}")
    out(f"key        {key.multikey}")
    out(f"           fingerprint {key.fingerprint}")


def run(data: Path, passphrase_file: Path | None, listen: str | None) -> int:
    os.umask(0o077)
    running.raise_limits()
    chosen = settings.load(data, flags={"listen": listen})
    if not founding.exists(chosen):
        chosen = _first_settings(data, chosen, listen)
        made = asyncio.run(_found_here(chosen, passphrase_file))
        say(f"made a node for @{made.ids.acct} in {data}")
    with running.only_one(data):
        running.run_loop(running.serve(chosen, _passphrase(passphrase_file), functools.partial(_welcome, data)))
    return DONE


def _first_settings(data: Path, chosen: Settings, listen: str | None) -> Settings:
    """For a node that is made by `run`: its address is where it listens, if nothing else was said."""
    on_this_machine = chosen.listen_host in ("127.0.0.1", "::1")
    if listen is None or "base_url" in chosen.model_fields_set or not on_this_machine:
        return chosen
    return settings.load(data, flags={"listen": listen, "base_url": f"http://{listen}"})


async def _found_here(chosen: Settings, passphrase_file: Path | None) -> Founded:
    return await founding.found(
        chosen,
        handle=founding.default_handle(),
        password=os.environ.get("CUICUI_PASSWORD") or None,
        passphrase=_new_passphrase(passphrase_file, ask=False),
    )


def _welcome(data: Path, node: Node) -> None:
    _introduce(node.ids, node.keys.identity.public)
    out(f"listening  http://{node.settings.listen}")
    out("")
    out("in another window:")
    out(f'  cuicui post{_at(data)} "Hello"')
    out(f"  cuicui follow{_at(data)} @somebody@example.org")
    out(f"  cuicui timeline{_at(data)}")
    out("stop with Ctrl-C")
    if node.settings.allow_networks:
        networks = ", ".join(map(str, node.settings.allow_networks))
        say(f"this node may dial non-public networks: {networks}")
    sys.stdout.flush()


def worker(data: Path, passphrase_file: Path | None) -> int:
    os.umask(0o077)
    running.raise_limits()
    chosen = settings.load(data)

    def ready(name: str) -> None:
        say(f"worker {name} delivers; stop with Ctrl-C")

    running.run_loop(running.work(chosen, _passphrase(passphrase_file), ready))
    return DONE


def demo(*, once: bool) -> int:
    running.raise_limits()
    return asyncio.run(story.tell(once=once))


# ── write ────────────────────────────────────────────────────────────────────────────────────


async def post(
    data: Path,
    passphrase_file: Path | None,
    words: str,
    reply_to: str | None,
    visibility: str | None,
    warning: str,
    language: str | None,
    *,
    as_json: bool,
) -> None:
    async with _opened(data, passphrase_file) as node:
        text.check_length(words, warning)
        parent = await _find(node, reply_to) if reply_to is not None else None
        # An answer to what few may read is not for everybody unless its author says so.
        default = parent.visibility if parent is not None else Visibility.PUBLIC
        draft = Draft(
            words,
            visibility=Visibility(visibility) if visibility else default,
            in_reply_to=parent.note.iri if parent is not None else None,
            warning=warning,
            language=language,
        )
        posted = await node.owner.post(draft)
    if as_json:
        print_json({**show_.post_json(posted.post), "inboxes": posted.inboxes, "unknown": list(posted.unknown)})
    else:
        out(posted.post.note.url or posted.post.note.iri)
    for handle in posted.unknown:
        say(f"{handle} could not be found and stays plain text")
    if posted.inboxes == 0:
        say("posted; nobody has to be told")
        return
    to = "1 inbox" if posted.inboxes == 1 else f"{posted.inboxes} inboxes"
    if running.is_running(data):
        say(f"posted; it goes out to {to}")
    else:
        _not_running(data, f"posted; it goes out to {to} when the node runs")


def _not_running(data: Path, sentence: str) -> None:
    say(sentence)
    hint(f"start it: cuicui run{_at(data)}")


async def _find(node: Node, which: str) -> Post:
    found = await node.owner.find_post(which)
    if found is None:
        raise NotFound(f"there is no post {which} here", hint="see the numbers and addresses in: cuicui timeline")
    return found


async def delete(data: Path, passphrase_file: Path | None, which: str) -> None:
    async with _opened(data, passphrase_file) as node:
        found = await _find(node, which)
        await node.owner.delete(found.note.iri)
    say(f"deleted {found.note.url or found.note.iri}; its readers are told")


# ── people ───────────────────────────────────────────────────────────────────────────────────


async def follow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    async with _opened(data, passphrase_file) as node:
        serves = running.is_running(data)
        relation = await node.owner.follow(whom)
        before = relation.state
        deadline = asyncio.get_running_loop().time() + ANSWER_WAIT
        while serves and relation.state is State.PENDING and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
            relation = await _current(node, relation)
    if relation.state is State.ACCEPTED:
        say(f"you follow {whom}" + (" already" if before is State.ACCEPTED else " now"))
    elif relation.state is State.REJECTED:
        say(f"{whom} said no")
    elif serves:
        say(f"asked {whom}; waiting for their yes")
    else:
        _not_running(data, f"the request to {whom} is kept, and goes out when the node runs")


async def _current(node: Node, relation: Relation) -> Relation:
    return next((item for item in await node.owner.following() if item.actor == relation.actor), relation)


async def unfollow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    async with _opened(data, passphrase_file) as node:
        await node.owner.unfollow(whom)
    say(f"you do not follow {whom} any more")


async def following(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with _opened(data, passphrase_file) as node:
        found = await node.owner.following()
        people = await node.owner.people([item.actor for item in found])
    if as_json:
        print_json(show_.relations_json(found, people))
        return
    states = {State.ACCEPTED: "", State.PENDING: "(asked; waiting for their yes)", State.REJECTED: "(said no)"}
    for item in found:
        out(show_.relation_words(item, people, states[item.state]).rstrip())
    if not found:
        say("you follow nobody")
        hint("follow somebody: cuicui follow @name@host")


async def followers(data: Path, passphrase_file: Path | None, *, requests: bool, as_json: bool) -> None:
    async with _opened(data, passphrase_file) as node:
        found = await node.owner.followers(requests=requests)
        people = await node.owner.people([item.actor for item in found])
    if as_json:
        print_json(show_.relations_json(found, people))
        return
    for item in found:
        out(show_.relation_words(item, people, "").rstrip())
    if not found:
        say("nobody waits for your answer" if requests else "nobody follows you yet")


async def answer(data: Path, passphrase_file: Path | None, whom: str, *, yes: bool) -> None:
    async with _opened(data, passphrase_file) as node:
        await (node.owner.accept if yes else node.owner.reject)(whom)
    say(f"{whom} follows you now" if yes else f"{whom} does not follow you")


# ── read ─────────────────────────────────────────────────────────────────────────────────────


async def timeline(
    data: Path, passphrase_file: Path | None, limit: int, before: int | None, *, mentions: bool, as_json: bool
) -> None:
    async with _opened(data, passphrase_file) as node:
        posts = await node.owner.timeline(before=before, limit=limit, mentions=mentions)
    if as_json:
        print_json([show_.post_json(item) for item in posts])
        return
    if posts:
        out("\n\n".join(show_.post_words(item, utcnow()) for item in posts))
    else:
        say("nothing yet")
        hint("follow somebody: cuicui follow @name@host")


async def show(data: Path, passphrase_file: Path | None, which: str, *, as_json: bool) -> None:
    async with _opened(data, passphrase_file) as node:
        found = await _find(node, which)
    if as_json:
        print_json(show_.post_json(found))
    else:
        out(show_.post_in_full(found, utcnow()))


async def export(data: Path, passphrase_file: Path | None, which: str) -> None:
    async with _opened(data, passphrase_file) as node:
        print_json(await _bundle(node, await _find(node, which)))


async def _bundle(node: Node, found: Post) -> evidence.Bundle:
    own_actor = await node.documents.actor()
    async with node.store.read() as tx:
        return await evidence.bundle(tx, found, received_at=node.ids.inbox, own_actor=own_actor)


async def verify(
    data: Path, passphrase_file: Path | None, target: str, key: str | None, *, offline: bool, as_json: bool
) -> int:
    is_file = _is_file(target)
    given = _key(key) if key is not None else None
    if given is not None and not is_file:
        raise click.UsageError("--key is for a file; an address or a handle is asked for its own")
    body = _contents(target) if is_file else b""
    if given is not None or (is_file and not founding.exists(settings.load(data))):
        found = file_alone(body, given, utcnow())
    else:
        found = await _examined(data, passphrase_file, target, body if is_file else None, offline=offline)
    if as_json:
        print_json({"target": target, **show_.examined_json(found)})
    else:
        out(show_.examined_words(found))
    if found.verdict is Verdict.VOUCHED and is_file and found.key_trust is None:
        hint("if you know the author's key, name it: --key z6Mk…")
    return _EXIT[found.verdict]


async def _examined(
    data: Path, passphrase_file: Path | None, target: str, body: bytes | None, *, offline: bool
) -> Examined:
    async with _opened(data, passphrase_file) as node:
        examiner = Examiner(
            node.store,
            node.actors,
            node.fetcher,
            node.documents,
            ids=node.ids,
            own_key=node.keys.identity.public,
            clock=node.clock,
            offline=offline,
        )
        if body is not None:
            return await examiner.file(body)
        if not target.startswith(("https://", "http://")):
            return await examiner.account(target)
        if offline and not node.ids.is_ours(target):
            return await examiner.file(outbox.to_bytes(await _bundle(node, await _find(node, target))))
        return await examiner.url(target)


def _is_file(target: str) -> bool:
    """What is neither an address nor a handle; and a handle, if a file has that name."""
    if target.startswith(("https://", "http://")):
        return False
    return parse_handle(target) is None or Path(target).exists()


def _key(written: str) -> PublicIdentity:
    written = written.strip()
    try:
        return PublicIdentity.from_multikey(multikey_from_did(written) if written.startswith("did:") else written)
    except BadKey as error:
        raise click.UsageError(f"--key: {error.message}") from None


def _contents(name: str) -> bytes:
    try:
        if name == "-":
            found = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as stream:
                found = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise click.UsageError(f"cannot read {name}: {why}; give a file, an address or a handle") from None
    if len(found) > MAX_BYTES:
        raise click.UsageError(f"{name} is larger than {MAX_BYTES >> 20} MiB; a signed post is a few kilobytes")
    return found


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


async def own_keys(data: Path, passphrase_file: Path | None) -> None:
    async with _opened(data, passphrase_file) as node:
        _introduce(node.ids, node.keys.identity.public)
        out(f"transport  {node.keys.transport.public.fingerprint}")
        out(f"files      {node.settings.keys}")


async def keys_of(data: Path, passphrase_file: Path | None, whom: str, *, as_json: bool) -> None:
    async with _opened(data, passphrase_file) as node:
        known, found = await node.owner.keys_of(whom)
    if as_json:
        print_json({"actor": known.actor.iri, "keys": [show_.key_json(key) for key in found]})
        return
    out(f"{known.actor.handle}  {known.actor.iri}")
    for key in found:
        out(show_.key_words(key))
    if not found:
        say("it shows no key")


async def accept_keys(data: Path, passphrase_file: Path | None, whom: str, *, sure: Callable[[str], None]) -> None:
    async with _opened(data, passphrase_file) as node:
        known, found = await node.owner.keys_of(whom)
        for key in found:
            if key.state is not KeyState.RETIRED:
                click.echo(show_.key_words(key), err=True)
        sure(f"Have you compared these with {known.actor.handle}, by another way?")
        for key in await node.owner.trust_keys(whom):
            out(show_.key_words(key).partition("\n")[0])
    say(f"these are the trusted keys of {known.actor.handle} now")


# ── the owner's account ──────────────────────────────────────────────────────────────────────


async def profile(
    data: Path, passphrase_file: Path | None, name: str | None, bio: str | None, approves: bool | None
) -> None:
    async with _opened(data, passphrase_file) as node:
        if (name, bio, approves) != (None, None, None):
            await node.owner.change_profile(name=name, summary=bio, approves_followers=approves)
        owner = await node.owner.profile()
        out(f"handle     @{node.ids.acct}")
        out(f"name       {owner.name}")
        out(f"bio        {owner.summary}")
        out(f"followers  {'wait for your yes' if owner.approves_followers else 'are let in at once'}")
        for other in owner.also_known_as:
            out(f"alias      {other}")


async def add_alias(data: Path, passphrase_file: Path | None, account: str) -> None:
    async with _opened(data, passphrase_file) as node:
        other = (await node.actors.resolve(account)).actor.iri
        if other == node.ids.actor:
            raise NotAllowed("that is this account itself")
        aliases = (await node.owner.profile()).also_known_as
        if other not in aliases:
            await node.owner.change_profile(also_known_as=(*aliases, other))
    out(other)
    say("it is named as yours in your profile")


async def token(data: Path, passphrase_file: Path | None) -> None:
    async with _opened(data, passphrase_file) as node:
        out(await node.owner.new_token("cuicui token"))


async def password(data: Path, passphrase_file: Path | None, line: str) -> None:
    secret = hashed(line)
    async with _opened(data, passphrase_file) as node, node.store.write() as tx:
        await stored_profile.set_password_hash(tx, secret)
    say("the password is set")


# ── keep it well ─────────────────────────────────────────────────────────────────────────────


async def queue(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with _opened(data, passphrase_file) as node, node.store.read() as tx:
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
        hint(f"they go out when the node runs: cuicui run{_at(data)}")


async def refused(data: Path, passphrase_file: Path | None, limit: int, *, as_json: bool) -> None:
    async with _opened(data, passphrase_file) as node, node.store.read() as tx:
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
    found = await doctors.look(chosen, _passphrase(passphrase_file), utcnow)
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
    written = backups.make(chosen, file, utcnow())
    out(str(file))
    say(f"saved {written} bytes: database, keys, settings; whoever has this file has your keys")
    hint(f"check it: cuicui backup --verify {_quoted(file)}")
    return DONE


def check_backup(file: Path, passphrase_file: Path | None) -> int:
    checked = backups.check(file, _passphrase(passphrase_file))
    out(f"ok    {checked.handle} at {checked.base_url}, saved {checked.made_at}, schema {checked.schema}")
    if not checked.keys_opened:
        say("the keys are sealed and no passphrase was given: their files are whole, their contents were not tried")
    return DONE


def restore(data: Path, file: Path) -> int:
    os.umask(0o077)
    restored = backups.restore(file, data)
    out(f"{restored.handle} at {restored.base_url}, as of {restored.made_at}, is in {data}")
    hint(f"start it: cuicui run{_at(data)}")
    return DONE
