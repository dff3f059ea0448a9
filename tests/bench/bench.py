"""Measure the audit and the report, and write reports/bench.json.

Usage: tests/bench/bench.py      as root; uses a lab of its own (LAB_NAME, default bench) on Debian trixie

- The audit of web1 against ansible-playbook with a bare ping of it: in turn, five pairs, the median of the ratios.
- The same audit against `lynis audit system --quick` on web1.
- The report action on 1,000 synthetic hosts: seconds and the most memory.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab.fleet import Fleet

HOST = "web1"
PAIRS = 5
REPORT = Path(__file__).with_name("report_hosts.py")
AIMS = {"audit_to_ping": 1.5, "audit_to_lynis": 1 / 15, "report_1000_hosts_s": 10.0, "report_1000_hosts_gib": 1.0}
PING = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
"""


def timed(fleet: Fleet, command: Sequence[str], ok: Sequence[int] = (0,)) -> float:
    """Seconds that a playbook run takes. Raises SystemExit where it fails."""
    begun = time.monotonic()
    done = subprocess.run(
        command, cwd=fleet.lab.state, env=fleet.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode not in ok:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return time.monotonic() - begun


def audit_and_ping(fleet: Fleet) -> list[tuple[float, float]]:
    """Seconds of audit and ping, pair by pair, after one of each that does not count."""
    options = json.dumps({"audit_run": "bench", "audit_dest": str(fleet.reports), "audit_fail_on": []})
    audit = fleet.command("audit", "--limit", HOST, "-e", options)
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as ping_book:
        ping_book.write(PING)
        ping_book.flush()
        ping = [*fleet.command("audit", "--limit", HOST)]
        ping[1] = ping_book.name
        return [(timed(fleet, audit), timed(fleet, ping)) for _pair in range(PAIRS + 1)][1:]


def lynis(fleet: Fleet) -> float:
    """Seconds that lynis takes on the host; its program is brought along from this machine."""
    program = subprocess.run(
        ["tar", "-c", "-C", "/", "usr/sbin/lynis", "usr/share/lynis", "etc/lynis"], capture_output=True, check=True
    ).stdout
    host = fleet.lab.hosts[HOST]
    with_sudo = fleet.lab.ssh_command(host, "sudo tar -x -C / --no-same-owner")
    subprocess.run(with_sudo, input=program, check=True, capture_output=True)
    begun = time.monotonic()
    command = fleet.lab.ssh_command(host, "sudo lynis audit system --quick --no-colors")
    subprocess.run(command, capture_output=True, check=True)
    return time.monotonic() - begun


def report() -> dict[str, float]:
    """What the report action takes on 1,000 synthetic hosts."""
    command = [sys.executable, str(ROOT / "tests" / "bench" / "report_hosts.py"), "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return {"report_1000_hosts_s": told["seconds"], "report_1000_hosts_gib": told["peak_bytes"] / 2**30}


def bench() -> dict[str, Any]:
    """All figures."""
    os.environ.setdefault("LAB_NAME", "bench")
    fleet = Fleet("trixie")
    fleet.lab.up([HOST], fresh=True)
    pairs = audit_and_ping(fleet)
    lynis_s = lynis(fleet)
    audit_s = statistics.median(audit for audit, _ping in pairs)
    ping_s = statistics.median(ping for _audit, ping in pairs)
    figures = {
        "audit_s": audit_s,
        "ping_s": ping_s,
        "audit_to_ping": statistics.median(audit / ping for audit, ping in pairs),
        "lynis_s": lynis_s,
        "audit_to_lynis": audit_s / lynis_s,
    }
    fleet.lab.down()
    figures |= report()
    return {name: round(value, 4) for name, value in figures.items()}


def main() -> int:
    figures = bench()
    told = {"measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cores": os.cpu_count(), **figures}
    path = ROOT / "reports" / "bench.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**told, "aims": AIMS}, indent=2) + "\n")
    missed = [name for name, aim in AIMS.items() if name in figures and figures[name] > aim]
    for name, value in figures.items():
        aim = f"   aim {AIMS[name]:.3g}{'  MISSED' if name in missed else ''}" if name in AIMS else ""
        print(f"{name:<24}{value:8.3f}{aim}")
    print(f"written: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
