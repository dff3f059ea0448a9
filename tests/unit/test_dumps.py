# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What dumps of databases are, and whether they are whole."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import tarfile

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._services import dumps
from ansible_collections.privacy.hosting.plugins.module_utils._services.dumps import Dump
from tests.unit.backup_host import MARIADB, PLAIN

# what pg_dump -Fc wrote of a database 'tiny' with one table and one row: of PostgreSQL 15 to a file, of 17 to a shell's
# redirection and to a file, of 15 into a pipe, and of 15 without rows
ARCHIVE_15 = (
    "UEdETVABDgAECAEBAQAAAAARAAAAABcAAAAAFwAAAAAUAAAAAAoAAAAAfgAAAAAAAAAAAAQAAAB0aW55AB4AAAAxNS4xOCAoRGViaWFuIDE1LjE4"
    "LTArZGViMTJ1MSkAHgAAADE1LjE4IChEZWJpYW4gMTUuMTgtMCtkZWIxMnUxKQAGAAAAAA0NAAAAAAAAAAABAAAAMAABAAAAMAAIAAAARU5DT0RJ"
    "TkcACAAAAEVOQ09ESU5HAAIAAAAAHgAAAFNFVCBjbGllbnRfZW5jb2RpbmcgPSAnVVRGOCc7CgEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAABAQAA"
    "AAAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAAAODQAAAAAAAAAAAQAAADAAAQAAADAACgAAAFNURFNUUklOR1MACgAAAFNURFNUUklOR1MAAgAAAAAo"
    "AAAAU0VUIHN0YW5kYXJkX2NvbmZvcm1pbmdfc3RyaW5ncyA9ICdvbic7CgEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAABAQAAAAAFAAAAZmFsc2UB"
    "AQAAAAMAAAAAAAAAAAAPDQAAAAAAAAAAAQAAADAAAQAAADAACgAAAFNFQVJDSFBBVEgACgAAAFNFQVJDSFBBVEgAAgAAAAA4AAAAU0VMRUNUIHBn"
    "X2NhdGFsb2cuc2V0X2NvbmZpZygnc2VhcmNoX3BhdGgnLCAnJywgZmFsc2UpOwoBAQAAAAEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAAABQAAAGZh"
    "bHNlAQEAAAADAAAAAAAAAAAAEA0AAAAAAAAAAAQAAAAxMjYyAAUAAAAxNjQwNwAEAAAAdGlueQAIAAAAREFUQUJBU0UAAgAAAABsAAAAQ1JFQVRF"
    "IERBVEFCQVNFIHRpbnkgV0lUSCBURU1QTEFURSA9IHRlbXBsYXRlMCBFTkNPRElORyA9ICdVVEY4JyBMT0NBTEVfUFJPVklERVIgPSBsaWJjIExP"
    "Q0FMRSA9ICdDLlVURi04JzsKABQAAABEUk9QIERBVEFCQVNFIHRpbnk7CgEBAAAAAQEAAAABAQAAAAEBAAAAAAgAAABwb3N0Z3JlcwAFAAAAZmFs"
    "c2UBAQAAAAMAAAAAAAAAAADWAAAAAAAAAAAABAAAADEyNTkABQAAADE2NDA4AAEAAAB0AAUAAABUQUJMRQACAAAAACkAAABDUkVBVEUgVEFCTEUg"
    "cHVibGljLnQgKAogICAgYSBpbnRlZ2VyCik7CgAVAAAARFJPUCBUQUJMRSBwdWJsaWMudDsKAQEAAAAABgAAAHB1YmxpYwAAAAAAAAQAAABoZWFw"
    "AAgAAABwb3N0Z3JlcwAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAAAKDQAAAAEAAAAAAQAAADAABQAAADE2NDA4AAEAAAB0AAoAAABUQUJMRSBEQVRB"
    "AAMAAAABAQAAAAEBAAAAAB4AAABDT1BZIHB1YmxpYy50IChhKSBGUk9NIHN0ZGluOwoABgAAAHB1YmxpYwEBAAAAAQEAAAAACAAAAHBvc3RncmVz"
    "AAUAAABmYWxzZQADAAAAMjE0AQEAAAACuAQAAAAAAAABAAoNAAAADwAAAHicM+SK0ePi4gIABFoA5AAAAAAA"
)
REDIRECTED_17 = (
    "UEdETVABEAAECAEBACAAAAAAGQAAAAAXAAAAABQAAAAACgAAAAB+AAAAAAAAAAAABAAAAHRpbnkAHgAAADE3LjExIChEZWJpYW4gMTcuMTEtMCtk"
    "ZWIxM3UxKQAeAAAAMTcuMTEgKERlYmlhbiAxNy4xMS0wK2RlYjEzdTEpAAYAAAAAWw0AAAAAAAAAAAEAAAAwAAEAAAAwAAgAAABFTkNPRElORwAI"
    "AAAARU5DT0RJTkcAAgAAAAAeAAAAU0VUIGNsaWVudF9lbmNvZGluZyA9ICdVVEY4JzsKAQEAAAABAQAAAAEBAAAAAQEAAAABAQAAAAAAAAAAAQEA"
    "AAAABQAAAGZhbHNlAQEAAAADAAAAAAAAAAAAXA0AAAAAAAAAAAEAAAAwAAEAAAAwAAoAAABTVERTVFJJTkdTAAoAAABTVERTVFJJTkdTAAIAAAAA"
    "KAAAAFNFVCBzdGFuZGFyZF9jb25mb3JtaW5nX3N0cmluZ3MgPSAnb24nOwoBAQAAAAEBAAAAAQEAAAABAQAAAAEBAAAAAAAAAAABAQAAAAAFAAAA"
    "ZmFsc2UBAQAAAAMAAAAAAAAAAABdDQAAAAAAAAAAAQAAADAAAQAAADAACgAAAFNFQVJDSFBBVEgACgAAAFNFQVJDSFBBVEgAAgAAAAA4AAAAU0VM"
    "RUNUIHBnX2NhdGFsb2cuc2V0X2NvbmZpZygnc2VhcmNoX3BhdGgnLCAnJywgZmFsc2UpOwoBAQAAAAEBAAAAAQEAAAABAQAAAAEBAAAAAAAAAAAB"
    "AQAAAAAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAABeDQAAAAAAAAAABAAAADEyNjIABQAAADE2NDA3AAQAAAB0aW55AAgAAABEQVRBQkFTRQACAAAA"
    "AGwAAABDUkVBVEUgREFUQUJBU0UgdGlueSBXSVRIIFRFTVBMQVRFID0gdGVtcGxhdGUwIEVOQ09ESU5HID0gJ1VURjgnIExPQ0FMRV9QUk9WSURF"
    "UiA9IGxpYmMgTE9DQUxFID0gJ0MuVVRGLTgnOwoAFAAAAERST1AgREFUQUJBU0UgdGlueTsKAQEAAAABAQAAAAEBAAAAAQEAAAAAAAAAAAAIAAAA"
    "cG9zdGdyZXMABQAAAGZhbHNlAQEAAAADAAAAAAAAAAAA2QAAAAAAAAAAAAQAAAAxMjU5AAUAAAAxNjQwOAABAAAAdAAFAAAAVEFCTEUAAgAAAAAp"
    "AAAAQ1JFQVRFIFRBQkxFIHB1YmxpYy50ICgKICAgIGEgaW50ZWdlcgopOwoAFQAAAERST1AgVEFCTEUgcHVibGljLnQ7CgEBAAAAAAYAAABwdWJs"
    "aWMAAAAAAAAEAAAAaGVhcAByAAAAAAgAAABwb3N0Z3JlcwAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAABYDQAAAAEAAAAAAQAAADAABQAAADE2NDA4"
    "AAEAAAB0AAoAAABUQUJMRSBEQVRBAAMAAAABAQAAAAEBAAAAAB4AAABDT1BZIHB1YmxpYy50IChhKSBGUk9NIHN0ZGluOwoABgAAAHB1YmxpYwEB"
    "AAAAAQEAAAAAAAAAAAAIAAAAcG9zdGdyZXMABQAAAGZhbHNlAAMAAAAyMTcBAQAAAAEAAAAAAAAAAAEAWA0AAAAPAAAAeJwz5IrR4+LiAgAEWgDk"
    "AAAAAAAABgAAAABbDQAAAAAAAAAAAQAAADAAAQAAADAACAAAAEVOQ09ESU5HAAgAAABFTkNPRElORwACAAAAAB4AAABTRVQgY2xpZW50X2VuY29k"
    "aW5nID0gJ1VURjgnOwoBAQAAAAEBAAAAAQEAAAABAQAAAAEBAAAAAAAAAAABAQAAAAAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAABcDQAAAAAAAAAA"
    "AQAAADAAAQAAADAACgAAAFNURFNUUklOR1MACgAAAFNURFNUUklOR1MAAgAAAAAoAAAAU0VUIHN0YW5kYXJkX2NvbmZvcm1pbmdfc3RyaW5ncyA9"
    "ICdvbic7CgEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAAAAAAAAAEBAAAAAAUAAABmYWxzZQEBAAAAAwAAAAAAAAAAAF0NAAAAAAAAAAABAAAAMAAB"
    "AAAAMAAKAAAAU0VBUkNIUEFUSAAKAAAAU0VBUkNIUEFUSAACAAAAADgAAABTRUxFQ1QgcGdfY2F0YWxvZy5zZXRfY29uZmlnKCdzZWFyY2hfcGF0"
    "aCcsICcnLCBmYWxzZSk7CgEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAAAAAAAAAEBAAAAAAUAAABmYWxzZQEBAAAAAwAAAAAAAAAAAF4NAAAAAAAA"
    "AAAEAAAAMTI2MgAFAAAAMTY0MDcABAAAAHRpbnkACAAAAERBVEFCQVNFAAIAAAAAbAAAAENSRUFURSBEQVRBQkFTRSB0aW55IFdJVEggVEVNUExB"
    "VEUgPSB0ZW1wbGF0ZTAgRU5DT0RJTkcgPSAnVVRGOCcgTE9DQUxFX1BST1ZJREVSID0gbGliYyBMT0NBTEUgPSAnQy5VVEYtOCc7CgAUAAAARFJP"
    "UCBEQVRBQkFTRSB0aW55OwoBAQAAAAEBAAAAAQEAAAABAQAAAAAAAAAAAAgAAABwb3N0Z3JlcwAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAADZAAAA"
    "AAAAAAAABAAAADEyNTkABQAAADE2NDA4AAEAAAB0AAUAAABUQUJMRQACAAAAACkAAABDUkVBVEUgVEFCTEUgcHVibGljLnQgKAogICAgYSBpbnRl"
    "Z2VyCik7CgAVAAAARFJPUCBUQUJMRSBwdWJsaWMudDsKAQEAAAAABgAAAHB1YmxpYwAAAAAAAAQAAABoZWFwAHIAAAAACAAAAHBvc3RncmVzAAUA"
    "AABmYWxzZQEBAAAAAwAAAAAAAAAAAFgNAAAAAQAAAAABAAAAMAAFAAAAMTY0MDgAAQAAAHQACgAAAFRBQkxFIERBVEEAAwAAAAEBAAAAAQEAAAAA"
    "HgAAAENPUFkgcHVibGljLnQgKGEpIEZST00gc3RkaW47CgAGAAAAcHVibGljAQEAAAABAQAAAAAAAAAAAAgAAABwb3N0Z3JlcwAFAAAAZmFsc2UA"
    "AwAAADIxNwEBAAAAAtIEAAAAAAAA"
)
ARCHIVE_17 = (
    "UEdETVABEAAECAEBAC0AAAAAGgAAAAAXAAAAABQAAAAACgAAAAB+AAAAAAAAAAAABAAAAHRpbnkAHgAAADE3LjExIChEZWJpYW4gMTcuMTEtMCtk"
    "ZWIxM3UxKQAeAAAAMTcuMTEgKERlYmlhbiAxNy4xMS0wK2RlYjEzdTEpAAYAAAAAWw0AAAAAAAAAAAEAAAAwAAEAAAAwAAgAAABFTkNPRElORwAI"
    "AAAARU5DT0RJTkcAAgAAAAAeAAAAU0VUIGNsaWVudF9lbmNvZGluZyA9ICdVVEY4JzsKAQEAAAABAQAAAAEBAAAAAQEAAAABAQAAAAAAAAAAAQEA"
    "AAAABQAAAGZhbHNlAQEAAAADAAAAAAAAAAAAXA0AAAAAAAAAAAEAAAAwAAEAAAAwAAoAAABTVERTVFJJTkdTAAoAAABTVERTVFJJTkdTAAIAAAAA"
    "KAAAAFNFVCBzdGFuZGFyZF9jb25mb3JtaW5nX3N0cmluZ3MgPSAnb24nOwoBAQAAAAEBAAAAAQEAAAABAQAAAAEBAAAAAAAAAAABAQAAAAAFAAAA"
    "ZmFsc2UBAQAAAAMAAAAAAAAAAABdDQAAAAAAAAAAAQAAADAAAQAAADAACgAAAFNFQVJDSFBBVEgACgAAAFNFQVJDSFBBVEgAAgAAAAA4AAAAU0VM"
    "RUNUIHBnX2NhdGFsb2cuc2V0X2NvbmZpZygnc2VhcmNoX3BhdGgnLCAnJywgZmFsc2UpOwoBAQAAAAEBAAAAAQEAAAABAQAAAAEBAAAAAAAAAAAB"
    "AQAAAAAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAABeDQAAAAAAAAAABAAAADEyNjIABQAAADE2NDExAAQAAAB0aW55AAgAAABEQVRBQkFTRQACAAAA"
    "AGwAAABDUkVBVEUgREFUQUJBU0UgdGlueSBXSVRIIFRFTVBMQVRFID0gdGVtcGxhdGUwIEVOQ09ESU5HID0gJ1VURjgnIExPQ0FMRV9QUk9WSURF"
    "UiA9IGxpYmMgTE9DQUxFID0gJ0MuVVRGLTgnOwoAFAAAAERST1AgREFUQUJBU0UgdGlueTsKAQEAAAABAQAAAAEBAAAAAQEAAAAAAAAAAAAIAAAA"
    "cG9zdGdyZXMABQAAAGZhbHNlAQEAAAADAAAAAAAAAAAA2QAAAAAAAAAAAAQAAAAxMjU5AAUAAAAxNjQxMgABAAAAdAAFAAAAVEFCTEUAAgAAAAAp"
    "AAAAQ1JFQVRFIFRBQkxFIHB1YmxpYy50ICgKICAgIGEgaW50ZWdlcgopOwoAFQAAAERST1AgVEFCTEUgcHVibGljLnQ7CgEBAAAAAAYAAABwdWJs"
    "aWMAAAAAAAAEAAAAaGVhcAByAAAAAAgAAABwb3N0Z3JlcwAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAABYDQAAAAEAAAAAAQAAADAABQAAADE2NDEy"
    "AAEAAAB0AAoAAABUQUJMRSBEQVRBAAMAAAABAQAAAAEBAAAAAB4AAABDT1BZIHB1YmxpYy50IChhKSBGUk9NIHN0ZGluOwoABgAAAHB1YmxpYwEB"
    "AAAAAQEAAAAAAAAAAAAIAAAAcG9zdGdyZXMABQAAAGZhbHNlAAMAAAAyMTcBAQAAAALSBAAAAAAAAAEAWA0AAAAPAAAAeJwz5IrR4+LiAgAEWgDk"
    "AAAAAAA="
)
PIPED_15 = (
    "UEdETVABDgAECAEBAQAAAAARAAAAABcAAAAAFwAAAAAUAAAAAAoAAAAAfgAAAAAAAAAAAAQAAAB0aW55AB4AAAAxNS4xOCAoRGViaWFuIDE1LjE4"
    "LTArZGViMTJ1MSkAHgAAADE1LjE4IChEZWJpYW4gMTUuMTgtMCtkZWIxMnUxKQAGAAAAAA0NAAAAAAAAAAABAAAAMAABAAAAMAAIAAAARU5DT0RJ"
    "TkcACAAAAEVOQ09ESU5HAAIAAAAAHgAAAFNFVCBjbGllbnRfZW5jb2RpbmcgPSAnVVRGOCc7CgEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAABAQAA"
    "AAAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAAAODQAAAAAAAAAAAQAAADAAAQAAADAACgAAAFNURFNUUklOR1MACgAAAFNURFNUUklOR1MAAgAAAAAo"
    "AAAAU0VUIHN0YW5kYXJkX2NvbmZvcm1pbmdfc3RyaW5ncyA9ICdvbic7CgEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAABAQAAAAAFAAAAZmFsc2UB"
    "AQAAAAMAAAAAAAAAAAAPDQAAAAAAAAAAAQAAADAAAQAAADAACgAAAFNFQVJDSFBBVEgACgAAAFNFQVJDSFBBVEgAAgAAAAA4AAAAU0VMRUNUIHBn"
    "X2NhdGFsb2cuc2V0X2NvbmZpZygnc2VhcmNoX3BhdGgnLCAnJywgZmFsc2UpOwoBAQAAAAEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAAABQAAAGZh"
    "bHNlAQEAAAADAAAAAAAAAAAAEA0AAAAAAAAAAAQAAAAxMjYyAAUAAAAxNjQwNwAEAAAAdGlueQAIAAAAREFUQUJBU0UAAgAAAABsAAAAQ1JFQVRF"
    "IERBVEFCQVNFIHRpbnkgV0lUSCBURU1QTEFURSA9IHRlbXBsYXRlMCBFTkNPRElORyA9ICdVVEY4JyBMT0NBTEVfUFJPVklERVIgPSBsaWJjIExP"
    "Q0FMRSA9ICdDLlVURi04JzsKABQAAABEUk9QIERBVEFCQVNFIHRpbnk7CgEBAAAAAQEAAAABAQAAAAEBAAAAAAgAAABwb3N0Z3JlcwAFAAAAZmFs"
    "c2UBAQAAAAMAAAAAAAAAAADWAAAAAAAAAAAABAAAADEyNTkABQAAADE2NDA4AAEAAAB0AAUAAABUQUJMRQACAAAAACkAAABDUkVBVEUgVEFCTEUg"
    "cHVibGljLnQgKAogICAgYSBpbnRlZ2VyCik7CgAVAAAARFJPUCBUQUJMRSBwdWJsaWMudDsKAQEAAAAABgAAAHB1YmxpYwAAAAAAAAQAAABoZWFw"
    "AAgAAABwb3N0Z3JlcwAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAAAKDQAAAAEAAAAAAQAAADAABQAAADE2NDA4AAEAAAB0AAoAAABUQUJMRSBEQVRB"
    "AAMAAAABAQAAAAEBAAAAAB4AAABDT1BZIHB1YmxpYy50IChhKSBGUk9NIHN0ZGluOwoABgAAAHB1YmxpYwEBAAAAAQEAAAAACAAAAHBvc3RncmVz"
    "AAUAAABmYWxzZQADAAAAMjE0AQEAAAABAAAAAAAAAAABAAoNAAAADwAAAHicM+SK0ePi4gIABFoA5AAAAAAA"
)
FORM_15 = (
    "UEdETVABDgAECAEBAQAAAAARAAAAABcAAAAAFwAAAAAUAAAAAAoAAAAAfgAAAAAAAAAAAAQAAAB0aW55AB4AAAAxNS4xOCAoRGViaWFuIDE1LjE4"
    "LTArZGViMTJ1MSkAHgAAADE1LjE4IChEZWJpYW4gMTUuMTgtMCtkZWIxMnUxKQAFAAAAAAwNAAAAAAAAAAABAAAAMAABAAAAMAAIAAAARU5DT0RJ"
    "TkcACAAAAEVOQ09ESU5HAAIAAAAAHgAAAFNFVCBjbGllbnRfZW5jb2RpbmcgPSAnVVRGOCc7CgEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAABAQAA"
    "AAAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAAANDQAAAAAAAAAAAQAAADAAAQAAADAACgAAAFNURFNUUklOR1MACgAAAFNURFNUUklOR1MAAgAAAAAo"
    "AAAAU0VUIHN0YW5kYXJkX2NvbmZvcm1pbmdfc3RyaW5ncyA9ICdvbic7CgEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAABAQAAAAAFAAAAZmFsc2UB"
    "AQAAAAMAAAAAAAAAAAAODQAAAAAAAAAAAQAAADAAAQAAADAACgAAAFNFQVJDSFBBVEgACgAAAFNFQVJDSFBBVEgAAgAAAAA4AAAAU0VMRUNUIHBn"
    "X2NhdGFsb2cuc2V0X2NvbmZpZygnc2VhcmNoX3BhdGgnLCAnJywgZmFsc2UpOwoBAQAAAAEBAAAAAQEAAAABAQAAAAEBAAAAAQEAAAAABQAAAGZh"
    "bHNlAQEAAAADAAAAAAAAAAAADw0AAAAAAAAAAAQAAAAxMjYyAAUAAAAxNjQwNwAEAAAAdGlueQAIAAAAREFUQUJBU0UAAgAAAABsAAAAQ1JFQVRF"
    "IERBVEFCQVNFIHRpbnkgV0lUSCBURU1QTEFURSA9IHRlbXBsYXRlMCBFTkNPRElORyA9ICdVVEY4JyBMT0NBTEVfUFJPVklERVIgPSBsaWJjIExP"
    "Q0FMRSA9ICdDLlVURi04JzsKABQAAABEUk9QIERBVEFCQVNFIHRpbnk7CgEBAAAAAQEAAAABAQAAAAEBAAAAAAgAAABwb3N0Z3JlcwAFAAAAZmFs"
    "c2UBAQAAAAMAAAAAAAAAAADWAAAAAAAAAAAABAAAADEyNTkABQAAADE2NDA4AAEAAAB0AAUAAABUQUJMRQACAAAAACkAAABDUkVBVEUgVEFCTEUg"
    "cHVibGljLnQgKAogICAgYSBpbnRlZ2VyCik7CgAVAAAARFJPUCBUQUJMRSBwdWJsaWMudDsKAQEAAAAABgAAAHB1YmxpYwAAAAAAAAQAAABoZWFw"
    "AAgAAABwb3N0Z3JlcwAFAAAAZmFsc2UBAQAAAAMAAAAAAAAAAA=="
)

CLUSTER = (
    "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE klanten;\n\\connect template1\n\n"
    "--\n-- PostgreSQL database dump\n--\n-- PostgreSQL database dump complete\n--\n"
    '\\connect klanten\nCREATE TABLE t (\n);\nCOPY t (a) FROM stdin;\n\\.\n\\connect "My ""Shop"""\n'
    "\\connect -reuse-previous=on \"dbname='a b'\"\n--\n-- PostgreSQL database cluster dump complete\n--\n"
)
SERVER = (
    "-- MariaDB dump 10.19\n-- Host: localhost    Database: \n\n--\n-- Current Database: `mysql`\n--\n"
    "--\n-- Current Database: `web``shop`\n--\nCREATE TABLE `t` (\n);\n-- Dumping data for table `t`\n"
    "-- Dump completed on 2026-11-20  2:15:01\n"
)


def told(data: bytes | str, size: int | None = None, piece: int = 100) -> Dump:
    """What is told of a file that comes in pieces."""
    data = data.encode() if isinstance(data, str) else data
    reader = dumps.Reader("/var/dumps/x.sql", len(data) if size is None else size)
    for start in range(0, len(data), piece):
        reader.take(data[start : start + piece])
    return reader.told()


@pytest.mark.parametrize("piece", [1, 37, 100_000])
@pytest.mark.parametrize(
    "text, kind, databases",
    [
        (PLAIN, "postgresql", ()),
        (MARIADB, "mariadb", ("webshop",)),
        (CLUSTER, "postgresql", ('My "Shop"', "a b", "klanten", "template1")),
        (SERVER, "mariadb", ("mysql", "web`shop")),
    ],
    ids=["pg_dump", "mariadb-dump", "pg_dumpall", "all databases"],
)
def test_a_whole_dump_as_text(text: str, kind: str, databases: tuple[str, ...], piece: int) -> None:
    found = told(text, piece=piece)
    assert (found.kind, found.databases, found.whole, found.rows) == (kind, databases, True, True)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_a_packed_dump(pack) -> None:
    found = told(pack(PLAIN.encode()))
    assert (found.kind, found.whole, found.rows) == ("postgresql", True, True)


@pytest.mark.parametrize("piece", [7, 100, 1 << 20])
@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_a_dump_that_was_packed_in_several_parts(pack, piece: int) -> None:
    data, half = PLAIN.encode(), len(PLAIN) // 2
    found = told(pack(data[:half]) + pack(data[half:]) + b"\0" * 8, piece=piece)
    assert (found.kind, found.whole, found.rows) == ("postgresql", True, True)
    assert told(pack(data) + pack(data[:half]), piece=piece).whole is False
    assert told(pack(data[:half]) + pack(data[half:])[:-14], piece=piece).whole is False


@pytest.mark.parametrize("text", [PLAIN, MARIADB, CLUSTER])
def test_a_dump_without_its_end(text: str) -> None:
    found = told(text[: len(text) * 2 // 3])
    assert (found.whole, found.reason) == (False, "its end is missing")


def test_a_packed_dump_without_its_end() -> None:
    assert told(gzip.compress(PLAIN.encode())[:-12]).whole is False


def test_what_only_seems_to_be_packed() -> None:
    found = told(b"\x1f\x8b but not at all")
    assert found.whole is False
    assert "unpacked" in found.reason


@pytest.mark.parametrize("data", [b"", gzip.compress(b"")])
def test_an_empty_dump(data: bytes) -> None:
    assert (told(data).whole, told(data).reason) == (False, "it is empty")


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("COPY public.t (a) FROM stdin;\n1\n\\.\n", ""),
        MARIADB.replace("-- Dumping data", "--").replace("INSERT", "--"),
    ],
)
def test_tables_without_rows(text: str) -> None:
    assert told(text).rows is False


def test_what_is_packed_otherwise_is_not_read() -> None:
    found = told(b"\x28\xb5\x2f\xfd....")
    assert (found.whole, found.kind) == (None, "")
    assert "zstd" in found.reason


def test_what_is_no_dump() -> None:
    found = told("hello\n")
    assert (found.whole, found.kind) == (None, "")


def test_a_dump_that_was_not_read_to_its_end() -> None:
    found = told(PLAIN, size=10**9)
    assert (found.kind, found.whole, found.rows) == ("postgresql", None, None)


@pytest.mark.parametrize("text", [ARCHIVE_15, ARCHIVE_17, PIPED_15, REDIRECTED_17], ids=range(4))
def test_an_archive_tells_of_itself(text: str) -> None:
    found = told(base64.b64decode(text))
    assert (found.kind, found.databases, found.whole, found.rows) == ("postgresql", ("tiny",), True, True)


@pytest.mark.parametrize("text, whole", [(ARCHIVE_15, True), (PIPED_15, None)])
def test_of_an_archive_that_was_not_read_to_its_end_the_begin_may_tell(text: str, whole: bool | None) -> None:
    data = base64.b64decode(text)
    assert told(data + b"x" * 1000, size=10**9).whole is whole


@pytest.mark.parametrize("text", [ARCHIVE_15, ARCHIVE_17, PIPED_15])
def test_an_archive_without_its_end(text: str) -> None:
    whole = base64.b64decode(text)
    assert told(whole[:-3]).whole is False
    assert told(whole[:-3], piece=1).whole is False


def test_an_archive_of_the_form_alone() -> None:
    assert told(base64.b64decode(FORM_15)).rows is False


def test_an_archive_that_is_damaged() -> None:
    found = told(base64.b64decode(ARCHIVE_15)[:60])
    assert (found.kind, found.whole) == ("postgresql", None)


def test_redis_keeps_its_own_form() -> None:
    assert told(b"REDIS0011" + b"x" * 30 + b"\xff" + b"12345678").whole is True
    assert told(b"REDIS0011" + b"x" * 30).whole is False


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("piece", [1000, 1 << 20])
def test_dumps_in_a_stream_of_tar(form: int, piece: int) -> None:
    long = "var/dumps/" + "x" * 150 + ".sql"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, text in {
            "var/dumps/a.sql": PLAIN,
            "var/dumps/none.txt": "x" * 700,
            "var/e.sql": "",
            long: MARIADB,
        }.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(text), 1.5 if form == tarfile.PAX_FORMAT else 1
            archive.addfile(member, io.BytesIO(text.encode()))
    reader = dumps.TarReader(lambda path: path.endswith(".sql"), 1 << 20)
    data = stream.getvalue()
    assert all(reader.take(data[start : start + piece]) for start in range(0, len(data), piece))
    assert [(dump.path, dump.kind, dump.whole) for dump in reader.found] == [
        ("/var/dumps/a.sql", "postgresql", True),
        ("/var/e.sql", "", False),
        ("/" + long, "mariadb", True),
    ]


def test_a_stream_of_tar_is_read_up_to_a_bound() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("a.sql")
        member.size = 5000
        archive.addfile(member, io.BytesIO(b"x" * 5000))
    assert not dumps.TarReader(lambda _path: True, 1000).take(stream.getvalue())
