"""The papers say what is: settings, handlers, limits, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keys import canonical, transport
from node import cli, door, sweeping
from node.federation import actors, batch, parse, patience, quota, reception
from node.federation.handlers import TABLE, announce, featured, like, quote
from node.media import cache
from node.settings import ABOUT, FILE, Settings
from node.storage import oauth, refusals, reports, revisions, sweep
from node.storage.schema import metadata
from node.web.streaming import HEARTBEAT

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
FEDERATION = (ROOT / "FEDERATION.md").read_text(encoding="utf-8")


def test_every_setting_is_in_the_readme_and_no_other() -> None:
    """style.md §12: every field has a meaning that owners can read."""
    rows = re.findall(r"^\| `([a-z_]+)` \| .+ \| .+ \|$", README, re.MULTILINE)
    assert sorted(rows) == sorted(name for name in ABOUT if name != "data")
    assert all(field.description and field.examples for field in ABOUT.values())


def test_federation_md_lists_what_the_handlers_do() -> None:
    """FEP-67ff: the table of activities is the handler table."""
    activities = FEDERATION.partition("## Activities")[2].partition("\n## ")[0]
    listed = {re.sub(r"`", "", row) for row in re.findall(r"^\| `(\w+)` \| (?:.+?) \|", activities, re.MULTILINE)}
    names = {kind.__name__ for kind in TABLE}
    handled = {
        re.sub(r"^(Undo|Update|Accept|Reject)\w+$|^Vote$", lambda name: name[1] or "Create", one) for one in names
    }
    assert listed == handled


@pytest.mark.parametrize(
    ("row", "in_force", "written"),
    [
        ("| activities waiting | 4,096 |", batch.FULL, 4096),
        ("| body of a delivery | 1 MiB |", reception.BODY_LIMIT, 1 << 20),
        ("| depth of JSON | 32 |", canonical.MAX_DEPTH, 32),
        ("| keys of one host asked for in vain | 1 a minute |", patience.PAUSE.seconds, 60),
        ("whom the owner does not follow | 64 MiB a day |", quota.ROOM, 64 << 20),
        ("on which the owner follows nobody | 512 MiB a day |", quota.ALL * quota.ROOM, 512 << 20),
        (
            "| what they delete | 4 MiB of Deletes a day, of those servers together 32 MiB |",
            quota.ROOM_FOR_DELETIONS,
            4 << 20,
        ),
        ("| RSA keys | 2,048 to 4,096 bits", transport.MAX_BITS, 4096),
        ("| mentions, hashtags, attachments | 50, 64, 16 |", parse.MAX_MENTIONS, 50),
        ("| content | 100 kB of HTML |", parse.MAX_CONTENT, 100_000),
        ("| ids | 2,048 bytes", parse.MAX_IRI, 2048),
        ("| custom emoji, choices of a poll | 64, 20 |", parse.MAX_CHOICES, 20),
    ],
)
def test_federation_md_states_the_limits_in_force(row: str, in_force: int, written: int) -> None:
    """A limit that is written down is the one that holds."""
    assert row in FEDERATION
    assert in_force == written


def test_every_table_has_a_bound() -> None:
    """security.md §5: "TTL on every remote-keyed row; cap": of each table it is written down what that is."""
    inventory = ARCHITECTURE.partition("## What is kept, and what bounds it")[2].partition("\n## ")[0]
    assert {table for table in metadata.tables if f"`{table}`" not in inventory} == set()


@pytest.mark.parametrize(
    ("words", "in_force", "written"),
    [
        (
            "the newest 20 of each, 1,000 of each host, 5,000 in all",
            (sweep.OF_ONE_STRANGER, sweep.OF_ONE_HOST, sweep.OF_ALL),
            (20, 1000, 5000),
        ),
        ("for 50,000 accounts", sweep.MOST_PINS, 50_000),
        ("50 retired ones of each account", actors.MOST_RETIRED, 50),
        ("after N days (90 at least)", sweep.TOMBSTONES_AT_LEAST.days, 90),
        ("after N days (30 at least) unless", sweep.LOG_AT_LEAST.days, 30),
        ("the newest 20,000", sweep.MOST_NOTIFICATIONS, 20_000),
        ("and beyond 1,000", sweep.MOST_PARKED, 1_000),
        ("20 for each account and post", quote.MOST_EACH, 20),
        ("the newest 500; the newest 1,000", (reports.MOST, refusals.MOST), (500, 1_000)),
        ("50 versions", revisions.MOST, 50),
        ("four emojis of each account", like.EMOJIS_EACH, 4),
        ("20 pins", featured.MOST, 20),
        ("2,000 boosts", announce.MOST_WAITING, 2_000),
        ("the newest 500 that the owner did not let in (2,000", (oauth.MOST_APPS, oauth.MOST_NEW), (500, 2_000)),
        ("stretches of 500 rows", sweep.STRETCH, 500),
        ("removes 25 in a transaction", sweeping.AT_ONCE, 25),
        ("nobody looked at for 180 days", cache.FORGOTTEN_AFTER.days, 180),
    ],
)
def test_architecture_md_states_the_bounds_in_force(words: str, in_force: object, written: object) -> None:
    """A bound that is written down is the one that holds."""
    assert words in ARCHITECTURE
    assert in_force == written


def test_every_command_says_what_it_does() -> None:
    """style.md §13: commands are verbs the owner would say, each with one line."""
    assert {"init", "run", "token", "password", "post", "follow", "unfollow", "timeline", "verify"} <= set(
        cli.cli.commands
    )
    assert {"keys", "demo", "doctor", "backup", "worker", "alias"} <= set(cli.cli.commands)
    assert all(command.get_short_help_str() for command in cli.cli.commands.values())


def test_the_readme_has_the_two_lines() -> None:
    """One line runs the node, one passes the tests; each does all the set-up."""
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv .venv && ")]
    assert [line.rpartition(" && ")[2] for line in lines] == [
        ".venv/bin/cuicui run",
        ".venv/bin/python -m pytest -n 4",
    ]


def test_the_files_for_servers_fit_the_node() -> None:
    """What deploy/ says twice is the same: port, paths, and times that must be shorter or longer than the node's."""
    caddy, nginx, unit = (
        (ROOT / "deploy" / name).read_text() for name in ("Caddyfile", "nginx.conf", "cuicui.service")
    )
    defaults = Settings(data=Path("/var/lib/cuicui"))
    assert f"reverse_proxy {defaults.listen} " in caddy
    assert f"server {defaults.listen};" in nginx
    for kept in (re.search(r"keepalive (\d+)s", caddy), re.search(r"keepalive_timeout (\d+)s", nginx)):
        assert kept is not None
        assert int(kept[1]) < door.KEPT < door.KEPT_BEHIND_PROXY
    for silence in (
        re.search(r"proxy_read_timeout (\d+)s", nginx),
        re.search(r"response_header_timeout (\d+)s", caddy),
    ):
        assert silence is not None
        assert int(silence[1]) > 2 * HEARTBEAT
    room = re.search(r"client_max_body_size (\d+)m", nginx)
    assert room is not None
    assert int(room[1]) > max(defaults.recording_limit, defaults.image_limit)
    assert f"Environment=CUICUI_DATA={defaults.data}\n" in unit
    assert f"StateDirectory={defaults.data.name}\n" in unit
    assert f"AssertPathExists={defaults.data / FILE}\n" in unit
    assert 'trusted_proxies = ["127.0.0.1"' in (ROOT / "deploy" / "README.md").read_text()
