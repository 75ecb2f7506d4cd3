"""The owner's profile, hashtags and password from the shell."""

from __future__ import annotations

import asyncio
from pathlib import Path

from node.passwords import matches
from node.storage import profile
from node.storage.store import Store
from tests.cli.conftest import Place, cuicui


def test_a_profile_is_changed_field_by_field(founded: Place) -> None:
    """What is not named stays; fields replace each other as a whole, and an empty one takes all away."""
    said = founded("profile", "--field", "Site=https://ada.example/?a=b", "--field", "City=Lyon", "--bot")
    assert said.status == 0
    assert "field      Site: https://ada.example/?a=b\nfield      City: Lyon\n" in said.out
    assert "a bot" in said.out
    said = founded("profile", "--no-bot", "--no-discoverable", "--visibility", "unlisted", "--language", "fr")
    assert "field      City: Lyon" in said.out
    assert "a bot" not in said.out
    assert "not shown in directories" in said.out
    assert "posts      unlisted, in fr" in said.out
    assert founded("post", "Bonjour", "--json").json["visibility"] == "unlisted"
    assert "field" not in founded("profile", "--field=").out


def test_a_field_has_a_name_and_a_value(founded: Place) -> None:
    """Exit status 2 for what is misspelled, 1 for what is too much; and nothing changes."""
    assert founded("profile", "--field", "nothing").status == 2
    many = [part for number in range(5) for part in ("--field", f"{number}=x")]
    said = founded("profile", *many)
    assert (said.status, "at most 4" in said.err) == (1, True)
    assert "field" not in founded("profile").out


def test_hashtags_are_followed_and_listed(founded: Place) -> None:
    """`cuicui tag follow`, `tags`, `tag unfollow`; in any spelling."""
    assert founded("tag follow", "#Birding").status == 0
    assert founded("tags").out == "#birding\n"
    assert [tag["name"] for tag in founded("tags", "--json").json] == ["birding"]
    assert founded("tag unfollow", "BIRDING").status == 0
    assert founded("tags").out == ""
    assert founded("tag unfollow", "birding").status == 1
    assert founded("tag follow", "two words").status == 1


def test_the_password_can_come_with_the_node(tmp_path: Path) -> None:
    """`init --password-file`: the first line of the file is the password, as CUICUI_PASSWORD would be."""
    file = tmp_path / "password"
    file.write_text("correct horse\nand a line that does not count\n")
    data = tmp_path / "node"
    address = ("--base-url", "https://ada.example", "--handle", "ada")
    assert cuicui("init", "--data", str(data), *address, "--password-file", str(file)).status == 0

    async def kept() -> str:
        store = Store(f"sqlite:///{data / 'cuicui.db'}")
        try:
            async with store.read() as tx:
                return await profile.password_hash(tx) or ""
        finally:
            await store.close()

    assert matches("correct horse", asyncio.run(kept()))
