"""Making a node and starting it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from node import __version__
from node.settings import load
from tests.cli.conftest import Place, cuicui, digests, environment, free_port, made, running, until


def test_init_makes_a_node_with_chosen_values(tmp_path: Path) -> None:
    """ "`cuicui init` does it with chosen values", and says handle, address, key fingerprint and what to do next."""
    data = tmp_path / "node"
    url = ["--base-url", "https://ada.example", "--handle", "ada", "--name", "Ada L."]
    said = cuicui("init", "--data", data, *url, CUICUI_PASSWORD="correct horse")
    assert said.status == 0
    assert "@ada@ada.example" in said.out
    assert "https://ada.example/@ada" in said.out
    assert "fingerprint " in said.out
    assert f"cuicui run --data {data}" in said.err
    assert cuicui("profile", "--data", data).out.startswith("handle     @ada@ada.example\nname       Ada L.\n")


def test_everything_in_the_directory_is_the_owners_alone(founded: Place) -> None:
    """Keys, database and settings are private to the owner, whatever the umask."""
    assert founded.data.stat().st_mode & 0o077 == 0
    assert [path for path in founded.data.rglob("*") if path.stat().st_mode & 0o077] == []


def test_a_second_init_changes_nothing(founded: Place) -> None:
    """ "A second `init` on the same directory refuses and changes nothing." """
    before = digests(founded.data)
    said = cuicui("init", "--data", founded.data, "--handle", "eve", "--base-url", "https://eve.example")
    assert said.status == 1
    assert said.out == ""
    assert f"there is a node in {founded.data} already" in said.err
    assert "hint: run it" in said.err
    assert digests(founded.data) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--handle", "Not A Handle"], "cannot be a handle"),
        (["--base-url", "ftp://ada.example"], "--base-url: 'ftp://ada.example' must be an http or https URL"),
        (["--listen", "8140"], "--listen: '8140' must be HOST:PORT"),
        (["--database-url", "postgresql://127.0.0.1:81:82/"], "the database URL is not one"),
        (["--handle", ""], "cannot be a handle"),
        (["--password-file", "/nowhere/at/all"], "cannot read /nowhere/at/all"),
    ],
)
def test_init_with_a_wrong_value_leaves_nothing_behind(tmp_path: Path, arguments: list[str], told: str) -> None:
    """One sentence with a hint, exit 1, and no half-made node."""
    said = cuicui("init", "--data", tmp_path / "node", *arguments)
    assert said.status == 1
    assert told in said.err
    assert list(tmp_path.iterdir()) == []


def test_run_makes_no_node_at_the_address_of_another_program(tmp_path: Path) -> None:
    """The node was made, for good, with an address at which somebody else answers; and the hint named the same port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = cuicui("run", "--data", tmp_path / "node", "--listen", f"127.0.0.1:{port}")
    assert (said.status, f"127.0.0.1:{port} is in use" in said.err) == (1, True)
    assert f"cuicui run --listen 127.0.0.1:{port + 1}" in said.err
    assert list(tmp_path.iterdir()) == []


def test_init_asks_nobody_who_is_not_there(tmp_path: Path) -> None:
    """--passphrase asks at a terminal; a pipe is none, and what comes from it must not be taken for an answer."""
    said = cuicui("init", "--data", tmp_path / "node", "--passphrase", typed="secret\nsecret\n")
    assert (said.status, "--passphrase-file" in said.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "deeper"])
def test_init_where_no_directory_can_be(tmp_path: Path, below: str) -> None:
    """A data directory that is a file, or below one."""
    (tmp_path / "file").write_text("mine")
    said = cuicui("init", "--data", tmp_path / "file" / below)
    assert said.status == 1
    assert said.err.count("\n") == 2
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("below", ["", "deeper"])
def test_run_where_no_directory_can_be(tmp_path: Path, below: str) -> None:
    """The node that `run` is to make cannot be made: one sentence and a hint, and nothing is listened on."""
    (tmp_path / "file").write_text("mine")
    said = cuicui("run", "--data", tmp_path / "file" / below, "--listen", f"127.0.0.1:{free_port()}")
    assert said.status == 1
    assert said.err.count("\n") == 2
    assert said.out == ""
    assert (tmp_path / "file").read_text() == "mine"


def test_ctrl_c_while_run_makes_a_node_leaves_nothing(tmp_path: Path) -> None:
    """All of a node, or nothing: also when it is made by `run`, in a process of its own that hears of it too."""
    data = tmp_path / "node"
    process = subprocess.Popen(
        [sys.executable, "-m", "node", "run", "--data", str(data), "--listen", f"127.0.0.1:{free_port()}"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    try:
        while not data.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, said) == (130, "\n")
    assert list(tmp_path.iterdir()) == []


def test_run_without_configuration_makes_a_node_in_under_a_second(tmp_path: Path) -> None:
    """ "`cuicui run` without configuration makes a data directory, an identity and an owner … and prints handle,
    address, key fingerprint and what to do next." SIGTERM ends it with 0."""
    port = free_port()
    place = Place(tmp_path / "node", f"http://127.0.0.1:{port}", "")
    with running(place, "--listen", f"127.0.0.1:{port}") as process:
        printed = place.data.with_suffix(".log").read_text()
        assert f"@127.0.0.1:{port}\n" in printed
        assert f"{place.base}/@" in printed
        assert "fingerprint " in printed
        assert f"cuicui post --data {place.data}" in printed
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            pass
        again = place("run")
        assert again.status == 1
        assert f"already running (pid {process.pid})" in again.err
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with running(place, "--listen", f"127.0.0.1:{port}") as process:
        used = psutil.Process(process.pid).cpu_times()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert used.user + used.system < 1.5, "what a cold start computes; on an idle machine it takes less than a second"


def test_a_port_in_use_is_said_so(founded: Place) -> None:
    """ "A port in use … the node says so in one sentence with a hint and exits 1." """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = founded("run", "--listen", address)
    assert said.status == 1
    assert f"{address} is in use by another program" in said.err
    assert "hint: " in said.err


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return made(tmp_path_factory.mktemp("sealed"), "sealed", CUICUI_PASSPHRASE="correct horse battery")


def test_sealed_keys_open_with_the_passphrase_alone(sealed: Place, tmp_path: Path) -> None:
    """ "Optional passphrase (prompt, `CUICUI_PASSPHRASE`, or a file)": none, a wrong one, a file, the variable."""
    none = sealed("keys")
    assert (none.status, "is sealed and no passphrase was given" in none.err) == (1, True)
    wrong = sealed("keys", CUICUI_PASSPHRASE="wrong")
    assert (wrong.status, "wrong passphrase" in wrong.err) == (1, True)
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery\n")
    assert sealed("keys", "--passphrase-file", file).status == 0
    assert sealed("keys", CUICUI_PASSPHRASE="correct horse battery").status == 0
    secret = (sealed.data / "keys" / "identity.json").read_text()
    assert '"sealed": null' not in secret


def test_a_worker_delivers_what_the_node_left(pair: tuple[Place, Place], tmp_path: Path) -> None:
    """ "`cuicui worker` runs more delivery and inbox workers over the same store", without HTTP."""
    alice, _ = pair
    carol = made(tmp_path, "carol")
    asked = carol("follow", alice.handle)
    assert asked.status == 0
    assert "is kept, and goes out when the node runs" in asked.err
    assert f"hint: start it: cuicui run --data {carol.data}" in asked.err
    assert [job["attempts"] for job in carol("queue", "--json").json["deliveries"]] == [0]
    with running(carol, command="worker"):
        until(lambda: carol("queue", "--json").json["deliveries"][0]["attempts"] == 1)
    (job,) = carol("queue", "--json").json["deliveries"]
    assert "503" in job["error"], "alice cannot fetch carol's key while carol does not serve"


def test_ctrl_c_is_quiet() -> None:
    """Ctrl-C at a command ends it with 130 and without a traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "node", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err.strip() == b""


MOMENTS = {
    "while modules load": ("click", "kill(me, 2)", ["--version"], 130),
    "while code runs that is made of text": ("node.founding", "exec(TEXT)", ["worker", "--data", "x"], 130),
    "while the interpreter takes itself down": ("click", "sys.last = AtLast()", ["--version"], 0),
}
BEFORE_IT_BEGINS = """
import os, runpy, sys

TEXT = "kill(me, 2); [0 for _ in range(9)]; len('')"
kill, me = os.kill, os.getpid()

class AtLast:
    def __del__(self, kill=kill, me=me):
        kill(me, 2)

class Moment:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            {act}

sys.meta_path.insert(0, Moment())
sys.argv = ["cuicui", *{arguments!r}]
runpy.run_module("node", run_name="__main__")
"""


@pytest.mark.parametrize("when", MOMENTS)
def test_ctrl_c_at_any_moment_is_quiet(tmp_path: Path, when: str) -> None:
    """Before anything is begun, and after all is done, as well: never a traceback, never the signal's own end."""
    name, act, arguments, status = MOMENTS[when]
    (tmp_path / "begin.py").write_text(BEFORE_IT_BEGINS.format(name=name, act=act, arguments=arguments))
    done = subprocess.run(
        [sys.executable, "-m", "begin"],
        capture_output=True,
        cwd=tmp_path,
        env=environment(),
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (status, b"")
    assert done.stdout == (b"" if status else f"cuicui {__version__}\n".encode())


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_mistake(founded: Place, closed: str) -> None:
    """`nohup cuicui run <&- >&- 2>&- &` is how some start a server: nothing is said, and all is done."""
    command = f"'{sys.executable}' -m node post --data '{founded.data}' 'Said to nobody' {closed}"
    done = subprocess.run(["sh", "-c", command], env=environment(), capture_output=True)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    assert "Said to nobody" in founded("timeline").out


def test_init_keeps_a_settings_file_that_is_there_and_adds_what_was_chosen(tmp_path: Path) -> None:
    """Whoever writes `trusted_proxies` before `init` does not lose the address to listen on, or the database."""
    data, port = tmp_path / "node", free_port()
    data.mkdir()
    (data / "cuicui.toml").write_text('log_level = "error"')
    chosen = ["--base-url", f"http://127.0.0.1:{port}", "--database-url", f'sqlite:///{tmp_path}/"else".db']
    assert cuicui("init", "--data", data, "--handle", "ada", *chosen).status == 0
    found = load(data, environ={})
    assert (found.log_level, found.base_url) == ("error", f"http://127.0.0.1:{port}")
    assert (found.listen, found.database_url) == (f"127.0.0.1:{port}", f'sqlite:///{tmp_path}/"else".db')
    assert cuicui("keys", "--data", data).status == 0


@pytest.mark.parametrize(
    ("written", "arguments"),
    [
        ('base_url = "https://old.example"', ["--base-url", "https://new.example"]),
        ('listen = "127.0.0.1:8150"', ["--listen", "127.0.0.1:8151"]),
        ('database_url = "sqlite:///a.db"', ["--database-url", "sqlite:///b.db"]),
    ],
)
def test_init_does_not_say_one_thing_and_the_file_another(tmp_path: Path, written: str, arguments: list[str]) -> None:
    """A node was made that nothing could open again: "this node was made for …, and the settings say …"."""
    data = tmp_path / "node"
    data.mkdir()
    (data / "cuicui.toml").write_text(written)
    said = cuicui("init", "--data", data, "--handle", "ada", *arguments)
    assert (said.status, said.out) == (1, "")
    assert arguments[0] in said.err
    assert str(data / "cuicui.toml") in said.err
    assert [file.name for file in data.iterdir()] == ["cuicui.toml"]
