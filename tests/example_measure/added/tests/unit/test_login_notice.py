"""login_notice: what is configured and what is shown, on hosts made of texts."""

from __future__ import annotations

import datetime as dt
import fnmatch
from types import SimpleNamespace

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks.login_notice import CHECKS
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Process, Result, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question

NOTICE = "/etc/ssh/notice"
TITLE = "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"
REFUSED = "privacy-hosting-probe@127.0.0.1: Permission denied (publickey)."


class Made(Host):
    """A host of texts: files, what sshd -T tells of Banner, what a connection shows, and sshd's titles."""

    def __init__(
        self, files=None, banner=NOTICE, shown="Recorded.\n" + REFUSED, titles=(TITLE,), units=("ssh.service",)
    ):
        super().__init__()
        self.files = {"/etc/ssh/sshd_config": f"Banner {banner}\n", NOTICE: "Logins are RECORDED.\n", **(files or {})}
        self.banner, self.shown, self.titles, self.units = banner, shown, titles, units

    def read(self, path):
        if path not in self.files:
            raise Unseen(f"{path} cannot be read: No such file or directory")
        return self.files[path]

    def stat(self, path):
        return SimpleNamespace(st_mtime=0.0, st_ctime=0.0) if path in self.files else None

    def glob(self, pattern):
        return [path for path in self.files if fnmatch.fnmatch(path, pattern)]

    def names(self, directory):
        if directory.endswith(".wants"):
            return list(self.units)
        return ["multi-user.target.wants"] if directory == "/etc/systemd/system" else []

    def run(self, *argv, ok=(0,), timeout=None):
        if argv[0] == "sshd":
            return Result(argv, 0, f"port 22\nlistenaddress 0.0.0.0:22\nbanner {self.banner}\n", "")
        if self.shown is None:
            raise Unseen("'ssh' did not end within 15 s")
        return Result(argv, 255, "", self.shown)

    def processes(self):
        now, program = dt.datetime.now(dt.timezone.utc), "/usr/sbin/sshd"
        return [Process(pid, 1, "sshd", (title,), program, "", now, False) for pid, title in enumerate(self.titles)]

    def listeners(self):
        return []


def ask(host, check, probe=True):
    """The findings of one check, as (status, proof, observed, source)."""
    run = next(one.run for one in CHECKS if one.name == check)
    question = Question({"words": ["recorded"]}, {"words": ["recorded"], "lines": []}, probe=probe)
    return [(found.status, found.proof, found.observed, found.source) for found in run(host, question, "words")]


def one(host, check, probe=True):
    """The status and proof of the only finding, and its whole text."""
    ((status, proof, observed, source),) = ask(host, check, probe)
    return status, proof, f"{observed} @ {source}"


def test_a_notice_that_is_configured_and_shown_passes():
    assert one(Made(), "notice")[:2] == ("pass", "observed")


def test_without_a_probe_the_proof_is_weaker_and_says_so():
    status, proof, text = one(Made(), "notice", probe=False)
    assert (status, proof) == ("pass", "running")
    assert "not seen, observed: probes are switched off" in text


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (Made(banner="none"), "no Banner is configured @ /etc/ssh/sshd_config:1"),
        (Made(files={NOTICE: "Welcome.\n"}, shown=REFUSED), "its notice lacks recorded"),
        (Made(banner="/etc/gone"), "Banner names /etc/gone, which is not there @ /etc/ssh/sshd_config:1"),
        (Made(shown=REFUSED), "what is shown lacks recorded @ a connection from the host to itself"),
    ],
)
def test_a_notice_that_is_missing_somewhere_fails(host, said):
    status, _proof, text = one(host, "notice")
    assert status == "fail"
    assert said in text


class Unreadable(Made):
    """A host whose sshd cannot be asked."""

    def run(self, *argv, ok=(0,), timeout=None):
        if argv[0] == "sshd":
            raise Unseen("'sshd -T' failed: /etc/ssh/sshd_config line 3: Bad configuration option: Baner")
        return super().run(*argv, ok=ok, timeout=timeout)


def test_what_cannot_be_seen_is_an_error_and_no_pass():
    status, proof, text = one(Unreadable(), "notice")
    assert (status, proof) == ("error", "")
    assert "Bad configuration option" in text


def test_a_connection_that_hangs_leaves_the_weaker_proof():
    assert one(Made(shown=None), "notice")[:2] == ("pass", "running")


def test_no_sshd_is_not_applicable_where_all_listeners_are_known():
    host = Made(titles=(), units=())
    assert one(host, "notice")[0] == "not_applicable"
    assert ask(host, "exceptions") == []


def test_one_sshd_and_no_match_block_is_no_exception():
    assert one(Made(), "exceptions")[0] == "pass"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (
            Made(files={"/etc/ssh/sshd_config": "Match User backup\n  Banner none\n"}),
            "'Match User backup' sets Banner none: whom that shows what cannot be told @ /etc/ssh/sshd_config:2",
        ),
        (Made(titles=(TITLE, TITLE.replace("-D", "-f /etc/ssh/b"))), "options of its own: -f /etc/ssh/b"),
        (Made(titles=(TITLE, TITLE)), "2 sshd listen"),
    ],
)
def test_an_exception_cannot_be_told(host, said):
    status, _proof, text = one(host, "exceptions")
    assert status == "error"
    assert said in text


def test_the_exceptions_of_a_configuration_that_cannot_be_read_are_unseen():
    host = Made()
    del host.files["/etc/ssh/sshd_config"]
    with pytest.raises(Unseen):
        ask(host, "exceptions")


def test_a_match_block_ends_with_its_file_and_not_with_an_included_one():
    included = "/etc/ssh/sshd_config.d/a.conf"
    host = Made(files={
        "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nBanner /etc/ssh/notice\n",
        included: "Match User backup\n  X11Forwarding no\n",
    })  # fmt: skip
    assert one(host, "exceptions")[0] == "pass"
