# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dumps of databases: of what, and whether whole, as their own marks tell. What they hold is read past, and never kept.

Knows what pg_dump, pg_dumpall, mysqldump and mariadb-dump write as text, pg_dump -Fc, and Redis' own files; plain or
compressed with gzip, xz or bzip2; one by one or in a stream of tar.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

POSTGRESQL, MARIADB, REDIS = "postgresql", "mariadb", "redis"

HEAD, TAIL = 1 << 20, 8 << 10  # bytes of a dump that are kept while it is read
# names that dumps bear
NAME = re.compile(
    r"\.(sql|dump|dmp|pgdump|pg_dump|psql|mysql|bak|custom|rdb|backup|pgsql)(\.(gz|xz|bz2|zst|lz4|zip|gpg|age))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Dump:
    """What a file turned out to be. kind: '' for no dump that is known.

    databases: those that it names itself; every: it is of all databases of a server.
    whole: its end was seen and tells that it is complete; False: it is not; None: that cannot be told, reason says why.
    rows: whether it holds any data beside the tables' form; None where there are no tables. tables: how many it makes;
    None where that was not counted.
    """

    path: str
    size: int
    kind: str = ""
    databases: tuple[str, ...] = ()
    every: bool = False
    whole: bool | None = None
    reason: str = ""
    rows: bool | None = None
    tables: int | None = None


class Reader:
    """Takes a file piece by piece, and then tells what it is. seen: bytes of it so far."""

    def __init__(self, path: str, size: int) -> None:
        self.path, self.size, self.seen = path, size, 0
        self._unpack: Callable[[bytes], bytes] | None = None
        self._unpacker: Any = None
        self._trouble = ""
        self._begun, self._first = False, b""
        self._head, self._tail, self._plain = b"", b"", 0
        self._names: dict[str, set[str]] = {}
        self._tables = self._data = self._begins = self._ends = 0
        self._contents: Contents | None = None
        self._blocks: _Blocks | None = None

    def take(self, piece: bytes) -> None:
        """The next piece of the file."""
        self.seen += len(piece)
        if not self._begun and piece:
            self._begun = True
            self._first = piece[:8]
            self._unpacker, self._trouble = unpacker(piece)
        if self._trouble:
            return
        if self._unpacker is not None:
            try:
                piece = self._unpacked(piece)
            except Exception as error:  # noqa: BLE001 - each way of packing has its own, and zlib's is no OSError
                self._trouble = f"it cannot be unpacked ({type(error).__name__})"
                return
        self._look(piece)

    def _unpacked(self, piece: bytes) -> bytes:
        """The next piece unpacked: of one packed part, or of several behind each other, as pbzip2 writes them."""
        found = b""
        while True:
            if self._unpacker.eof:
                piece = piece.lstrip(b"\0")  # what a block was filled up with
                if not piece:
                    return found
                self._unpacker, self._trouble = unpacker(self._first)
            part: bytes = self._unpacker.decompress(piece)
            found += part
            if not self._unpacker.eof:
                return found
            piece = self._unpacker.unused_data

    def _look(self, text: bytes) -> None:
        if len(self._head) < HEAD:
            self._head += text[: HEAD - len(self._head)]
        self._walk(text)
        before = self._tail[-200:]
        self._tail = (self._tail + text)[-TAIL:]
        self._plain += len(text)
        window = before + text
        for kind, pattern in _NAMED.items():
            for match in pattern.finditer(window):
                self._names.setdefault(kind, set()).add(bare_name(match[1].decode("utf-8", "replace")))
        # what lies wholly in the part seen before was counted then
        self._tables += sum(1 for match in _TABLE.finditer(window) if match.end() > len(before))
        self._data += sum(1 for match in _DATA.finditer(window) if match.end() > len(before))
        self._begins += sum(1 for match in _BEGINS.finditer(window) if match.end() > len(before))
        self._ends += sum(1 for match in _ENDS.finditer(window) if match.end() > len(before))

    def _walk(self, text: bytes) -> None:
        """Follow the data of an archive, once its table of contents was seen."""
        if self._blocks is not None:
            self._blocks.take(text)
        elif self._head.startswith(b"PGDMP") and self._plain + len(text) <= HEAD:
            try:
                self._contents = archive(self._head)
            except (IndexError, ValueError):
                return
            self._blocks = _Blocks(self._contents.int_size)
            self._blocks.take(self._head[self._contents.end :])

    def told(self) -> Dump:
        """What the file is, once all of it was taken, or as much as is wanted."""
        all_seen = self.seen >= self.size
        if not self.size or (all_seen and self._plain == 0 and not self._trouble):
            return Dump(self.path, self.size, whole=False, reason="it is empty")
        if self._trouble:
            broken = "cannot be unpacked" in self._trouble
            return Dump(self.path, self.size, whole=False if broken and all_seen else None, reason=self._trouble)
        if all_seen and self._unpacker is not None and not self._unpacker.eof:
            return Dump(self.path, self.size, self._kind(), self._databases(), whole=False, reason="its end is missing")
        if self._head.startswith(b"PGDMP"):
            return self._archive(all_seen)
        if self._head.startswith((b"REDIS", b"VALKEY")):
            whole = len(self._tail) > 9 and self._tail[-9:-8] == b"\xff" if all_seen else None
            reason = "" if whole else "its end is missing"
            return Dump(self.path, self.size, REDIS, every=True, whole=whole, reason=reason)
        return self._text(all_seen)

    def _kind(self) -> str:
        for pattern, kind in _KINDS:
            if pattern.search(self._head[:4096]):
                return kind
        return ""

    def _databases(self) -> tuple[str, ...]:
        match = re.search(rb"^-- Host: .*?\bDatabase: (.+?)\s*$", self._head[:4096], re.MULTILINE)
        names = self._names.get(self._kind(), set()) | ({match[1].decode("utf-8", "replace")} if match else set())
        return tuple(sorted(names))

    def _text(self, all_seen: bool) -> Dump:
        kind = self._kind()
        if not kind:
            return Dump(self.path, self.size, reason="it does not begin as a dump that is known")
        every = bool(_EVERY.search(self._head[:4096]))
        rows = bool(self._data) if self._tables else None
        tables = self._tables if all_seen else None
        complete = _COMPLETE[every].search(self._tail) is not None and self._begins == self._ends
        whole: bool | None = complete if all_seen else None
        reason = "" if whole else "its end is missing" if all_seen else "it was not read to its end"
        return Dump(
            self.path, self.size, kind, self._databases(), every, whole, reason, rows if all_seen else None, tables
        )

    def _archive(self, all_seen: bool) -> Dump:
        contents = self._contents
        if contents is None or self._blocks is None:
            reason = "its table of contents cannot be read"
            return Dump(self.path, self.size, POSTGRESQL, whole=None, reason=reason)
        rows = contents.data > 0 if contents.tables else None
        whole: bool | None
        if all_seen and self._blocks.ended >= contents.blocks:
            whole, reason = True, ""
        elif all_seen:
            whole, reason = False, "its end is missing"
        elif contents.last is None:
            whole, reason = None, "pg_dump wrote it into a pipe, or was stopped, and it was not read to its end"
        elif contents.last >= self.size and self._unpacker is None:
            whole, reason = False, "its end is missing"
        else:
            whole, reason = True, ""
        return Dump(self.path, self.size, POSTGRESQL, (contents.database,), False, whole, reason, rows, contents.tables)


_NAMED = {  # lines after which a dump of several databases speaks of another one
    POSTGRESQL: re.compile(rb"^\\connect (?:-reuse-previous=\w+ )?([^\n]+?)\r?\n", re.MULTILINE),
    MARIADB: re.compile(rb"^-- Current Database: `((?:[^`\n]|``)+)`\r?\n", re.MULTILINE),
}
_TABLE = re.compile(rb"^CREATE (?:UNLOGGED )?TABLE ", re.MULTILINE)
_DATA = re.compile(rb"^(?:COPY .* FROM stdin;|INSERT INTO |-- Dumping data for table )", re.MULTILINE)
_BEGINS = re.compile(rb"^-- PostgreSQL database dump\r?\n", re.MULTILINE)
_ENDS = re.compile(rb"^-- PostgreSQL database dump complete\r?\n", re.MULTILINE)
_COMPLETE = {
    False: re.compile(rb"^-- (?:PostgreSQL database dump complete|Dump completed)", re.MULTILINE),
    True: re.compile(rb"^-- PostgreSQL database cluster dump complete", re.MULTILINE),
}
_KINDS = (
    (re.compile(rb"^-- PostgreSQL database (?:cluster )?dump", re.MULTILINE), POSTGRESQL),
    (re.compile(rb"^-- (?:MySQL|MariaDB) dump|^/\*M?!\d*\\?- enable the sandbox mode", re.MULTILINE), MARIADB),
)
_EVERY = re.compile(rb"^-- PostgreSQL database cluster dump", re.MULTILINE)


def bare_name(text: str) -> str:
    """The name of a database as psql's \\connect or mysqldump's comment gives it, without quotes."""
    match = re.fullmatch(r"\"dbname='(.*)'\"", text)
    if match:
        return re.sub(r"\\(.)", r"\1", match[1])
    if text.startswith('"') and text.endswith('"'):
        return text[1:-1].replace('""', '"')
    return text.replace("``", "`")


def unpacker(piece: bytes) -> tuple[Any, str]:
    """What unpacks a file that begins so; None where it is plain, and why it is not read where nothing does."""
    if piece.startswith(b"\x1f\x8b"):
        import zlib

        return zlib.decompressobj(31), ""
    if piece.startswith(b"\xfd7zXZ"):
        import lzma

        return lzma.LZMADecompressor(), ""
    if piece.startswith(b"BZh"):
        import bz2

        return bz2.BZ2Decompressor(), ""
    packed = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"PK\x03\x04": "zip", b"age-encryption": "age"}
    for start, name in packed.items():
        if piece.startswith(start):
            return None, f"it is packed by {name}, which is not read"
    return None, ""


# -- pg_dump -Fc ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contents:
    """The table of contents of an archive of pg_dump.

    tables: how many it names, data: of how many it holds the rows; last: where the last data lies, in bytes; None
    where that was not written down. blocks: of data, as many as there must be; end: where they begin.
    """

    database: str
    tables: int
    data: int
    last: int | None
    blocks: int
    end: int
    int_size: int


class _Bytes:
    """Reads numbers and texts as pg_dump writes them."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.int_size, self.offset_size = data, 0, 4, 8

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def integer(self) -> int:
        sign = self.byte()
        value = sum(self.byte() << (8 * place) for place in range(self.int_size))
        return -value if sign else value

    def text(self) -> str | None:
        length = self.integer()
        if length < 0:
            return None
        if length > len(self.data) - self.at:
            raise ValueError("a text is longer than the file")
        self.at += length
        return self.data[self.at - length : self.at].decode("utf-8", "replace")


_POSITION_UNKNOWN, _POSITION_KNOWN = 1, 2


def archive(data: bytes) -> Contents:
    """The table of contents at the begin of a file. Raises ValueError, IndexError: it is none that is known."""
    stream = _Bytes(data)
    stream.at = 5
    version = (stream.byte(), stream.byte(), stream.byte())
    stream.int_size, stream.offset_size = stream.byte(), stream.byte()
    if stream.byte() != 1 or not (1, 12, 0) <= version < (1, 17, 0) or stream.int_size > 8 or stream.offset_size > 8:
        raise ValueError("an unknown form")
    if version >= (1, 15, 0):
        stream.byte()
    else:
        stream.integer()
    for _part in range(7):  # when it was made
        stream.integer()
    database = stream.text() or ""
    stream.text(), stream.text()
    tables, rows, blocks, last, unknown = 0, 0, 0, 0, False
    for _entry in range(stream.integer()):
        described, place = _entry_of(stream, version)
        tables += described == "TABLE"
        rows += described == "TABLE DATA"
        blocks += described in ("TABLE DATA", "BLOBS")
        if place is None and described in ("TABLE DATA", "BLOBS"):
            unknown = True
        last = max(last, place or 0)
    return Contents(database, tables, rows, None if unknown else last, blocks, stream.at, stream.int_size)


_OF_TABLE, _OF_OBJECTS = 1, 3


class _Blocks:
    """Counts the blocks of data of an archive that came to their end."""

    def __init__(self, int_size: int) -> None:
        self.ended = 0
        self._int = int_size + 1  # a byte for the sign
        self._waiting = b""
        self._skip = 0
        self._state = "kind"
        self._objects = False

    def take(self, piece: bytes) -> None:
        """The next piece of the file."""
        self._waiting += piece
        while self._state and self._step():
            pass
        if not self._state:
            self._waiting = b""

    def _step(self) -> bool:
        if self._skip:
            gone = min(self._skip, len(self._waiting))
            self._waiting, self._skip = self._waiting[gone:], self._skip - gone
            return not self._skip and bool(self._waiting)
        size = 1 if self._state == "kind" else self._int
        if len(self._waiting) < size:
            return False
        field, self._waiting = self._waiting[:size], self._waiting[size:]
        if self._state == "kind":
            self._objects = field[0] == _OF_OBJECTS
            # what follows the last block is none of ours
            self._state = "number" if field[0] in (_OF_TABLE, _OF_OBJECTS) else ""
        else:
            self._number(0 if field[0] else int.from_bytes(field[1:], "little"))
        return True

    def _number(self, value: int) -> None:
        if self._state == "number":
            self._state = "object" if self._objects else "length"
        elif self._state == "object":
            self._state = "length" if value else "kind"
            self.ended += not value
        elif value:
            self._skip = value
        else:
            self._state = "object" if self._objects else "kind"
            self.ended += not self._objects


def _entry_of(stream: _Bytes, version: tuple[int, int, int]) -> tuple[str, int | None]:
    """What an entry is of, and where its data lies: 0 where it has none, None where that was not written down."""
    stream.integer(), stream.integer()  # its number, whether it has data
    stream.text(), stream.text(), stream.text()  # object ids, name
    described = stream.text() or ""
    stream.integer()  # section
    for _part in range(5):  # definition, drop, copy, schema, tablespace
        stream.text()
    if version >= (1, 14, 0):
        stream.text()  # access method
    if version >= (1, 16, 0):
        stream.integer()  # kind
    stream.text(), stream.text()  # owner, with oids
    while stream.text() is not None:  # what it depends on
        pass
    flag = stream.byte()
    place = sum(stream.byte() << (8 * at) for at in range(stream.offset_size))
    return described, None if flag == _POSITION_UNKNOWN else place if flag == _POSITION_KNOWN else 0


# -- a stream of tar --------------------------------------------------------------------------------------------------

_BLOCK = 512


class TarReader:
    """Takes a stream of tar as restic writes it, and reads the dumps in it. wanted: whether a path is looked into."""

    def __init__(self, wanted: Callable[[str], bool], most: int) -> None:
        self.found: list[Dump] = []
        self.left = most
        self._wanted = wanted
        self._waiting = b""
        self._reader: Reader | None = None
        self._rest = self._padding = 0
        self._extended: dict[str, str] = {}
        self._collecting: bytearray | None = None
        self._kind = b""

    def take(self, piece: bytes) -> bool:
        """The next piece; whether more is wanted."""
        self._waiting += piece
        while self._step():
            pass
        return self.left > 0

    def _step(self) -> bool:
        if self._rest:
            part, self._waiting = self._waiting[: self._rest], self._waiting[self._rest :]
            self._rest -= len(part)
            self.left -= len(part)
            if self._reader is not None:
                self._reader.take(part)
            if self._collecting is not None:
                self._collecting += part
            if self._rest:
                return False
            self._end()
        if self._padding:
            gone = min(self._padding, len(self._waiting))
            self._waiting, self._padding = self._waiting[gone:], self._padding - gone
            if self._padding:
                return False
        if len(self._waiting) < _BLOCK:
            return False
        header, self._waiting = self._waiting[:_BLOCK], self._waiting[_BLOCK:]
        if header.strip(b"\0"):
            self._header(header)
        return True

    def _header(self, header: bytes) -> None:
        kind = header[156:157]
        name, prefix = (header[a:b].split(b"\0")[0].decode("utf-8", "replace") for a, b in ((0, 100), (345, 500)))
        size = number(header[124:136])
        path = self._extended.get("path") or (f"{prefix}/{name}" if prefix else name)
        if kind in (b"x", b"g", b"L"):
            self._collecting = bytearray()
            self._kind = kind
        else:
            size = int(self._extended.get("size", size))
            self._extended = {}
            if kind in (b"0", b"\0") and self._wanted("/" + path.lstrip("/")):
                self._reader = Reader("/" + path.lstrip("/"), size)
        self._rest, self._padding = size, -size % _BLOCK
        if not size:
            self._end()

    def _end(self) -> None:
        if self._reader is not None:
            self.found.append(self._reader.told())
            self._reader = None
        if self._collecting is not None:
            data, self._collecting = bytes(self._collecting), None
            if self._kind == b"L":
                self._extended["path"] = data.rstrip(b"\0").decode("utf-8", "replace")
            elif self._kind == b"x":
                self._extended.update(extended(data))


def number(field: bytes) -> int:
    """A number of a tar header: octal, or binary where it is large."""
    if field[:1] in (b"\x80", b"\xff"):
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    return int(text, 8) if text else 0


def extended(data: bytes) -> dict[str, str]:
    """The records of an extended header."""
    found = {}
    while data:
        length, _space, _rest = data.partition(b" ")
        if not length.isdigit() or int(length) > len(data) or not int(length):
            break
        key, _equals, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        data = data[int(length) :]
    return found
