# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tang servers that open the encrypted volume: only those that were named, proven, and never the only way in."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._change import ChangeError
from ansible_collections.privacy.hosting.plugins.module_utils._changes import disk_tang, disk_unlock
from ansible_collections.privacy.hosting.plugins.module_utils._changes.disk_tang import Tang, parse, thumbprints
from ansible_collections.privacy.hosting.plugins.module_utils._changes.disk_unlock import LaterError, UnlockError
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result

PASSPHRASE = "correct horse battery staple"  # noqa: S105  of no device


def key(x: str, y: str, use: str = "verify") -> dict[str, Any]:
    return {"alg": "ES512", "crv": "P-521", "key_ops": [use], "kty": "EC", "x": x, "y": y}


# the keys of two real tang servers, with what tang-show-keys printed on them
SIGNS = {
    "http://tang1.example.net": key(
        "AFTx0IcmW9-1kGVA2KL18B4UujV_txd-M2hMCIqUIE0_5fjPi6jrbDg3IcdcNTwnazqoe3YuqgvzMOEwOMN_C7P9",
        "AaelJMMCA-UtdfjsPkc6cYDHZmhqaewbg_dyleAVujlnK36H_XOU5KEKsyO5JKwMK5DIiTQWGVwYeS1NSEITxWid",
    ),
    "http://tang2.example.net:7500": key(
        "AAWRqOVpSK-RbJViE2LdHkWwMNor7FdpVNjtawwSZRBhLN_AsdVyKGYE9l8eT5sd0s4Ymb9BloTXVsxyMLO9bruK",
        "AGn1sJb6ftAGBFKfdvBAmVaHLyawqwdZ4Gm6B5_iHNNMu5-Y5RS42s9WlDZEq3DymRXEpmwSLZBgn77Kitb7HgR6",
    ),
}
FIRST = "VJl41v9BvTwTYO-koOuW2Q2dUQrK9F3lUZ9vM1SVaY8"
SECOND = "2xIuy88yHd5GbyP8hJoS667JhqXeLeu2A80YqLmkKVo"
ONE = [f"http://tang1.example.net {FIRST}"]
TWO = [*ONE, f"http://tang2.example.net:7500/ {SECOND}"]


def encoded(told: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def advertised(url: str) -> dict[str, Any]:
    return {"keys": [key("x", "y", "deriveKey"), SIGNS[url]]}


def head(pin: str, told: Mapping[str, Any]) -> str:
    """A protected header as Clevis writes it, from what `clevis encrypt` is told."""
    if pin == "tang":
        return encoded({"clevis": {"pin": pin, pin: {"url": told["url"], "adv": advertised(told["url"])}}})
    parts = [f"{head('tang', one)}..x.y.z" for one in told["pins"]["tang"]]
    return encoded({"clevis": {"pin": pin, pin: {"t": told["t"], "p": "x", "jwe": parts}}})


class Clevis:
    """A volume's header, and the commands that read and change it.

    down: no server answers; useless: what they recover opens nothing; ends: the command at which the run is cut off.
    """

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.slots = 1  # of those that were ever used
        self.called: list[str] = []
        self.down = self.useless = False
        self.ends = ""

    def ask(self, argv: Sequence[str], told: bytes = b"") -> tuple[int, bytes]:
        words = self._begin(argv)
        if words[:2] == ["cryptsetup", "luksDump"]:
            return 0, json.dumps({"tokens": self.tokens}).encode()
        if words[:2] == ["clevis", "decrypt"]:
            return (1, b"") if self.down else (0, b"key of " + told.split(b".")[3])
        if words[:2] == ["cryptsetup", "open"]:
            slot = words[words.index("--key-slot") + 1]
            return (0 if told == b"key of slot-" + slot.encode() and not self.useless else 2), b""
        raise AssertionError(words)

    def tell(self, argv: Sequence[str], told: str) -> Result:
        words = self._begin(argv)
        if words[:2] == ["cryptsetup", "open"]:
            return Result(tuple(argv), 0 if told == PASSPHRASE else 2, "", "")
        assert words[:3] == ["clevis", "luks", "bind"] and "-y" not in words and told == PASSPHRASE
        slot, (pin, settings) = str(self.slots), words[-2:]
        self.slots += 1
        jwe = {"protected": head(pin, json.loads(settings)), "iv": "i", "ciphertext": f"slot-{slot}", "tag": "t"}
        self.tokens[slot] = {"type": "clevis", "keyslots": [slot], "jwe": jwe}
        return Result(tuple(argv), 0, "", "")

    def run(self, argv: Sequence[str]) -> Result:
        words = self._begin(argv)
        if words[:3] == ["clevis", "luks", "unbind"]:
            del self.tokens[words[words.index("-s") + 1]]
        return Result(tuple(argv), 0, "", "")

    def _begin(self, argv: Sequence[str]) -> list[str]:
        self.called.append(" ".join(argv))
        if self.ends and self.ends in self.called[-1]:
            self.ends = ""
            raise KeyboardInterrupt
        words = list(argv)
        return words[next(n for n, word in enumerate(words) if word in ("clevis", "cryptsetup", "systemctl")) :]


Making = Callable[..., "tuple[Tang, Clevis]"]


@pytest.fixture
def tang(tmp_path: Path) -> Making:
    clevis = Clevis()
    (tmp_path / "units" / "multi-user.target.wants").mkdir(parents=True)

    def enabled(argv: Sequence[str]) -> Result:
        if argv[:2] == ("systemctl", "enable"):
            link = tmp_path / "units" / "multi-user.target.wants" / disk_unlock.UNIT
            link.symlink_to(tmp_path / "units" / disk_unlock.UNIT)
        return clevis.run(argv)

    def made(told: Sequence[str] = (), passphrase: str = PASSPHRASE, check: bool = False) -> tuple[Tang, Clevis]:
        servers, state, units = parse(told) if told else [], str(tmp_path / "state"), str(tmp_path / "units")
        ready = Tang(servers, "/dev/volume", passphrase, check, state, units, enabled, clevis.tell, clevis.ask)
        return ready, clevis

    return made


def files(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir())


# -- what is named ----------------------------------------------------------------------------------------------


def test_servers_are_an_address_and_a_thumbprint():
    assert [(server.url, server.thumbprint) for server in parse(TWO)] == [
        ("http://tang1.example.net", FIRST),
        ("http://tang2.example.net:7500", SECOND),
    ]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([], "is empty"),
        (["http://tang1.example.net"], "needs the thumbprint"),
        (["http://tang1.example.net w6cDJqVbQlTMu5R5SpmTbLjBPgs"], "needs the thumbprint"),  # of SHA-1
        ([f"tang1.example.net {FIRST}"], "is no address"),
        ([f"file:///etc/tang {FIRST}"], "is no address"),
        ([f"http://user@tang1.example.net {FIRST}"], "is no address"),
        ([f"http://tang1.example.net:x {FIRST}"], "is no address"),
        ([f"http://tang1.example.net?a {FIRST}"], "is no address"),
        ([*ONE, f"http://tang1.example.net/ {SECOND}"], "twice"),
    ],
)
def test_what_is_no_server_is_refused(told, why):
    with pytest.raises(ChangeError, match=why):
        parse(told)


def test_thumbprints_are_those_of_keys_that_sign():
    assert thumbprints([*SIGNS.values(), key("x", "y", "deriveKey"), {"kty": "oct", "key_ops": ["verify"]}, "x"]) == {
        FIRST, SECOND,
    }  # fmt: skip
    assert thumbprints(None) == thumbprints([{"kty": "EC", "key_ops": ["verify"], "crv": "P-521"}]) == set()


# -- before anything changes ------------------------------------------------------------------------------------


class Asked(Host):
    """A host without Clevis, from which names lead to an address."""

    def has(self, command: str) -> bool:
        return False

    def stat(self, path: str) -> None:
        return None

    def run(self, *argv: str, **_more: Any) -> Result:
        return Result(argv, 0, "127.0.1.1 STREAM x\n" if "own" in argv[-1] else "192.0.2.9 STREAM x\n", "")


def jws(url: str) -> bytes:
    return json.dumps({"payload": encoded(advertised(url)), "signatures": []}).encode()


def test_a_server_that_signs_with_the_named_key_passes(tang):
    ready, _clevis = tang(TWO)
    fetched = []
    ready.fetch = lambda url: fetched.append(url) or jws(url.partition("/adv")[0])
    ready.see_servers(Asked())
    assert fetched == [f"{server.url}/adv/{server.thumbprint}" for server in parse(TWO)]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (URLError("Connection refused"), "does not answer: Connection refused"),
        (TimeoutError("timed out"), "does not answer: timed out"),
        (HTTPError("http://x", 404, "Not Found", Message(), io.BytesIO()), "does not sign with the key"),
        (HTTPError("http://x", 502, "Bad Gateway", Message(), io.BytesIO()), "HTTP status 502"),
        (jws("http://tang2.example.net:7500"), "does not sign with the key"),
        (b"<html>", "is no tang server"),
        (b"[]", "is no tang server"),
        (b'{"payload": "e30"}', "is no tang server"),
    ],
)
def test_a_server_that_is_not_the_named_one_stops_the_run(tang, error, why):
    ready, clevis = tang(ONE)

    def fetch(url: str) -> bytes:
        if isinstance(error, Exception):
            raise error
        return error

    ready.fetch = fetch
    with pytest.raises(ChangeError, match=why):
        ready.see_servers(Asked())
    assert {line.split()[1] for line in clevis.called} == {"luksDump"}


def test_this_host_is_no_tang_server_for_itself(tang):
    ready, _clevis = tang([f"http://own.example.net {FIRST}"])
    with pytest.raises(ChangeError, match="is this host"):
        ready.see_servers(Asked())


def test_servers_that_the_volume_is_bound_to_need_not_answer(tang):
    tang(ONE)[0].ensure(pytest.fail)
    ready, _clevis = tang(ONE)
    ready.fetch = pytest.fail
    ready.see_servers(Asked())


# -- binding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [ONE, TWO])
def test_the_volume_is_bound_proven_and_bound_once(tang, tmp_path, told):
    ready, clevis = tang(told)
    lines = ready.ensure(pytest.fail)
    assert "is bound to http://tang1.example.net" in lines[0] and len(clevis.tokens) == 1
    assert any("--test-passphrase --key-slot 1" in line for line in clevis.called)
    assert not any(PASSPHRASE in line or "key of" in line for line in clevis.called) and PASSPHRASE not in repr(ready)
    assert (tmp_path / "units" / disk_unlock.UNIT).read_text() == disk_tang.CONTENT
    clevis.called.clear()
    assert tang(told)[0].ensure(pytest.fail) == []
    assert not any("bind" in line or "systemctl" in line for line in clevis.called)


@pytest.mark.parametrize("told", [(), ONE])
def test_check_mode_writes_nothing(tang, tmp_path, told):
    ready, clevis = tang(TWO)
    ready.ensure(pytest.fail)
    before, tokens = files(tmp_path), dict(clevis.tokens)
    ready, clevis = tang(told, check=True)
    lines = (ready.ensure if told else ready.remove)(lambda line: None)
    assert any("opens it no more" in line for line in lines)
    assert files(tmp_path) == before and clevis.tokens == tokens


@pytest.mark.parametrize("how", ["down", "useless"])
def test_what_is_not_proven_is_taken_back(tang, tmp_path, how):
    ready, clevis = tang(ONE)
    setattr(clevis, how, True)
    with pytest.raises(ChangeError, match="the binding was removed"):
        ready.ensure(pytest.fail)
    assert clevis.tokens == {} and not (tmp_path / "units" / disk_unlock.UNIT).exists()


@pytest.mark.parametrize("passphrase", ["", "another passphrase than that"])
def test_without_the_passphrase_no_slot_is_made_or_removed(tang, passphrase):
    with pytest.raises(ChangeError, match="disk_encryption_passphrase"):
        tang(ONE, passphrase)[0].ensure(pytest.fail)
    assert tang()[1].tokens == {}
    tang(ONE)[0].ensure(pytest.fail)
    with pytest.raises(ChangeError, match="disk_encryption_passphrase"):
        tang((), passphrase)[0].remove(pytest.fail)
    assert len(tang()[1].tokens) == 1


def test_other_servers_replace_the_former_ones(tang):
    tang(ONE)[0].ensure(pytest.fail)
    ready, clevis = tang(TWO)
    lines = ready.ensure(pytest.fail)
    assert [line for line in lines if "opens it no more" in line] and list(clevis.tokens) == ["2"]


def test_servers_that_are_down_are_told_once_the_volume_is_bound(tang):
    ready, clevis = tang(ONE)
    ready.ensure(pytest.fail)
    clevis.down = True
    warned: list[str] = []
    assert ready.ensure(warned.append) == []
    assert "no tang server opens the encrypted volume now" in warned[0]


@pytest.mark.parametrize("moment", ["luks bind", "clevis decrypt", "--key-slot", "unbind", "daemon-reload", "enable"])
def test_binding_that_was_cut_off_is_ended_by_the_next_run(tang, moment):
    tang(ONE)[0].ensure(pytest.fail)
    for path in (tang()[0]._unit, tang()[0]._link):
        os.unlink(path)
    ready, clevis = tang(TWO)
    clevis.ends = moment
    with pytest.raises(KeyboardInterrupt):
        ready.ensure(pytest.fail)
    tang(TWO)[0].ensure(pytest.fail)
    assert len(clevis.tokens) == 1
    assert tang(TWO)[0].ensure(pytest.fail) == []


def test_back_to_the_operator_only_our_binding_goes(tang, tmp_path):
    ready, clevis = tang(ONE)
    ready.ensure(pytest.fail)
    jwe = {"protected": encoded({"clevis": {"pin": "tpm2"}})}
    clevis.tokens["7"] = {"type": "clevis", "keyslots": ["7"], "jwe": jwe}
    warned: list[str] = []
    lines = tang()[0].remove(warned.append)
    assert ["opens it no more" in lines[0], "is removed" in lines[1]] == [True, True]
    assert list(clevis.tokens) == ["7"] and files(tmp_path) == []
    assert "key slot 7" in warned[0] and "older copy of the header" in warned[1]
    assert tang()[0].remove(lambda line: None) == []


# -- at the start of the host -----------------------------------------------------------------------------------


@pytest.fixture
def starting(tang: Making, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What unlocking by tang says on a host that was bound and restarted."""
    tang(ONE)[0].ensure(pytest.fail)
    (tmp_path / "volume.json").write_text(json.dumps({"luks": "null", "device": "/dev/vdb", "phase": "ready"}))
    (tmp_path / "moved.json").write_text(json.dumps([{"path": str(tmp_path), "units": ["mariadb.service"]}]))
    real = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: True if "by-uuid" in str(path) else real(path))
    clevis = tang()[1]

    def said() -> list[str]:
        def run(argv: Sequence[str]) -> int:
            clevis.called.append(" ".join(argv))
            return int("is-active" in argv)

        return list(disk_unlock.unlock(str(tmp_path), run, True, clevis.ask))

    return said


def test_a_tang_server_opens_and_the_servers_start(starting, tang):
    said = starting()
    assert said[0] == "the encrypted volume was opened with a tang server's help"
    assert said[-1] == "mariadb.service was started"
    assert any(line.startswith("cryptsetup open --type luks2 --key-slot 1") for line in tang()[1].called)


def test_without_a_tang_server_nothing_is_mounted_or_started(starting, tang):
    tang()[1].down = True
    with pytest.raises(LaterError, match="no tang server gave the key"):
        starting()
    assert not any(line.startswith(("mount", "systemctl start")) for line in tang()[1].called)


def test_a_key_that_does_not_open_is_not_tried_again(starting, tang):
    tang()[1].useless = True
    with pytest.raises(UnlockError, match="exit code 2") as raised:
        starting()
    assert not isinstance(raised.value, LaterError)
