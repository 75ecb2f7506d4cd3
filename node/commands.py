"""What the owner's commands do: open the node, ask the one set of actions there is, print."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import click

from keys import PublicIdentity
from keys.multiformat import multikey_from_did
from keys.verify import MAX_BYTES
from node import founding, running, settings, text
from node import printing as show_
from node.app import Node
from node.errors import BadKey, NotAllowed, NotFound
from node.federation import evidence, outbox
from node.federation.examine import Examined, Examiner, file_alone
from node.federation.lookup import parse_handle
from node.model import Draft, Iri, KeyState, Post, Verdict, Visibility, utcnow
from node.moderate import span
from node.opening import introduce, opened, with_data
from node.passwords import hashed
from node.printing import as_json as print_json
from node.printing import hint, out, say
from node.storage import profile as stored_profile
from node.storage.relations import Relation, State

DONE, FAILED, UNSURE = 0, 1, 3

ANSWER_WAIT = 1.5
"""Seconds that `follow` waits for the other side's yes, when the node runs."""

_EXIT = {Verdict.SIGNED: DONE, Verdict.VOUCHED: UNSURE, Verdict.CHANGED: UNSURE, Verdict.REFUSED: FAILED}


# ── write ──────────────────────────────────────────────────────────────────────────────────────────


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
    async with opened(data, passphrase_file) as node:
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
    hint(f"start it: cuicui run{with_data(data)}")


async def _find(node: Node, which: str) -> Post:
    found = await node.owner.find_post(which)
    if found is None:
        raise NotFound(f"there is no post {which} here", hint="see the numbers and addresses in: cuicui timeline")
    return found


async def delete(data: Path, passphrase_file: Path | None, which: str) -> None:
    async with opened(data, passphrase_file) as node:
        found = await _find(node, which)
        await node.owner.delete(found.note.iri)
    say(f"deleted {found.note.url or found.note.iri}; its readers are told")


async def edit(data: Path, passphrase_file: Path | None, which: str, words: str, warning: str | None) -> None:
    async with opened(data, passphrase_file) as node:
        found = await _find(node, which)
        posted = await node.owner.edit(found.note.iri, words, warning)
    out(posted.post.note.url or posted.post.note.iri)
    for handle in posted.unknown:
        say(f"{handle} could not be found and stays plain text")
    say("edited; its readers are told, and the version before stays: cuicui history")


async def history(data: Path, passphrase_file: Path | None, which: str, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        versions = await node.owner.history((await _find(node, which)).note.iri)
    if as_json:
        print_json([show_.revision_json(version) for version in versions])
    else:
        out("\n\n".join(show_.revision_words(version) for version in versions))


# ── other people's posts, and one's own ────────────────────────────────────────────────────────────


async def boost(data: Path, passphrase_file: Path | None, which: str, *, undo: bool) -> None:
    async with opened(data, passphrase_file) as node:
        iri = (await _find(node, which)).note.iri
        await (node.interactions.unboost if undo else node.interactions.boost)(iri)
    say("your boost is taken back" if undo else "boosted; your followers and its author are told")


async def like(data: Path, passphrase_file: Path | None, which: str, emoji: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.interactions.like((await _find(node, which)).note.iri, emoji)
    say(f"{emoji or 'liked'}; its author is told")


async def unlike(data: Path, passphrase_file: Path | None, which: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.interactions.unlike((await _find(node, which)).note.iri)
    say("your like is taken back")


async def pin(data: Path, passphrase_file: Path | None, which: str, *, undo: bool) -> None:
    async with opened(data, passphrase_file) as node:
        iri = (await _find(node, which)).note.iri
        await (node.interactions.unpin if undo else node.interactions.pin)(iri)
    say("not pinned any more" if undo else "pinned on top of your profile")


async def reports(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.interactions.reports()
    if as_json:
        print_json([show_.report_json(report) for report in found])
        return
    for report in found:
        out(show_.report_words(report))
    if not found:
        say("nobody has reported anything to you")


# ── people ─────────────────────────────────────────────────────────────────────────────────────────


async def follow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    async with opened(data, passphrase_file) as node:
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
    async with opened(data, passphrase_file) as node:
        await node.owner.unfollow(whom)
    say(f"you do not follow {whom} any more")


async def following(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
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
    async with opened(data, passphrase_file) as node:
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
    async with opened(data, passphrase_file) as node:
        await (node.owner.accept if yes else node.owner.reject)(whom)
    say(f"{whom} follows you now" if yes else f"{whom} does not follow you")


# ── keep away ──────────────────────────────────────────────────────────────────────────────────────


async def block(data: Path, passphrase_file: Path | None, whom: str, comment: str) -> None:
    async with opened(data, passphrase_file) as node:
        new = await node.moderation.block(whom, comment)
    if new.kind == "domain":
        say(f"{new.value} and all below it is blocked")
    else:
        say(f"{whom} is blocked" + ("" if "://" in new.value else ", by that name: their server does not answer"))


async def import_blocks(data: Path, passphrase_file: Path | None, file: Path) -> None:
    try:
        found = _contents(str(file)).decode()
    except UnicodeDecodeError:
        raise click.UsageError(f"{file} is not UTF-8 text") from None
    async with opened(data, passphrase_file) as node:
        done = await node.moderation.import_blocks(found)
    say(f"blocked: {done.accounts} accounts, {done.domains} domains")
    for line in done.skipped[:20]:
        say(f"left out: {line}")
    if len(done.skipped) > 20:
        say(f"left out: {len(done.skipped) - 20} more")


async def unblock(data: Path, passphrase_file: Path | None, whom: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.moderation.unblock(whom)
    say(f"{whom} is not blocked any more")


async def blocks(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.moderation.blocked()
        people = await node.owner.people([Iri(item.value) for item in found if item.kind == "account"])
    if as_json:
        print_json([show_.block_json(item, people) for item in found])
        return
    for item in found:
        out(show_.block_words(item, people))
    if not found:
        say("you block nobody")


async def mute(data: Path, passphrase_file: Path | None, whom: str, for_: str | None) -> None:
    length = span(for_) if for_ is not None else None
    async with opened(data, passphrase_file) as node:
        await node.moderation.mute(whom, length)
    say(f"you do not see {whom}" + (f" for {for_}" if for_ else " any more"))


async def unmute(data: Path, passphrase_file: Path | None, whom: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.moderation.unmute(whom)
    say(f"you see {whom} again")


async def mutes(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.moderation.muted()
        people = await node.owner.people([item.actor for item in found])
    if as_json:
        print_json([show_.mute_json(item, people) for item in found])
        return
    for item in found:
        out(show_.mute_words(item, people))
    if not found:
        say("you mute nobody")


async def requests(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.moderation.requests(limit=80)
    if as_json:
        print_json([show_.post_json(item) for item in found])
        return
    if found:
        out("\n\n".join(show_.post_words(item, utcnow()) for item in found))
        hint("let somebody in: cuicui requests allow @name@host; or block, or ignore")
    else:
        say("no stranger waits for you")


async def decide(data: Path, passphrase_file: Path | None, whom: str, *, allow: bool) -> None:
    async with opened(data, passphrase_file) as node:
        await (node.moderation.allow if allow else node.moderation.ignore)(whom)
    say(f"{whom} may speak to you" if allow else f"what {whom} says to you is shown nowhere")


# ── read ───────────────────────────────────────────────────────────────────────────────────────────


async def timeline(
    data: Path, passphrase_file: Path | None, limit: int, before: int | None, *, mentions: bool, as_json: bool
) -> None:
    async with opened(data, passphrase_file) as node:
        posts = await node.owner.timeline(before=before, limit=limit, mentions=mentions)
        news = None if as_json else await node.reading.last_absence(once=True)
    if as_json:
        print_json([show_.post_json(item) for item in posts])
        return
    if news is not None:
        say(news.sentence)
    if posts:
        out("\n\n".join(show_.post_words(item, utcnow()) for item in posts))
    else:
        say("nothing yet")
        hint("follow somebody: cuicui follow @name@host")


async def thread(data: Path, passphrase_file: Path | None, which: str, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.reading.open_thread(which)
    if as_json:
        above, below = ([show_.post_json(item) for item in posts] for posts in (found.above, found.below))
        print_json({"post": show_.post_json(found.post), "above": above, "below": below, "more": found.more})
        return
    now = utcnow()
    out("\n\n".join(show_.post_words(item, now) for item in (*found.above, found.post, *found.below)))
    if found.more:
        say(f"its origin knows of {found.more} more")


async def away(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.reading.last_absence()
        people = await node.owner.people([Iri(one) for one in found.unreachable] if found else [])
    if as_json:
        print_json(show_.absence_json(found) if found else None)
        return
    if found is None:
        say("the node has not been away")
        return
    out(found.sentence)
    for iri in found.unreachable:
        known = people.get(Iri(iri))
        out(f"  not reached: {known.actor.handle if known else iri}")


async def _profile_of(data: Path, passphrase_file: Path | None, whom: str, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        known, posts = await node.reading.open_profile(whom)
    if as_json:
        print_json({**show_.person_json(known.actor), "posts": [show_.post_json(item) for item in posts]})
        return
    out(f"{known.actor.handle}  {show_.one_line(known.actor.name)}  {known.actor.url or known.actor.iri}")
    if about := show_.one_line(text.to_text(known.actor.summary)):
        out(f"  {about}")
    for item in posts:
        out("\n" + show_.post_words(item, utcnow()))
    if not posts:
        say("no posts that anybody may read")


async def show(data: Path, passphrase_file: Path | None, which: str, *, as_json: bool) -> None:
    if parse_handle(which) is not None and not which.startswith(("https://", "http://")):
        await _profile_of(data, passphrase_file, which, as_json=as_json)
        return
    async with opened(data, passphrase_file) as node:
        found = await _find(node, which)
        counts = (await node.interactions.counts([found.note.iri]))[found.note.iri]
    if as_json:
        print_json({**show_.post_json(found), "seen_here": show_.counts_json(counts)})
    else:
        out("\n".join([show_.post_in_full(found, utcnow()), *show_.counts_lines(counts)]))


async def export(data: Path, passphrase_file: Path | None, which: str) -> None:
    async with opened(data, passphrase_file) as node:
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
    async with opened(data, passphrase_file) as node:
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


# ── keys ───────────────────────────────────────────────────────────────────────────────────────────


async def own_keys(data: Path, passphrase_file: Path | None) -> None:
    async with opened(data, passphrase_file) as node:
        introduce(node.ids, node.keys.identity.public)
        out(f"transport  {node.keys.transport.public.fingerprint}")
        out(f"files      {node.settings.keys}")


async def keys_of(data: Path, passphrase_file: Path | None, whom: str, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        known, found = await node.owner.keys_of(whom)
    if as_json:
        looks_like = show_.looks_like_json(known.actor)
        print_json({"actor": known.actor.iri, "looks_like": looks_like, "keys": [show_.key_json(key) for key in found]})
        return
    out(f"{known.actor.handle}  {known.actor.iri}")
    for line in show_.caution(known.actor):
        out(line)
    for key in found:
        out(show_.key_words(key))
    if not found:
        say("it shows no key")


async def accept_keys(data: Path, passphrase_file: Path | None, whom: str, *, sure: Callable[[str], None]) -> None:
    async with opened(data, passphrase_file) as node:
        known, found = await node.owner.keys_of(whom)
        for key in found:
            if key.state is not KeyState.RETIRED:
                click.echo(show_.key_words(key), err=True)
        for line in show_.caution(known.actor):
            say(line)
        sure(f"Have you compared these with {known.actor.handle}, by another way?")
        for key in await node.owner.trust_keys(whom):
            out(show_.key_words(key).partition("\n")[0])
    say(f"these are the trusted keys of {known.actor.handle} now")


# ── the owner's account ────────────────────────────────────────────────────────────────────────────


async def profile(
    data: Path, passphrase_file: Path | None, name: str | None, bio: str | None, approves: bool | None
) -> None:
    async with opened(data, passphrase_file) as node:
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
    async with opened(data, passphrase_file) as node:
        other = (await node.actors.resolve(account)).actor.iri
        if other == node.ids.actor:
            raise NotAllowed("that is this account itself")
        aliases = (await node.owner.profile()).also_known_as
        if other not in aliases:
            await node.owner.change_profile(also_known_as=(*aliases, other))
    out(other)
    say("it is named as yours in your profile")


async def move(data: Path, passphrase_file: Path | None, target: str, ask: Callable[[str], bool]) -> None:
    async with opened(data, passphrase_file) as node:
        if not ask(f"Send everybody who follows @{node.ids.acct} to {target}?"):
            raise NotAllowed("nothing was changed")
        moved = await node.owner.move(target)
    out(moved)
    say("moved; followers' servers are told, and most of them follow there by themselves")


async def token(data: Path, passphrase_file: Path | None) -> None:
    async with opened(data, passphrase_file) as node:
        out(await node.owner.new_token("cuicui token"))


async def password(data: Path, passphrase_file: Path | None, line: str) -> None:
    secret = hashed(line)
    async with opened(data, passphrase_file) as node, node.store.write() as tx:
        await stored_profile.set_password_hash(tx, secret)
    say("the password is set")
