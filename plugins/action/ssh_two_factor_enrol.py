# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a person's secret of one-time codes and hand it over: on the terminal, or in a file of ansible-vault."""

from __future__ import annotations

import base64
import io
import os
import secrets
import subprocess
import urllib.parse
from collections.abc import Mapping
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import VaultLib, is_encrypted
from ansible.plugins.action import ActionBase

SECRET_BYTES = 20  # as RFC 4226 recommends
SCRATCH_CODES = 8

_SPEC = {
    "account": {"type": "str", "required": True},
    "issuer": {"type": "str", "default": "SSH"},
    "file": {"type": "path"},
    "handed": {"type": "bool", "default": True},
}
_NO_TERMINAL = (
    "there is no terminal to show the secret on: run ansible-playbook in one, or let -e enrol_file=FILE name a file "
    "for ansible-vault"
)
_NO_SEGNO = "(For a QR code to scan, install segno beside ansible: pip install segno)"


class ActionModule(ActionBase):
    """The handing over. What it shows goes to the terminal itself, never into Ansible's output or log."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, wanted = self.validate_argument_spec(_SPEC)
        path = wanted["file"] and self._loader.path_dwim(wanted["file"])
        known = self._of_file(path, wanted["account"]) if path and os.path.exists(path) else None
        terminal = "" if path else _terminal()
        if path and not known:
            self._see_that_it_can_be_written(path)
        if not wanted["handed"] or self._task.check_mode:
            return {"changed": False}
        made = known or _made()
        if path and not known:
            self._write(path, wanted["account"], wanted["issuer"], made)
        elif not path:
            with open(terminal, "w", encoding="utf-8") as stream:
                stream.write(_shown(wanted["account"], wanted["issuer"], made))
        return {"changed": not known, **made}

    # -- the file ---------------------------------------------------------------------------------------------

    def _vault(self) -> VaultLib:
        vault_secrets = getattr(getattr(self._loader, "_vault", None), "secrets", None)
        if not vault_secrets:
            raise AnsibleActionFail(
                "enrol_file is written by ansible-vault, which has no password: give --ask-vault-pass or "
                "--vault-password-file"
            )
        return VaultLib(vault_secrets)

    def _of_file(self, path: str, account: str) -> dict[str, Any]:
        """The secret that an earlier run wrote."""
        with open(path, "rb") as stream:
            data = stream.read()
        if not is_encrypted(data):
            raise AnsibleActionFail(f"{path} is there, and not made by ansible-vault; name another file")
        try:
            told = yaml.safe_load(self._vault().decrypt(data))
        except (AnsibleError, yaml.YAMLError) as error:
            raise AnsibleActionFail(f"{path} cannot be read: {str(error).partition(chr(10))[0]}") from None
        if not isinstance(told, Mapping) or told.get("account") != account or "secret" not in told:
            raise AnsibleActionFail(f"{path} holds no secret of {account}; name another file")
        return {"secret": str(told["secret"]), "scratch_codes": list(map(str, told.get("scratch_codes", [])))}

    def _see_that_it_can_be_written(self, path: str) -> None:
        self._vault()
        folder = os.path.dirname(path)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise AnsibleActionFail(f"{path} cannot be written: {folder} is not there, or not yours")

    def _write(self, path: str, account: str, issuer: str, made: Mapping[str, Any]) -> None:
        told = {"account": str(account), "url": _url(account, issuer, made), **made}
        text = "# The second factor of logins over SSH: the url is what an authenticator app takes.\n" + yaml.safe_dump(
            told, sort_keys=False, width=1000
        )
        encrypted = self._vault().encrypt(text)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(encrypted)


def _made() -> dict[str, Any]:
    """A new secret, in base32, and its scratch codes of eight digits."""
    return {
        "secret": base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode(),
        "scratch_codes": [str(secrets.randbelow(90_000_000) + 10_000_000) for _number in range(SCRATCH_CODES)],
    }


def _url(account: str, issuer: str, made: Mapping[str, Any]) -> str:
    label = urllib.parse.quote(f"{issuer}:{account}")
    return f"otpauth://totp/{label}?{urllib.parse.urlencode({'secret': made['secret'], 'issuer': issuer})}"


# -- the terminal ---------------------------------------------------------------------------------------------


def _terminal() -> str:
    """The terminal that ansible-playbook was started in; this worker of it has none. Raises AnsibleActionFail."""
    command = ["ps", "-o", "tty=", "-p", str(os.getppid())]
    try:
        name = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    except OSError:
        name = ""
    path = f"/dev/{name}"
    if name in ("", "?", "??", "-") or not os.access(path, os.W_OK):
        raise AnsibleActionFail(_NO_TERMINAL)
    return path


def _shown(account: str, issuer: str, made: Mapping[str, Any]) -> str:
    """What a person sees, once."""
    url = _url(account, issuer, made)
    codes = "\n".join(f"    {code}" for code in made["scratch_codes"])
    return "\n".join(
        [
            "",
            f"The second factor of {account}. It is shown this once; scan it with an authenticator app:",
            "",
            _qr(url) or _NO_SEGNO,
            f"  {url}",
            "",
            "Scratch codes, each good for one login without a telephone; keep them on paper:",
            codes,
            "",
            "",
        ]
    )


def _qr(text: str) -> str:
    """A QR code of blocks, dark on light; '' where segno is not installed."""
    try:
        import segno
    except ImportError:
        return ""
    stream = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=stream, compact=True)
    return stream.getvalue()
