# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: log lines and backups that leave the host, and log lines that it takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks.encrypted_links import CHECKS
from ansible_collections.privacy.hosting.plugins.module_utils._services import (
    backup_jobs,
    backup_transport,
    jobs,
    log_receiving,
    outgoing,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job
from ansible_collections.privacy.hosting.plugins.module_utils._services.tls_endpoint import NO_TLS, Endpoint
from ansible_collections.privacy.hosting.plugins.module_utils._services.tunnels import Way
from tests.unit.link_host import EVERYWHERE, NOW, LinkHost, findings, statuses

_RUN = {check.name: check.run for check in CHECKS}
check_syslog_sent, check_backup_sent = _RUN["syslog_sent"], _RUN["backup_sent"]
check_syslog_received = _RUN["syslog_received"]

CA = "/etc/ssl/own.pem"
AUTHORITY = f'global(DefaultNetstreamDriverCAFile="{CA}")\n'
TLS = (
    'action(type="omfwd" target="{target}" port="6514" protocol="tcp" StreamDriver="gtls" StreamDriverMode="1" {more})'
)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is looked up."""
    known = {"logs.example": ("192.0.2.9",), "own.example": (), "inside.example": ("10.8.0.2",)}
    monkeypatch.setattr(outgoing, "resolved", lambda names: {name: known[name] for name in names if name in known})


def rsyslog(text: str, *, runs: bool = True) -> LinkHost:
    host = LinkHost()
    host.files.update({"/etc/rsyslog.conf": text, CA: ""})
    if runs:
        host.start("/usr/sbin/rsyslogd", "-n", "-iNONE")
    else:
        host.units.add("rsyslog.service")
    return host


def tls(more: str = "", target: str = "logs.example") -> str:
    return AUTHORITY + TLS.format(target=target, more=more)


# -- log lines that leave ---------------------------------------------------------------------------------------------

PLAIN = [
    "*.* @192.0.2.9",
    "*.* @@logs.example:601",
    "*.*\t@@(z9,o)[2001:db8::9]:514;RSYSLOG_SyslogProtocol23Format",
    "if $programname == 'sshd' then {\n  @192.0.2.9\n  stop\n}",
    "& @192.0.2.9",
    '*.* action(type="omfwd" target="192.0.2.9")',
    'action(type="omfwd"\n  target="logs.example"\n  port="514" protocol="tcp")',
    'ruleset(name="ship") {\n  action(type="omfwd" Target="192.0.2.9" Protocol="udp")\n}',
    'template(name="t" type="string" string="%msg% # %programname%")\n*.* @@logs.example:514',
    # a driver, and the mode that would use it forgotten
    "$DefaultNetstreamDriver gtls\n*.* @@logs.example:6514",
    'action(type="omfwd" target="logs.example" protocol="tcp" StreamDriver="gtls")',
    '*.* :omrelp:192.0.2.9:2514',
    'action(type="omrelp" target="192.0.2.9" port="2514")',
    'action(type="omelasticsearch" server="192.0.2.9" serverport="9200")',
    'action(type="omhttp" server="logs.example" usehttps="off")',
    'action(type="ommail" server="192.0.2.9" mailfrom="a" mailto="b")',
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
@pytest.mark.parametrize("option", ["sends", "peer_verified"])
def test_lines_in_plain_fail(text: str, option: str) -> None:
    assert statuses(check_syslog_sent, rsyslog(text), option) == ["fail"]


@pytest.mark.parametrize(
    "text",
    [
        tls(),
        tls('StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="logs.example"'),
        (
            f"$DefaultNetstreamDriverCAFile {CA}\n$DefaultNetstreamDriver gtls\n$ActionSendStreamDriverMode 1\n"
            "$ActionSendStreamDriverAuthMode x509/name\n$ActionSendStreamDriverPermittedPeer logs.example\n"
            "*.* @@logs.example:6514"
        ),
        TLS.format(
            target="192.0.2.9", more='StreamDriverAuthMode="x509/fingerprint" StreamDriverPermittedPeers="SHA1:0"'
        ),
        (
            f'action(type="omrelp" target="logs.example" tls="on" tls.caCert="{CA}" tls.authMode="name" '
            'tls.permittedPeer=["logs.example"])'
        ),
        'action(type="omelasticsearch" server=["https://192.0.2.9:9200"])',
    ],
)
@pytest.mark.parametrize("option", ["sends", "peer_verified"])
def test_lines_by_tls_to_a_verified_machine_pass(text: str, option: str) -> None:
    assert statuses(check_syslog_sent, rsyslog(text), option) == ["pass"]


@pytest.mark.parametrize(
    ("text", "status", "why"),
    [
        (tls('StreamDriverAuthMode="anon"'), "fail", "nobody is verified"),
        (tls('StreamDriverAuthMode="x509/certvalid"'), "fail", "any certificate of the authority"),
        (tls('StreamDriverPermittedPeers="*"'), "fail", "any certificate of the authority"),
        (TLS.format(target="logs.example", more=""), "error", "no file of authorities"),
        (tls().replace(CA, "/etc/gone.pem"), "error", "/etc/gone.pem, by which the other is verified, is not there"),
        (tls('StreamDriver.PermitExpiredCerts="on"'), "error", "one that has ended"),
        ('action(type="omrelp" target="192.0.2.9" tls="on")', "fail", "any certificate is taken"),
        ('action(type="omhttp" server="logs.example" skipverifyhost="on")', "fail", "skipverifyhost is on"),
    ],
)
def test_an_encrypted_way_may_lead_to_anybody(text: str, status: str, why: str) -> None:
    assert statuses(check_syslog_sent, rsyslog(text), "sends") == ["pass"]
    (found,) = findings(check_syslog_sent, rsyslog(text), "peer_verified")
    assert found.status == status
    assert why in found.observed
    assert found.remedy or status == "error"


@pytest.mark.parametrize(
    "text",
    [
        'action(type="omkafka" broker="192.0.2.9:9092")',
        'action(type="omprog" binary="/usr/local/bin/ship")',
        'action(type="omfwd" target="logs.example" protocol="tcp" StreamDriver="ptcp" StreamDriverMode="1")',
        tls('gnutlsPriorityString="NORMAL:+NULL"'),
        'include(\n file="/etc/more.conf"\n)',
        "*.* :ommysql:db.example,logs,user,password",
        "*.* >db.example,logs,user,password",
        "*.* ^/usr/local/bin/ship;RSYSLOG_FileFormat",
    ],
)
def test_what_is_not_understood_is_unproven(text: str) -> None:
    assert "error" in statuses(check_syslog_sent, rsyslog(text), "sends")
    assert "password" not in str(findings(check_syslog_sent, rsyslog(text), "sends"))


@pytest.mark.parametrize(
    "text",
    [
        "*.* /var/log/syslog\n*.emerg :omusrmsg:*\n",
        "*.* @127.0.0.1\n*.* @@localhost:514\n*.* @192.0.2.13\n*.* @own.example",
        "# *.* @192.0.2.9\n",
        "/* *.* @192.0.2.9\n*.* @@192.0.2.9 */\n*.* /var/log/all",
        ":msg, contains, \"mail @192.0.2.9\" /var/log/some\nif $msg contains ' @192.0.2.9' then /var/log/some",
        'action(type="omjournal")\naction(type="mmjsonparse")\n*.* |/dev/xconsole',
        "if $syslogseverity > 5 and ($msg >= 'a, b') then { action(type=\"omfile\" file=\"/var/log/some\") }",
        '$template t,"%msg% @192.0.2.9"\ntemplate(name="u" type="string" string=" @192.0.2.9")',
    ],
)
def test_what_stays_on_the_host_is_not_sent(text: str) -> None:
    for option in ("sends", "peer_verified"):
        assert statuses(check_syslog_sent, rsyslog(text), option) == ["not_applicable"]


def test_only_what_runs_or_starts_at_boot_is_judged() -> None:
    host = LinkHost()
    host.files["/etc/rsyslog.conf"] = PLAIN[0]
    assert statuses(check_syslog_sent, host, "sends") == ["not_applicable"]
    assert statuses(check_syslog_sent, rsyslog(PLAIN[0], runs=False), "sends") == ["fail"]


def test_what_runs_by_former_files_is_unproven() -> None:
    host = rsyslog(tls())
    host.moments["/etc/rsyslog.conf"] = NOW - dt.timedelta(minutes=1)
    (found,) = findings(check_syslog_sent, host, "sends")
    assert found.status == "error"
    assert "after it was loaded" in found.observed
    plain = rsyslog(PLAIN[0])
    plain.moments["/etc/rsyslog.conf"] = NOW - dt.timedelta(minutes=1)
    assert statuses(check_syslog_sent, plain, "sends") == ["fail"]


def test_another_file_than_the_usual_is_unproven() -> None:
    host = rsyslog("")
    host.running.clear()
    host.start("/usr/sbin/rsyslogd", "-f", "/etc/other.conf")
    assert statuses(check_syslog_sent, host, "sends") == ["error"]


@pytest.mark.parametrize(("good", "status"), [(True, "pass"), (None, "error")])
def test_a_tunnel_carries_plain_lines(monkeypatch: pytest.MonkeyPatch, good: bool | None, status: str) -> None:
    from ansible_collections.privacy.hosting.plugins.module_utils._checks import encrypted_links_sent as checks

    def through(_host: object, networks: list[str], place: str) -> Way | None:
        return Way(good, "WireGuard wg0") if place.startswith("10.8.") and networks == ["10.8.0.0/24"] else None

    monkeypatch.setattr(checks, "through", through)
    for option in ("sends", "peer_verified"):
        inside = rsyslog("*.* @@inside.example:514")
        assert statuses(check_syslog_sent, inside, option, tunnels=["10.8.0.0/24"]) == [status]
        outside = rsyslog("*.* @@logs.example:514")
        assert statuses(check_syslog_sent, outside, option, tunnels=["10.8.0.0/24"]) == ["fail"]


def test_only_what_the_promise_sends_is_judged() -> None:
    assert statuses(check_syslog_sent, rsyslog(PLAIN[0]), "sends", sends=["backup"]) == []


def test_addresses_are_shortened() -> None:
    (found,) = findings(check_syslog_sent, rsyslog(PLAIN[0]), "sends")
    assert found.subject == "syslog → 192.0.2.x:514"
    assert "192.0.2.9" not in str(found)
    assert found.source == "/etc/rsyslog.conf:1"


NG = """
@version: 4.8
@include "scl.conf"
source s_src {{ system(); internal(); }};
destination d_all {{ file("/var/log/all"); }};
destination d_net {{ {driver}; }};
log {{ source(s_src); destination(d_net); }};
"""


@pytest.mark.parametrize(
    ("driver", "sends", "verified"),
    [
        ('network("192.0.2.9" port(514))', "fail", "fail"),
        ('tcp("192.0.2.9")', "fail", "fail"),
        ('syslog("logs.example" transport("udp"))', "fail", "fail"),
        ('network("logs.example" port(6514) transport("tls") tls(ca-dir("/etc/ca")))', "pass", "pass"),
        ('network("logs.example" transport(tls) tls(ca-file("/c") peer-verify(optional-untrusted)))', "pass", "fail"),
        ('network("logs.example" transport(tls) tls(cert-file("/c")))', "pass", "error"),
        ('elasticsearch-http(url("https://x"))', "error", "error"),
        ('unix-dgram("/dev/x")', "not_applicable", "not_applicable"),
    ],
)
def test_syslog_ng(driver: str, sends: str, verified: str) -> None:
    host = LinkHost().start("/usr/sbin/syslog-ng", "-F")
    host.files["/etc/syslog-ng/syslog-ng.conf"] = NG.format(driver=driver)
    assert statuses(check_syslog_sent, host, "sends") == [sends]
    assert statuses(check_syslog_sent, host, "peer_verified") == [verified]


@pytest.mark.parametrize(
    ("settings", "sends", "verified"),
    [
        ("URL=http://logs.example:19532", "fail", "fail"),
        (f"URL=https://logs.example\nTrustedCertificateFile={CA}", "pass", "pass"),
        (f"URL=logs.example\nTrustedCertificateFile={CA}", "pass", "pass"),
        ("URL=https://logs.example\nTrustedCertificateFile=-", "pass", "fail"),
        ("URL=https://logs.example\nTrustedCertificateFile=all", "pass", "fail"),
        ("URL=https://logs.example", "pass", "error"),
        ("URL=ftp://logs.example", "error", "error"),
    ],
)
def test_the_journal_is_uploaded(settings: str, sends: str, verified: str) -> None:
    host = LinkHost().start("/usr/lib/systemd/systemd-journal-upload", "--save-state")
    host.files.update({"/etc/systemd/journal-upload.conf": f"[Upload]\n{settings}\n", CA: ""})
    assert statuses(check_syslog_sent, host, "sends") == [sends]
    assert statuses(check_syslog_sent, host, "peer_verified") == [verified]


def test_the_journal_is_uploaded_at_boot() -> None:
    host = LinkHost()
    host.files["/etc/systemd/journal-upload.conf.d/x.conf"] = "[Upload]\nURL=http://logs.example\n"
    assert statuses(check_syslog_sent, host, "sends") == ["not_applicable"]
    host = LinkHost()
    host.files["/etc/systemd/journal-upload.conf.d/x.conf"] = "[Upload]\nURL=http://logs.example\n"
    host.units.add("systemd-journal-upload.service")
    host.answers[("systemctl", "show")] = "ExecStart={ path=/x ; argv[]=/x --save-state ; ignore_errors=no }\n"
    assert statuses(check_syslog_sent, host, "sends") == ["fail"]


def test_journald_sends_to_a_socket_in_plain() -> None:
    host = LinkHost()
    host.files["/etc/systemd/journald.conf"] = "[Journal]\nForwardToSocket=192.0.2.9:514\n"
    (found,) = findings(check_syslog_sent, host, "sends")
    assert (found.status, found.source) == ("fail", "/etc/systemd/journald.conf:2")


@pytest.mark.parametrize("contained", [False, True])
@pytest.mark.parametrize("program", ["/usr/bin/vector", "/opt/fluent-bit/bin/fluent-bit", "/usr/bin/filebeat"])
def test_shippers_of_logs_are_named_as_not_judged(program: str, contained: bool) -> None:
    (found,) = findings(check_syslog_sent, LinkHost().start(program, contained=contained), "sends")
    assert found.status == "error"
    assert program.rpartition("/")[2] in found.subject


def test_a_web_server_sends_its_log_by_udp() -> None:
    host = LinkHost().start("/usr/sbin/haproxy")
    host.files["/etc/haproxy/haproxy.cfg"] = "global\n  log /dev/log local0\n  log 192.0.2.9 local0\n  log global\n"
    (found,) = findings(check_syslog_sent, host, "sends")
    assert (found.status, found.source) == ("fail", "/etc/haproxy/haproxy.cfg:3")


# -- log lines that are taken -----------------------------------------------------------------------------------------

IMTCP = 'module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="{mode}")\ninput(type="imtcp" port="6514")\n'


@pytest.fixture
def handshake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """What a handshake shows."""
    from ansible_collections.privacy.hosting.plugins.module_utils._services import tls_endpoint

    told = Endpoint("192.0.2.13", 6514, "")
    told.protocols.update({"TLSv1.2": True, "TLSv1.3": True})
    monkeypatch.setattr(tls_endpoint, "endpoint", lambda *_asked: told)
    yield told


def taking(text: str, port: int = 6514, protocol: str = "tcp") -> LinkHost:
    return rsyslog(text).listen("rsyslogd", port, protocol=protocol)


def test_lines_are_taken_by_tls_alone(handshake: Endpoint) -> None:
    (found,) = findings(check_syslog_received, taking(IMTCP.format(mode=1)), "accepts", probe=True)
    assert (found.status, found.proof) == ("pass", "observed")
    (unprobed,) = findings(check_syslog_received, taking(IMTCP.format(mode=1)), "accepts")
    assert (unprobed.status, unprobed.proof) == ("pass", "running")
    assert "audit_probe" in unprobed.observed


def test_old_versions_are_not_enough(handshake: Endpoint) -> None:
    handshake.protocols["TLSv1"] = True
    (found,) = findings(check_syslog_received, taking(IMTCP.format(mode=1)), "accepts", probe=True)
    assert found.status == "fail"
    assert "TLSv1 too" in found.observed
    assert "gnutlsPriorityString" in found.remedy


def test_a_socket_without_tls_fails_whatever_is_configured(handshake: Endpoint) -> None:
    handshake.unseen, handshake.protocols = NO_TLS, {}
    assert statuses(check_syslog_received, taking(IMTCP.format(mode=1)), "accepts", probe=True) == ["fail"]


@pytest.mark.parametrize(
    ("text", "port", "protocol", "status"),
    [
        ('module(load="imudp")\ninput(type="imudp" port="514")', 514, "udp", "fail"),
        ("$ModLoad imudp\n$UDPServerRun 514", 514, "udp", "fail"),
        ('module(load="imtcp")\ninput(type="imtcp" port="514")', 514, "tcp", "fail"),
        (IMTCP.format(mode=0), 6514, "tcp", "fail"),
        ("$InputTCPServerRun 514", 514, "tcp", "fail"),
        ('input(type="imptcp" port="514")', 514, "tcp", "fail"),
        ('input(type="imrelp" port="2514")', 2514, "tcp", "fail"),
        ('input(type="imrelp" port="2514" tls="on")', 2514, "tcp", "pass"),
        (
            "$DefaultNetstreamDriver gtls\n$InputTCPServerStreamDriverMode 1\n$InputTCPServerRun 6514",
            6514,
            "tcp",
            "pass",
        ),
        ('input(type="imgssapi" port="514")', 514, "tcp", "error"),
        ("*.* /var/log/all", 514, "tcp", "error"),
        (IMTCP.format(mode=1).replace("gtls", "ptcp"), 6514, "tcp", "error"),
        # by which it sends
        ("*.* @192.0.2.9", 41234, "udp", "not_applicable"),
    ],
)
def test_what_rsyslog_takes(text: str, port: int, protocol: str, status: str) -> None:
    assert statuses(check_syslog_received, taking(text, port, protocol), "accepts") == [status]


def test_what_only_the_host_reaches_is_no_link() -> None:
    host = rsyslog('input(type="imudp" port="514")').listen("rsyslogd", 514, "127.0.0.1", "udp")
    assert statuses(check_syslog_received, host, "accepts") == ["not_applicable"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("--listen-http=-3", "fail"),
        ("--listen-https=-3", "pass"),
        ("--listen-https=19532 --listen-http=19533", "fail"),
        ("--url=x", "error"),
    ],
)
def test_what_the_journal_takes(words: str, status: str) -> None:
    name = "/usr/lib/systemd/systemd-journal-remote"
    host = LinkHost().start(name, *words.split()).listen("systemd-journal-remote", 19532)
    host.files["/etc/systemd/journal-remote.conf"] = "[Remote]\n"
    assert statuses(check_syslog_received, host, "accepts") == [status]
    # before the first connection, systemd itself listens
    host = LinkHost().start("/usr/lib/systemd/systemd").listen("/systemd", 19532, "::", "tcp6")
    host.answers[("systemctl", "show")] = f"ExecStart={{ path={name} ; argv[]={name} {words} ; ignore_errors=no }}\n"
    assert statuses(check_syslog_received, host, "accepts") == [status]


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("network(port(514))", "fail"),
        ("udp()", "fail"),
        ('network(port(514) transport("tls") tls(key-file("/k")))', "pass"),
        ("system()", "error"),
    ],
)
def test_what_syslog_ng_takes(source: str, status: str) -> None:
    host = (
        LinkHost().start("/usr/sbin/syslog-ng").listen("syslog-ng", 514, protocol="udp" if "udp" in source else "tcp")
    )
    host.files["/etc/syslog-ng/syslog-ng.conf"] = f"source s_net {{ {source}; }};\n"
    assert statuses(check_syslog_received, host, "accepts") == [status]


@pytest.mark.parametrize(("program", "port"), [("/usr/bin/java", 514), ("/usr/bin/vector", 6514), ("", 601)])
def test_an_unknown_program_at_a_port_for_lines_is_unproven(program: str, port: int) -> None:
    host = LinkHost().start(program or "/usr/sbin/sshd").listen(program, port, protocol="udp")
    assert statuses(check_syslog_received, host, "accepts") == ["error"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('input(type="imudp" port="514")', "fail"),
        ('input(type="imudp" port="514" address="127.0.0.1")', "not_applicable"),
        (IMTCP.format(mode=1), "error"),
        ("*.* /var/log/all", "not_applicable"),
    ],
)
def test_what_rsyslog_will_take_from_the_next_start_on(text: str, status: str) -> None:
    assert statuses(check_syslog_received, rsyslog(text, runs=False), "accepts") == [status]


def test_no_service_is_started_by_a_handshake() -> None:
    name = "/usr/lib/systemd/systemd-journal-remote"
    host = LinkHost().start("/usr/lib/systemd/systemd").listen("/systemd", 19532)
    host.answers[("systemctl", "show")] = f"ExecStart={{ argv[]={name} --listen-https=-3 ; ignore_errors=no }}\n"
    (found,) = findings(check_syslog_received, host, "accepts", probe=True)
    assert found.status == "pass"
    assert "would start the service" in found.observed


def test_nothing_takes_lines() -> None:
    assert statuses(check_syslog_received, LinkHost(), "accepts") == ["not_applicable"]
    assert statuses(check_syslog_received, taking("$UDPServerRun 514", 514, "udp"), "accepts", accepts=["http"]) == []


def test_the_address_of_a_handshake_is_the_hosts_own() -> None:
    host = taking(IMTCP.format(mode=1))
    (door,) = log_receiving.doors(host)
    assert door.address == EVERYWHERE
    assert door.subject == "syslog :6514/tcp (rsyslog)"


# -- backups ----------------------------------------------------------------------------------------------------------

STRICT = "hostname {host}\nport 22\nstricthostkeychecking {strict}\nuserknownhostsfile /root/.ssh/known_hosts\n"


def cron(
    monkeypatch: pytest.MonkeyPatch, text: str, *, strict: str = "true", known: str = "/root/.ssh/known_hosts"
) -> LinkHost:
    """A host with one line of cron, and what ssh says of itself there."""
    host = LinkHost()
    job = Job("cron: /etc/cron.d/backup:1", text, 1.0, "/etc/cron.d/backup:1")
    monkeypatch.setattr(jobs, "jobs", lambda _host: [job])
    monkeypatch.setattr(jobs, "unloaded", lambda _host: [])
    host.files["/etc/cron.d/backup"] = text
    host.files["/root/.ssh/known_hosts"] = "x"
    shown = STRICT.format(host="192.0.2.9", strict=strict).replace("/root/.ssh/known_hosts", known)
    host.answers[("ssh", "-G")] = shown
    host.answers[("ssh-keygen", "-F")] = ""
    return host


@pytest.mark.parametrize(
    "text",
    [
        "restic -r rest:http://user:geheim@192.0.2.9:8000/ -p /p backup /srv",
        "RESTIC_REPOSITORY=s3:http://192.0.2.9:9000/b restic backup /srv",
        "rsync -a /srv/ rsync://192.0.2.9/srv",
        "rsync -a /srv/ user@192.0.2.9::srv",
        "lftp -e 'mirror -R /srv' ftp://user:geheim@192.0.2.9",
        "curl -T /srv/x ftp://user:geheim@192.0.2.9/",
        "curl -F file=@/srv/x http://192.0.2.9/up",
        "ftp -n 192.0.2.9 < /root/commands",
        "tar c /srv | nc 192.0.2.9 9000",
        "duplicity /srv ftp://user@192.0.2.9/x",
        "aws s3 cp /srv/x s3://b/ --endpoint-url http://192.0.2.9:9000",
        "export S3_ENDPOINT_URL=http://192.0.2.9:9000; s5cmd cp /srv/x s3://b/",
    ],
)
def test_backups_in_plain_fail(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    for option in ("sends", "peer_verified"):
        (found,) = findings(check_backup_sent, cron(monkeypatch, text), option)
        assert found.status == "fail"
        assert "geheim" not in str(found)
        assert "192.0.2.9" not in found.subject + found.observed
        assert found.remedy


@pytest.mark.parametrize(
    "text",
    [
        "restic -r sftp:user@192.0.2.9:/r -p /p backup /srv",
        "restic -r sftp://user@192.0.2.9:2222//r -p /p backup /srv",
        "restic -r rclone:x -o rclone.program='ssh -F /etc/c store' -p /p backup /srv",
        "restic -r rest:https://192.0.2.9/ -p /p backup /srv",
        "restic -r s3:s3.example/b -p /p backup /srv",
        "rsync -a --exclude a:b /srv/ user@192.0.2.9:srv",
        "rsync -az -e 'ssh -p 2222' /srv/ user@192.0.2.9:srv",
        "scp /srv/x user@192.0.2.9:",
        "tar c /srv | ssh -i /root/k user@192.0.2.9 'cat > x'",
        "BORG_REPO=ssh://user@192.0.2.9/r borg create ::now /srv",
        "borg create user@192.0.2.9:r::now /srv",
        "curl -T /srv/x https://192.0.2.9/",
        "aws s3 sync /srv s3://b/",
    ],
)
def test_backups_that_are_encrypted_to_a_known_machine_pass(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    for option in ("sends", "peer_verified"):
        assert statuses(check_backup_sent, cron(monkeypatch, text), option) == ["pass"]


SSH = "rsync -a /srv/ user@192.0.2.9:srv"


@pytest.mark.parametrize(
    ("strict", "known", "listed", "status"),
    [
        ("true", "/root/.ssh/known_hosts", True, "pass"),
        ("ask", "/root/.ssh/known_hosts", False, "pass"),
        ("false", "/root/.ssh/known_hosts", True, "fail"),
        ("no", "/root/.ssh/known_hosts", True, "fail"),
        ("accept-new", "/root/.ssh/known_hosts", True, "pass"),
        ("accept-new", "/root/.ssh/known_hosts", False, "error"),
        ("accept-new", "/dev/null", True, "fail"),
        ("true", "/dev/null", True, "error"),
        ("perhaps", "/root/.ssh/known_hosts", True, "error"),
    ],
)
def test_how_ssh_knows_the_other(
    monkeypatch: pytest.MonkeyPatch, strict: str, known: str, listed: bool, status: str
) -> None:
    host = cron(monkeypatch, SSH, strict=strict, known=known)
    if not listed:
        host.failing[("ssh-keygen", "-F")] = 1
    assert statuses(check_backup_sent, host, "peer_verified") == [status]


@pytest.mark.parametrize("way", ["-e 'ssh {}'", "-ae 'ssh {}'", "-a -e'ssh {}'", '-aze"ssh {}"', "--rsh='ssh {}'"])
def test_the_options_of_the_job_are_those_that_ssh_is_asked_with(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    options = "-o StrictHostKeyChecking=no -p 22"
    host = cron(monkeypatch, f"rsync {way.format(options)} /srv/ user@192.0.2.9:srv")
    shown = STRICT.format(host="192.0.2.9", strict="false")
    host.answers[("ssh", "-G", "-o", "StrictHostKeyChecking=no", "-p", "22", "user@192.0.2.9")] = shown
    assert statuses(check_backup_sent, host, "peer_verified") == ["fail"]


@pytest.mark.parametrize(
    ("text", "sends", "verified"),
    [
        ("restic --insecure-tls -r rest:https://192.0.2.9/ -p /p backup /srv", "pass", "fail"),
        ("curl -k -T /srv/x https://192.0.2.9/", "pass", "fail"),
        ("curl -sSk -T /srv/x https://192.0.2.9/", "pass", "fail"),
        ("curl -fkT /srv/x https://192.0.2.9/", "pass", "fail"),
        ("aws s3 cp /srv/x s3://b/ --no-verify-ssl", "pass", "fail"),
        ("lftp -f /root/commands", "error", "error"),
        ("lftp <<END\nset ftp:ssl-force true\nopen 192.0.2.9\nmirror -R /srv\nEND", "error", "error"),
        ("AWS_ENDPOINT_URL=http://192.0.2.9:9000 aws s3 cp /srv/x s3://b/", "error", "error"),
        ("AWS_ENDPOINT_URL=https://192.0.2.9:9000 aws s3 cp /srv/x s3://b/", "pass", "pass"),
        ("kopia snapshot create /srv", "error", "error"),
        ("rsync -a /srv/ $DEST", "error", "error"),
        ("restic backup /srv", "error", "error"),
        ("duplicity /srv sftp://user@192.0.2.9/x", "pass", "error"),
        ("rclone sync /srv nowhere:x", "error", "error"),
        ("rsync -a -e rsh /srv/ user@192.0.2.9:srv", "error", "error"),
    ],
)
def test_ways_that_are_doubtful(monkeypatch: pytest.MonkeyPatch, text: str, sends: str, verified: str) -> None:
    assert statuses(check_backup_sent, cron(monkeypatch, text), "sends") == [sends]
    assert statuses(check_backup_sent, cron(monkeypatch, text), "peer_verified") == [verified]


@pytest.mark.parametrize(
    "text",
    ["", "curl -fsS https://hc.example/ping", "tar czf /srv/x /etc", "echo x | nc -z 192.0.2.9 25", "rclone lsd x:"],
)
def test_no_backup_leaves_the_host(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert statuses(check_backup_sent, cron(monkeypatch, text), "sends") == ["not_applicable"]


@pytest.mark.parametrize(
    ("text", "status"),
    [("set ftp:ssl-force on\n", "pass"), ("#set ftp:ssl-force on\n", "fail"), ("set hftp:proxy https://x\n", "fail")],
)
def test_a_file_may_make_lftp_want_tls(monkeypatch: pytest.MonkeyPatch, text: str, status: str) -> None:
    host = cron(monkeypatch, "HOME=/root lftp -e 'mirror -R /srv' -u user,geheim 192.0.2.9")
    host.files["/root/.lftprc"] = text
    assert statuses(check_backup_sent, host, "sends") == [status]


def test_a_file_may_name_a_plain_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    host = cron(monkeypatch, "HOME=/root aws s3 sync /srv s3://b/")
    host.files["/root/.aws/config"] = "[default]\nregion = x\nendpoint_url = http://192.0.2.9:9000\n"
    assert statuses(check_backup_sent, host, "sends") == ["error"]


MOUNTS = "22 1 8:1 / / rw - ext4 /dev/vda1 rw\n30 22 0:40 / /mnt/nas rw - {kind} {source} rw{options}\n"


@pytest.mark.parametrize(
    ("kind", "source", "options", "status"),
    [
        ("nfs4", "192.0.2.9:/x", ",sec=sys", "fail"),
        ("nfs4", "192.0.2.9:/x", ",sec=krb5p", "pass"),
        ("nfs4", "192.0.2.9:/x", ",sec=sys,xprtsec=mtls", "pass"),
        ("cifs", "//192.0.2.9/x", "", "error"),
        ("fuse.sshfs", "user@192.0.2.9:/x", "", "error"),
        ("ext4", "/dev/vdb1", "", "not_applicable"),
    ],
)
def test_a_directory_may_be_another_machines(
    monkeypatch: pytest.MonkeyPatch, kind: str, source: str, options: str, status: str
) -> None:
    host = cron(monkeypatch, "restic -r /mnt/nas/r -p /p backup /srv")
    host.files["/proc/self/mountinfo"] = MOUNTS.format(kind=kind, source=source, options=options)
    assert statuses(check_backup_sent, host, "sends") == [status]


AUTOFS = "22 1 8:1 / / rw - ext4 /dev/vda1 rw\n30 22 0:39 / /mnt/nas rw - autofs systemd-1 rw,fd=51\n"


@pytest.mark.parametrize(
    ("mounted", "fstab", "status"),
    [
        (AUTOFS + "31 30 0:40 / /mnt/nas rw - nfs4 192.0.2.9:/x rw,sec=sys\n", "", "fail"),
        (AUTOFS, "192.0.2.9:/x /mnt/nas nfs noauto,x-systemd.automount 0 0\n", "fail"),
        (AUTOFS, "192.0.2.9:/x /mnt/nas nfs4 x-systemd.automount,sec=krb5p 0 0\n", "pass"),
        (AUTOFS, "", "error"),
        ("22 1 8:1 / / rw - ext4 /dev/vda1 rw\n", "//192.0.2.9/x /mnt/nas cifs noauto 0 0\n", "error"),
        ("22 1 8:1 / / rw - ext4 /dev/vda1 rw\n", "192.0.2.9:/x /mnt/nas nfs noauto 0 0\n", "error"),
        ("22 1 8:1 / / rw - ext4 /dev/vda1 rw\n", "#192.0.2.9:/x /mnt/nas nfs noauto 0 0\n", "not_applicable"),
    ],
)
def test_a_directory_may_be_another_machines_once_it_is_used(
    monkeypatch: pytest.MonkeyPatch, mounted: str, fstab: str, status: str
) -> None:
    host = cron(monkeypatch, "restic -r /mnt/nas/r -p /p backup /srv")
    host.files["/proc/self/mountinfo"] = mounted
    host.files["/etc/fstab"] = fstab
    assert statuses(check_backup_sent, host, "sends") == [status]


@pytest.mark.parametrize(
    ("section", "sends", "verified"),
    [
        ("type = b2\nkey = geheim", "pass", "pass"),
        ("type = s3\nendpoint = http://192.0.2.9:9000", "fail", "fail"),
        ("type = sftp\nhost = 192.0.2.9\npass = geheim", "pass", "fail"),
        ("type = sftp\nhost = 192.0.2.9\nknown_hosts_file = ~/.ssh/known_hosts", "pass", "pass"),
        ("type = ftp\nhost = 192.0.2.9", "fail", "fail"),
        ("type = ftp\nhost = 192.0.2.9\nexplicit_tls = true\nno_check_certificate = true", "pass", "fail"),
        ("type = crypt\nremote = inner:x\n[inner]\ntype = webdav\nurl = http://192.0.2.9/", "fail", "fail"),
        ("type = smb\nhost = 192.0.2.9", "error", "error"),
    ],
)
def test_remotes_of_rclone(monkeypatch: pytest.MonkeyPatch, section: str, sends: str, verified: str) -> None:
    for option, status in (("sends", sends), ("peer_verified", verified)):
        host = cron(monkeypatch, "HOME=/root rclone sync /srv store:x")
        host.files["/root/.config/rclone/rclone.conf"] = f"[store]\n{section}\n"
        (found,) = findings(check_backup_sent, host, option)
        assert found.status == status
        assert "geheim" not in str(found)


@pytest.mark.parametrize("program", ["lsyncd", "syncthing", "rclone"])
def test_programs_that_copy_all_the_time_are_named(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    (found,) = findings(check_backup_sent, cron(monkeypatch, "").start(f"/usr/bin/{program}"), "sends")
    assert (found.status, found.subject) == ("error", f"backup: {program}")


def test_a_store_that_serves_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    host = cron(monkeypatch, "").start("/usr/bin/rclone", "--config=", "serve", "restic", "--stdio")
    assert statuses(check_backup_sent, host, "sends") == ["not_applicable"]


def test_programs_that_are_not_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    host = cron(monkeypatch, "").start("/usr/sbin/bareos-fd")
    (found,) = findings(check_backup_sent, host, "sends")
    assert (found.status, found.subject) == ("error", "backup: Bareos")


def test_each_way_to_a_repository_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    once = "restic -r rest:https://192.0.2.9/ -p /p"
    calls = f"{once} backup /srv\n{once} --insecure-tls prune"
    assert sorted(statuses(check_backup_sent, cron(monkeypatch, calls), "peer_verified")) == ["fail", "pass"]


def test_a_timer_that_is_switched_off_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    host = cron(monkeypatch, "")
    job = Job("cron: old", "restic -r rest:http://192.0.2.9/ backup /srv", 1.0, "/etc/cron.d/old:1")
    host.files["/etc/cron.d/old"] = job.text
    monkeypatch.setattr(jobs, "jobs", lambda _host: [])
    monkeypatch.setattr(jobs, "unloaded", lambda _host: [job])
    assert backup_jobs.found(host).calls
    assert backup_transport.sent(host) == []
