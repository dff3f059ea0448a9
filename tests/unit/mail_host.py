# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mail server out of texts: files, processes, listeners, and what real programs of both releases answered."""

from __future__ import annotations

import datetime as dt
import fnmatch
import io
import os
from collections.abc import Mapping, Sequence
from typing import IO

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Process, Result, Unseen

NOW = dt.datetime(2026, 11, 20, 12, 0, 0, tzinfo=dt.timezone.utc)
WRITTEN = NOW - dt.timedelta(hours=2)
EVERYWHERE = "0.0.0.0"  # noqa: S104
LOADED = NOW - dt.timedelta(hours=1)

# `doveconf KEY …` of Dovecot 2.3.19.1 (Debian 12) and 2.4.1 (Debian 13), as installed
KEYS = {
    "bookworm": """auth_verbose = no
auth_debug = no
auth_verbose_passwords = no
auth_debug_passwords = no
log_debug =
log_path = syslog
info_log_path =
debug_log_path =
syslog_facility = mail
log_timestamp = %b %d %H:%M:%S
login_log_format = %$: %s
login_log_format_elements = user=<%u> method=%m rip=%r lip=%l mpid=%e %c session=<%{session}>
login_trusted_networks =
haproxy_trusted_networks =
deliver_log_format = msgid=%m: %$
mail_plugins =
rawlog_dir =
protocols =  imap lmtp sieve pop3
instance_name = dovecot
ssl = yes
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = yes
auth_mechanisms = plain
listen = *, ::
""",
    "trixie": """auth_verbose = no
auth_debug = no
auth_verbose_passwords = no
auth_debug_passwords = no
log_debug =
log_path = syslog
info_log_path =
debug_log_path =
syslog_facility = mail
log_timestamp = "%b %d %H:%M:%S "
login_log_format = %{message}: %{elements}
login_log_format_elements = user=<%{user}> method=%{mechanism} rip=%{remote_ip} lip=%{local_ip} mpid=%{mail_pid} \
%{secured} session=<%{session}>
login_trusted_networks =
haproxy_trusted_networks =
deliver_log_format = msgid=%{msgid}: %{message}
mail_plugins =
mail_log_fields {
  uid = yes
  msgid = yes
  size = yes
}
rawlog_dir =
sieve_trace_dir =
protocols {
  imap = yes
  lmtp = yes
  sieve = yes
  pop3 = yes
}
instance_name = dovecot
ssl = yes
ssl_min_protocol = TLSv1.2
auth_allow_cleartext = no
auth_mechanisms = plain
listen = * ::
""",
}
# `doveconf service`, shortened
SERVICES = {
    "bookworm": """service imap-login {
  executable = imap-login
  inet_listener imap {
    address =
    haproxy = no
    port = 143
    ssl = no
  }
  inet_listener imaps {
    address =
    haproxy = no
    port = 993
    ssl = yes
  }
}
service managesieve-login {
  inet_listener sieve {
    port = 4190
    ssl = no
  }
}
service submission-login {
  inet_listener submission {
    port = 587
    ssl = no
  }
}
""",
    "trixie": """service imap-login {
  executable = imap-login
  inet_listener imap {
    port = 143
  }
  inet_listener imaps {
    port = 993
    ssl = yes
  }
}
service managesieve-login {
  inet_listener sieve {
    port = 4190
  }
  inet_listener sieve_deprecated {
    port = 2000
  }
}
""",
}
# `doveconf -n`, shortened
CHANGED = {
    "bookworm": "# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf\npassdb {\n  driver = pam\n}\n",
    "trixie": "# 2.4.1-4 (7d8c0e5759): /etc/dovecot/dovecot.conf\ndovecot_config_version = 2.4.0\npassdb pam {\n}\n",
}
# what the role writes, as `doveconf -n` shows it
EXPORTER = {
    "bookworm": """event_exporter privacy_hosting {
  format = json
  format_args = time-rfc3339
  transport = log
}
metric privacy_hosting_logins {
  exporter = privacy_hosting
  fields = user service mechanism remote_ip success
  filter = event=auth_request_finished AND success=yes AND service=smtp
}
""",
    "trixie": """event_exporter privacy_hosting {
  driver = log
  format = json
  time_format = rfc3339
}
metric privacy_hosting_logins {
  exporter = privacy_hosting
  filter = event=auth_request_finished and success=yes and protocol=smtp
  fields = user protocol mechanism remote_ip success
}
""",
}
# `postconf -x`, what is looked at
SETTINGS = """smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = no
maillog_file =
syslog_facility = mail
syslog_name = postfix
debug_peer_list =
header_checks =
mime_header_checks =
smtpd_tls_loglevel = 0
smtp_tls_loglevel = 0
smtpd_upstream_proxy_protocol =
smtpd_authorized_xclient_hosts =
"""
MASTER = """\
smtp       inet  n       -       y       -       -       smtpd
submission inet  n       -       y       -       -       smtpd -o smtpd_sasl_auth_enable=yes
submissions inet n       -       y       -       -       smtpd -o smtpd_tls_wrappermode=yes
pickup     unix  n       -       y       60      1       pickup
postlog    unix-dgram n  -       n       -       1       postlogd
"""
CHANGES = """submission/inet/smtpd_sasl_auth_enable = yes
submissions/inet/smtpd_sasl_auth_enable = yes
submissions/inet/smtpd_tls_wrappermode = yes
"""
UNIT = "LogLevelMax=-1\nLogRateLimitIntervalUSec=0\nLogRateLimitBurst=0\nLogNamespace=\n"


def process(
    pid: int, program: str, *, parent: int = 1, started: dt.datetime = LOADED, contained: bool = False
) -> Process:
    """A process of a program."""
    return Process(pid, parent, os.path.basename(program), (program,), program, "", started, contained)


class MailHost(Host):
    """A host of texts. files: path -> text; answers: command -> what it prints. Change them before it is asked."""

    def __init__(self, release: str = "trixie") -> None:
        super().__init__(now=NOW)
        self.release = release
        self.files: dict[str, str] = {
            "/etc/os-release": f'VERSION_ID="{12 if release == "bookworm" else 13}"\n',
            "/etc/dovecot/dovecot.conf": "!include_try local.conf\n",
            "/etc/dovecot/local.conf": "auth_verbose = yes\n",
            "/etc/postfix/main.cf": "compatibility_level = 3.6\n",
            "/etc/postfix/master.cf": MASTER,
            "/etc/systemd/journald.conf": "[Journal]\n",
            "/proc/self/mounts": "/dev/vda1 / ext4 rw 0 0\n",
            "/proc/20/environ": "PATH=/usr/bin\0MAIL_CONFIG=/etc/postfix\0",
            "/proc/net/fib_trie": "",
        }
        self.directories = {"/var/log/journal"}
        self.links: dict[str, str] = {}
        self.moments: dict[str, dt.datetime] = {}
        self.keys: dict[str, str] = {}
        self.changed = CHANGED[release]
        self.services = SERVICES[release]
        self.settings = SETTINGS
        self.master, self.overrides = MASTER, CHANGES
        self.unit = UNIT
        self.suppressed = ""
        self.journal: list[str] = []
        self.answers: dict[tuple[str, ...], str] = {}
        self.units: set[str] = {"dovecot.service", "postfix.service"}
        self.running = [
            process(5, "/usr/lib/systemd/systemd-journald"),
            process(10, "/usr/sbin/dovecot"),
            process(11, "/usr/lib/dovecot/log", parent=10),
            process(20, "/usr/lib/postfix/sbin/master"),
            process(21, "/usr/lib/postfix/sbin/qmgr", parent=20),
        ]
        self.listening = [
            *(Listener("tcp", EVERYWHERE, port, (10,)) for port in (143, 993, 4190)),
            *(Listener("tcp", EVERYWHERE, port, (20,)) for port in (25, 587, 465)),
        ]

    def good(self) -> MailHost:
        """The same as the role leaves it."""
        self.keys["auth_verbose"] = "yes"
        self.changed += EXPORTER[self.release]
        return self

    # -- what Host asks

    def processes(self) -> list[Process]:
        return self.running

    def listeners(self) -> list[Listener]:
        return self.listening

    def has(self, command: str) -> bool:
        return command in ("doveconf", "dovecot", "postconf")

    def run(self, *argv: str, ok: Sequence[int] = (0,), timeout: float | None = None) -> Result:
        return Result(argv, 0, self._answer(argv), "")

    def _answer(self, argv: tuple[str, ...]) -> str:
        if argv in self.answers:
            return self.answers[argv]
        told: Mapping[tuple[str, ...], str] = {
            ("doveconf", "-n"): self.changed,
            ("doveconf", "service"): self.services,
            ("postconf", "-x"): self.settings,
            ("postconf", "-Px"): self.overrides,
            ("postconf", "-M"): self.master,
        }
        if argv in told:
            return told[argv]
        if argv[0] == "doveconf":
            lines = KEYS[self.release].splitlines()
            changed = [line for line in lines if line.partition(" =")[0] not in self.keys]
            return "\n".join([*changed, *(f"{key} = {value}" for key, value in self.keys.items())])
        if argv[:2] == ("systemctl", "show"):
            return self.unit
        if "SYSLOG_IDENTIFIER=systemd-journald" in argv:
            return self.suppressed
        if argv[0] == "journalctl":
            return "\n".join(self.journal)
        raise Unseen(f"the command {argv[0]} is not on the host")

    def read(self, path: str) -> str:
        if path not in self.files:
            raise Unseen(f"{path} cannot be read: No such file or directory")
        return self.files[path]

    def open(self, path: str) -> IO[bytes]:
        return io.BytesIO(self.read(path).encode())

    def stat(self, path: str) -> os.stat_result | None:
        if path not in self.files and path not in self.directories:
            return None
        moment = self.moments.get(path, WRITTEN).timestamp()
        return os.stat_result((0o100644, 1, 1, 1, 0, 0, len(self.files.get(path, "")), moment, moment, moment))

    def real(self, path: str) -> str:
        return self.links.get(path, path)

    def names(self, directory: str) -> list[str]:
        if directory.endswith("multi-user.target.wants"):
            return sorted(self.units)
        if directory == "/etc/systemd/system":
            return ["multi-user.target.wants"]
        below = [path for path in self.files if path.startswith(f"{directory}/")]
        return sorted({path[len(directory) + 1 :].partition("/")[0] for path in below})

    def glob(self, pattern: str) -> list[str]:
        return sorted(path for path in {*self.files, *self.directories} if fnmatch.fnmatchcase(path, pattern))
