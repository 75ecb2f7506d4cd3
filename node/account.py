"""What the owner does with the account itself: profile, move, tokens, and trust in other accounts' keys."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from dataclasses import replace

from node import passwords, text
from node.acting import Acting
from node.errors import NotAllowed, NotFound
from node.federation import compose, parse
from node.model import (
    Iri,
    KeyState,
    KnownKey,
    Preferences,
    Profile,
    ProfileField,
    Tell,
    Trust,
)
from node.storage import actors as stored
from node.storage import (
    chores,
    lookalikes,
    oauth,
    profile,
    relations,
    sessions,
    tokens,
)
from node.storage.actors import KnownActor

SCOPES = "read write follow push"

MOST_FIELDS = 4
"""Fields of the owner's profile; Mastodon shows as many."""

LONGEST_FIELD = 255
"""Characters of the name of a field, and of its value."""


_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")


def spoken(code: str | None) -> str | None:
    """A language as BCP 47 spells it, or none. Raises NotAllowed: others would leave out what is no language."""
    if not code:
        return None
    if not _LANGUAGE.fullmatch(code):
        raise NotAllowed(f"{code!r} is no language code", hint="for example: fr, or pt-BR")
    return code


class Account(Acting):
    """The owner of this node, about themselves."""

    async def profile(self) -> Profile:
        return await self._documents.profile()

    async def change_profile(
        self,
        *,
        name: str | None = None,
        summary: str | None = None,
        approves_followers: bool | None = None,
        also_known_as: tuple[Iri, ...] | None = None,
        moved_to: Iri | None = None,
        fields: Sequence[tuple[str, str]] | None = None,
        bot: bool | None = None,
        discoverable: bool | None = None,
        indexable: bool | None = None,
        hides_collections: bool | None = None,
        avatar: str | None = None,
        header: str | None = None,
        preferences: Preferences | None = None,
    ) -> Profile:
        """Change what others see, and tell those who follow and are followed (Update of the actor).

        None leaves as it is. `avatar` and `header` are files of the media directory, "" for none. What
        others do not see (preferences, whether collections are hidden) is kept without telling anybody.
        Raises NotAllowed for more than four fields, and for longer ones than Mastodon shows.
        """
        before = await self.profile()
        if preferences is not None:
            spoken(preferences.language)
        given = {
            "fields": _fields(fields, before) if fields is not None else None,
            "bot": bot,
            "discoverable": discoverable,
            "indexable": indexable,
            "hides_collections": hides_collections,
            "preferences": preferences,
            "name": name,
            "summary": summary,
            "approves_followers": approves_followers,
            "also_known_as": also_known_as,
            "moved_to": moved_to,
        }
        changed = replace(before, **{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
        if avatar is not None:
            changed = replace(changed, avatar=avatar or None)
        if header is not None:
            changed = replace(changed, header=header or None)
        now = self._clock()
        if _seen_by_others(changed) == _seen_by_others(before) and changed != before:
            async with self._store.write() as tx:
                await profile.save(tx, changed)
            self._documents.forget_cached()
            self._done([], Tell("profile", self._ids.actor))
            return changed
        document = self._outbox.prove(
            compose.actor(
                changed,
                self._ids,
                transport_pem=self._keys.transport.public.pem,
                multikeys=[self._keys.identity.public.multikey],
            ),
            now,
        )
        update = self._outbox.prove(compose.update_actor(document.document, now), now)
        async with self._store.write() as tx:
            await profile.save(tx, changed)
            if changed.fields != before.fields:
                await chores.add_many(tx, chores.LINKS, [self._ids.actor], now, {})
            own = (await stored.briefs(tx, [self._ids.actor]))[self._ids.actor]
            shown = parse.actor(document.document)  # type: ignore[arg-type]
            await stored.put(tx, shown, id=own.id, at=now, document=None)
            await lookalikes.settle(tx, self._ids.actor)
            inboxes = [*await relations.follower_inboxes(tx), *await relations.followed_inboxes(tx)]
            jobs = await self._outbox.submit(tx, update, inboxes, now)
        self._documents.forget_cached()
        self._done(jobs, Tell("profile", self._ids.actor), Tell("errand", chores.LINKS))
        return changed

    async def move(self, to: str) -> Iri:
        """Go on as another account, which must name this one as its own; followers' servers follow there.

        Raises NotAllowed when it does not. What was written here stays here.
        """
        target = (await self._actors.refresh((await self._actors.resolve(to)).actor.iri)).actor
        if target.iri == self._ids.actor:
            raise NotAllowed("that is this account itself")
        if self._ids.actor not in target.also_known_as:
            raise NotAllowed(
                f"{target.handle} does not name {self._ids.actor} as an account of its own",
                hint="name it there first (on a cuicui node: cuicui alias add), then try again",
            )
        await self.change_profile(moved_to=target.iri)
        now = self._clock()
        moved = compose.move(self._ids.activity(self._snowflake.mint(now)), target.iri, self._ids)
        async with self._store.write() as tx:
            inboxes = await relations.follower_inboxes(tx)
            jobs = await self._outbox.submit(tx, self._outbox.prove(moved, now), inboxes, now)
        self._done(jobs, Tell("profile", self._ids.actor))
        return target.iri

    async def new_token(self, label: str) -> str:
        """A bearer token for the client API. It is shown once; its hash is kept."""
        token = secrets.token_urlsafe(32)
        async with self._store.write() as tx:
            await tokens.add(tx, token, label=label, scopes=SCOPES, at=self._clock())
        return token

    # ── password ─────────────────────────────────────────────────────────────────────────────

    async def set_password(self, password: str) -> int:
        """A new password for the web login: browsers and apps have to log in again, and codes not used yet are void.

        Whoever knew the old one may have let an app in (security.md §7). Tokens made in the shell
        (`cuicui token`) stay. How many apps were shown out. Raises NotAllowed (too short, too long).
        """
        async with self._checking:
            secret = await asyncio.to_thread(passwords.hashed, password)
        async with self._store.write() as tx:
            await profile.set_password_hash(tx, secret)
            await sessions.end_all(tx)
            await oauth.void_grants(tx)
            gone = await tokens.revoke(tx, of_apps=True)
        self._done([], Tell("tokens", " ".join(gone)))
        return len(gone)

    async def check_password(self, password: str) -> bool:
        """Whether this is the owner's password; no while none is set. One is checked at a time.

        Counting wrong ones, and pausing after them, is the business of the door that asks: it knows who is there.
        """
        async with self._store.read() as tx:
            before = await profile.password_hash(tx)
        if before is None:
            return False
        async with self._checking:
            if not await asyncio.to_thread(passwords.matches, password, before):
                return False
            if passwords.is_outdated(before):
                anew = await asyncio.to_thread(passwords.hashed, password)
                async with self._store.write() as tx:
                    await profile.renew_password_hash(tx, before, anew)
        return True

    # ── keys ────────────────────────────────────────────────────────────────────────────────

    async def keys_of(self, whom: str) -> tuple[KnownActor, tuple[KnownKey, ...]]:
        """An account and every key we know of it."""
        actor = await self._actors.resolve(whom)
        if actor.actor.iri == self._ids.actor:
            raise NotAllowed("that is you", hint="your own key: cuicui keys")
        async with self._store.read() as tx:
            return actor, await stored.keys_of(tx, actor.actor.iri)

    async def trust_keys(self, whom: str, seen: Sequence[KnownKey]) -> list[KnownKey]:
        """The owner's word: the keys this account shows are right, and have been compared.

        `seen` are those that the owner was shown. Returns the keys that are pinned by it. Raises NotAllowed when
        the account shows others by now.
        """
        actor, keys = await self.keys_of(whom)
        listed = [key for key in keys if key.state is not KeyState.RETIRED]
        if not listed:
            raise NotFound(f"{whom} shows no key")
        if not {key.material for key in listed} <= {key.material for key in seen}:
            raise NotAllowed(
                f"{whom} shows another key than a moment ago; nothing was changed",
                hint=f"look at its keys again: cuicui keys show {whom}",
            )
        replaced = {key.kind for key in listed if key.state is KeyState.CHANGED}
        accepted = [key for key in listed if key.state is KeyState.CHANGED or key.kind not in replaced]
        old = [key.material for key in listed if key not in accepted]
        async with self._store.write() as tx:
            await stored.set_key_state(
                tx, actor.actor.iri, [key.material for key in accepted], KeyState.PINNED, Trust.COMPARED
            )
            await stored.set_key_state(tx, actor.actor.iri, old, KeyState.RETIRED)
        self._actors.forget_cached()
        return accepted


def _seen_by_others(owner: Profile) -> Profile:
    return replace(owner, preferences=Preferences(), hides_collections=False)


def _fields(given: Sequence[tuple[str, str]], before: Profile) -> tuple[ProfileField, ...]:
    """What is left unchanged stays verified; rows without a name and a value are left out."""
    kept = {(field.name, field.value): field for field in before.fields}
    rows = [(text.plain(name, 10_000), text.plain(value, 10_000)) for name, value in given]
    rows = [row for row in rows if any(row)]
    if len(rows) > MOST_FIELDS:
        raise NotAllowed(f"a profile has at most {MOST_FIELDS} fields, and these are {len(rows)}")
    for name, value in rows:
        if not name or len(name) > LONGEST_FIELD or len(value) > LONGEST_FIELD:
            raise NotAllowed(
                f"a field has a name and a value of at most {LONGEST_FIELD} characters each: {name[:40]!r}"
            )
    return tuple(kept.get(row, ProfileField(*row)) for row in rows)
