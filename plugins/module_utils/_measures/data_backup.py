# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""data_backup: data is copied to another machine regularly, can be had back, and is not kept there for ever.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

OPTIONS = (
    Option(
        name="interval",
        type="period",
        default="1 day",
        stricter="shorter",
        help="How long ago the last backup may have begun, at most, beside what 'grace' allows. Judged by the newest "
        "snapshot of each set of paths that a job backs up, and by whether that job will run again by itself.",
        example="1 day",
    ),
    Option(
        name="oldest",
        type="period",
        stricter="shorter",
        help="How far back the oldest snapshot of the host may reach. What was deleted lives on in backups until the "
        "last snapshot that holds it is removed, so this must be shorter than what the statement allows for a "
        "deletion. The role has to be told it.",
        example="3 months",
    ),
    Option(
        name="complete",
        type="bool",
        default=True,
        stricter="true",
        help="Whether the newest snapshots hold a whole dump of every database of every database server on the host, "
        "and every directory that 'directories' names, with nothing left out of it that 'left_out' does not name.",
        example="true",
    ),
    Option(
        name="off_host",
        type="bool",
        default=True,
        stricter="true",
        help="Whether the backups lie on another machine, encrypted before they leave the host.",
        example="true",
    ),
    Option(
        name="checked",
        type="period",
        default="1 week",
        stricter="shorter",
        help="How long ago the last check of the repository may be that read at least a part of the stored data.",
        example="1 week",
    ),
    Option(
        name="restored",
        type="period",
        default="1 month",
        stricter="shorter",
        help="How long ago the last restore test may be. In it a snapshot's databases are loaded into a throwaway "
        "server and their rows are counted.",
        example="1 month",
    ),
    Option(
        name="second_key",
        type="bool",
        default=True,
        stricter="true",
        help="Whether a second key opens the repository. With one alone, a lost password is lost data.",
        example="true",
    ),
    Option(
        name="append_only",
        type="bool",
        default=True,
        stricter="true",
        help="Whether the host cannot delete or rewrite its own backups, so that who breaks into it cannot either. "
        "That is shown on the machine that holds them, which 'store' names and which is audited too.",
        example="true",
    ),
    Option(
        name="grace",
        type="period",
        default="6 hours",
        judged=False,
        stricter="shorter",
        help="How much later than the interval a backup may be, as it takes its time and timers are spread. Of a "
        "shorter interval, no more than the interval itself.",
        example="2 hours",
    ),
    Option(
        name="directories",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Directories whose files belong in the backups, beside the databases.",
        example="[/srv/files, /var/mail]",
    ),
    Option(
        name="left_out",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="What need not be in the backups: paths below those directories, as patterns, and databases, as "
        "'kind/name'. The report names them.",
        example="[/srv/files/cache, postgresql/scratch]",
    ),
    Option(
        name="repository",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="Where restic puts the backups, without any password in it, where 'store' names no machine of one's own. "
        "The role changes nothing without one of the two.",
        example="sftp:host1@backup.example.nl:/srv/backups/host1",
    ),
    Option(
        name="store",
        type="hosts",
        part=("append_only",),
        default=[],
        judged=False,
        promisable=False,
        help="The inventory host that holds the repository, where it is one's own. It must be audited for the same "
        "promise of 'append_only': what it lets this host do is judged there.",
        example="[backup1]",
    ),
    Option(
        name="clients",
        type="hosts",
        part=("append_only",),
        default=[],
        judged=False,
        promisable=False,
        help="On a host that holds repositories: the inventory hosts whose backups it holds.",
        example="[web1, db1]",
    ),
    Option(
        name="store_address",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="The address by which this host reaches its store, where that is not the one that Ansible uses.",
        example="10.0.0.5",
    ),
    Option(
        name="retention",
        type="choice",
        default="store",
        choices=("store", "elsewhere"),
        judged=False,
        promisable=False,
        help="Who removes snapshots that are past 'oldest'. 'store': the machine that holds them, every day, with a "
        "key of its own, with which it could read them. 'elsewhere': somebody with the recovery password, by hand.",
    ),
    Option(
        name="recovery_password",
        type="secret",
        judged=False,
        promisable=False,
        help="A password that opens the repository when the host is lost: the second key. Keep it with ansible-vault; "
        "it is never stored on the host.",
    ),
    Option(
        name="s3_key_id",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="The access key of a repository that begins with s3:.",
        example="AKIAIOSFODNN7EXAMPLE",
    ),
    Option(
        name="s3_secret",
        type="secret",
        judged=False,
        promisable=False,
        help="The secret of that access key. Keep it with ansible-vault.",
    ),
    Option(
        name="records",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Files that tell of restore tests and checks that something else than the role runs, in the form that the "
        "role's README describes.",
        example="[/var/lib/restore-test/last.json]",
    ),
)

MEASURE = Measure(
    name="data_backup",
    title={"nl": "Back-ups", "en": "Backups"},
    why={
        "nl": "Een schijf die stukgaat, een vergissing of een inbraak mag niet het einde van uw gegevens zijn. Een "
        "back-up telt pas als hij ergens anders staat, volledig is en teruggezet kan worden. En wat verwijderd is, "
        "mag er niet eeuwig in blijven staan.",
        "en": "A broken disk, a mistake or a break-in must not be the end of your data. A backup only counts if it "
        "lies elsewhere, is complete and can really be restored. And what was deleted must not stay in it for ever.",
    },
    options=OPTIONS,
)
