"""The readers of sshd's and PAM's configuration, held against real logins."""

from __future__ import annotations

from tests.lab.fleet import Fleet
from tests.lab.test_web_readers import shipped

CONFIGURATIONS = 6


def test_who_gets_in_is_who_the_reader_says(untouched: Fleet):
    command = f"PYTHONPATH=/root/readers python3 /root/readers/ssh_differential.py 1000 {CONFIGURATIONS}"
    output = untouched.shell("web1", f"{shipped('ssh_differential.py')}{command} || true")
    configurations, logins, differences = (int(word) for word in output.splitlines()[-1].split() if word.isdigit())
    assert (configurations, differences) == (CONFIGURATIONS, 0), output
    assert logins > configurations
