# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the report action on synthetic hosts: seconds, the most memory in bytes, size of the files. Prints JSON.

Usage: tests/bench/report_hosts.py [HOSTS]     1000 by default; aim: 10 s and 1 GiB

Each host has 14 promises with 8 findings. The records are made one by one, and the time for that is not counted.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from ansible_collections.privacy.hosting.plugins.action.report import ActionModule
from tests.records import fleet_of


class Hostvars(Mapping[str, Any]):
    """The variables of hosts that were audited; each record is made when it is asked for."""

    def __init__(self, count: int) -> None:
        self.names = {f"web{number:04}.example.nl": number for number in range(count)}
        self.making = 0.0  # seconds

    def __getitem__(self, name: str) -> dict[str, Any]:
        begun = time.perf_counter()
        made = fleet_of(1, first=self.names[name])[0]
        self.making += time.perf_counter() - begun
        return {"__audit": {"record": made}}

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def measure(count: int) -> dict[str, float]:
    """Run the action on so many hosts and tell what it took."""
    hostvars = Hostvars(count)
    with tempfile.TemporaryDirectory() as directory:
        task = MagicMock(args={"run": "bench", "dest": directory, "fail_on": []}, async_val=0, check_mode=False)
        action = ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), None)
        begun = time.perf_counter()
        result = action.run(task_vars={"groups": {"all": list(hostvars)}, "hostvars": hostvars})
        took = time.perf_counter() - begun - hostvars.making
        files = list(Path(directory).iterdir())
        assert result["hosts"] == count
        return {
            "hosts": count,
            "seconds": round(took, 2),
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "files": len(files),
            "files_bytes": sum(file.stat().st_size for file in files),
            "largest_page_bytes": max(file.stat().st_size for file in files if file.suffix == ".html"),
        }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)))
