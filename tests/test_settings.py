"""File, then environment, then flags; and a wrong value is named with a right one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from node.errors import BadSettings
from node.model import utcnow
from node.peers import is_trusted
from node.settings import ABOUT, FILE, Settings, file_url, load
from node.storage.migrate import migrate, snapshot
from node.storage.schema import HEAD
from node.storage.store import Store


def test_nothing_is_needed_to_start(tmp_path: Path) -> None:
    """decisions.md §14: "Without any file or flag the node starts with defaults that are right for trying it"."""
    found = load(tmp_path, environ={})
    assert (found.base_url, found.listen_host, found.listen_port) == ("http://127.0.0.1:8140", "127.0.0.1", 8140)
    assert found.allow_networks == ()
    assert found.database == f"sqlite:///{tmp_path / 'cuicui.db'}"


def test_the_environment_wins_over_the_file_and_flags_over_both(tmp_path: Path) -> None:
    """decisions.md §14: the order of precedence."""
    (tmp_path / FILE).write_text('listen = "127.0.0.1:1"\nlog_level = "debug"\nlog_format = "json"\n')
    environ = {"CUICUI_LISTEN": "127.0.0.1:2", "CUICUI_LOG_LEVEL": "error", "CUICUI_PASSWORD": "not a setting"}
    found = load(tmp_path, environ=environ, flags={"listen": "127.0.0.1:3", "log_level": None})
    assert (found.listen, found.log_level, found.log_format) == ("127.0.0.1:3", "error", "json")


def test_networks_are_a_list_of_cidrs(tmp_path: Path) -> None:
    """decisions.md §15: `CUICUI_ALLOW_NETWORKS=127.0.0.0/8,::1/128`."""
    found = load(tmp_path, environ={"CUICUI_ALLOW_NETWORKS": "127.0.0.0/8, ::1/128"})
    assert [str(network) for network in found.allow_networks] == ["127.0.0.0/8", "::1/128"]


def test_a_network_of_ipv4_within_ipv6_is_that_of_ipv4(tmp_path: Path) -> None:
    """security.md §5, "unmapped": what connects from there is looked for as IPv4, so it is written as such."""
    environ = {"CUICUI_TRUSTED_PROXIES": "::ffff:10.0.0.0/104, ::ffff:192.0.2.1, 2001:db8::/32"}
    found = load(tmp_path, environ=environ).trusted_proxies
    assert [str(network) for network in found] == ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]
    assert is_trusted("10.1.2.3", found)
    assert is_trusted("::ffff:192.0.2.1", found)
    for everybody in ("::ffff:0.0.0.0/96", "::/0"):
        with pytest.raises(BadSettings):
            load(tmp_path, environ={"CUICUI_TRUSTED_PROXIES": everybody})


@pytest.mark.parametrize(
    ("environ", "file", "names"),
    [
        ({"CUICUI_LISTEN": "8140"}, "", "CUICUI_LISTEN"),
        ({"CUICUI_LISTEN": "127.0.0.1:99999"}, "", "CUICUI_LISTEN"),
        ({"CUICUI_BASE_URL": "ftp://x.example"}, "", "CUICUI_BASE_URL"),
        ({"CUICUI_BASE_URL": "https://x.example/path"}, "", "CUICUI_BASE_URL"),
        ({"CUICUI_BASE_URL": "https://me@x.example"}, "", "CUICUI_BASE_URL"),
        ({"CUICUI_BASE_URL": "https://x.example:0"}, "", "CUICUI_BASE_URL"),
        ({"CUICUI_BASE_URL": "https://["}, "", "CUICUI_BASE_URL"),
        ({"CUICUI_ALLOW_NETWORKS": "everything"}, "", "CUICUI_ALLOW_NETWORKS"),
        ({"CUICUI_TRUSTED_PROXIES": "localhost"}, "", "CUICUI_TRUSTED_PROXIES"),
        ({"CUICUI_TRUSTED_PROXIES": "127.0.0.1, 0.0.0.0/0"}, "", "CUICUI_TRUSTED_PROXIES"),
        ({}, 'trusted_proxies = ["::/0"]', "trusted_proxies"),
        ({"CUICUI_DELIVERIES_AT_ONCE": "0"}, "", "CUICUI_DELIVERIES_AT_ONCE"),
        ({"CUICUI_DELIVERIES_AT_ONCE": "2001"}, "", "CUICUI_DELIVERIES_AT_ONCE"),
        ({"CUICUI_DELIVERIES_AT_ONCE": "9" * 5000}, "", "CUICUI_DELIVERIES_AT_ONCE"),
        ({"CUICUI_DELIVERIES_AT_ONCE": "many"}, "", "CUICUI_DELIVERIES_AT_ONCE"),
        ({"CUICUI_SIGN_PRIVATE_POSTS": "perhaps"}, "", "CUICUI_SIGN_PRIVATE_POSTS"),
        ({}, "deliveries_at_once = true", "deliveries_at_once"),
        ({}, "deliveries_at_once = 1.5", "deliveries_at_once"),
        ({}, "sign_private_posts = 2", "sign_private_posts"),
        ({}, "allow_networks = 7", "allow_networks"),
        ({}, "allow_networks = [7]", "allow_networks"),
        ({}, "listen = 8140", "listen"),
        ({}, "database_url = 1", "database_url"),
        ({"CUICUI_LISTN": "127.0.0.1:1"}, "", "CUICUI_LISTN"),
        ({}, 'log_level = "loud"', "log_level"),
        ({}, 'lisen = "127.0.0.1:1"', "lisen"),
        ({}, "listen = ", FILE),
        ({}, 'data = "/tmp"', "data"),
    ],
)
def test_a_wrong_value_is_named_with_a_right_one(
    tmp_path: Path, environ: Mapping[str, str], file: str, names: str
) -> None:
    """style.md §12: "A wrong value stops the start with the key, the value, and an example of a right one"."""
    (tmp_path / FILE).write_text(file)
    with pytest.raises(BadSettings) as caught:
        load(tmp_path, environ=environ)
    assert names in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_what_was_chosen_is_known_from_what_was_left(tmp_path: Path) -> None:
    """An address that somebody chose must be the node's own; the default need not."""
    (tmp_path / FILE).write_text("sign_private_posts = false\ndeliveries_at_once = 64\n")
    found = load(tmp_path, environ={"CUICUI_LISTEN": "[::1]:8140"})
    assert found.given == {"data", "listen", "sign_private_posts", "deliveries_at_once"}
    assert (found.sign_private_posts, found.deliveries_at_once, found.listen_host) == (False, 64, "::1")


@pytest.mark.parametrize(("said", "meant"), [("true", True), ("ON", True), ("1", True), ("no", False), ("0", False)])
def test_yes_and_no_have_the_usual_spellings(tmp_path: Path, said: str, meant: bool) -> None:
    """The environment has no truth values of its own."""
    assert load(tmp_path, environ={"CUICUI_SIGN_PRIVATE_POSTS": said}).sign_private_posts is meant


@pytest.mark.parametrize("name", [name for name in ABOUT if name != "data"])
def test_every_setting_says_what_it_means_and_shows_an_example_that_works(tmp_path: Path, name: str) -> None:
    """style.md §12: "Every field: a default …, a unit, one line of meaning"."""
    field = ABOUT[name]
    assert field.description
    assert field.examples
    for example in field.examples:
        load(tmp_path, environ={f"CUICUI_{name.upper()}": str(example)})


async def test_a_data_directory_may_have_any_name(tmp_path: Path) -> None:
    """`a?b` is no query and `%41` no A: the database lay beside such a directory, or could not be made, and no copy
    was taken of one below `a#b`."""
    for name in ("a?b", "a%41b", "a#b", "a&mode=ro", "ä ö", "100%"):
        data = tmp_path / name
        data.mkdir()
        store = Store(Settings.of({"data": data}).database)
        assert store.path == data / "cuicui.db"
        await migrate(store, snapshots=None, now=utcnow())
        await store.close()
        copied = Store(file_url(snapshot(data / "cuicui.db", data / "copy.db")))
        assert await copied.version() == HEAD
        await copied.close()
    assert len(list(tmp_path.iterdir())) == 6
