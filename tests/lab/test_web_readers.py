"""The readers of nginx's and Apache's configuration, held against the real servers."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path

import pytest

from tests.lab.fleet import ROOT, Fleet

CONFIGURATIONS = {"nginx": 6, "apache": 8}
PACKAGE = "ansible_collections/privacy/hosting/plugins/module_utils"


def shipped(program: str = "differential.py") -> str:
    """The readers and the program that tries them, as one script that unpacks them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.add(ROOT / "plugins" / "module_utils", PACKAGE, filter=_no_cache)
        archive.add(Path(__file__).with_name(program), program)
    packed = base64.encodebytes(stream.getvalue()).decode()
    return f"mkdir -p /root/readers\nbase64 -d << 'END' | tar -xz -C /root/readers\n{packed}END\n"


def _no_cache(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


@pytest.mark.parametrize(("kind", "host"), [("nginx", "web1"), ("apache", "web2")])
def test_what_the_reader_says_is_what_the_server_logs(untouched: Fleet, kind: str, host: str):
    command = f"PYTHONPATH=/root/readers python3 /root/readers/differential.py {kind} 1000 {CONFIGURATIONS[kind]}"
    output = untouched.shell(host, f"{shipped()}{command} || true")
    configurations, requests, differences = (int(word) for word in output.splitlines()[-1].split() if word.isdigit())
    assert (configurations, differences) == (CONFIGURATIONS[kind], 0), output
    assert requests > configurations
