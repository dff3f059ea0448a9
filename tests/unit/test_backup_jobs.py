# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which calls of restic are found in timers and cron, and with which environment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Process, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import backup_jobs
from ansible_collections.privacy.hosting.plugins.module_utils._services.backup_jobs import UNKNOWN, Call
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job
from tests.unit.backup_host import NOW, BackupHost


def of(text: str, files: dict[str, str] | None = None, user: str = "root") -> backup_jobs.Found:
    """What is found in a line of cron."""
    host = BackupHost({"/etc/cron.d/x": f"MAILTO=\nREPO=/from/cron\n* * * * * root {text}\n", **(files or {})})
    host.jobs(Job("the line in /etc/cron.d/x", text, 1.0, "/etc/cron.d/x:3", user=user))
    return backup_jobs.found(host)


def call(text: str, files: dict[str, str] | None = None) -> Call:
    (found,) = of(text, files).calls
    return found


@pytest.mark.parametrize(
    "words, command, flags, arguments",
    [
        ("-r /x backup /a /b", "backup", {"repo": ("/x",)}, ["/a", "/b"]),
        ("--repo=/x backup -x /a", "backup", {"repo": ("/x",), "one-file-system": ()}, ["/a"]),
        ("backup --exclude '*.tmp' -e b /a", "backup", {"exclude": ("*.tmp", "b")}, ["/a"]),
        ("backup -qx --tag db,web /a", "backup", {"quiet": (), "one-file-system": (), "tag": ("db,web",)}, ["/a"]),
        ("-o sftp.args=-v snapshots", "snapshots", {"option": ("sftp.args=-v",)}, []),
        ("check --read-data-subset=5%", "check", {"read-data-subset": ("5%",)}, []),
        ("forget --keep-within 30d --prune", "forget", {"keep-within": ("30d",), "prune": ()}, []),
        ("forget -d7 -w 4", "forget", {"keep-daily": ("7",), "keep-weekly": ("4",)}, []),
        ("backup -- -odd", "backup", {}, ["-odd"]),
        ("--verbose=2 backup /a", "backup", {"verbose": ("2",)}, ["/a"]),
    ],
)
def test_a_command_line_of_restic(words: str, command: str, flags: dict[str, Any], arguments: list[str]) -> None:
    import shlex

    assert backup_jobs.arguments_of(shlex.split(words)) == (command, flags, arguments)


@pytest.mark.parametrize(
    "text, repository",
    [
        ("RESTIC_REPOSITORY=/x restic backup /a", "/x"),
        ("env RESTIC_REPOSITORY=/x nice -n 19 ionice -c3 restic backup /a", "/x"),
        ("export RESTIC_REPOSITORY=/x; restic backup /a", "/x"),
        (". /etc/restic.env && restic backup /a", "sftp:store@192.0.2.9:/srv/data1"),
        ("set -a; source /etc/restic.env; set +a; timeout -k 5 3h restic backup /a", "sftp:store@192.0.2.9:/srv/data1"),
        ("B=/srv; RESTIC_REPOSITORY=${B}/x restic backup /a", "/srv/x"),
        ("RESTIC_REPOSITORY=${NONE:-/y} restic backup /a", "/y"),
        ('R="-r /x --quiet"; restic $R backup /a', None),
        ("RESTIC_REPOSITORY='$REPO' restic backup /a", "$REPO"),
        ('RESTIC_REPOSITORY="$REPO" restic backup /a', "/from/cron"),
        ("RESTIC_REPOSITORY=$REPO/z restic backup /a", "/from/cron/z"),
        ("if ! RESTIC_REPOSITORY=/x restic backup /a > /dev/null 2>&1; then logger bad; fi", "/x"),
        ("bash -c 'RESTIC_REPOSITORY=/x restic backup /a'", "/x"),
        ("RESTIC_REPOSITORY=$(cat /etc/place) restic backup /a", "/text/of/file"),
        ('RESTIC_REPOSITORY="`cat /etc/place`" restic backup /a', "/text/of/file"),
    ],
)
def test_the_environment_that_it_gets(text: str, repository: str | None) -> None:
    found = call(text, {"/etc/place": "/text/of/file\n"})
    assert found.environment.get("RESTIC_REPOSITORY") == repository
    assert repository or found.values("repo") == ("/x",)


def test_a_script_is_followed_to_its_line() -> None:
    script = "#!/bin/bash\nset -euo pipefail\nDIRS=/a\n# restic backup /no\nrestic \\\n  backup $DIRS\nrestic check\n"
    found = of("/opt/backup.sh", {"/opt/backup.sh": script}).calls
    assert [(one.command, one.arguments, one.source, one.strict) for one in found] == [
        ("backup", ("/a",), "/opt/backup.sh:5", True),
        ("check", (), "/opt/backup.sh:7", True),
    ]


def test_a_script_that_goes_on_after_a_fault_is_not_strict() -> None:
    found = of("/opt/backup.sh", {"/opt/backup.sh": "#!/bin/sh\nrestic backup /a\nrestic check\n"}).calls
    assert [one.strict for one in found] == [False, False]


def test_what_only_the_shell_knows_is_not_guessed() -> None:
    found = call('for d in /a /b; do restic backup "$d"; done')
    assert found.arguments == (UNKNOWN,)
    assert not found.clear


def test_as_whom_it_runs() -> None:
    assert call("sudo -u backup restic backup /a").user == "backup"
    assert of("restic backup /a", user="nobody").calls[0].user == "nobody"


def test_what_feeds_it_is_told() -> None:
    assert call("pg_dump klanten | restic backup --stdin").fed == ("pg_dump", "klanten")


@pytest.mark.parametrize(
    "text, name",
    [
        ("borgmatic --verbosity 0", "borgmatic"),
        ("/usr/bin/borg create ssh://x/y::z /a", "Borg"),
        ("rsync -a /srv/ backup@192.0.2.9:/srv/", "rsync"),
        ("/opt/b.sh", "duplicity"),
    ],
)
def test_other_programs_are_named(text: str, name: str) -> None:
    found = of(text, {"/opt/b.sh": "#!/bin/sh\nduplicity /a sftp://x\n"})
    assert (found.calls, [other for other, _source in found.others]) == ((), [name])


def test_a_program_that_runs_all_the_time_is_named() -> None:
    host = BackupHost()
    host.jobs()
    host.running = [Process(9, 1, "veeamservice", ("veeamservice",), "/usr/sbin/veeamservice", "", NOW, False)]
    assert backup_jobs.found(host).others == (("Veeam", "process veeamservice"),)


def test_a_script_in_another_language_is_told_where_it_speaks_of_restic() -> None:
    python = "#!/usr/bin/python3\nimport subprocess\nsubprocess.run(['restic', 'backup'])\n"
    assert of("/opt/b.py", {"/opt/b.py": python}).unread == ("/opt/b.py",)
    assert of("/opt/b.py", {"/opt/b.py": "#!/usr/bin/python3\nprint()\n"}).unread == ()


# -- systemd ----------------------------------------------------------------------------------------------------------

UNIT = (
    "[Service]\nType=oneshot\nEnvironmentFile=/etc/restic.env\nExecStartPre=/usr/local/sbin/dump-all\n"
    'ExecStart=/usr/bin/restic -o "rclone.program=ssh -F /x store" backup \\\n  --exclude-file=/etc/%p.ex /srv/a%%b\n'
)
SHOWN = (
    'User=\nEnvironment=RESTIC_PASSWORD_FILE=/run/credentials/restic.service/pw "A=b c"\n'
    "EnvironmentFiles=/etc/restic.env (ignore_errors=no)\nLoadCredential=pw:/etc/pw\n"
    "FragmentPath=/etc/systemd/system/restic.service\nDropInPaths=\nId=restic.service\nLoadState=loaded\n"
)


def unit_host(unit: str = UNIT, shown: str = SHOWN, **files: str) -> BackupHost:
    host = BackupHost({"/etc/systemd/system/restic.service": unit, "/etc/pw": "x", **files})
    host.answers["systemctl", "show", "--no-pager", "-p", backup_jobs._FIELDS, "restic.service"] = shown
    host.jobs(Job("restic.timer", "restic backup", 1.0, "/etc/systemd/system/restic.timer", unit="restic.service"))
    return host


def test_a_unit_is_read_with_its_quotes_and_its_environment() -> None:
    (found,) = backup_jobs.found(unit_host()).calls
    assert found.flags == {
        "option": ("rclone.program=ssh -F /x store",),
        "exclude-file": ("/etc/restic.ex",),
    }
    assert found.arguments == ("/srv/a%b",)
    assert found.source == "/etc/systemd/system/restic.service:5"
    assert found.environment["RESTIC_PASSWORD_FILE"] == "/etc/pw"  # noqa: S105  the credential, from where it was loaded
    assert found.environment["RESTIC_PASSWORD"] == "very-secret"  # noqa: S105  made up
    assert found.strict


def test_a_drop_in_takes_the_command_back() -> None:
    dropin = {"/etc/systemd/system/restic.service.d/x.conf": "[Service]\nExecStart=\nExecStart=restic backup /other\n"}
    shown = SHOWN.replace("DropInPaths=", "DropInPaths=/etc/systemd/system/restic.service.d/x.conf")
    (found,) = backup_jobs.found(unit_host(UNIT, shown, **dropin)).calls
    assert found.arguments == ("/other",)


def test_a_file_of_the_environment_that_is_missing_is_told() -> None:
    host = unit_host(shown=SHOWN.replace("/etc/restic.env", "/etc/none.env"))
    with pytest.raises(Unseen, match=r"none\.env"):
        backup_jobs.found(host)


def test_secrets_are_not_in_what_is_shown() -> None:
    (found,) = backup_jobs.found(unit_host()).calls
    assert "very-secret" not in repr(found)


# -- the role's own program -------------------------------------------------------------------------------------------


def test_the_role_s_program_is_told_what_to_do_by_its_file() -> None:
    settings = {
        "schema": 1, "host": "data1", "repository": "rclone:backup1:data1", "password_file": "/etc/p", "read_parts": 12,
        "options": ["rclone.program=ssh -F /c store"], "environment_file": "/etc/restic.env", "repository_id": "0" * 64,
    }  # fmt: skip
    unit = "[Service]\nExecStart=/usr/local/sbin/privacy-hosting-data-backup check\n"
    host = unit_host(unit, **{backup_jobs.SETTINGS: json.dumps(settings)})
    (found,) = backup_jobs.found(host).calls
    assert found.command == "check"
    assert found.flags["read-data-subset"] == ("1/12",)
    assert found.values("repo") == ("rclone:backup1:data1",)
    assert found.values("host") == ("data1",)


@pytest.mark.parametrize(
    "words, command, arguments, tag",
    [
        ("backup", "backup", (f"{backup_jobs.STATE}/dumps", "/srv/files"), ("privacy-hosting",)),
        ("restic backup --tag x /srv/files", "backup", ("/srv/files",), ("x",)),
        ("restic forget --keep-last 1", "forget", (), ()),
    ],
)
def test_what_the_role_s_program_backs_up(
    words: str, command: str, arguments: tuple[str, ...], tag: tuple[str, ...]
) -> None:
    settings = {"host": "data1", "repository": "/x", "password_file": "/etc/p", "directories": ["/srv/files"]}
    unit = f"[Service]\nExecStart=/usr/local/sbin/privacy-hosting-data-backup {words}\n"
    (found,) = backup_jobs.found(unit_host(unit, **{backup_jobs.SETTINGS: json.dumps(settings)})).calls
    assert (found.command, found.arguments, found.values("tag")) == (command, arguments, tag)


def test_a_file_of_the_role_that_is_not_understood_is_told() -> None:
    unit = "[Service]\nExecStart=/usr/local/sbin/privacy-hosting-data-backup backup\n"
    with pytest.raises(Unseen, match=r"settings\.json cannot be understood"):
        backup_jobs.found(unit_host(unit, **{backup_jobs.SETTINGS: "{}"}))
