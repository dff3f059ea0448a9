# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Which sshd there are, what they are asked, which keys there are, and which accounts."""

from __future__ import annotations

import datetime as dt
import ipaddress

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Listener, Process, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import authorized_keys, sshd
from ansible_collections.privacy.hosting.plugins.module_utils._services.accounts import Account, accounts
from tests.unit.ssh_host import CONFIG, DEBIAN_12, DEBIAN_13, KEY, NOW, STARTED, TITLE, Made, process

ANNA = Account("anna", 1001, "/home/anna", "/bin/bash", frozenset(["anna", "sudo"]), "usable")
UNIT = "[Service]\nEnvironmentFile=-/etc/default/ssh\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\n"


def only(host: Made) -> sshd.Server:
    """The one server of a host that has no others."""
    ((server,), strangers) = sshd.servers(host)
    assert strangers == []
    return server


# -- servers ----------------------------------------------------------------------------------------------------------


def test_the_sshd_that_listens_is_found_with_what_its_command_line_configures() -> None:
    title = "sshd: /usr/sbin/sshd -D -f /etc/ssh/b -o Port 2222 -oUsePAM=no -4 -E /var/log/b [listener] 0 of 10-100"
    server = only(Made(titles=[title]))
    assert server.command == (
        "/usr/sbin/sshd", "-T", "-f", "/etc/ssh/b", "-o", "Port 2222", "-o", "UsePAM=no", "-4"
    )  # fmt: skip
    assert (server.name, server.unit) == ("sshd on :22 with /etc/ssh/b", "ssh.service")


def test_those_that_serve_a_connection_are_no_servers() -> None:
    others = [process("sshd", "sshd: anna [priv]"), process("sshd-session", "sshd-session: anna@pts/0")]
    assert len(sshd.servers(Made(others=others))[0]) == 1


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"nodes": {"/proc/100": (0o555, 1001)}}, "without root's rights"),
        ({"nodes": {"/usr/sbin": (0o777, 0)}}, "not root's alone"),
        ({"nodes": {"/usr/sbin/sshd": (0o755, 1001)}}, "not root's alone"),
        ({"titles": ["sshd: sshd [listener] 0 of 10-100"]}, "not root's alone"),
    ],
)
def test_what_is_not_roots_own_program_is_never_run(more: dict[str, object], why: str) -> None:
    host = Made(**more)  # type: ignore[arg-type]
    servers, (stranger,) = sshd.servers(host)
    assert servers == []
    assert why in stranger.why
    assert host.asked == []


def test_an_sshd_in_a_container_is_named() -> None:
    host = Made(others=[Process(7, 1, "sshd", (TITLE,), "/usr/sbin/sshd", "", STARTED, contained=True)])
    assert [one.name for one in sshd.servers(host)[1]] == ["sshd in a container"]


def test_a_stopped_unit_that_starts_at_boot_counts() -> None:
    wants = "/etc/systemd/system/multi-user.target.wants"
    files = {f"{wants}/ssh.service": "", f"{wants}/other.service": "", "/etc/default/ssh": 'SSHD_OPTS="-p 2200"\n',
             "/usr/lib/systemd/system/ssh.service": UNIT,
             "/usr/lib/systemd/system/other.service": "[Service]\nExecStart=/usr/bin/other\n"}  # fmt: skip
    server = only(Made(files, titles=[]))
    assert server.command == ("/usr/sbin/sshd", "-T", "-p", "2200")
    assert server.state == "as ssh.service starts it at boot"
    running, at_boot = sshd.servers(Made(files))[0]
    assert (running.state, at_boot.command) == ("", server.command)
    assert only(Made({**files, "/etc/default/ssh": "SSHD_OPTS=\n"})).state == ""


def test_a_drop_in_that_replaces_the_command_counts_alone() -> None:
    units = "/etc/systemd/system"
    drop_in = "[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D -f /etc/ssh/own\n"
    files = {f"{units}/multi-user.target.wants/ssh.service": "", "/usr/lib/systemd/system/ssh.service": UNIT,
             f"{units}/ssh.service.d/own.conf": drop_in}  # fmt: skip
    server = only(Made(files, titles=[]))
    assert server.command == ("/usr/sbin/sshd", "-T", "-f", "/etc/ssh/own")


@pytest.mark.parametrize("each", ["no", "yes"])
def test_a_socket_unit_that_waits_for_connections_counts(each: str) -> None:
    service = "ssh.service" if each == "no" else "ssh@.service"
    files = {
        f"/usr/lib/systemd/system/{service}": UNIT,
        "/usr/lib/systemd/system/ssh.socket": f"[Socket]\nListenStream=0.0.0.0:22\nAccept={each}\n",
        "/usr/lib/systemd/system/local.socket": "[Socket]\nListenStream=/run/x\nListenStream=vsock::22\n",
    }
    sockets = "[::]:22 ssh.socket ssh.service\n/run/x local.socket -\n"
    host = Made(
        files, titles=[], listening=[Listener("tcp6", "::", 22, (1,))], commands={"systemctl": sockets}
    )  # fmt: skip
    server = only(host)
    assert (server.name, server.command) == ("sshd on :22 (ssh.socket waits for connections)", ("/usr/sbin/sshd", "-T"))


# -- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", [DEBIAN_12, DEBIAN_13])
def test_what_a_fresh_debian_answers_is_understood(release: str) -> None:
    host = Made(release=release)
    told = sshd.plain(host, only(host))
    assert (told["usepam"], told["passwordauthentication"], told["permitrootlogin"]) == (
        ["yes"], ["yes"], ["without-password"],
    )  # fmt: skip
    assert told["authorizedkeysfile"] == [".ssh/authorized_keys .ssh/authorized_keys2"]
    assert told["listenaddress"] == ["0.0.0.0:22", "[::]:22"] or told["listenaddress"] == ["[::]:22", "0.0.0.0:22"]


def test_included_files_stand_in_their_place_and_a_match_block_ends_with_its_file() -> None:
    host = Made({
        CONFIG: 'Include "/etc/ssh/sshd_config.d/*.conf"  # first\nusepam=yes\nMatch User anna\n  Include a/*.conf\n',
        "/etc/ssh/sshd_config.d/1.conf": "Match Group sudo\n  X11Forwarding no\n",
        "/etc/ssh/a/1.conf": "Match Address 10.0.0.0/8\n  X11Forwarding no\n",
    })  # fmt: skip
    lines = [(line.keyword, line.match, line.source) for line in sshd.directives(host, only(host))]
    assert ("x11forwarding", "group sudo", "/etc/ssh/sshd_config.d/1.conf:2") in lines
    assert ("usepam", "", f"{CONFIG}:2") in lines
    assert ("x11forwarding", "user anna address 10.0.0.0/8", "/etc/ssh/a/1.conf:2") in lines


@pytest.mark.parametrize("config", ["Include /etc/ssh/sshd_config\n", "Match RDomain a\n", "Match canonical\n"])
def test_a_configuration_that_cannot_be_followed_is_unseen(config: str) -> None:
    host = Made({CONFIG: config, "/etc/ssh/sshd_config.d/x": ""})
    with pytest.raises(Unseen):
        sshd.circumstances(host, only(host))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], ["192.0.2.77"]),
        (["10.0.0.0/8"], ["192.0.2.77", "2001:db8:77::77", "10.0.0.1"]),
        (["0.0.0.0/0"], ["2001:db8:77::77", "0.0.0.1"]),
        (["192.0.2.0/24", "198.51.100.1"], ["198.51.100.77", "2001:db8:77::77", "192.0.2.1", "198.51.100.1"]),
        (["10.*", "10.0.0.1"], ["192.0.2.77", "2001:db8:77::77", "10.4.0.1", "10.0.0.1"]),
        (["2001:db8::/32"], ["192.0.2.77", "2a00::77", "2001:db8::1"]),
    ],
)
def test_one_address_of_each_kind_is_tried(asked: list[str], expected: list[str]) -> None:
    assert sshd.representatives(asked) == expected


def test_an_address_pattern_that_is_none_is_unseen() -> None:
    with pytest.raises(Unseen):
        sshd.representatives(["192.0.2.?"])


def test_sshd_is_asked_once_for_those_whom_no_pattern_tells_apart() -> None:
    match = "Match Group sudo Address 10.0.0.0/8\n  PermitTTY no\nMatch User klant*,!klant2\n  PermitTTY no\n"
    host = Made({CONFIG: match})
    server = only(host)
    for name, groups in (("a", "a"), ("b", "b"), ("c", "sudo"), ("d", "sudo"), ("klant1", "x"), ("klant2", "x")):
        for at in sshd.circumstances(host, server):
            account = Account(name, 1, "/", "/bin/bash", frozenset([groups]), "none")
            sshd.effective(host, server, account, at)
    asked = [argv[-1].split(",")[0] + argv[-1].split(",")[2] for argv in host.asked if "-C" in argv]
    assert asked == [
        "user=aaddr=192.0.2.77", "user=caddr=192.0.2.77", "user=caddr=10.0.0.1", "user=klant1addr=192.0.2.77",
        "user=klant2addr=192.0.2.77",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "address", "admitted"),
    [
        ({}, "192.0.2.1", True),
        ({"denyusers": ["anna"]}, "192.0.2.1", False),
        ({"denyusers": ["bert", "a*"]}, "192.0.2.1", False),
        ({"denyusers": ["anna@198.51.100.0/24"]}, "192.0.2.1", True),
        ({"denyusers": ["anna@*.example.nl"]}, "192.0.2.1", True),
        ({"allowusers": ["bert"]}, "192.0.2.1", False),
        ({"allowusers": ["anna@192.0.2.*"]}, "192.0.2.1", True),
        ({"allowusers": ["anna@192.0.2.*"]}, "198.51.100.1", False),
        ({"allowusers": ["anna@*.example.nl"]}, "198.51.100.1", True),
        ({"allowgroups": ["admins"]}, "192.0.2.1", False),
        ({"allowgroups": ["admins", "su*"]}, "192.0.2.1", True),
        ({"denygroups": ["sudo"]}, "192.0.2.1", False),
    ],
)
def test_lists_of_users_and_groups_keep_out(settings: dict[str, list[str]], address: str, admitted: bool) -> None:
    at = sshd.Circumstance(address, address, "127.0.0.1", 22)
    assert sshd.admitted(settings, ANNA, at) is admitted


def test_a_server_that_did_not_load_the_newest_files_says_so() -> None:
    host = Made()
    assert sshd.running(host, only(host)).good is True
    host = Made(changed={CONFIG: STARTED + dt.timedelta(hours=1)})
    layer = sshd.running(host, only(host))
    assert (layer.good, layer.source) == (None, CONFIG)


def test_a_reload_that_the_journal_tells_of_counts() -> None:
    later = STARTED + dt.timedelta(hours=1)
    line = f"{(later + dt.timedelta(minutes=1)).timestamp():.6f} host sshd[100]: Server listening on :: port 22.\n"
    host = Made(changed={CONFIG: later}, commands={"journalctl": line})
    assert sshd.running(host, only(host)).good is True


# -- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "type_", "options"),
    [
        (KEY, "ssh-ed25519", {}),
        (f'from="192.0.2.1,10.*",no-pty {KEY}', "ssh-ed25519", {"from": ("192.0.2.1,10.*",), "no-pty": ("",)}),
        (f'command="a \\"b\\" # c",VERIFY-required {KEY}', "ssh-ed25519",
         {"command": ('a "b" # c',), "verify-required": ("",)}),
        (f"cert-authority {KEY}", "ssh-ed25519", {"cert-authority": ("",)}),
        ("ecdsa-sha2-nistp256 AAAA", "ecdsa-sha2-nistp256", {}),
        ("no-pty rsa-sha2-512 AAAA", "ssh-rsa", {"no-pty": ("",)}),  # sshd takes the signature's name for the key's
    ],
)  # fmt: skip
def test_a_key_and_its_options(line: str, type_: str, options: dict[str, tuple[str, ...]]) -> None:
    key = authorized_keys.parse(line.strip(), "f:1")
    assert key is not None
    assert (key.type, dict(key.options)) == (type_, options)


@pytest.mark.parametrize("line", ["", "# ssh-rsa AAAA", "ssh-rsa", "nonsense here", 'from="unclosed ssh-rsa AAAA'])
def test_what_is_no_key(line: str) -> None:
    assert authorized_keys.parse(line, "f:1") is None


def test_keys_are_read_where_sshd_reads_them() -> None:
    host = Made({"/keys/anna/1001": f"\n{KEY}", "/home/anna/.ssh/authorized_keys": KEY})
    found = authorized_keys.keys(host, ["/keys/%u/%U", ".ssh/authorized_keys", "none"], ANNA)
    assert [key.source for key in found] == ["/keys/anna/1001:2", "/home/anna/.ssh/authorized_keys:1"]


def test_a_key_expires() -> None:
    key = authorized_keys.parse(f'expiry-time="20261110" {KEY}', "f:1")
    assert key is not None
    assert key.expired(NOW)
    assert not key.expired(dt.datetime(2026, 11, 10, tzinfo=dt.timezone.utc))


@pytest.mark.parametrize(
    ("pattern", "net"), [("192.0.2.*", "192.0.2.0/24"), ("10.*", "10.0.0.0/8"), ("2001:db8::1", "2001:db8::1/128")]
)
def test_patterns_for_addresses(pattern: str, net: str) -> None:
    assert authorized_keys.network(pattern) == ipaddress.ip_network(net)


# -- accounts ---------------------------------------------------------------------------------------------------------


def test_accounts_with_their_groups_and_passwords() -> None:
    found = accounts(Made()).by_name
    assert found["anna"] == Account("anna", 1001, "/home/anna", "/bin/bash", frozenset(["anna", "sudo"]), "locked")
    assert {name: one.password for name, one in found.items()} == {
        "root": "none", "daemon": "none", "debian": "locked", "anna": "locked", "klant1": "usable",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("secret", "state"),
    [("", "empty"), ("!", "locked"), ("!!", "locked"), ("!$6$a$b", "locked"), ("*", "none"), ("x", "none"),
     ("$6$a$b", "usable"), ("abJnggxhB/yWI", "usable")],
)  # fmt: skip
def test_what_a_password_field_says(secret: str, state: str) -> None:
    found = accounts(Made({"/etc/shadow": f"anna:{secret}:20000::::::\n"})).by_name
    assert found["anna"].password == state
    assert found["debian"].password == "unknown"  # noqa: S105


def test_a_password_that_stands_in_passwd_itself_counts() -> None:
    text = "anna:$6$a$b:1001:1001::/home/anna:/bin/bash\nbert::1002:1001::/home/bert:/bin/bash\n"
    found = accounts(Made({"/etc/passwd": text, "/etc/shadow": "anna:!:20000::::::\n"})).by_name
    assert {name: one.password for name, one in found.items()} == {"anna": "usable", "bert": "empty"}


def test_an_account_whose_last_day_is_over() -> None:
    days = int(NOW.timestamp() // 86400)
    for last, expired in ((days - 2, True), (days + 2, False), ("", False)):
        found = accounts(Made({"/etc/shadow": f"anna:*:20000:::::{last}:\n"})).by_name
        assert found["anna"].expired is expired


def test_accounts_of_a_directory_cannot_all_be_listed() -> None:
    extra = "bert:*:5000:5000::/home/bert:/bin/bash\n"
    host = Made({"/etc/nsswitch.conf": "passwd: files sss # x\ngroup: files [success=merge] sss\n"})
    host.commands = {"getent": extra}
    found = accounts(host)
    assert found.unlisted == ("sss",)
    assert [name for name, one in found.by_name.items() if not one.local] == ["bert"]


def test_accounts_that_systemd_keeps_are_asked_for() -> None:
    host = Made({"/etc/nsswitch.conf": "passwd: files systemd\n", "/etc/userdb/eva.user": "{}"})
    host.commands = {"getent passwd": "eva:x:6000:6000::/home/eva:/bin/bash\n", "getent group": ""}
    assert list(accounts(host).by_name) == ["eva"]
