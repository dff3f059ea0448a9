# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role password_policy edits: what says otherwise, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._change import ChangeError, Transaction
from ansible_collections.privacy.hosting.plugins.module_utils._changes import password_policy as changes
from ansible_collections.privacy.hosting.plugins.module_utils._changes.password_policy import Wanted, plan
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result
from ansible_collections.privacy.hosting.plugins.module_utils._services import new_passwords, pam, password_hashes

STACK = """\
password requisite pam_pwquality.so retry=3
password [success=1 default=ignore] pam_unix.so obscure use_authtok try_first_pass yescrypt
password requisite pam_deny.so
password required pam_permit.so
"""


class Etc:
    """The files of a host, in a directory of their own."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        for name in ("pam.d", "pwquality.conf.d", "undo"):
            (directory / name).mkdir()
        self.write("pam.d/passwd", STACK)
        self.write("pwquality.conf", "# minlen = 8\n")
        self.write("login.defs", "PASS_MAX_DAYS\t99999\nENCRYPT_METHOD YESCRYPT\n")
        self.write("shadow", "root:*:20000:0:99999:7:::\nanna:$y$j9T$a$b:20000:0:99999:7:::\n")
        monkeypatch.setattr(pam, "DIRECTORIES", (f"{directory}/pam.d",))
        monkeypatch.setattr(pam, "installed", lambda _host, _module: True)
        for module in (new_passwords, changes):
            monkeypatch.setattr(module, "CONF", f"{directory}/pwquality.conf")
        monkeypatch.setattr(changes, "can_judge", lambda _host: True)
        monkeypatch.setattr(changes, "DROP_IN", f"{directory}/pwquality.conf.d/99-privacy-hosting.conf")
        monkeypatch.setattr(changes, "_proven", lambda: "")
        monkeypatch.setattr(password_hashes, "LOGIN_DEFS", f"{directory}/login.defs")
        monkeypatch.setattr(password_hashes, "PASSWD", f"{directory}/passwd")
        monkeypatch.setattr(password_hashes, "SHADOW", f"{directory}/shadow")
        self.write("passwd", "root:x:0:0::/root:/bin/sh\nanna:x:1001:1001::/home/anna:/bin/sh\n")

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def text(self, name: str) -> str:
        return (self.directory / name).read_text()

    def harden(self, wanted: Wanted | None = None) -> tuple[bool, list[str]]:
        """Whether something was changed, and the warnings."""
        transaction = Transaction("r", "password_policy", root=str(self.directory / "undo"), caller=_nothing)
        planned = plan(Host(), transaction, wanted or Wanted())
        changed = transaction.commit()
        transaction.close()
        return changed, planned.warnings

    def settings(self) -> Mapping[str, str]:
        """What libpwquality would read."""
        lines = [line for path in new_passwords.pwquality_files(Host()) for line in Path(path).read_text().splitlines()]
        return dict(map(new_passwords.pwquality_line, lines))


def _nothing(argv: Sequence[str]) -> Result:
    return Result(tuple(argv), 0, "", "")


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Etc:
    return Etc(tmp_path, monkeypatch)


def test_a_drop_in_is_enough_on_a_fresh_host(etc: Etc) -> None:
    before = {name: etc.text(name) for name in ("pam.d/passwd", "pwquality.conf", "login.defs")}
    assert etc.harden(Wanted(words=("voorbeeld",))) == (True, [])
    assert {name: etc.text(name) for name in before} == before
    settings = etc.settings()
    assert settings["minlen"] == "15"
    assert "enforce_for_root" in settings
    assert {"voorbeeld", "wachtwoord"} <= set(settings["badwords"].split())
    assert etc.harden(Wanted(words=("voorbeeld",))) == (False, [])


def test_lines_that_count_more_are_corrected_and_stricter_ones_stay(etc: Etc) -> None:
    etc.write("pwquality.conf", "# ours\nminlen = 20\nminclass = 3\nenforcing = 0\nbadwords = geheimpje\ndifok = 4\n")
    etc.write("pwquality.conf.d/zz.conf", "dictcheck = 0\n")
    etc.harden()
    settings = etc.settings()
    assert (settings["minlen"], settings["minclass"], settings["enforcing"], settings["dictcheck"]) == (
        "20",
        "0",
        "1",
        "1",
    )
    assert "geheimpje" in settings["badwords"].split()
    assert settings["difok"] == "4"
    assert etc.text("pwquality.conf").startswith("# ours\n")
    assert etc.harden() == (False, [])


def test_words_of_pams_line_that_say_otherwise_go(etc: Etc) -> None:
    etc.write("pam.d/passwd", STACK.replace("retry=3", "minlen=8 retry=3 ucredit=-1"))
    etc.harden()
    assert etc.text("pam.d/passwd") == STACK
    assert etc.harden() == (False, [])


def test_a_stack_without_a_judge_gets_one(etc: Etc) -> None:
    etc.write("pam.d/passwd", STACK.split("\n", 1)[1])
    etc.harden()
    lines = etc.text("pam.d/passwd").splitlines()
    assert lines[0].split() == ["password", "requisite", "pam_pwquality.so", "retry=3"]
    assert len(lines) == 4
    assert etc.harden() == (False, [])


def test_a_stack_that_jumps_is_left_with_a_warning(etc: Etc) -> None:
    stack = "password [success=1 default=ignore] pam_succeed_if.so uid < 1000\n" + STACK.split("\n", 1)[1]
    etc.write("pam.d/passwd", stack)
    _changed, warnings = etc.harden()
    assert etc.text("pam.d/passwd") == stack
    assert "a rule before it jumps" in warnings[0]


def test_a_better_hash_is_named(etc: Etc) -> None:
    etc.write("pam.d/passwd", STACK.replace("yescrypt", "sha512"))
    etc.harden()
    assert etc.text("pam.d/passwd") == STACK
    etc.write("pam.d/passwd", STACK.replace("yescrypt", "sha512"))
    etc.harden(Wanted(hashes=password_hashes.ENOUGH["salted"]))
    assert "sha512" in etc.text("pam.d/passwd")


def test_login_defs_are_corrected_where_they_count(etc: Etc) -> None:
    etc.write("login.defs", "# x\nPASS_MAX_DAYS 90\nENCRYPT_METHOD SHA512\n")
    etc.harden()
    assert etc.text("login.defs") == "# x\nPASS_MAX_DAYS\t99999\nENCRYPT_METHOD SHA512\n"
    etc.write("pam.d/passwd", STACK.replace(" yescrypt", ""))
    etc.harden()
    assert etc.text("login.defs") == "# x\nPASS_MAX_DAYS\t99999\nENCRYPT_METHOD\tYESCRYPT\n"
    etc.write("login.defs", "UMASK 022\n")
    etc.harden()
    assert etc.text("login.defs") == "UMASK 022\nENCRYPT_METHOD\tYESCRYPT\n"


def test_who_needs_a_new_password_is_named_and_no_hash_is(etc: Etc) -> None:
    etc.write("shadow", "root:*:1:0:99999:7:::\nanna:$6$salty$hashed:20000:0:90:7:::\n")
    _changed, warnings = etc.harden()
    assert [line.partition(":")[0] for line in warnings] == ["anna", "anna"]
    assert "salty" not in str(warnings)
    assert etc.text("shadow").endswith("anna:$6$salty$hashed:20000:0:90:7:::\n")


@pytest.mark.parametrize("words", [("abc",), ("two words",), ("x" * 990,)])
def test_words_that_cannot_be_set_are_refused(etc: Etc, words: tuple[str, ...]) -> None:
    with pytest.raises(ChangeError, match="words"):
        etc.harden(Wanted(words=words))


def test_a_change_after_which_no_password_is_taken_is_put_back(etc: Etc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_proven", lambda: "no password would be taken any more")
    with pytest.raises(ChangeError, match="all was put back"):
        etc.harden()
    assert not (etc.directory / "pwquality.conf.d/99-privacy-hosting.conf").exists()
