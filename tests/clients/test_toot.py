"""toot, the command line client, drives a node (issue 4, "Real clients")."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from node.model import Draft
from tests.clients.letting_in import let_in
from tests.support.browser import Browser
from tests.support.homes import Home


@dataclass
class Toot:
    """One installation of it, with its own configuration."""

    at: Path

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        environment = {**os.environ, "HOME": str(self.at), "XDG_CONFIG_HOME": str(self.at), "BROWSER": "true"}
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "toot", *words),
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
        )

    async def __call__(self, *words: str, fails: bool = False) -> str:
        process = await self.start(*words)
        said, _ = await asyncio.wait_for(process.communicate(), 30)
        assert bool(process.returncode) is fails, said.decode()
        return said.decode()

    async def log_in(self, home: Home, browser: Browser) -> str:
        """As its user does: it shows an address, and asks for the code that the page shows."""
        process = await self.start("login", "--instance", home.base)
        assert process.stdout is not None
        assert process.stdin is not None
        said = b""
        while b"[Y/n]" not in said:
            piece = await asyncio.wait_for(process.stdout.read(4096), 20)
            assert piece, said.decode()
            said += piece
        (address,) = [word for word in said.decode().split() if "/oauth/authorize" in word]
        code = await let_in(browser, address)
        rest, _ = await asyncio.wait_for(process.communicate(f"n\n{code}\n".encode()), 20)
        assert process.returncode == 0, rest.decode()
        return rest.decode()


@pytest.fixture
async def toot(tmp_path: Path, alice: Home, browser: Browser) -> Toot:
    made = Toot(tmp_path / "toot")
    made.at.mkdir()
    assert "Successfully logged in" in await made.log_in(alice, browser)
    return made


async def test_toot_writes_and_reads(toot: Toot) -> None:
    """Log in, post, 141 refused with the number, reply, thread, delete."""
    me = await toot("whoami")
    assert "@alice" in me
    assert "✓ Verified" in me  # the signing key
    said = json.loads(await toot("post", "Good morning", "--json"))
    assert "141" in await toot("post", "x" * 141, fails=True)
    await toot("post", "and good night", "--reply-to", said["id"])
    thread = await toot("thread", said["id"])
    assert thread.index("Good morning") < thread.index("and good night")
    for act in ("favourite", "reblog", "bookmark", "pin", "unfavourite", "unreblog", "unbookmark", "unpin"):
        assert "✓" in await toot(act, said["id"])
    await toot("delete", said["id"])
    assert "Good morning" not in await toot("timeline", "--once")


async def test_toot_sends_pictures(toot: Toot, tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), "red").save(tmp_path / "red.png")
    said = json.loads(
        await toot("post", "look", "--media", str(tmp_path / "red.png"), "--description", "a red field", "--json")
    )
    assert [item["description"] for item in said["media_attachments"]] == ["a red field"]


async def test_toot_finds_and_follows_somebody_elsewhere(alice: Home, bob: Home, toot: Toot) -> None:
    """client-api.md §8: it resolves `user@host:port` without a leading @."""
    there = bob.address.removeprefix("@")
    assert bob.address in await toot("search", bob.address, "--resolve")
    assert "You are now following" in await toot("follow", there)
    assert "Signing Key" in await toot("whois", there)
    for _ in range(100):
        if (await bob.node.owner.followers())[:1]:
            break
        await asyncio.sleep(0.05)
    await bob.node.owner.post(Draft(f"hello {alice.address}"))
    for _ in range(20):
        if "mentioned you" in (told := await toot("notifications")):
            break
        await asyncio.sleep(0.1)
    assert "hello @alice" in told
    assert "hello @alice" in await toot("timeline", "--once")
    assert there in await toot("following")
