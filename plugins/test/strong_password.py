# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a secret that somebody supplied is strong, judged on the controller. strong_password.yml documents it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible.errors import AnsibleError, AnsibleFilterTypeError

_JUDGED = 72  # characters; zxcvbn takes no more, and more are no weaker
_SCORE = 4  # zxcvbn's highest: more than 10,000,000,000 guesses


def strong_password(secret: Any, length: int = 15, words: Sequence[str] = ()) -> bool:
    """Whether a secret has the length and cannot be guessed; words: what somebody would guess first."""
    if not isinstance(secret, str):
        raise AnsibleFilterTypeError(f"strong_password: a text was expected, not a {type(secret).__name__}")
    try:
        from zxcvbn import zxcvbn
    except ImportError:
        raise AnsibleError("strong_password needs zxcvbn on the controller: pip install zxcvbn") from None
    return len(secret) >= length and zxcvbn(secret[:_JUDGED], user_inputs=list(words))["score"] >= _SCORE


class TestModule:
    """The collection's tests."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        """Tests by name."""
        return {"strong_password": strong_password}
