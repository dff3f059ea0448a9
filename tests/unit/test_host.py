# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Limits, Unseen


def test_a_command_runs_once_and_without_the_callers_environment(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "canary")
    monkeypatch.setenv("LC_ALL", "nl_NL.UTF-8")
    host = Host()
    first = host.run("env")
    assert "canary" not in first.stdout
    assert "LC_ALL=C\n" in first.stdout
    assert host.run("env") is first


def test_a_hanging_command_ends_at_its_limit_with_all_that_it_started() -> None:
    host = Host(Limits(command_s=0.5))
    begun = time.monotonic()
    with pytest.raises(Unseen, match="did not end within"):
        host.run("sh", "-c", "sleep 61.25 & sleep 61.25")
    assert time.monotonic() - begun < 3
    time.sleep(0.2)
    assert subprocess.run(["pgrep", "-f", "sleep 61.25"], capture_output=True, check=False).stdout == b""


def test_a_command_that_ends_but_leaves_a_child_behind_does_not_hold_the_audit() -> None:
    host = Host(Limits(command_s=0.5))
    with pytest.raises(Unseen, match="did not end within"):
        host.run("sh", "-c", "sleep 62.25 & exit 0")


def test_endless_output_is_cut_off_and_never_taken_for_an_answer() -> None:
    with pytest.raises(Unseen, match="printed more than"):
        Host(Limits(output_bytes=1 << 20)).run("yes")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("no-such-command",), "the command no-such-command is not on the host"),
        (("sh", "-c", "echo no such unit >&2; exit 4"), "failed: no such unit"),
        (("false",), "'false' failed: exit code 1"),
    ],
)
def test_a_command_that_gives_no_answer_is_unseen(argv: tuple[str, ...], told: str) -> None:
    with pytest.raises(Unseen) as caught:
        Host().run(*argv)
    assert told in str(caught.value)


def test_an_exit_code_can_be_an_answer() -> None:
    assert Host().run("sh", "-c", "exit 3", ok=(0, 3)).rc == 3


def test_bytes_that_are_no_text_do_not_stop_the_audit(tmp_path: pathlib.Path) -> None:
    odd = tmp_path / "odd.conf"
    odd.write_bytes(b"server_name caf\xe9.example;\n")
    assert Host().read(str(odd)) == "server_name caf\ufffd.example;\n"


def test_what_is_no_readable_text_file_is_unseen(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 2000)
    host = Host(Limits(file_bytes=1000))
    for name, told in (
        ("pipe", "no regular file"),
        ("large", "larger than"),
        ("absent", "No such file"),
        (".", "regular"),
    ):
        with pytest.raises(Unseen, match=told):
            host.read(str(tmp_path / name))


def test_patterns_name_what_a_shell_would(tmp_path: pathlib.Path) -> None:
    for name in ("a/x.conf", "b/x.conf", "b/.hidden.conf", "b/y.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    host = Host()
    found = [path.removeprefix(str(tmp_path)) for path in host.glob(f"{tmp_path}/*/*.conf")]
    assert found == ["/a/x.conf", "/b/x.conf"]
    assert host.glob(f"{tmp_path}/*/y.log") == [f"{tmp_path}/b/y.log"]
    assert host.glob(f"{tmp_path}/none/*.conf") == []


def test_too_many_names_are_an_error_and_not_a_part_of_the_answer(tmp_path: pathlib.Path) -> None:
    for number in range(30):
        (tmp_path / str(number)).touch()
    with pytest.raises(Unseen, match="more than 20"):
        Host(Limits(names=20)).glob(f"{tmp_path}/*")


def test_the_whole_audit_has_a_limit() -> None:
    host = Host(Limits(total_s=0.01))
    time.sleep(0.05)
    with pytest.raises(Unseen, match="limit of"):
        host.run("true")


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_listening_sockets_are_seen_with_who_holds_them(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.bind((address, 0))
        listening.listen()
        port = listening.getsockname()[1]
        found = [x for x in Host().listeners() if x.port == port]
    assert [(x.address, x.pids) for x in found] == [(address, (os.getpid(),))]


def test_processes_are_seen_with_their_start() -> None:
    host = Host()
    own = next(process for process in host.processes() if process.pid == os.getpid())
    assert os.path.realpath(own.exe) == os.path.realpath(sys.executable)
    assert own.parent == os.getppid()
    assert not own.contained
    assert 0 <= (host.now - own.started).total_seconds() < 3600


def test_what_failed_once_is_not_asked_again() -> None:
    host, calls = Host(), []

    def fails() -> int:
        calls.append(1)
        raise Unseen("no")

    for _ in range(2):
        with pytest.raises(Unseen):
            host.once("key", fails)
    assert len(calls) == 1
