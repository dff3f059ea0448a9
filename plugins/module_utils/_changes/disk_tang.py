# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tang servers that open the encrypted volume at each start of the host, any one of them; Clevis asks them.

    a key slot of the volume's own, and a token of Clevis in its header      what only a tang server can recover
    /var/lib/privacy-hosting/disk-encryption/tang.json                       which tokens are ours
    /etc/systemd/system/privacy-hosting-unlock.service                       asks the servers after the network is up

The slot of the passphrase stays as it is.

PRIVATE to the collection.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .._change import Caller, ChangeError, complaint
from .._host import Host, Unseen
from .._services import crypttab
from .._services.addresses import leads_here
from . import disk_move, disk_unlock, disk_volume
from .disk_unlock import Asker, UnlockError
from .disk_volume import UNLOCK, Teller

FOLDER = "/etc/systemd/system"
EXAMPLE = "'http://tang.example.net THUMBPRINT', as the command tang-show-keys prints it on that server"
# Tries for ten minutes where servers refuse, for half an hour where they are silent, and then waits for an operator.
# Nothing else of the host's start waits for it.
CONTENT = f"""\
# Made by privacy.hosting.
[Unit]
Description=Open the encrypted volume with a tang server's help, and start its databases
Wants=network-online.target
After=network-online.target nss-lookup.target
StartLimitIntervalSec=2h
StartLimitBurst=20

[Service]
Type=exec
ExecStart={UNLOCK} --tang
Restart=no
RestartForceExitStatus={disk_unlock.LATER}
RestartSec=30s

[Install]
WantedBy=multi-user.target
"""

_ANSWER_S = 10.0
_CLEVIS_S = "60"
_ADVERTISED = 1 << 16  # bytes of an advertisement, at most
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")  # SHA-256; shorter ones are of SHA-1
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}  # of a thumbprint, by RFC 7638

# what lies at an address; raises OSError
Fetcher = Callable[[str], bytes]


def fetch(url: str) -> bytes:
    """What lies at an address, asked for without a proxy, as Clevis does it at the start of a host. Raises OSError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_ANSWER_S) as answer:
        return bytes(answer.read(_ADVERTISED))


@dataclass(frozen=True)
class Server:
    """A tang server. url: as Clevis asks it; thumbprint: of the key that it signs with."""

    url: str
    thumbprint: str

    def settings(self) -> dict[str, str]:
        """What Clevis is told of it."""
        return {"url": self.url, "thp": self.thumbprint}


def parse(told: Sequence[str]) -> list[Server]:
    """The servers of disk_encryption_tang_servers. Raises ChangeError."""
    if not told:
        raise ChangeError(f"disk_encryption_tang_servers is empty: name at least one server, {EXAMPLE}")
    servers = [_server(line) for line in told]
    if len({server.url for server in servers}) < len(servers):
        raise ChangeError("disk_encryption_tang_servers names a server twice")
    return servers


def _server(line: str) -> Server:
    url, _space, thumbprint = line.strip().partition(" ")
    thumbprint = thumbprint.strip()
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username is not None or not url.isprintable():
        raise ChangeError(f"disk_encryption_tang_servers: {url!r} is no address of a tang server; write {EXAMPLE}")
    if not _THUMBPRINT.fullmatch(thumbprint):
        raise ChangeError(
            f"disk_encryption_tang_servers: {url} needs the thumbprint (SHA-256, 43 characters) of its signing key, "
            f"for no server is trusted because it answers; write {EXAMPLE}"
        )
    return Server(url.rstrip("/"), thumbprint)


def pin(servers: Sequence[Server]) -> tuple[str, str]:
    """Clevis' pin and what it is told. Of several servers any one is enough."""
    if len(servers) == 1:
        return "tang", json.dumps(servers[0].settings())
    return "sss", json.dumps({"t": 1, "pins": {"tang": [server.settings() for server in servers]}})


def thumbprints(keys: object) -> set[str]:
    """The thumbprints (SHA-256) of the keys among these that sign."""
    found = set()
    for key in keys if isinstance(keys, list) else ():
        members = _MEMBERS.get(str(key.get("kty")), ()) if isinstance(key, Mapping) else ()
        if members and "verify" in key.get("key_ops", ()) and all(isinstance(key.get(one), str) for one in members):
            text = json.dumps({one: key[one] for one in members}, sort_keys=True, separators=(",", ":"))
            found.add(base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("="))
    return found


def digest(token: Mapping[str, Any]) -> str:
    """What tells a token from all others."""
    return hashlib.sha256(json.dumps(token, sort_keys=True).encode()).hexdigest()


def is_bound(token: Mapping[str, Any], servers: Sequence[Server]) -> bool:
    """Whether a token is opened by any one of these servers, and by nothing else."""
    try:
        kind, settings = crypttab.clevis_pin(token)
    except Unseen:
        return False
    parts = [(kind, settings)] if kind == "tang" else settings.get("parts", ()) if settings.get("t") == 1 else ()
    if len(parts) != len(servers) or any(kind != "tang" for kind, _one in parts):
        return False
    told = {str(one.get("url")): one.get("adv") for _kind, one in parts}
    advertised = {url: thumbprints(adv.get("keys")) if isinstance(adv, Mapping) else set() for url, adv in told.items()}
    return all(server.thumbprint in advertised.get(server.url, ()) for server in servers)


@dataclass
class Tang:
    """Binds the volume of a host to tang servers, or ends that. device: where the volume's header is, '' without."""

    servers: Sequence[Server]
    device: str = ""
    passphrase: str = field(default="", repr=False)
    check: bool = False
    state: str = disk_move.STATE
    folder: str = FOLDER
    run: Caller = disk_volume.tell
    tell: Teller = field(default=disk_volume.tell, repr=False)
    ask: Asker = field(default=disk_unlock.ask, repr=False)
    fetch: Fetcher = fetch

    # -- what is there ----------------------------------------------------------------------------------------

    @property
    def _unit(self) -> str:
        return os.path.join(self.folder, disk_unlock.UNIT)

    @property
    def _link(self) -> str:
        return os.path.join(self.folder, "multi-user.target.wants", disk_unlock.UNIT)

    def _tokens(self) -> list[dict[str, Any]]:
        try:
            return disk_unlock.tokens(self.device, self.ask) if self.device else []
        except UnlockError as error:
            raise ChangeError(str(error)) from None

    def _ours(self) -> list[str]:
        return disk_move.load(os.path.join(self.state, "tang.json")) or []

    def _note(self, tokens: Sequence[Mapping[str, Any]]) -> None:
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        disk_move.write(os.path.join(self.state, "tang.json"), json.dumps([digest(token) for token in tokens]))

    def _bound(self, tokens: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        return next((token for token in tokens if is_bound(token, self.servers)), None)

    # -- before anything changes ------------------------------------------------------------------------------

    def see_servers(self, host: Host) -> None:
        """All servers answer, sign with the named key, and are other machines. Raises ChangeError.

        Where the volume is bound to them already, they need not.
        """
        if self._bound(self._tokens()):
            return
        for server in self.servers:
            name = urlsplit(server.url).hostname or ""
            here = leads_here(host, name)
            if here is None:
                raise ChangeError(f"the tang server {server.url} cannot be found: its name leads nowhere from here")
            if here:
                raise ChangeError(f"the tang server {server.url} is this host, whose disks it would open for everybody")
            self._see_key(server)
            if host.has("clevis-encrypt-tang"):
                self._try(server)

    def _see_key(self, server: Server) -> None:
        try:
            told = json.loads(self.fetch(f"{server.url}/adv/{server.thumbprint}"))
            payload = str(told["payload"])
            keys = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["keys"]
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise ChangeError(f"the tang server {server.url} answers with HTTP status {error.code}") from None
            keys = []
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise ChangeError(f"what answers at {server.url} is no tang server") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ChangeError(f"the tang server {server.url} does not answer: {reason}") from None
        if server.thumbprint not in thumbprints(keys):
            raise ChangeError(
                f"the tang server {server.url} does not sign with the key {server.thumbprint}; ask its owner what "
                "tang-show-keys prints there, and never take another key from the network"
            )

    def _try(self, server: Server) -> None:
        """Have the server recover a word that was encrypted for it: it holds the key, and did sign."""
        word = secrets.token_hex(16)
        kind, told = pin([server])
        limited = ("timeout", "--kill-after=5", _CLEVIS_S)
        result = self.tell((*limited, "clevis", "encrypt", kind, told), word)
        if result.rc != 0:
            raise ChangeError(f"Clevis does not take the tang server {server.url}: {complaint(result)}")
        result = self.tell((*limited, "clevis", "decrypt"), result.stdout)
        if result.rc != 0 or result.stdout != word:
            raise ChangeError(f"the tang server {server.url} does not recover what was encrypted for it")

    # -- binding ----------------------------------------------------------------------------------------------

    def ensure(self, warn: Callable[[str], None]) -> list[str]:
        """The volume is opened by any one of the servers at each start; what was or would be done, in lines."""
        lines = []
        known = self._tokens()
        current, ours = self._bound(known), self._ours()
        stale = [token for token in known if digest(token) in ours and token != current]
        if current is None:
            named = " or ".join(server.url for server in self.servers)
            lines.append(f"the encrypted volume is bound to {named}; its header, which that changes, is kept anew")
            if not self.check:
                current = self._bind(known, stale)
        elif not self.check and not self._opens(current):
            warn(
                "no tang server opens the encrypted volume now: after a restart the databases stay down until one "
                "does, or somebody unlocks"
            )
        lines += self._unbound(stale)
        if not self.check and current is not None:
            self._note([current])
        self._warn_of([token for token in known if token != current and token not in stale], warn)
        return lines + self._unit_written()

    def remove(self, warn: Callable[[str], None]) -> list[str]:
        """No tang server that we bound it to opens the volume any more; what was or would be done, in lines."""
        known, ours = self._tokens(), self._ours()
        bound = [token for token in known if digest(token) in ours]
        lines = self._unbound(bound)
        self._warn_of([token for token in known if token not in bound], warn)
        if not self.check and os.path.exists(os.path.join(self.state, "tang.json")):
            os.unlink(os.path.join(self.state, "tang.json"))
        if os.path.lexists(self._unit) or os.path.lexists(self._link):
            lines.append(f"{self._unit} is removed")
            if not self.check:
                for path in (self._link, self._unit):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path)
                self._must("systemctl", "daemon-reload")
        if bound:
            warn(
                "whoever has an older copy of the header can still open the volume with a tang server's help: destroy "
                "such copies"
            )
        return lines

    def _warn_of(self, tokens: Sequence[Mapping[str, Any]], warn: Callable[[str], None]) -> None:
        """Tell of tokens that are not ours."""
        for token in tokens:
            warn(
                f"key slot {token['keyslots'][0]} of the encrypted volume is bound by Clevis, and not by this role: it "
                f"was left; see clevis luks list -d {self.device}"
            )

    def _bind(self, before: Sequence[dict[str, Any]], stale: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Bind the volume, and prove that the servers open it; the new token. What is not proven is taken back."""
        self._see_passphrase()
        kind, told = pin(self.servers)
        # never -y, by which Clevis would trust any key; the copy of the header that it makes meanwhile is not for disks
        bind = ("env", "TMPDIR=/run", "clevis", "luks", "bind", "-f", "-k", "-", "-d", self.device, kind, told)
        result = self.tell(bind, self.passphrase)
        if result.rc != 0:
            raise ChangeError(f"the volume could not be bound to the tang servers: {complaint(result)}")
        new = [token for token in self._tokens() if token not in before]
        if len(new) != 1:
            raise ChangeError("Clevis bound the volume, but its header does not show how; see cryptsetup luksDump")
        self._note([*new, *stale])
        if not is_bound(new[0], self.servers) or not self._opens(new[0]):
            self._unbound(new)
            raise ChangeError("the tang servers do not open the volume that was bound to them; the binding was removed")
        return new[0]

    def _opens(self, token: Mapping[str, Any]) -> bool:
        """Whether the key that the servers give for a token really opens its slot of the volume."""
        key = disk_unlock.recover(token, self.ask)
        slot = str(token["keyslots"][0])
        test = ("cryptsetup", "open", "--test-passphrase", "--key-slot", slot, "--key-file=-", self.device)
        return bool(key) and self.ask(test, key)[0] == 0

    def _see_passphrase(self) -> None:
        """The passphrase opens the volume: what a tang server opens is never the only way in."""
        if not self.passphrase:
            raise ChangeError("disk_encryption_passphrase is not set; what opens the volume changes only with it")
        test = ("cryptsetup", "open", "--test-passphrase", "--key-file=-", self.device)
        if self.tell(test, self.passphrase).rc != 0:
            raise ChangeError("disk_encryption_passphrase does not open this host's encrypted volume")

    def _unbound(self, tokens: Sequence[Mapping[str, Any]]) -> list[str]:
        if tokens and not self.check:
            self._see_passphrase()
            for token in tokens:
                self._must("clevis", "luks", "unbind", "-f", "-d", self.device, "-s", str(token["keyslots"][0]))
        return ["a tang server that the volume was bound to opens it no more; its header is kept anew"] * len(tokens)

    # -- the unit ---------------------------------------------------------------------------------------------

    def _unit_written(self) -> list[str]:
        lines = []
        if disk_move.read(self._unit) != CONTENT:
            lines.append(f"{self._unit} is written")
            if not self.check:
                disk_move.write(self._unit, CONTENT, 0o644)
        if not os.path.islink(self._link):
            lines.append(f"{disk_unlock.UNIT} is enabled")
        if lines and not self.check:
            self._must("systemctl", "daemon-reload")
            self._must("systemctl", "enable", "--quiet", disk_unlock.UNIT)
        return lines

    def _must(self, *argv: str) -> None:
        result = self.run(argv)
        if result.rc != 0:
            raise ChangeError(f"'{result.command}' failed: {complaint(result)}")
