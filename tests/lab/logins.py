"""Real logins on the lab's hosts: what is asked, and whether one gets in."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pexpect
import pyotp

from tests.lab.fleet import Fleet

LIMIT_S = 30
IN = "logged-in-as-"
# what sshd asks, and how a test calls it
PROMPTS = {"code": r"Verification code: ", "password": r"[Pp]assword: "}
Answer = str | Callable[[], str]


@dataclass(frozen=True)
class Login:
    """asked: the prompts in their order; let_in: whether a command ran there; output: what was said."""

    asked: tuple[str, ...]
    let_in: bool
    output: str = field(default="", compare=False)


def secret(fleet: Fleet, account: str) -> tuple[str, list[str]]:
    """The secret of an account of the lab's staff, and its scratch codes."""
    first, *rest = (fleet.lab.state / "accounts" / account / "totp").read_text().split()
    return first, rest


def code(fleet: Fleet, account: str, steps: int = 0) -> str:
    """An account's code; steps: of 30 s, in which the clock is taken to be ahead."""
    totp = pyotp.TOTP(secret(fleet, account)[0])
    return totp.at(int(time.time()) + 30 * steps)


_given: set[tuple[str, str, str]] = set()


def fresh_code(fleet: Fleet, host: str, account: str) -> str:
    """A code, or a scratch code, that these tests have not given to this host before."""
    codes = [*(code(fleet, account, steps) for steps in (0, -1, 1)), *secret(fleet, account)[1]]
    unused = next(one for one in codes if (host, account, one) not in _given)
    _given.add((host, account, unused))
    return unused


def key(fleet: Fleet, account: str) -> Path:
    """The private key of an account; Ansible's is the lab's own."""
    own = fleet.lab.state / "accounts" / account / "id_ed25519"
    return own if own.exists() else fleet.lab.state / "id_ed25519"


def options(fleet: Fleet, identity: Path | None, methods: str, agent: Path | None = None) -> list[str]:
    """The options of ssh and sftp. agent: the socket of one that holds the identity."""
    chosen = [
        f"UserKnownHostsFile={fleet.lab.state}/known_hosts", "IdentitiesOnly=yes", "NumberOfPasswordPrompts=1",
        "ControlPath=none", f"PreferredAuthentications={methods}", f"ConnectTimeout={LIMIT_S}",
        f"IdentityAgent={agent or 'none'}",
    ]  # fmt: skip
    of_identity = ["-i", str(identity)] if identity else ["-o", "PubkeyAuthentication=no"]
    return ["-F", "/dev/null", *of_identity, *(word for option in chosen for word in ("-o", option))]


def log_in(
    fleet: Fleet,
    host: str,
    account: str,
    *answers: str,
    identity: Path | str | None = "own",
    methods: str = "publickey,keyboard-interactive,password",
    agent: Path | None = None,
) -> Login:
    """Log in with an account's own key, and these answers to what is asked."""
    with_key = key(fleet, account) if identity == "own" else identity
    assert not isinstance(with_key, str)
    command = [*options(fleet, with_key, methods, agent), f"{account}@{fleet.address(host)}", f"echo {IN}$(id -un)"]
    return _answer(pexpect.spawn("ssh", command, timeout=LIMIT_S, encoding="utf-8"), answers, f"{IN}{account}")


def _answer(child: pexpect.spawn, answers: Sequence[str], sign: str) -> Login:
    asked: list[str] = []
    output = ""
    while True:
        which = child.expect([*PROMPTS.values(), pexpect.EOF])
        output += child.before or ""
        if which == len(PROMPTS):
            child.close()
            return Login(tuple(asked), sign in output, output)
        asked.append(list(PROMPTS)[which])
        child.sendline(answers[len(asked) - 1] if len(asked) <= len(answers) else "")


def sftp(fleet: Fleet, host: str, account: str, password: str = "") -> Login:
    """See a customer's files, by key or by password."""
    identity = None if password else key(fleet, account)
    command = [*options(fleet, identity, "password" if password else "publickey"), f"{account}@{fleet.address(host)}"]
    if not password:
        done = subprocess.run(
            ["sftp", "-q", "-b", "-", *command], input="ls files\n", capture_output=True, text=True, timeout=LIMIT_S,
            check=False,
        )  # fmt: skip
        return Login((), "files/index.html" in done.stdout, done.stdout + done.stderr)
    child = pexpect.spawn("sftp", command, timeout=LIMIT_S, encoding="utf-8")
    child.expect(PROMPTS["password"])
    child.sendline(password)
    which = child.expect(["sftp> ", pexpect.EOF])
    if which:
        return Login(("password",), False, child.before or "")
    child.sendline("ls files")
    child.expect("files/index.html")
    child.sendline("exit")
    child.expect(pexpect.EOF)
    return Login(("password",), True, "")
