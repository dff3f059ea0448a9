# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""disk_encryption: what database servers write to disks can be read by nobody who only has the disks.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

OPTIONS = (
    Option(
        name="covers",
        type="list",
        choices=("data", "logs", "temporary", "dumps", "swap"),
        default=["data", "logs", "temporary", "dumps", "swap"],
        stricter="union",
        help="Which parts of every database server lie on encrypted devices, with a real cipher on every disk below "
        "them: 'data' its data directory and tablespaces, 'logs' its write-ahead, binary and relay logs and what it "
        "logs of queries, 'temporary' what it sorts on disk, 'dumps' the places that dump_paths names and those that "
        "jobs of the host dump to, 'swap' where the host puts memory that it has no room for.",
        example="[data, logs]",
    ),
    Option(
        name="key_apart",
        type="bool",
        default=True,
        stricter="true",
        help="Whether no key that opens those devices lies in clear on an unencrypted file system of the host: as a "
        "key file of crypttab, in the initramfs, in a script.",
        example="true",
    ),
    Option(
        name="dump_paths",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Directories or files on the host that dumps of databases are written to.",
        example="[/var/backups/databases]",
    ),
    Option(
        name="device",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="The empty device that the role encrypts: its serial number, its WWN, or its name below "
        "/dev/disk/by-id. The role proves it empty first. Without it no device is touched.",
        example="/dev/disk/by-id/virtio-databases",
    ),
    Option(
        name="passphrase",
        type="secret",
        judged=False,
        promisable=False,
        help="What opens the device: one line of 16 characters at least. Keep it with ansible-vault; it is never "
        "stored on the host, and without it nobody can read the data.",
    ),
    Option(
        name="servers",
        type="list",
        default=[],
        choices=("all", "postgresql", "mariadb", "redis"),
        judged=False,
        promisable=False,
        help="Which database servers the role moves to the encrypted device. They are stopped while it copies.",
        example="[postgresql, mariadb]",
    ),
    Option(
        name="unlock",
        type="choice",
        choices=("operator", "tang"),
        default="operator",
        judged=False,
        promisable=False,
        help="Who opens the device after a restart of the host: 'operator' somebody who gives the passphrase over "
        "ssh, 'tang' the servers of tang_servers, unattended; the passphrase opens it then too.",
        example="tang",
    ),
    Option(
        name="tang_servers",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Tang servers, any one of which opens the device: of each its address, a space, and the thumbprint "
        "(SHA-256) of the key that it signs with, as tang-show-keys prints it there. They belong in another "
        "datacentre, for whoever takes them along with the host has the key.",
        example="['http://tang1.example.net 6NYFkQbPV4PrcLY5DmLmkoyILKtdpPR5tKbVr8ZdzSM']",
    ),
    Option(
        name="swap",
        type="choice",
        choices=("encrypt", "off", "leave"),
        default="leave",
        judged=False,
        promisable=False,
        help="What the role does with swap that is not encrypted: 'encrypt' with a random key at each start, 'off' "
        "switches it off, 'leave' leaves it.",
        example="encrypt",
    ),
    Option(
        name="old_copy",
        type="choice",
        choices=("keep", "remove"),
        default="keep",
        judged=False,
        promisable=False,
        help="What the role does with the unencrypted files that it copied: 'remove' removes them once the server ran "
        "from the encrypted copy, which was compared with them. What was on a disk can remain readable there, above "
        "all on an SSD; the report says so of neither.",
        example="remove",
    ),
    Option(
        name="header_backup_dest",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="The directory on the controller that the device's header is copied to. Without it the device cannot be "
        "opened should its first sectors be damaged. Beside the inventory if empty.",
        example="/srv/keys/luks-headers",
    ),
)

MEASURE = Measure(
    name="disk_encryption",
    title={"en": "Databases on encrypted disks", "nl": "Databases op versleutelde schijven"},
    why={
        "en": "A disk that is stolen, replaced or sent back, or a copy of it that somebody makes, holds all that is in "
        "the databases. Encrypted, it can be read by nobody who does not have the key. It does not protect against "
        "whoever breaks into the running server.",
        "nl": "Op een schijf die wordt gestolen, vervangen of teruggestuurd, of op een kopie die iemand ervan maakt, "
        "staat alles wat in de databases zit. Is zij versleuteld, dan kan niemand zonder de sleutel haar lezen. Tegen "
        "wie inbreekt op de draaiende server beschermt het niet.",
    },
    options=OPTIONS,
)
