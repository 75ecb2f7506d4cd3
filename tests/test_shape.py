"""The house keeps its shape: who may import whom, no cycles, no work at import, one door out (house.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path for part in ("keys", "node") for path in (ROOT / part).rglob("*.py") if "migrations" not in path.parts
)


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in FILES}


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _nodes(module: str) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements, those for type checkers alone left out."""
    hidden = {
        inner
        for outer in ast.walk(_tree(module))
        if isinstance(outer, ast.If) and ast.unparse(outer.test) == "TYPE_CHECKING"
        for inner in ast.walk(outer)
    }
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in hidden:
            yield node


@cache
def imports(module: str) -> frozenset[str]:
    """Everything a module imports, ours spelled down to the module."""
    found: set[str] = set()
    for node in _nodes(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            assert node.level == 0, f"{module}: a relative import"
            source = node.module or ""
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                found.add(whole if whole in MODULES else source)
    return frozenset(found)


def ring(module: str) -> str:
    """Which ring a module lives in; by exact name for the files at the top of `node`."""
    for prefix in ("node.storage", "node.federation.handlers", "node.federation", "node.web", "keys"):
        if module == prefix or module.startswith(prefix + "."):
            return prefix
    name = module.removeprefix("node.").partition(".")[0]
    if name in OWNER:
        return "node.owner"
    return "plain" if module == "node" or name in PLAIN else "top"


PLAIN = {
    *("errors", "model", "ids", "text", "settings", "events", "observe", "negotiation", "answers", "keyring"),
    *("passwords", "lazily", "blocking", "confusables", "lookalike", "notify", "webpush", "peers", "waiting"),
}
"""What everything else stands on. The other files at the top of `node` are wiring and the shell: they may
import everything, and nothing below imports them."""

OWNER = {
    *("owner", "acting", "befriend", "account", "moderate", "media", "interact", "reading", "polls", "quoting"),
    *("republish", "scheduling"),
}
"""What the owner can do: above federation, below the doors."""

MAY = {
    "keys": {"keys"},
    "plain": {"keys", "plain"},
    "node.storage": {"keys", "plain", "node.storage"},
    "node.federation.handlers": {"keys", "plain", "node.storage", "node.federation", "node.federation.handlers"},
    "node.federation": {"keys", "plain", "node.storage", "node.federation", "node.federation.handlers"},
    "node.owner": {"keys", "plain", "node.storage", "node.federation", "node.owner"},
    "node.web": {"keys", "plain", "node.storage", "node.owner", "node.web"},
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_inwards(module: str) -> None:
    """house.md: "arrows point inwards; nothing points back"."""
    allowed = MAY.get(ring(module))
    ours = {name for name in imports(module) if name.partition(".")[0] in ("keys", "node") and name != "node"}
    if allowed is not None:
        assert {name: ring(name) for name in ours if ring(name) not in allowed} == {}


def test_there_are_no_cycles() -> None:
    """Two modules that need each other are one module, or three."""
    graph = {module: {name for name in imports(module) if name in MODULES and name != module} for module in MODULES}
    for package in [name for name, path in MODULES.items() if path.name == "__init__.py"]:
        # A package that only collects its parts may name them; they are read from inside.
        graph[package] = {name for name in graph[package] if not name.startswith(package + ".")}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(MODULES)


def test_sql_lives_in_storage() -> None:
    """style.md §11: "SQL lives in node/storage and nowhere else"."""
    libraries = ("sqlalchemy", "alembic", "aiosqlite", "asyncpg", "sqlite3")
    users = {name for name in MODULES if any(used.partition(".")[0] in libraries for used in imports(name))}
    assert {name for name in users if ring(name) != "node.storage"} <= {"node.backup", "node.doctor"}


def test_there_is_one_door_out() -> None:
    """security.md §5, forgotten second client: "only ONE client object in the code base"."""
    calls = {
        module
        for module in MODULES
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id)
        in ("ClientSession", "TCPConnector", "urlopen", "open_connection", "create_connection", "HTTPConnection")
    }
    assert calls == {"node.federation.client"}
    others = {"requests", "httpx", "urllib3", "http.client", "urllib.request"}
    assert {module for module in MODULES if imports(module) & others} == set()


PURE = ("parse", "compose", "policy", "httpsig", "cavage", "rfc9421", "claim", "schedule", "pins", "target")
IMPURE = ("aiohttp", "asyncio", "socket", "sqlalchemy", "node.storage", "node.federation.client", "random", "time")


@pytest.mark.parametrize("name", PURE)
def test_deciders_take_values_and_return_values(name: str) -> None:
    """house.md: "parse compose policy httpsig cavage rfc9421 stay pure: values in, values out"."""
    package = f"node.federation.{name}"
    for module in [one for one in MODULES if one == package or one.startswith(package + ".")]:
        used = {one for one in imports(module) for bad in IMPURE if one == bad or one.startswith(bad + ".")}
        assert used == set(), module
        assert not any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(_tree(module)))


def test_handlers_never_touch_the_network() -> None:
    """house.md: "handlers/: no client, no delivery: they return effects"."""
    outside = {"node.federation.client", "node.federation.delivery", "node.federation.fetch", "node.federation.actors"}
    for module in MODULES:
        if ring(module) == "node.federation.handlers":
            assert imports(module) & outside == set()
            assert not any(name.startswith("aiohttp") for name in imports(module))


def test_only_verify_makes_signed() -> None:
    """style.md §4: "what the inbox works on is Signed, and only verify makes one"."""
    makers = {
        module
        for module in MODULES
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Signed"
    }
    assert makers == {"node.federation.httpsig"}


_WATCH = """
import importlib, sys
import {libraries}
seen = []
def hook(event, args):
    if event == "open" and str(args[0]).endswith((".py", ".pyc", ".so")):
        return
    if event in ("open", "socket.__new__", "socket.connect", "subprocess.Popen", "os.mkdir", "sqlite3.connect"):
        seen.append((event, str(args[:1])))
sys.addaudithook(hook)
for name in {modules}:
    importlib.import_module(name)
import threading
print(repr([item for item in seen if ("{root}" in item[1] and "site-packages" not in item[1]) or item[0] != "open"]))
print(threading.active_count())
"""


def test_importing_does_nothing() -> None:
    """style.md §1: "no file read, no socket, no key loaded"."""
    libraries = "aiohttp, sqlalchemy.dialects.sqlite, click, cryptography, jinja2, pydantic, idna, nh3"
    modules = [name for name in MODULES if not name.endswith("__main__")]
    code = _WATCH.format(libraries=libraries, modules=modules, root=ROOT)
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["[]", "1"], done.stdout


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_file_says_what_it_is_for(module: str) -> None:
    """style.md §7: "First line of a file: what it is for"."""
    said = ast.get_docstring(_tree(module))
    assert said, module
    assert len(said.splitlines()[0]) <= 120


def test_nothing_is_left_to_do() -> None:
    """What is not done is not started."""
    left = [str(path) for path in FILES for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X") if mark in path.read_text()]
    assert left == []
