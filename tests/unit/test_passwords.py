# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords on the controller: those that are made, and those that somebody supplies."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.privacy.hosting.plugins.lookup.customer_password import ALPHABET, SHORTEST, bits
from ansible_collections.privacy.hosting.plugins.test.strong_password import strong_password

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def templated(expression: str) -> Any:
    """What ansible-core makes of an expression. Raises AssertionError with what it complains of."""
    environment = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": str(ROOT),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
    }
    environment |= {"ANSIBLE_HOME": str(ROOT / ".cache/ansible"), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
    arguments = ["localhost", "-m", "ansible.builtin.debug", "-a", json.dumps({"msg": f"{{{{ {expression} }}}}"})]
    command = [str(BIN / "ansible"), "-i", "localhost,", "-c", "local", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.partition("=>")[2])["msg"]


def test_each_is_another_and_drawn_evenly() -> None:
    passwords = templated("query('privacy.hosting.customer_password', *range(1000), length=20)")
    assert len(set(passwords)) == len(passwords) == 1000
    letters = Counter("".join(passwords))
    assert set(letters) == set(ALPHABET)
    # 20,000 letters of 56: 357 of each, with a deviation of 19; six of them leave 1 in 10 million runs to chance
    assert all(abs(count - 20000 / 56) < 6 * 19 for count in letters.values())


def test_the_entropy_is_as_stated() -> None:
    assert len(ALPHABET) == 56
    assert not set(ALPHABET) & set("01IOlo")
    assert round(bits(16), 1) == 92.9


def test_one_is_strong_by_our_own_measure() -> None:
    password = templated("lookup('privacy.hosting.customer_password')")
    assert len(password) == 16
    assert strong_password(password)
    assert templated(f"'{password}' is privacy.hosting.strong_password(length=16)") is True


def test_short_ones_are_not_made() -> None:
    with pytest.raises(AssertionError, match=f"{SHORTEST} or more"):
        templated(f"lookup('privacy.hosting.customer_password', length={SHORTEST - 1})")


@pytest.mark.parametrize(
    ("secret", "strong"),
    [
        ("ladder mango tulip forest", True),
        ("Kx7#mQ2pTz9!wLb4", True),
        ("Kx7#mQ2pTz9!wL", False),  # 14 characters
        ("passwordpasswordpassword", False),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", False),
        ("1234567890123456789", False),
        ("x7#mQ2pTz9!wLb4" * 10, True),
    ],
)
def test_supplied_secrets(secret: str, strong: bool) -> None:
    assert strong_password(secret) is strong


def test_own_words_count() -> None:
    assert strong_password("voorbeeldhosting9")
    assert not strong_password("voorbeeldhosting9", words=["voorbeeldhosting"])


def test_what_is_no_text_or_cannot_be_judged_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleError, match="not a int"):
        strong_password(123456789012345)
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "zxcvbn":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(AnsibleError, match="pip install zxcvbn"):
        strong_password("ladder mango tulip forest")
