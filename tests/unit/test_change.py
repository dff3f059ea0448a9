# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transactions: what fails, is cut off or is undone leaves a host as it was."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils import _change
from ansible_collections.privacy.hosting.plugins.module_utils._change import (
    ChangeError,
    Transaction,
    UnitState,
    Validation,
    plan_undo,
)
from ansible_collections.privacy.hosting.plugins.module_utils._host import Result

RUN = "2026-01-31T12:00:00Z"
ON, OFF = UnitState("enabled", True), UnitState("disabled", False)


class Systemd:
    """Answers systemctl, and keeps what it was asked for; other commands are really run."""

    def __init__(self, units: dict[str, UnitState], ends_on_reload: bool = False) -> None:
        self.units, self.ends_on_reload, self.asked = dict(units), ends_on_reload, []

    def __call__(self, argv: Sequence[str]) -> Result:
        if argv[0] != "systemctl":
            return _change.call(argv)
        self.asked.append(" ".join(argv[1:]))
        verb, unit = argv[1], argv[-1]
        state = self.units.get(unit, UnitState("", False))
        if verb == "is-enabled":
            return Result(tuple(argv), 0, (state.enabled or "not-found") + "\n", "")
        if verb == "is-active":
            return Result(tuple(argv), 0 if state.active else 3, "", "")
        enabled = {"enable": "enabled", "disable": "disabled", "mask": "masked", "unmask": "disabled"}
        active = {"start": True, "stop": False, "reload": not self.ends_on_reload}
        if verb not in ("daemon-reload", "reset-failed"):
            self.units[unit] = UnitState(enabled.get(verb, state.enabled), active.get(verb, state.active))
        return Result(tuple(argv), 0, "", "")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_change, "_SETTLE_S", 0.01)


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A directory with a file, a link to a file elsewhere, and nothing else."""
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "rotation").write_text("weekly\n")
    (etc / "rotation").chmod(0o640)
    (tmp_path / "available").mkdir()
    (tmp_path / "available" / "site").write_text("combined\n")
    (etc / "site").symlink_to("../available/site")
    return etc


def tree(top: Path) -> dict[str, tuple[str, int, str]]:
    """Everything below a directory: kind, mode, content."""
    found = {}
    for path in sorted(top.rglob("*")):
        if path.is_symlink():
            found[str(path)] = ("link", 0, os.readlink(path))
        elif path.is_dir():
            found[str(path)] = ("directory", stat.S_IMODE(path.stat().st_mode), "")
        else:
            found[str(path)] = ("file", stat.S_IMODE(path.stat().st_mode), path.read_text())
    return found


def configs(etc: Path) -> dict[str, tuple[str, int, str]]:
    """The tree without what transactions keep for undo."""
    return {path: node for path, node in tree(etc.parent).items() if not path.startswith(str(etc.parent / "undo"))}


def transaction(etc: Path, run: str = RUN, **options: object) -> Transaction:
    made = Transaction(run, "test", root=str(etc.parent / "undo"), **options)  # type: ignore[arg-type]
    made.directory(str(etc / "ours"), 0o750)
    made.write(str(etc / "ours" / "rules"), "keep\n", mode=0o600)
    made.link(str(etc / "enabled"), "ours/rules")
    made.write(str(etc / "rotation"), "daily\n")
    made.write(str(etc / "site"), "privacy\n")
    return made


def commit(etc: Path, **options: object) -> bool:
    made = transaction(etc, **options)
    try:
        return made.commit()
    finally:
        made.close()


def undo(etc: Path, run: str = RUN, **options: object) -> _change.Undone:
    planned = plan_undo(run, root=str(etc.parent / "undo"), **options)  # type: ignore[arg-type]
    try:
        planned.transaction.commit()
    finally:
        planned.transaction.close()
    return planned


def test_commit_changes_all_and_a_second_one_nothing(etc: Path) -> None:
    assert commit(etc)
    assert (etc / "rotation").read_text() == "daily\n"
    assert stat.S_IMODE((etc / "rotation").stat().st_mode) == 0o640
    assert (etc / "site").is_symlink(), "the link was replaced instead of its target"
    assert (etc.parent / "available" / "site").read_text() == "privacy\n"
    assert stat.S_IMODE((etc / "ours").stat().st_mode) == 0o750
    assert (etc / "enabled").read_text() == "keep\n"
    assert not [name for name in configs(etc) if "privacy-hosting" in name], "something was left beside the files"
    before = tree(etc.parent)
    assert not commit(etc)
    assert tree(etc.parent) == before


def test_check_mode_touches_nothing_and_tells_all(etc: Path) -> None:
    before = tree(etc.parent)
    made = transaction(etc, check=True)
    assert made.commit()
    assert tree(etc.parent) == before
    shown = [diff["prepared"] for diff in made.diff() if "prepared" in diff]
    diffs = {diff["before_header"]: (diff["before"], diff["after"]) for diff in made.diff() if "before" in diff}
    path = etc / "rotation"
    assert f"--- before: {path}\n+++ after: {path}\n@@ -1 +1 @@\n-weekly\n+daily\n" in shown
    assert diffs[str(etc / "ours" / "rules")] == ("", "keep\n")


def test_kept_originals_are_readable_by_root_alone(etc: Path) -> None:
    commit(etc)
    kept = etc.parent / "undo"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (kept, *kept.rglob("*"))}
    assert modes <= {0o700, 0o600}


def test_failed_validation_puts_all_back_and_says_why(etc: Path) -> None:
    before = tree(etc.parent)
    made = transaction(etc)
    script = f"grep weekly {etc}/rotation || {{ echo 'emerg: not weekly' >&2; false; }}"
    made.validations.append(Validation(("sh", "-c", script)))
    with pytest.raises(ChangeError, match=r"emerg: not weekly; all was put back$"):
        made.commit()
    made.close()
    after = tree(etc.parent)
    after.pop(str(etc.parent / "undo"))
    assert after == before


def test_a_diff_shows_no_line_that_stays(tmp_path: Path) -> None:
    before, after = (f"password s3cr3t;\n{word};\nkey s3cr3t;\n" for word in ("off", "on"))
    (tmp_path / "site").write_text(before)
    made = Transaction(RUN, "test", check=True, root=str(tmp_path / "undo"))
    made.write(str(tmp_path / "site"), after)
    (diff,) = made.diff()
    assert diff["prepared"].endswith("@@ -2 +2 @@\n-off;\n+on;\n")
    assert "s3cr3t" not in str(diff)


def test_a_trap_beside_a_file_is_not_stepped_into(etc: Path, tmp_path: Path) -> None:
    (tmp_path / "cron.d").mkdir()
    for trap in ("link", "directory"):
        room = etc / ".privacy-hosting"
        if trap == "link":
            room.symlink_to(tmp_path / "cron.d")
        else:
            room.unlink()
            room.mkdir()
            os.chown(room, 65534, 65534)
        made = transaction(etc)
        with pytest.raises(ChangeError, match=r"is not a directory of our own.*all was put back"):
            made.commit()
        made.close()
        assert list((tmp_path / "cron.d").iterdir()) == []
        assert (etc / "rotation").read_text() == "weekly\n"


def test_failed_validation_says_that_the_host_was_at_fault_before(etc: Path) -> None:
    made = transaction(etc)
    made.validations.append(Validation(("sh", "-c", "echo 'error: old fault' >&2; false")))
    with pytest.raises(ChangeError, match=r"error: old fault.*fails without our change, too"):
        made.commit()
    made.close()


def test_old_complaints_do_not_count_where_so_declared(etc: Path) -> None:
    script = f"echo 'error: file:3 old fault' >&2; grep -q daily {etc}/rotation && echo 'error: new fault' >&2; false"
    tolerant = transaction(etc)
    tolerant.validations.append(
        Validation(("sh", "-c", "echo 'error: file:3 old fault' >&2; false"), unless_before=True)
    )
    assert tolerant.commit()
    tolerant.close()
    undo(etc)
    strict = transaction(etc, run="2026-02-01T12:00:00Z")
    strict.validations.append(Validation(("sh", "-c", script), unless_before=True))
    with pytest.raises(ChangeError, match="says: error: new fault; all was put back"):
        strict.commit()
    strict.close()


def test_a_service_that_ends_on_reload_gets_its_old_files_back(etc: Path) -> None:
    before = configs(etc)
    systemd = Systemd({"nginx": ON}, ends_on_reload=True)
    made = transaction(etc, caller=systemd)
    made.reloads.append("nginx")
    with pytest.raises(ChangeError, match="nginx ended when it was reloaded"):
        made.commit()
    made.close()
    assert configs(etc) == before


def test_a_stopped_service_is_not_started(etc: Path) -> None:
    systemd = Systemd({"nginx": UnitState("enabled", False)})
    made = transaction(etc, caller=systemd)
    made.reloads.append("nginx")
    made.commit()
    made.close()
    assert systemd.asked == ["is-active nginx"]


def test_somebody_elses_edit_in_the_same_moment_stops_the_change(etc: Path) -> None:
    made = transaction(etc)
    (etc / "rotation").write_text("monthly\n")
    with pytest.raises(ChangeError, match="changed by somebody else"):
        made.commit()
    made.close()
    assert (etc / "rotation").read_text() == "monthly\n"
    assert not (etc / "ours").exists()


def test_units_are_unmasked_enabled_and_put_back(etc: Path) -> None:
    was = {"a.timer": UnitState("masked", False), "b.timer": UnitState("", False), "c.timer": ON}
    systemd = Systemd(was)
    made = Transaction(RUN, "units", root=str(etc.parent / "undo"), caller=systemd)
    for name in was:
        made.unit(name, ON)
    assert made.changes == ["a.timer", "b.timer"]
    made.commit()
    made.close()
    assert set(systemd.units.values()) == {ON}
    undo(etc, caller=systemd)
    assert systemd.units == {"a.timer": was["a.timer"], "b.timer": OFF, "c.timer": ON}


# -- undo -----------------------------------------------------------------------------------------------------


def test_undo_puts_everything_back_once(etc: Path) -> None:
    before = configs(etc)
    commit(etc)
    done = undo(etc)
    assert (done.transaction.changed, done.left) == (True, ())
    assert configs(etc) == before
    again = undo(etc)
    assert (again.transaction.changed, again.left) == (False, ())


def test_units_that_are_gone_are_not_listed_as_failed(tmp_path: Path) -> None:
    gone, there = "/etc/systemd/system/privacy-hosting-nowhere.service", str(tmp_path)
    systemd = Systemd({})
    _change._daemon_reload([gone, there], systemd)
    assert systemd.asked == ["daemon-reload", "reset-failed privacy-hosting-nowhere.service"]
    systemd.asked.clear()
    _change._daemon_reload([there], systemd)
    assert systemd.asked == []


def test_undo_leaves_and_names_what_was_edited_since(etc: Path) -> None:
    commit(etc)
    (etc / "rotation").write_text("daily\nedited by hand\n")
    done = undo(etc)
    assert done.left == (str(etc / "rotation"),)
    assert (etc / "rotation").read_text() == "daily\nedited by hand\n"
    assert (etc.parent / "available" / "site").read_text() == "combined\n"


def test_undo_keeps_a_directory_of_ours_that_holds_a_file_of_others(etc: Path) -> None:
    commit(etc)
    (etc / "ours" / "theirs").write_text("x")
    done = undo(etc)
    assert str(etc / "ours") in done.left
    assert [path.name for path in (etc / "ours").iterdir()] == ["theirs"]


def test_undo_follows_a_file_through_the_transactions_of_a_run(etc: Path) -> None:
    before = configs(etc)
    commit(etc)
    second = Transaction(RUN, "second", root=str(etc.parent / "undo"))
    second.write(str(etc / "rotation"), "hourly\n")
    second.commit()
    second.close()
    assert undo(etc).left == ()
    assert configs(etc) == before


def test_undo_that_a_service_refuses_changes_nothing(etc: Path) -> None:
    made = transaction(etc)
    made.validations.append(Validation(("grep", "daily", str(etc / "rotation"))))
    made.commit()
    made.close()
    hardened = configs(etc)
    with pytest.raises(ChangeError, match="all was put back"):
        undo(etc)
    assert configs(etc) == hardened


def test_undo_does_not_ask_a_command_that_it_removes(etc: Path) -> None:
    before = configs(etc)
    made = transaction(etc)
    made.write(str(etc / "ours" / "command"), "#!/bin/sh\ntrue\n", mode=0o755)
    made.validations.append(Validation((str(etc / "ours" / "command"),)))
    made.commit()
    made.close()
    undo(etc)
    assert configs(etc) == before


def test_undo_in_check_mode_touches_nothing(etc: Path) -> None:
    commit(etc)
    before = tree(etc.parent)
    assert undo(etc, check=True).transaction.changed
    assert tree(etc.parent) == before


def test_undo_goes_further_back_only_when_it_is_told_to(etc: Path) -> None:
    before = configs(etc)
    commit(etc)
    later = Transaction("2026-02-01T12:00:00Z", "later", root=str(etc.parent / "undo"))
    later.write(str(etc / "later"), "x\n")
    later.commit()
    later.close()
    assert undo(etc, "last").run == "2026-02-01T12:00:00Z"
    again = undo(etc, "last")
    assert (again.run, again.transaction.changed, again.earlier) == ("2026-02-01T12:00:00Z", False, (RUN,))
    assert undo(etc, RUN).transaction.changed
    assert configs(etc) == before
    assert _change.runs(str(etc.parent / "undo")) == [RUN, "2026-02-01T12:00:00Z"]


def test_undo_says_which_runs_there_are(etc: Path) -> None:
    with pytest.raises(ChangeError, match="no run yesterday has changed this host; those that did: none"):
        undo(etc, "yesterday")
    assert undo(etc, "last").run == ""


def test_an_old_run_cannot_be_joined_after_a_newer_one(etc: Path) -> None:
    commit(etc)
    undo(etc)
    commit(etc, run="2020-01-01T00:00:00Z")
    runs = _change.runs(str(etc.parent / "undo"))
    assert len(runs) == 2 and runs[0] == RUN


# -- cut off, and full ----------------------------------------------------------------------------------------


def _kill_at(step: int, work: Callable[[], object]) -> bool:
    """Do the work in a process that ends, as by SIGKILL, before its n-th change of the disk. True: it was ended."""
    child = os.fork()
    if child == 0:
        left = [step]

        def fatal(function: Callable[..., object]) -> Callable[..., object]:
            def wrapped(*args: object, **options: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return function(*args, **options)

            return wrapped

        for name in ("replace", "rename", "link", "unlink", "mkdir", "rmdir", "symlink", "chmod", "chown", "fsync"):
            setattr(os, name, fatal(getattr(os, name)))
        try:
            work()
        except BaseException:  # noqa: BLE001  the child must not run pytest's own code
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def _each_kill(etc: Path, work: Callable[[], object]) -> Iterator[int]:
    step = 0
    while _kill_at(step, work):
        yield step
        step += 1
    assert step > 20, "fewer steps than there must be: the wrapping missed them"


def test_commit_cut_off_anywhere_is_put_back_and_can_be_done_again(etc: Path, tmp_path: Path) -> None:
    before = configs(etc)
    for step in _each_kill(etc, lambda: commit(etc)):
        next_run = Transaction(RUN, "next", root=str(tmp_path / "undo"))
        next_run.close()
        whole = configs(etc) == before or (etc / "rotation").read_text() == "daily\n"
        assert whole, f"half done after step {step}"
        commit(etc)
        assert (etc / "enabled").read_text() == "keep\n", f"not hardened after step {step}"
        assert undo(etc).left == (), f"step {step}"
        assert configs(etc) == before, f"not as before after step {step}"
        subprocess.run(["rm", "-rf", str(tmp_path / "undo")], check=True)


def test_undo_cut_off_anywhere_can_be_done_again(etc: Path, tmp_path: Path) -> None:
    before = configs(etc)
    step, killed = 0, True
    while killed:
        commit(etc)
        killed = _kill_at(step, lambda: undo(etc))
        assert undo(etc).left == (), f"step {step}"
        assert configs(etc) == before, f"not as before after step {step}"
        subprocess.run(["rm", "-rf", str(tmp_path / "undo")], check=True)
        step += 1
    assert step > 20


def test_undo_puts_back_what_was_cut_off(etc: Path, tmp_path: Path) -> None:
    before = configs(etc)
    assert _kill_at(30, lambda: commit(etc))
    assert configs(etc) != before
    told = undo(etc, "last", check=True)
    assert str(etc / "rotation") in told.transaction.told_recovery
    done = undo(etc, "last")
    assert (done.run, configs(etc)) == ("", before)
    assert "was put back" in done.transaction.told_recovery


def test_what_a_cut_left_is_only_told_in_check_mode(etc: Path, tmp_path: Path) -> None:
    assert _kill_at(30, lambda: commit(etc))
    before = tree(tmp_path)
    told = Transaction(RUN, "next", check=True, root=str(tmp_path / "undo")).recovered
    assert str(etc / "rotation") in told
    assert tree(tmp_path) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("full", ["files", "undo"])
def test_full_disk_loses_nothing(small_disk: Path, tmp_path: Path, full: str) -> None:
    files, root = (small_disk, tmp_path) if full == "files" else (tmp_path, small_disk)
    (files / "first").write_text("1" * 60_000)
    (files / "second").write_text("2" * 60_000)
    (small_disk / "filler").write_bytes(b"x" * (256 * 1024 - 150_000 if full == "files" else 200_000))
    before = tree(files)
    made = Transaction(RUN, "full", root=str(root / "undo"))
    made.write(str(files / "first"), "3" * 60_000)
    made.write(str(files / "second"), "4" * 60_000)
    with pytest.raises(ChangeError, match="No space left on device"):
        made.commit()
    made.close()
    after = {path: node for path, node in tree(files).items() if "/undo" not in path}
    assert after == {path: node for path, node in before.items() if "/undo" not in path}
    assert not (root / "undo" / RUN).exists()
