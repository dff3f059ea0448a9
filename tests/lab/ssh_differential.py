"""Random configurations of sshd and PAM: with what the reader says that one gets in, against real logins.

Runs as root on a throwaway host that has sshd and pam_google_authenticator, with the collection in PYTHONPATH:
    ssh_differential.py FIRST_SEED COUNT
Each seed is one configuration with an account, until sshd has accepted COUNT; logins are tried with each set of a key,
a password and a code, from several addresses. Prints each difference, and last how many configurations and logins there
were.
"""

from __future__ import annotations

import base64
import hmac
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services import ssh_ways, sshd
from ansible_collections.privacy.hosting.plugins.module_utils._services.accounts import accounts

BASE = Path("/run/differential")
CONFIG = BASE / "sshd_config"
PORTS = (2222, 2223)
ADDRESSES = ("127.0.0.1", "127.1.0.1", "127.1.2.3")
NAME, GROUP = "trial", "trials"
PASSWORD = "Correct-Horse-7"  # noqa: S105 - of an account that lives for a moment
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PAM = Path("/etc/pam.d/sshd")
FACTORS = ("key", "password", "code")

GA = f"pam_google_authenticator.so secret={BASE}/secrets/${{USER}} user=root"
MODULES = (
    "pam_unix.so nodelay", "pam_unix.so nodelay nullok", GA, GA, f"{GA} nullok", "pam_permit.so", "pam_deny.so",
    f"pam_succeed_if.so quiet user ingroup {GROUP}", "pam_succeed_if.so quiet user ingroup nobodies",
    "pam_succeed_if.so quiet uid = 0", "pam_env.so", "pam_nologin.so", "pam_faildelay.so delay=0", "pam_gone.so",
)  # fmt: skip
_ASKING = ("pam_unix", "pam_google_authenticator")
CONTROLS = (
    "required", "required", "requisite", "sufficient", "optional", "[success=1 default=ignore]",
    "[success=done default=die]", "[success=ok ignore=ignore default=bad]", "[success=2 default=ignore]",
    "[default=1 success=ignore]", "[success=reset default=ignore]",
)  # fmt: skip
METHODS = (
    "any", "publickey,keyboard-interactive:pam", "publickey,password", "publickey", "password keyboard-interactive",
    "keyboard-interactive", "password publickey,keyboard-interactive",
    "publickey,keyboard-interactive publickey,password",
)  # fmt: skip
MATCHES = (
    f"User {NAME}", "User a*,!trial,*", f"Group {GROUP}", "Group !trials,*", "Address 127.1.0.0/16",
    "Address 127.1.2.*", "Address !127.1.2.3,127.1.0.0/16", f"User {NAME} Address 127.0.0.1", "LocalPort 2223", "All",
    f"Group {GROUP} LocalPort 2222", "User somebody",
)  # fmt: skip


def run(*argv: str, text: str = "", check: bool = True) -> str:
    """What a command prints."""
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=check).stdout


_REST = "account required pam_permit.so\nsession required pam_permit.so\n"


@dataclass(frozen=True)
class Trial:
    """One configuration: the texts of sshd's and PAM's files, the account's key, password and secret."""

    config: str
    pam: str
    below: str
    key: str
    password: str
    secret: bool

    @classmethod
    def of(cls, seed: int) -> Trial:
        """The configuration that a seed stands for."""
        chance = random.Random(seed)
        modules = list(MODULES)
        blocks = [f"Match {chance.choice(MATCHES)}\n{_settings(chance)}" for _ in range(chance.randrange(4))]
        lines = [
            *(f"Port {port}" for port in PORTS), "PidFile none", f"UsePAM {chance.choice(['yes', 'yes', 'yes', 'no'])}",
            "MaxStartups 100", "PerSourcePenalties no" if "persourcepenalties" in run("sshd", "-T") else "",
        ]  # fmt: skip
        keys = (
            "{key}", "{key}", "", 'from="127.1.0.0/16" {key}', 'from="127.1.2.3,!127.1.2.*" {key}',
            'restrict,pty,expiry-time="20200101" {key}', "cert-authority {key}", "sk-ssh-ed25519@openssh.com AAAA",
        )  # fmt: skip
        return cls(
            "\n".join([*filter(None, lines), _settings(chance), *blocks]),
            _stack(chance, modules, chance.randint(1, 5), below=True) + _REST,
            _stack(chance, modules, chance.randint(1, 3), below=False),
            chance.choice(keys),
            chance.choice(["usable", "usable", "empty", "locked", "none"]),
            chance.random() < 0.6,
        )

    def begin(self) -> subprocess.Popen[bytes]:
        """Put it in place, and start sshd. The account is made anew."""
        run("userdel", "-rf", NAME, check=False)
        run("useradd", "-m", "-s", "/bin/sh", "-G", GROUP, NAME)
        if self.password == "usable":  # noqa: S105
            run("chpasswd", text=f"{NAME}:{PASSWORD}\n")
        else:
            run("usermod", "-p", {"empty": "", "locked": "!", "none": "*"}[self.password], NAME)
        home = Path("/home") / NAME / ".ssh"
        home.mkdir(mode=0o755)
        (home / "authorized_keys").write_text(self.key.format(key=(BASE / "key.pub").read_text()))
        (BASE / "secrets" / NAME).unlink(missing_ok=True)
        if self.secret:
            (BASE / "secrets" / NAME).write_text(f'{SEED}\n" WINDOW_SIZE 17\n" TOTP_AUTH\n')
            (BASE / "secrets" / NAME).chmod(0o400)
        PAM.write_text(self.pam)
        Path("/etc/pam.d/trial-below").write_text(self.below)
        CONFIG.write_text(self.config)
        CONFIG.chmod(0o600)
        started = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", str(CONFIG)], stderr=subprocess.DEVNULL)
        for _ in range(50):
            if started.poll() is not None or "[listener]" in Path(f"/proc/{started.pid}/cmdline").read_text():
                break
            time.sleep(0.05)
        time.sleep(0.1)
        return started


def _settings(chance: random.Random) -> str:
    """Some settings of sshd, of those that a Match block takes."""
    yes = ("yes", "yes", "no")
    choices = {
        "AuthenticationMethods": METHODS, "PasswordAuthentication": yes, "KbdInteractiveAuthentication": yes,
        "PubkeyAuthentication": ("yes", "yes", "yes", "no"), "PermitEmptyPasswords": ("no", "yes"),
        "PubkeyAcceptedAlgorithms": ("+ssh-rsa", "+ssh-rsa", "rsa-sha2-512"),
        "DenyUsers": ("nobody", f"{NAME}@127.1.2.3"), "AllowGroups": ("*", GROUP, "nobodies"),
    }  # fmt: skip
    names = [name for name in choices if chance.random() < (0.9 if name == "AuthenticationMethods" else 0.25)]
    return "".join(f"    {name} {chance.choice(choices[name])}\n" for name in names)


def _stack(chance: random.Random, modules: list[str], rules: int, below: bool) -> str:
    """The auth rules of a PAM file. modules: those to choose from; nobody is asked for the same thing twice."""
    lines = []
    for _ in range(rules):
        if below and chance.random() < 0.15:
            lines.append(
                chance.choice(["@include trial-below", "auth include trial-below", "auth substack trial-below"])
            )
        else:
            dash = "-" if chance.random() < 0.1 else ""
            module = chance.choice(modules)
            if module.startswith(_ASKING):
                modules[:] = [other for other in modules if other.split()[0] != module.split()[0]]
            lines.append(f"{dash}auth {chance.choice(CONTROLS)} {module}")
    if chance.random() < 0.3:
        lines.append("auth required pam_permit.so")
    return "\n".join(lines) + "\n"


def code() -> str:
    """The one-time code of this moment."""
    digest = hmac.digest(base64.b32decode(SEED), int(time.time() // 30).to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0xF
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def gets_in(given: frozenset[str], address: str, port: int) -> bool:
    """Whether somebody with these factors, and no others, logs in; what fits the password's prompt is tried out."""
    typed = [PASSWORD] if "password" in given else []
    typed += [code()] if "code" in given else []
    # anybody can type nothing, or something
    return any(_login(given, address, port, answer) for answer in [*typed, "", "something"])


def _login(given: frozenset[str], address: str, port: int, typed: str) -> bool:
    """One login. typed: what is answered to sshd's own prompt for a password."""
    identity = ["-i", str(BASE / "key")] if "key" in given else ["-o", "PubkeyAuthentication=no"]
    options = {
        "UserKnownHostsFile": "/dev/null", "StrictHostKeyChecking": "no", "IdentitiesOnly": "yes",
        "NumberOfPasswordPrompts": "1", "BindAddress": address, "ControlPath": "none", "ConnectTimeout": "10",
        "LogLevel": "VERBOSE",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    environment = {
        "PATH": os.environ["PATH"], "SSH_ASKPASS": str(BASE / "askpass"), "SSH_ASKPASS_REQUIRE": "force",
        "TYPED": typed,
        "PASSWORD": PASSWORD if "password" in given else "", "CODE": code() if "code" in given else "",
    }  # fmt: skip
    command = ["ssh", "-F", "/dev/null", *identity, *words, f"-p{port}", f"{NAME}@127.0.0.1", "true"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if any(sign in done.stderr for sign in ("refused", "timed out", "identification")):
        raise RuntimeError(f"neither let in nor kept out: {done.stderr}")
    return "Authenticated to " in done.stderr


ASKPASS = """#!/bin/sh
case "$1" in
    *"'s password"*) echo "$TYPED" ;;
    *erification*) echo "$CODE" ;;
    *) echo "$PASSWORD" ;;
esac
"""


def prepare() -> None:
    """What all configurations share."""
    (BASE / "secrets").mkdir(parents=True, exist_ok=True)
    run("groupadd", "-f", GROUP)
    if not (BASE / "key").exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(BASE / "key"))
    (BASE / "askpass").write_text(ASKPASS)
    (BASE / "askpass").chmod(0o755)


def told(address: str, port: int) -> tuple[list[ssh_ways.WayIn], bool]:
    """The ways in that the reader finds from an address, and whether they are among those that an audit looks at."""
    host = Host()
    (server,) = [one for one in sshd.servers(host)[0] if one.configuration == str(CONFIG)]
    account = accounts(host).by_name[NAME]
    at = sshd.Circumstance(address, address, "127.0.0.1", port)
    found = ssh_ways.ways(host, account, sshd.effective(host, server, account, at), at)
    looked_at = [set(door.ways) for door in ssh_ways.doors(host, server, account)]
    return found, set(found) in looked_at


def differences(trial: Trial) -> Iterator[str]:
    """What one configuration lets in otherwise than the reader says; '' for each login that is as it says."""
    sets = [frozenset(chosen) for size in range(3) for chosen in itertools.combinations(FACTORS, size)]
    for address, port in [(ADDRESSES[0], PORTS[0]), (ADDRESSES[1], PORTS[1]), (ADDRESSES[2], PORTS[0])]:
        ways, looked_at = told(address, port)
        if not looked_at:
            yield f"from {address} to :{port}: an audit does not look at {ways}"
        with ThreadPoolExecutor(4) as pool:
            really = list(pool.map(lambda given, a=address, p=port: gets_in(given, a, p), sets))  # type: ignore[misc]
        for given in sets:
            # nobody has to show all that he has
            let_in = any(one for less, one in zip(sets, really, strict=True) if less <= given)
            sure = any(way.needs <= given for way in ways if way.sure)
            perhaps = any(way.needs <= given for way in ways)
            wrong = let_in != sure if sure == perhaps else False
            yield f"from {address} to :{port} with {sorted(given)}: let in {let_in}, but {ways}" if wrong else ""


def main(arguments: Sequence[str]) -> int:
    first, count = map(int, arguments)
    before = PAM.read_text()
    prepare()
    configurations = logins = wrong = 0
    for seed in range(first, first + 10 * count):
        if configurations == count:
            break
        trial = Trial.of(seed)
        started = trial.begin()
        try:
            if started.poll() is not None:
                continue  # sshd refuses it
            configurations += 1
            found = list(differences(trial))
            logins += len(found)
            for line in filter(None, found):
                wrong += 1
                print(f"seed {seed}: {line}\n{trial.config}\n{trial.pam}--\n{trial.below}--\n{trial}")
        finally:
            started.kill()
            started.wait()
            PAM.write_text(before)
    print(f"{configurations} configurations, {logins} logins, {wrong} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
