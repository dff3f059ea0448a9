# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S104  an address that a test names, and nobody binds to

"""Apache's configuration: what is read, and which logs take effect where."""

from __future__ import annotations

import datetime as dt
import math
import re
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._services import apache
from ansible_collections.privacy.hosting.plugins.module_utils._services.apache_format import Context, held, piped
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import (
    FIELDS,
    OFF,
    QUERY,
    SYSLOG,
    AccessLog,
    VirtualHost,
    WebServer,
)
from tests.unit import web_host

FORMATS = r"""
LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" vhost_combined
LogFormat "%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" combined
"""
COMBINED = {"client_ip", "time", "method", "path", QUERY, "status", "referer", "user_agent"}


def server(tmp_path: Path, text: str, *arguments: str) -> WebServer:
    """The Apache that was started with this configuration."""
    config = tmp_path / "apache2.conf"
    config.write_text(text)
    found = list(apache.servers(web_host.apache(config, *arguments)))
    assert len(found) == 1
    return found[0]


def vhost(tmp_path: Path, inside: str, main: str = "") -> VirtualHost:
    """The one virtual host of an Apache."""
    text = f"Listen 80\n{FORMATS}{main}\n<VirtualHost *:80>\nServerName a.example\n{inside}\n</VirtualHost>\n"
    found = server(tmp_path, text)
    assert not found.problems
    assert len(found.vhosts) == 1
    return found.vhosts[0]


def paths(vhost: VirtualHost) -> list[str]:
    """What a virtual host logs to."""
    return [log.path or log.kind for log in vhost.places[0].logs]


def log(tmp_path: Path, line: str, main: str = "") -> AccessLog:
    """The log that a directive makes in a virtual host."""
    return vhost(tmp_path, line, main).places[0].logs[0]


# -- reading ----------------------------------------------------------------------------------------------------------


def test_lines_are_read_as_apache_reads_them() -> None:
    text = '  # no\nA b "c \\"d\\\\" \'e f\' g\\"h\n<B one>\n  C \\\n  two\n  <D "x y">\n</D>\n</b>\nE\n'
    first, block, last = apache.parse(text, "/c")
    assert first.args == ("b", 'c "d\\', "e f", 'g\\"h')
    assert first.line == 2
    assert text[first.start : first.end] == 'A b "c \\"d\\\\" \'e f\' g\\"h'
    assert block.block is not None
    assert (block.name, block.args, block.line) == ("B", ("one",), 3)
    assert [inner.args for inner in block.block] == [("two",), ("x y",)]
    assert text[block.start : block.end].startswith("<B one>")
    assert text[block.start : block.end].endswith("</b>")
    assert (last.name, last.line) == ("E", 9)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<A>\nB\n", "/c:1: <A> is not closed"),
        ("A\n</B>\n", "/c:2: unexpected </B>"),
        ("<A>\n</B>", "/c:2: unexpected </B>"),
    ],
)
def test_what_apache_would_not_load_is_named_by_its_line(text: str, told: str) -> None:
    with pytest.raises(apache.Malformed) as raised:
        apache.parse(text, "/c")
    assert str(raised.value) == told


@pytest.mark.parametrize(
    ("around", "in_effect"),
    [
        ("<IfModule mod_log_config.c>", True),
        ("<IfModule log_config_module>", True),
        ("<IfModule !mod_log_config.c>", False),
        ("<IfModule mod_ssl.c>", True),
        ("<IfModule remoteip_module>", False),
        ("<IfDefine GIVEN>", True),
        ("<IfDefine MADE>", True),
        ("<IfDefine UNMADE>", False),
        ("<IfDefine !NOTHING>", True),
        ("<IfVersion >= 2.4.19>", True),
        ("<IfVersion < 2.4>", False),
        ("<IfVersion 2.4>", True),
        ("<IfVersion !>= 2.4>", False),
        ("<IfFile apache2.conf>", True),
        ("<IfFile !apache2.conf>", False),
    ],
)
def test_conditions_are_followed(tmp_path: Path, around: str, in_effect: bool) -> None:
    main = "LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nDefine MADE\nDefine UNMADE\nUnDefine UNMADE\n"
    closing = f"</{around[1:].split(maxsplit=1)[0].rstrip('>')}>"
    text = f"{main}Listen 80\n{around}\nCustomLog /l/a x\n{closing}\n"
    found = server(tmp_path, text, "-D", "GIVEN")
    assert not found.problems
    assert (paths(found.vhosts[0]) == ["/l/a"]) is in_effect


def test_includes_variables_and_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "conf/b.conf": "CustomLog ${LOGS}/b x\n",
        "conf/a.conf": "Define LOGS /l\nCustomLog ${LOGS}/a x\n",
        "tree/one/deep": "CustomLog /l/deep x\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = server(tmp_path, "Listen 80\nInclude conf/*.conf\nIncludeOptional no/*.conf\nInclude tree\n")
    assert paths(found.vhosts[0]) == ["/l/a", "/l/b", "/l/deep"]
    assert found.problems == ()
    assert f"{tmp_path}/conf/a.conf" in found.files


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Include missing.conf", "missing.conf is not there"),
        ("Include apache2.conf", "included more than 50 levels deep"),
        ("<IfDirective CustomLog>\nCustomLog a b\n</IfDirective>", "<IfDirective> cannot be judged"),
        ("Use Nothing a", "no macro is defined"),
        ("<VirtualHost *:80>", "<VirtualHost> is not closed"),
        ("CustomLog ${UNKNOWN}/a x", "named by a variable that is not known"),
    ],
)
def test_what_could_not_be_read_is_a_problem(tmp_path: Path, text: str, told: str) -> None:
    problems = server(tmp_path, f"Listen 80\n{text}\n").problems
    assert any(re.search(told, problem) for problem in problems), problems


def test_macros_are_unfolded(tmp_path: Path) -> None:
    macro = (
        "<Macro Site $name %log>\n<VirtualHost *:80>\nServerName $name\nCustomLog /l/%log x\n</VirtualHost>\n</Macro>\n"
    )
    found = server(tmp_path, f"Listen 80\n{macro}Use Site one.example one.log\nUse Site two.example two.log\n")
    assert {one.names[0]: paths(one) for one in found.vhosts} == {
        "one.example": ["/l/one.log"],
        "two.example": ["/l/two.log"],
    }


# -- which logs take effect -------------------------------------------------------------------------------------------


def test_a_virtual_host_with_a_log_of_its_own_leaves_the_servers_but_not_the_global_one(tmp_path: Path) -> None:
    main = "CustomLog /l/main combined\nGlobalLog /l/global combined\n"
    assert paths(vhost(tmp_path, "CustomLog /l/own combined", main)) == ["/l/own", "/l/global"]
    assert paths(vhost(tmp_path, "", main)) == ["/l/main", "/l/global"]


def test_the_last_meaning_of_a_formats_name_counts(tmp_path: Path) -> None:
    text = f"Listen 80\n{FORMATS}CustomLog /l/a combined\nLogFormat %h combined\n"
    assert server(tmp_path, text).vhosts[0].logs[0].fields == {"client_ip"}


def test_a_name_that_no_format_has_is_a_format_itself(tmp_path: Path) -> None:
    one = log(tmp_path, "CustomLog /l/a undefined")
    assert (one.format_text, one.fields) == ("undefined", frozenset())


def test_transferlog_takes_the_format_without_a_name(tmp_path: Path) -> None:
    assert log(tmp_path, "TransferLog /l/a").fields == {"client_ip", "time", "method", "path", QUERY, "status"}
    assert log(tmp_path, "TransferLog /l/a\nLogFormat %U").fields == {"path"}
    assert log(tmp_path, "LogFormat %m", "TransferLog /l/main").fields == {"method"}


def test_a_port_without_virtual_host_is_the_main_servers(tmp_path: Path) -> None:
    text = "Listen 80\nListen 8080\nCustomLog /l/m x\n<VirtualHost *:80>\nCustomLog /l/v x\n</VirtualHost>\n"
    first, main = server(tmp_path, text).vhosts
    assert ([listen.port for listen in first.listens], paths(first)) == ([80, 80], ["/l/v"])
    assert ([listen.port for listen in main.listens], paths(main)) == ([8080, 8080], ["/l/m"])


def test_listens_and_defaults(tmp_path: Path) -> None:
    text = (
        "Listen 80\nListen 192.0.2.1:443 https\n"
        "<VirtualHost *:80>\nServerName http://a.example:80\nServerAlias b.example *.c.example\n</VirtualHost>\n"
        "<VirtualHost *:80>\nServerName d.example\n</VirtualHost>\n"
        "<VirtualHost _default_:443 [2001:db8::1]:80>\nSSLEngine on\nServerName e.example\n</VirtualHost>\n"
    )
    told = {
        one.names: [(x.address, x.port, x.tls, x.default) for x in one.listens] for one in server(tmp_path, text).vhosts
    }
    assert told == {
        ("a.example", "b.example", "*.c.example"): [("0.0.0.0", 80, False, True), ("::", 80, False, True)],
        ("d.example",): [("0.0.0.0", 80, False, False), ("::", 80, False, False)],
        ("e.example",): [("192.0.2.1", 443, True, True), ("2001:db8::1", 80, True, True)],
    }


def test_buffered_and_other_targets(tmp_path: Path) -> None:
    assert log(tmp_path, "CustomLog /l/a combined", "BufferedLogs On").flush_s == math.inf
    assert log(tmp_path, "CustomLog /dev/null combined").kind == OFF
    assert log(tmp_path, 'CustomLog "|/usr/bin/logger -t web" combined').kind == SYSLOG
    assert log(tmp_path, "CustomLog logs/a combined").path == f"{tmp_path}/logs/a"


@pytest.mark.parametrize(
    ("command", "path", "pattern"),
    [
        ("|/usr/bin/rotatelogs -l /l/a.%Y-%m-%d.log 86400", "/l/a.%Y-%m-%d.log", "/l/a.*-*-*.log"),
        ("||/usr/bin/rotatelogs -D -L /l/link -n 5 /l/a 1M", "/l/a", "/l/a*"),
        ("|$rotatelogs -t /l/a 86400", "/l/a", "/l/a"),
        ("|rotatelogs /l/a 86400", "/l/a", "/l/a.*"),
        ("|/usr/bin/cronolog -S /l/link /l/%Y/%m/a.log", "/l/%Y/%m/a.log", "/l/*/*/a.log"),
        ("|/opt/own-program /l/a", "", ""),
        ("|rotatelogs /l/a 1 ; cat > /l/b", "", ""),
        ("|'", "", ""),
    ],
)
def test_what_stands_behind_a_pipe(command: str, path: str, pattern: str) -> None:
    assert piped(command)[1:] == (path, pattern)


# -- what a log holds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "context", "surely", "perhaps", "names"),
    [
        ('%V %a %t "%m %U" %>s "%{User-Agent}i"', {}, set(FIELDS) - {"referer"}, set(), "asked"),
        ("%v %r %q", {}, {"domain", "method", "path", QUERY}, set(), "own"),
        ("%V", {"names_asked": False}, {"domain"}, set(), "own"),
        ("%{hOST}i %v", {}, {"domain"}, set(), "asked"),
        ("%h", {"looks_up": True}, set(), {"client_ip"}, ""),
        ("%{c}a", {}, {"client_ip"}, set(), ""),
        ("%{c}a %{X-Forwarded-For}i", {"by_proxy": True}, set(), set(), ""),
        ("%!200,304{User-Agent}i %404{Referer}i", {}, set(), {"user_agent", "referer", QUERY}, ""),
        ("%{%H:%M}t", {}, set(), set(), ""),
        ("%{begin:%d %T}t", {}, {"time"}, set(), ""),
        ("%{usec_frac}t", {}, set(), set(), ""),
        ("%{sec}t", {}, {"time"}, set(), ""),
        ("%%h %%v", {}, set(), set(), ""),
        ("%f %l %u %b %D %^FU", {}, set(), set(), ""),
    ],
)  # fmt: skip
def test_what_a_format_holds(
    text: str, context: dict[str, bool], surely: set[str], perhaps: set[str], names: str
) -> None:
    assert held(text, Context(**context)) == (surely, perhaps, names)


def test_settings_change_what_a_format_holds(tmp_path: Path) -> None:
    assert log(tmp_path, "CustomLog /l/a %V\nUseCanonicalName On").host_names == "own"
    assert log(tmp_path, "CustomLog /l/a %h\n<Directory />\nHostnameLookups On\n</Directory>").unclear == {"client_ip"}


@pytest.mark.parametrize(
    ("condition", "main", "always"),
    [
        ("env=!dontlog", "", True),
        ("env=!dontlog", "<Directory /srv>\nAllowOverride All\n</Directory>", None),
        ("env=!dontlog", "AllowOverride None", True),
        ("env=!dontlog", 'SetEnvIf Request_URI "png$" dontlog', False),
        ("env=!dontlog", "BrowserMatch bot dontlog", False),
        ("env=!dontlog", "BrowserMatch bot DontLog=1", False),
        ("env=!dontlog", "RewriteRule ^/health - [E=dontlog:1]", False),
        ("env=!dontlog", "RewriteRule ^/health - [L,env=dontlog:1]", False),
        ("env=!dontlog", "RewriteRule ^/health - [e=dontlog]", False),
        ("env=!dontlog", "RewriteRule ^/health - [E=dontlogin:1]", True),
        ("env=!dontlog", 'SetEnvIf Remote_Addr "127\\.0\\.0\\.1" dontlog', True),
        ("env=!dontlog", "SetEnvIf Request_URI png other", True),
        ("env=dolog", "", None),
        ('"expr=%{REQUEST_STATUS} -ge 400"', "", False),
        ('"expr=true"', "", None),
    ],
)
def test_what_a_condition_leaves_out(tmp_path: Path, condition: str, main: str, always: bool | None) -> None:
    assert log(tmp_path, f"CustomLog /l/a combined {condition}", main).always is always


def test_who_is_believed(tmp_path: Path) -> None:
    remoteip = "LoadModule remoteip_module /usr/lib/apache2/modules/mod_remoteip.so\nRemoteIPHeader X-Forwarded-For\n"
    (tmp_path / "list").write_text("192.0.2.7 # front\n198.51.100.0/24\n")
    everybody = vhost(tmp_path, "", remoteip)
    assert [trust.network for trust in everybody.trusts] == ["0.0.0.0/0", "::/0"]
    assert everybody.trusts[0].source.endswith("apache2.conf:6")
    some = vhost(tmp_path, "RemoteIPInternalProxy 192.0.2.1 192.0.2.2", remoteip)
    assert [trust.network for trust in some.trusts] == ["192.0.2.1", "192.0.2.2"]
    listed = vhost(tmp_path, "RemoteIPTrustedProxyList list", remoteip)
    assert [trust.network for trust in listed.trusts] == ["192.0.2.7", "198.51.100.0/24"]
    assert vhost(tmp_path, "", "RemoteIPHeader X-Forwarded-For").trusts == ()


def test_error_logs_are_the_servers_unless_a_site_has_its_own(tmp_path: Path) -> None:
    assert vhost(tmp_path, "", "ErrorLog /l/main.err").error_logs[0].path == "/l/main.err"
    assert vhost(tmp_path, "ErrorLog /l/own.err", "ErrorLog /l/main.err").error_logs[0].path == "/l/own.err"
    assert vhost(tmp_path, "ErrorLog syslog:local1").error_logs[0].kind == SYSLOG


# -- what runs --------------------------------------------------------------------------------------------------------


def test_files_that_changed_after_the_start_are_not_what_runs(tmp_path: Path) -> None:
    config = tmp_path / "apache2.conf"
    config.write_text("Listen 80\n")
    (fresh,) = apache.servers(web_host.apache(config, age_s=-60))
    (stale,) = apache.servers(web_host.apache(config, age_s=60))
    assert fresh.running.good is True
    assert stale.running.good is None
    assert f"{config} changed at" in stale.running.seen


@pytest.mark.parametrize(("minutes", "good"), [(-5, None), (5, True)])
def test_new_children_do_not_prove_a_reload_where_the_error_log_says_otherwise(
    tmp_path: Path, minutes: int, good: bool | None
) -> None:
    config = tmp_path / "apache2.conf"
    config.write_text("Listen 80\nErrorLog error.log\n")
    when = dt.datetime.now().astimezone() + dt.timedelta(minutes=minutes)
    (tmp_path / "error.log").write_text(
        f"[{when:%a %b %d %H:%M:%S.%f %Y}] [mpm_event:notice] [pid 7:tid 7] AH00489: Apache/2.4.71 configured\n"
    )
    (found,) = apache.servers(web_host.apache(config, age_s=-60))
    assert found.running.good is good
