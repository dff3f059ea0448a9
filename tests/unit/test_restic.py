# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How repositories are asked, and what answers of restic 0.14 and 0.18 mean."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import restic
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job
from ansible_collections.privacy.hosting.plugins.module_utils._services.restic import Repository
from tests.unit.backup_host import BackupHost

SNAPSHOTS_0_14 = (
    '[{"time":"2026-11-20T23:06:24.489179303Z","tree":"6e3a","paths":["/srv/a","/srv/b"],"hostname":"vm","username":'
    '"root","excludes":["*.bak"],"tags":["db"],"id":"721a2f06","short_id":"721a2f06"},{"time":"2027-01-01T01:00:00+01:00",'
    '"parent":"721a2f06","tree":"7694","paths":["/srv"],"hostname":"vm","username":"root","id":"428af6c5"}]'
)
SNAPSHOTS_0_18 = (
    '[{"time":"2027-01-01T00:00:00Z","parent":"8134700d","tree":"7694","paths":["/srv"],"hostname":"vm","username":"root",'
    '"program_version":"restic 0.18.0","summary":{"backup_start":"2026-11-20T23:06:32.380449595Z","backup_end":'
    '"2026-11-20T23:06:33.048626152Z","files_new":1,"total_bytes_processed":14},"id":"d7e3739f","short_id":"d7e3739f"}]'
)
LS_0_14 = (
    '{"time":"2027-01-01T00:00:00Z","tree":"7694","paths":["/srv"],"id":"428af6c5","struct_type":"snapshot"}\n'
    '{"name":"src","type":"dir","path":"/src","uid":0,"gid":0,"mode":2147484141,"permissions":"drwxr-xr-x","mtime":'
    '"2026-11-20T23:06:22.361330526Z","struct_type":"node"}\n'
    '{"name":"f","type":"file","path":"/src/f","uid":0,"gid":0,"size":6,"mode":420,"permissions":"-rw-r--r--","mtime":'
    '"2026-11-20T23:06:22.361330526Z","struct_type":"node"}\n'
)
LS_0_18 = LS_0_14.replace('"struct_type":"node"', '"inode":2547716,"message_type":"node","struct_type":"node"')


def repository(host: BackupHost) -> Repository:
    (found,) = restic.repositories(host)
    return found


def test_snapshots_of_0_14() -> None:
    first, second = restic.snapshots_of(json.loads(SNAPSHOTS_0_14))
    assert first.time == dt.datetime(2026, 11, 20, 23, 6, 24, tzinfo=dt.timezone.utc)
    assert (first.paths, first.tags, first.excludes, first.parent) == (("/srv/a", "/srv/b"), ("db",), ("*.bak",), "")
    assert second.time == dt.datetime(2027, 1, 1, tzinfo=dt.timezone.utc)
    assert (second.parent, second.began) == ("721a2f06", None)


def test_snapshots_of_0_18_tell_what_the_clock_was() -> None:
    (only,) = restic.snapshots_of(json.loads(SNAPSHOTS_0_18))
    assert only.began == dt.datetime(2026, 11, 20, 23, 6, 32, tzinfo=dt.timezone.utc)


def test_an_empty_repository_has_none() -> None:
    assert restic.snapshots_of(json.loads("null")) == restic.snapshots_of([]) == []


def test_a_time_that_is_not_understood_is_told() -> None:
    with pytest.raises(Unseen):
        restic.snapshots_of([{"time": "yesterday", "id": "1"}])


@pytest.mark.parametrize("text", [LS_0_14, LS_0_18], ids=["0.14", "0.18"])
def test_what_is_in_a_snapshot(text: str) -> None:
    nodes = [node for node in map(restic.node_of, text.encode().splitlines()) if node is not None]
    assert [(node.path, node.kind, node.size) for node in nodes] == [("/src", "dir", 0), ("/src/f", "file", 6)]


def test_paths_that_were_relative_are_put_in_their_place() -> None:
    nodes = [node for node in map(restic.node_of, LS_0_14.encode().splitlines()) if node is not None]
    (snapshot,) = restic.snapshots_of([{"time": "2026-01-01T00:00:00Z", "id": "1", "paths": ["/home/x/src"]}])
    placed = list(restic._at_their_places(nodes, snapshot))
    assert [(node.path, node.inside) for node in placed] == [("/home/x/src", "/src"), ("/home/x/src/f", "/src/f")]


@pytest.mark.parametrize(
    "place, told",
    [
        ("rest:https://me:pass@b.example/x", "rest:https://b.example/x"),
        ("sftp:me@b.example:/x", "sftp:b.example:/x"),
        ("sftp://me:p@b.example:22//x", "sftp://b.example:22//x"),
        ("s3:https://key@s3.example/bucket?sig=1", "s3:https://s3.example/bucket"),
        ("/srv/x", "/srv/x"),
    ],
)
def test_its_address_is_shown_without_credentials(place: str, told: str) -> None:
    assert restic.shown(place) == told


def test_it_is_asked_as_the_job_does_and_writes_nothing() -> None:
    host = BackupHost()
    assert len(repository(host).snapshots(host)) == 2
    ((argv, environment),) = [one for one in host.asked if "snapshots" in one[0]]
    assert argv == ("restic", "--no-lock", "--no-cache", "snapshots", "--json")
    assert environment["RESTIC_REPOSITORY"] == "sftp:store@192.0.2.9:/srv/data1"
    assert environment["RESTIC_PASSWORD"] == "very-secret"  # noqa: S105  made up


def test_what_opens_it_goes_by_the_environment() -> None:
    script = "restic -r /x --password-command 'echo hush' -o a.b=c backup /a\n"
    host = BackupHost({"/usr/local/sbin/backup": f"#!/bin/sh\nexport RESTIC_PASSWORD=other\n{script}"})
    repository(host).snapshots(host)
    argv, environment = host.asked[-1]
    assert argv[:2] == ("restic", "--option=a.b=c")
    assert "hush" not in " ".join(argv)
    assert environment["RESTIC_PASSWORD_COMMAND"] == "echo hush"  # noqa: S105  made up
    assert "RESTIC_PASSWORD" not in environment


def test_it_is_asked_as_whom_the_job_runs() -> None:
    host = BackupHost({"/var/spool/cron/crontabs/nobody": "* * * * * x\n"})
    host.jobs(Job("x", "restic -r /x backup /a", 1.0, "/var/spool/cron/crontabs/nobody:1", user="nobody"))
    repository(host).snapshots(host)
    assert host.asked[-1][0][:3] == ("setpriv", "--reuid=nobody", "--init-groups")


@pytest.mark.parametrize(
    "complaint, reason",
    [
        ("Fatal: wrong password or no key found", "the password does not open it"),
        (
            '{"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"}',
            "does not open it",
        ),
        ("Fatal: unable to open config file: stat /nope/config: no such file", "there is no repository there"),
        (
            "Fatal: unable to open config file: Lstat: permission denied\nIs there a repository there?",
            "the way to it is refused",
        ),
        ("ssh: connect to host 192.0.2.9 port 22: Connection refused", "the connection was refused"),
        ("rest:https://me:very-secret@b.example/x said no", "did not answer 'restic snapshots'"),
    ],
)
def test_why_it_does_not_answer_is_told_in_our_words(complaint: str, reason: str) -> None:
    host = BackupHost()
    host.complaint = complaint
    with pytest.raises(Unseen, match=reason) as raised:
        repository(host).snapshots(host)
    assert "secret" not in str(raised.value)


def test_a_repository_that_only_the_shell_knows_is_none() -> None:
    host = BackupHost({"/usr/local/sbin/backup": "#!/bin/sh\nrestic -r $1 backup /a\n"})
    assert restic.repositories(host) == []


def test_what_goes_wrong_in_one_question_does_not_end_the_others() -> None:
    def wrong() -> int:
        raise ValueError

    def unseen() -> int:
        raise Unseen("not there")

    found = restic.at_once({"a": lambda: 1, "b": wrong, "c": unseen})
    assert found["a"] == 1
    assert isinstance(found["b"], Unseen)
    assert str(found["c"]) == "not there"
