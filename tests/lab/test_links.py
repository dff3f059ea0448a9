# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs on another machine get into databases and mailboxes over TLS alone, as their ordinary clients see it.

The other machine is the one that holds the lab.
"""

from __future__ import annotations

import base64
import imaplib
import poplib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pymysql
import pytest

from tests.lab.fleet import HARDENED, Fleet, findings

LIMIT = 10  # seconds
DATABASES, MAIL = "data1.example", "mail.voorbeeld.example"  # by these names their certificates know them
SERVERS = {DATABASES: "data1", MAIL: "mail1"}
MAILBOX = "info@voorbeeld.example"


class Sieve:
    """A client of ManageSieve (RFC 5804) that can log in."""

    class Refused(Exception):
        """The server's word for it."""

    def __init__(self, host: str) -> None:
        self._socket = socket.create_connection((host, 4190), LIMIT)
        self._lines = self._socket.makefile("rb")
        self._answer()

    def close(self) -> None:
        self._socket.close()

    def starttls(self, context: ssl.SSLContext) -> None:
        self._command("STARTTLS")
        self._socket = context.wrap_socket(self._socket, server_hostname=MAIL)
        self._lines = self._socket.makefile("rb")
        self._answer()

    def login(self, user: str, password: str) -> None:
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self._command(f'AUTHENTICATE "PLAIN" "{secret}"')

    def _command(self, text: str) -> None:
        self._socket.sendall(f"{text}\r\n".encode())
        self._answer()

    def _answer(self) -> None:
        while not (line := self._lines.readline().decode()).startswith("OK"):
            if not line or line.startswith(("NO", "BYE")):
                raise self.Refused(line)


# Each logs in over TLS with a server that it makes sure of by this authority, or in plain where it is given none.


def customers(authority: Path | None) -> psycopg.Connection:
    tls = f"sslmode=verify-full sslrootcert={authority}" if authority else "sslmode=disable"
    address = socket.getaddrinfo(DATABASES, 5432)[0][4][0]
    server = f"host={DATABASES} hostaddr={address} connect_timeout={LIMIT}"
    return psycopg.connect(f"{server} dbname=klanten user=klanten password=klanten {tls}")


def postgresql(password: str, authority: Path | None) -> None:
    with customers(authority) as connection:
        assert connection.execute("SELECT count(*) FROM customer").fetchone() == (2000,)


def mariadb(password: str, authority: Path | None) -> None:
    tls = {"ssl": ssl.create_default_context(cafile=authority)} if authority else {"ssl_disabled": True}
    user = {"user": "webshop", "password": "webshop", "database": "webshop"}
    with pymysql.connect(host=DATABASES, connect_timeout=LIMIT, **user, **tls) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM orders")
        assert cursor.fetchone() == (5000,)


def imap(password: str, authority: Path | None) -> None:
    with imaplib.IMAP4(MAIL, timeout=LIMIT) as client:
        if authority:
            client.starttls(ssl.create_default_context(cafile=authority))
        client.login(MAILBOX, password)


def pop3(password: str, authority: Path | None) -> None:
    with closing(poplib.POP3(MAIL, timeout=LIMIT)) as client:
        if authority:
            client.stls(ssl.create_default_context(cafile=authority))
        client.user(MAILBOX)
        client.pass_(password)


def managesieve(password: str, authority: Path | None) -> None:
    with closing(Sieve(MAIL)) as client:
        if authority:
            client.starttls(ssl.create_default_context(cafile=authority))
        client.login(MAILBOX, password)


def submission(password: str, authority: Path | None) -> None:
    with smtplib.SMTP(MAIL, 587, "machine.example", LIMIT) as client:
        if authority:
            client.starttls(context=ssl.create_default_context(cafile=authority))
        client.login(MAILBOX, password)


# clients of services that are open to plain logins before
OPEN = (postgresql, mariadb, imap, pop3, managesieve)
CLIENTS = (*OPEN, submission)
# how each learns that it is not let in, as against a server that is gone
REFUSED = (
    psycopg.OperationalError,
    pymysql.err.OperationalError,
    imaplib.IMAP4.error,
    poplib.error_proto,
    Sieve.Refused,
    smtplib.SMTPException,
)


@pytest.fixture(scope="module")
def servers(fleet: Fleet) -> Iterator[Fleet]:
    """The servers, known by their names on this machine, too."""
    known = {name: fleet.address(host) for name, host in SERVERS.items()}
    ask = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda name, *more, **named: ask(known.get(name, name), *more, **named))
        yield fleet.only(list(SERVERS.values()))


@pytest.fixture(scope="module")
def untouched(servers: Fleet) -> Fleet:
    """Servers that harden never touched."""
    servers.restore("pristine")
    return servers


@pytest.fixture(scope="module")
def hardened(servers: Fleet) -> Fleet:
    """Servers that harden made."""
    servers.restore(HARDENED)
    return servers


@pytest.fixture(scope="module")
def password(servers: Fleet) -> str:
    """The password of a mailbox."""
    return (servers.lab.state / "mailboxes" / MAILBOX / "password").read_text().strip()


@pytest.mark.parametrize("client", OPEN)
def test_before_a_program_elsewhere_is_let_in_without_tls(client, untouched, password):
    client(password, None)


def seen_from_mail(servers: Fleet, run: str) -> dict[str, str]:
    """What the audit of the mail server says of the other's doors: the status by the door."""
    records = servers.audit(run, "-e", '{"encrypted_links_observes": ["data1"]}')
    told = findings(records["mail1"], check="observed")
    return {found["subject"]: found["status"] for found in told}


@pytest.mark.only("bookworm")
def test_before_another_server_sees_what_is_open(untouched):
    assert seen_from_mail(untouched, "links-before")["postgresql at data1:5432"] == "fail"


@pytest.mark.only("trixie")
def test_whoever_is_connected_in_plain_is_not_cut_off(untouched):
    databases = untouched.only(["data1"])
    with customers(None) as connection:
        played = databases.play("harden", "--tags", "encrypted_links")
        assert played.status != 0
        assert "PostgreSQL 17/main: 1 plain connection (10." in played.output
        assert connection.execute("SELECT 1").fetchone() == (1,)
    postgresql("", None)


@pytest.mark.parametrize("client", CLIENTS)
def test_afterwards_tls_lets_the_same_program_in_and_shows_it_the_server(client, hardened, password):
    client(password, hardened.lab.state / "certificates" / "authority.pem")


@pytest.mark.parametrize("client", CLIENTS)
def test_afterwards_the_same_program_is_refused_without_tls(client, hardened, password):
    with pytest.raises(REFUSED):
        client(password, None)


@pytest.mark.only("bookworm")
def test_afterwards_another_server_sees_that_nothing_is_open(hardened):
    assert set(seen_from_mail(hardened, "links-after").values()) == {"pass"}
