"""What a node holds in memory while nothing happens: what only some owners use is loaded when they use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.homes import free_port

ROOT = Path(__file__).parent.parent

MOST = 80.0 if sys.version_info < (3, 13) else 83.0
"""MiB that may be resident in a node that waits (issue: "idle below 80 MiB"). Under 3.13 the same modules take 1.6 MiB
more than under 3.11, and what looks on in this test takes as much again."""

RARE = {
    "alembic": "upgrades of the database",
    "argon2": "the owner's password",
    "asyncpg": "PostgreSQL",
    "difflib": "a settings key misspelt",
    "http_ece": "push",
    "jinja2": "pages",
    "nh3": "what others wrote, on its way in",
    "orjson": "what is written in lists",
    "PIL": "pictures",
    "pydantic": "forms",
    "regex": "what the owner writes",
    "sqlalchemy.dialects.postgresql": "PostgreSQL",
    "sqlalchemy.orm": "nothing: statements are written with Core",
    "node.backup": "cuicui backup",
    "node.demo": "cuicui demo",
    "node.doctor": "cuicui doctor",
    "node.web.mastodon": "apps",
    "node.web.signin": "apps",
}
"""Modules by what they are for; none of it has happened to a node that was just started."""

_WATCHER = """
import http.client, json, os, signal, sys, threading, time
from node import cli

def loaded(module):  # one that is executed when first used, and was not
    return object.__getattribute__(module, "__class__").__name__ != "_LazyModule"

def watch(port):
    for _ in range(600):
        time.sleep(0.05)
        try:
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            asked.request("GET", "/actor", headers={"Accept": "application/activity+json"})
            status = asked.getresponse().status
        except OSError:
            continue
        time.sleep(2)
        resident = 0
        if sys.platform == "linux":
            with open("/proc/self/statm") as pages:
                resident = int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        found = sorted(name for name, module in list(sys.modules.items()) if loaded(module))
        print(json.dumps({"status": status, "modules": found, "resident": resident}), flush=True)
        break
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, args=(int(sys.argv.pop(1)),), daemon=True).start()
cli.main()
"""


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a node says of itself, two seconds after it first answered a stranger; `run` has just made it."""
    data, port = tmp_path_factory.mktemp("idle") / "node", free_port()
    done = subprocess.run(
        [sys.executable, "-c", _WATCHER, str(port), "run", "--data", str(data), "--listen", f"127.0.0.1:{port}"],
        cwd=ROOT,
        check=True,
        timeout=90,
        stdout=subprocess.PIPE,
        text=True,
    )
    said: dict[str, object] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert said["status"] == 200
    return said


def test_what_is_rarely_used_is_loaded_when_it_is_used(idle: dict[str, object]) -> None:
    """decisions.md §17: one process, on a small machine: it holds what it needs."""
    modules = idle["modules"]
    assert isinstance(modules, list)
    assert "node.federation.inbox" in modules
    loaded = [name for name in modules if any(name == rare or name.startswith(f"{rare}.") for rare in RARE)]
    assert loaded == []


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_an_idle_node_is_small(idle: dict[str, object]) -> None:
    """The promise: "idle below 80 MiB"."""
    resident = idle["resident"]
    assert isinstance(resident, float)
    assert 20 < resident < MOST
