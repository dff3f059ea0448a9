"""Random PAM stacks and settings of pwquality: which passwords are taken, as told by the reader and as really set.

Runs as root on a throwaway host that has pam_pwquality, with the collection in PYTHONPATH:
    password_differential.py FIRST_SEED COUNT
Each seed is one configuration; passwords are set by root (chpasswd) and by their owner (passwd). Prints each difference
and what was not told, and last how many configurations, passwords and of those differences there were.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import new_passwords

NAME, OLD = "trial", "Ladder-mango-tulip-41"
UNTOLD = "not told"
STACK, CONF = Path("/etc/pam.d/common-password"), Path("/etc/security/pwquality.conf")
GUARDS = ("requisite", "required", "optional", "[success=ok default=die]", "[success=ok maxtries=die default=ignore]")
ARGUMENTS = (
    "retry=1",
    "retry=2",
    "minlen=12",
    "enforce_for_root",
    "minclass=3",
    "enforcing=0",
    "badwords=tulip",
    "gone=1",
)
UNIX = ("obscure use_authtok try_first_pass yescrypt", "obscure yescrypt", "use_authtok minlen=16 yescrypt", "yescrypt")
SETTINGS = (
    "minlen = 9", "minlen = 15", "minlen=18", "enforce_for_root", "enforcing = 0", "enforcing = 1", "minclass = 2",
    "dictcheck = 0", "usercheck = 0", "badwords = qwer passw", "badwords = forest", "ucredit = -1", "dcredit = 2",
    "minlen = much", "# minlen = 30", "maxclassrepeat = 4", "unheard = of",
)  # fmt: skip
PASSWORDS = (
    "a1B", "kVxq2L", "dkfjslwmqo", "dkfjslwmqozptvx", "passwordpassword", "trial2026trial2026", "Kx7#mQ2pTz9!wLb4",
    "brick forest violin", "qwertyuiopasdfgh", "123456789012345678",
)  # fmt: skip


def configuration(chance: random.Random) -> None:
    """Write one."""
    lines = []
    if chance.random() < 0.9:
        words = chance.sample(ARGUMENTS, chance.randrange(4))
        lines.append(f"password {chance.choice(GUARDS)} pam_pwquality.so {' '.join(words)}")
    lines.append(f"password [success=1 default=ignore] pam_unix.so {chance.choice(UNIX)}")
    lines += ["password requisite pam_deny.so", "password required pam_permit.so"]
    if chance.random() < 0.2:
        lines.insert(0, chance.choice(["password optional pam_permit.so", "password required pam_warn.so"]))
    STACK.write_text("\n".join(lines) + "\n")
    folder = Path(f"{CONF}.d")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in (CONF, folder / "10-a.conf", folder / "90-b.conf"):
        path.write_text("".join(f"{line}\n" for line in chance.sample(SETTINGS, chance.randrange(4))))


def told() -> str:
    """The configuration as it is."""
    files = [STACK, *sorted(Path(f"{CONF}.d").iterdir()), CONF]
    return "\n".join(f"  {path.name}: {' | '.join(path.read_text().splitlines())}" for path in files)


def stored() -> str:
    """The hash that the account has."""
    return subprocess.run(["getent", "shadow", NAME], capture_output=True, text=True, check=True).stdout.split(":")[1]


def is_set(password: str, root: bool, before: str) -> bool:
    """Whether a password is really set, by root or by its owner; the old one is put back."""
    if root:
        subprocess.run(["chpasswd"], input=f"{NAME}:{password}\n", capture_output=True, text=True, check=False)
    else:
        answers = f"{OLD}\n" + f"{password}\n" * 8
        subprocess.run(["su", NAME, "-c", "passwd"], input=answers, capture_output=True, text=True, check=False)
    taken = stored() != before
    subprocess.run(["usermod", "--password", before, NAME], check=True)
    return taken


def differences(chance: random.Random, before: str) -> Iterator[str]:
    """One line for each password: '' where the reader was right."""
    setting = next(one for one in new_passwords.settings(Host()) if "passwd" in one.services)
    for password in chance.sample(PASSWORDS, 5):
        for root in (True, False):
            try:
                said = new_passwords.takes(Host(), setting, password, NAME, root)
            except Unseen as unseen:
                yield f"{UNTOLD}: {unseen}"
                continue
            really = is_set(password, root, before)
            who = "root" if root else "its owner"
            yield "" if said == really else f"{password!r} of {who}: told {said}, really {really}"


def main(first: int, count: int) -> None:
    """Try so many configurations."""
    subprocess.run(["useradd", "--create-home", NAME], check=True)
    subprocess.run(["chpasswd"], input=f"{NAME}:{OLD}\n", text=True, capture_output=True, check=True)
    before = stored()
    tried = untold = wrong = 0
    for seed in range(first, first + count):
        chance = random.Random(seed)
        configuration(chance)
        lines = list(differences(chance, before))
        tried += len(lines)
        for line in filter(None, lines):
            wrong += not line.startswith(UNTOLD)
            untold += line.startswith(UNTOLD)
            print(f"seed {seed}: {line}\n{told()}")
    print(f"{count} configurations, {tried} passwords, {untold} {UNTOLD}, {wrong} differences")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
