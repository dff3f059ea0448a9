# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who renews a certificate, as files and jobs tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import certificate_renewal
from ansible_collections.privacy.hosting.plugins.module_utils._services.certificate_renewal import Renewal, renewal
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job

# as certbot 2.1 and 4.0 write it
CONF = """# renew_before_expiry = 30 days
version = 2.1.0
archive_dir = {base}/archive/a.example
cert = {base}/live/a.example/cert.pem
privkey = {base}/live/a.example/privkey.pem
chain = {base}/live/a.example/chain.pem
fullchain = {base}/live/a.example/fullchain.pem

# Options used in the renewal process
[renewalparams]
account = 0123
authenticator = webroot
server = https://acme-v02.api.letsencrypt.org/directory
key_type = ecdsa
{more}
"""
TIMER = Job("certbot.timer", "/usr/bin/certbot -q renew --no-random-sleep-on-renew", 0.5, "/lib/systemd/system/x.timer")
CRON = Job(
    "certbot", "test -x /usr/bin/certbot -a \\! -d /run/systemd/system && perl -e 'sleep' && certbot -q renew", 0.5,
    "/etc/cron.d/certbot:19",
)  # fmt: skip


class Jobs:
    """The jobs that the host under test has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[Job] = [TIMER]
        monkeypatch.setattr(certificate_renewal, "jobs", lambda _host: self.found)
        monkeypatch.setattr(certificate_renewal, "has_systemd", lambda _host: True)
        monkeypatch.setattr(certificate_renewal, "starts_at_boot", lambda _host, _unit: bool(self.found))


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    return Jobs(monkeypatch)


def lineage(tmp_path: Path, more: str = "installer = nginx") -> str:
    """A lineage of certbot's, and the path of its certificate."""
    (tmp_path / "renewal").mkdir()
    (tmp_path / "renewal/a.example.conf").write_text(CONF.format(base=tmp_path, more=more))
    for place in ("live", "archive"):
        (tmp_path / place / "a.example").mkdir(parents=True)
    (tmp_path / "archive/a.example/fullchain3.pem").write_text("")
    (tmp_path / "live/a.example/fullchain.pem").symlink_to("../../archive/a.example/fullchain3.pem")
    return str(tmp_path / "live/a.example/fullchain.pem")


def hook(tmp_path: Path, text: str, kind: str = "deploy", mode: int = 0o755) -> None:
    path = tmp_path / f"renewal-hooks/{kind}/reload"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)


def test_certbot_with_its_timer_and_installer_works(tmp_path: Path, jobs: Jobs) -> None:
    found = renewal(Host(), lineage(tmp_path), "nginx")
    assert (found.by, found.faults, found.reloads, found.failed) == ("certbot", (), True, "")
    assert found.source == str(tmp_path / "renewal/a.example.conf")


def test_a_link_to_a_lineage_is_the_lineage(tmp_path: Path, jobs: Jobs) -> None:
    link = tmp_path / "site.pem"
    link.symlink_to(lineage(tmp_path))
    assert renewal(Host(), str(link), "nginx").by == "certbot"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("autorenew = False\ninstaller = nginx", "renewing is switched off"),
        ("authenticator = manual\ninstaller = nginx", "the proof of the domain is given by hand"),
    ],
)
def test_certbot_does_not_renew_what_its_configuration_excludes(
    tmp_path: Path, jobs: Jobs, more: str, said: str
) -> None:
    assert said in renewal(Host(), lineage(tmp_path, more), "nginx").faults[0]


def test_certbot_does_not_renew_what_it_has_no_configuration_of(tmp_path: Path, jobs: Jobs) -> None:
    path = lineage(tmp_path)
    (tmp_path / "renewal/a.example.conf").unlink()
    assert "is not there" in renewal(Host(), path, "nginx").faults[0]


def test_without_a_timer_nothing_runs_certbot(tmp_path: Path, jobs: Jobs) -> None:
    jobs.found = [CRON]  # which leaves it to the timer
    assert "nothing runs certbot renew regularly" in renewal(Host(), lineage(tmp_path), "nginx").faults[0]


def test_a_script_that_a_job_names_may_run_certbot(tmp_path: Path, jobs: Jobs) -> None:
    path = lineage(tmp_path, "")
    script = tmp_path / "renew.sh"
    jobs.found = [Job("root", f"sh {script} > /dev/null", 1, "/etc/cron.d/renew:1")]
    script.write_text("#!/bin/sh\ncertbot -q renew\nsystemctl reload nginx\n")
    found = renewal(Host(), path, "nginx")
    assert (found.by, found.faults, found.reloads) == ("certbot", (), True)
    script.write_text("#!/bin/sh\n# certbot -q renew\n")
    assert renewal(Host(), path, "nginx").faults


def test_a_timer_that_does_not_work_is_told(tmp_path: Path, jobs: Jobs) -> None:
    jobs.found = [Job("certbot.timer", "certbot -q renew", 0.5, "x", faults=("certbot.timer is masked",))]
    assert renewal(Host(), lineage(tmp_path), "nginx").faults == ("certbot.timer is masked",)


def test_a_last_run_that_failed_is_told(tmp_path: Path, jobs: Jobs) -> None:
    jobs.found = [Job("certbot.timer", "certbot -q renew", 0.5, "x", failed=True, result="last run of x: exit-code")]
    found = renewal(Host(), lineage(tmp_path), "nginx")
    assert (found.faults, found.failed) == ((), "last run of x: exit-code")


def test_cron_counts_where_systemd_does_not_run(tmp_path: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_renewal, "has_systemd", lambda _host: False)
    jobs.found = [CRON]
    assert renewal(Host(), lineage(tmp_path), "nginx").faults == ()


@pytest.mark.parametrize(
    ("more", "server", "reloads"),
    [
        ("installer = None", "nginx", False),
        ("installer = apache", "nginx", False),
        ("installer = apache", "apache", True),
        ("renew_hook = systemctl reload nginx", "nginx", True),
        ("post_hook = 'service apache2 restart'", "apache", True),
        ("renew_hook = systemctl reload postfix", "nginx", False),
    ],
)
def test_who_tells_the_web_server(tmp_path: Path, jobs: Jobs, more: str, server: str, reloads: bool) -> None:
    assert renewal(Host(), lineage(tmp_path, more), server).reloads is reloads


@pytest.mark.parametrize(
    ("kind", "mode", "reloads"), [("deploy", 0o755, True), ("post", 0o755, True), ("deploy", 0o644, False),
                                  ("pre", 0o755, False)]
)  # fmt: skip
def test_a_hook_for_all_lineages_counts_if_it_can_be_run(
    tmp_path: Path, jobs: Jobs, kind: str, mode: int, reloads: bool
) -> None:
    path = lineage(tmp_path, "")
    hook(tmp_path, "nginx -s reload", kind, mode)
    assert renewal(Host(), path, "nginx").reloads is reloads


def test_a_hook_in_the_job_or_in_certbots_own_file_counts(tmp_path: Path, jobs: Jobs) -> None:
    path = lineage(tmp_path, "")
    (tmp_path / "cli.ini").write_text("# comment\ndeploy-hook = systemctl reload nginx\n")
    assert renewal(Host(), path, "nginx").reloads
    (tmp_path / "cli.ini").unlink()
    jobs.found = [Job("root", 'certbot renew --deploy-hook "systemctl reload nginx"', 1, "/etc/cron.d/x:1")]
    assert renewal(Host(), path, "nginx").reloads


def test_another_job_that_reloads_the_server_counts(tmp_path: Path, jobs: Jobs) -> None:
    jobs.found = [TIMER, Job("root", "systemctl reload nginx", 1, "/etc/cron.d/y:1")]
    assert renewal(Host(), lineage(tmp_path, ""), "nginx").reloads


def test_dehydrated(tmp_path: Path, jobs: Jobs) -> None:
    path = "/var/lib/dehydrated/certs/a.example/fullchain.pem"
    assert "nothing runs dehydrated" in renewal(Host(), path, "nginx").faults[0]
    jobs.found = [Job("root", "dehydrated -c && systemctl reload nginx", 1, "/etc/cron.d/d:1")]
    found = renewal(Host(), path, "nginx")
    assert (found.by, found.faults, found.reloads) == ("dehydrated", (), True)


def test_lego(tmp_path: Path, jobs: Jobs) -> None:
    (tmp_path / "certificates").mkdir()
    for ending in ("crt", "json"):
        (tmp_path / f"certificates/a.example.{ending}").write_text("")
    path = str(tmp_path / "certificates/a.example.crt")
    assert renewal(Host(), path, "nginx").faults == ("nothing runs lego renew regularly",)
    jobs.found = [Job("lego.timer", "lego --path x renew --renew-hook 'systemctl reload nginx'", 1, "x")]
    found = renewal(Host(), path, "nginx")
    assert (found.by, found.faults, found.reloads) == ("lego", (), True)


def test_acme_sh(tmp_path: Path, jobs: Jobs) -> None:
    conf = tmp_path / "a.example_ecc/a.example.conf"
    conf.parent.mkdir()
    conf.write_text("Le_RealFullChainPath='/etc/ssl/a.pem'\nLe_ReloadCmd='__ACME_BASE64__START_c3lzdGVt'\n")

    class Home(Host):
        def glob(self, pattern: str) -> list[str]:
            return [str(conf)] if pattern.startswith("/root/.acme.sh") else []

    assert renewal(Home(), "/etc/ssl/a.pem", "nginx").faults == ("nothing runs acme.sh --cron regularly",)
    jobs.found = [Job("root", '"/root/.acme.sh"/acme.sh --cron --home "/root/.acme.sh" > /dev/null', 1, "crontab")]
    found = renewal(Home(), "/etc/ssl/a.pem", "nginx")
    assert (found.by, found.faults, found.reloads) == ("acme.sh", (), True)
    assert renewal(Home(), "/etc/ssl/other.pem", "nginx") == Renewal("", "/etc/ssl/other.pem")


def test_nobody(tmp_path: Path, jobs: Jobs) -> None:
    found = renewal(Host(), "/etc/ssl/bought.pem", "nginx")
    assert (found.by, found.unseen) == ("", "")


def test_a_job_that_names_the_file_may_renew_it(jobs: Jobs) -> None:
    jobs.found = [Job("copy", "scp vault:/a.pem /etc/ssl/bought.pem", 1, "/etc/cron.d/copy:1")]
    found = renewal(Host(), "/etc/ssl/bought.pem", "nginx")
    assert found.by == "copy" and "not known" in found.unseen


def test_jobs_that_cannot_be_seen_leave_it_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(_host: Host) -> list[Job]:
        raise Unseen("systemctl did not end within 15 s")

    monkeypatch.setattr(certificate_renewal, "jobs", unseen)
    assert renewal(Host(), lineage(tmp_path), "nginx").unseen == "systemctl did not end within 15 s"
