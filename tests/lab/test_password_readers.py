"""The reader of PAM and pwquality, held against real changes of passwords."""

from __future__ import annotations

from tests.lab.fleet import Fleet
from tests.lab.test_web_readers import shipped

CONFIGURATIONS = 4


def test_what_is_taken_is_what_the_reader_says(untouched: Fleet):
    command = f"PYTHONPATH=/root/readers python3 /root/readers/password_differential.py 100 {CONFIGURATIONS}"
    output = untouched.shell("web1", f"{shipped('password_differential.py')}{command}")
    configurations, passwords, untold, differences = (int(word) for word in output.split()[-9:] if word.isdigit())
    assert (configurations, differences) == (CONFIGURATIONS, 0), output
    assert untold < passwords / 4
