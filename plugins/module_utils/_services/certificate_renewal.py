# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who renews the certificate in a file: certbot, acme.sh, lego, dehydrated. Their files are read, none of them is run.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .._host import Host, Unseen
from .jobs import Job, has_systemd, jobs, scripts_named_by
from .units import starts_at_boot

_CERTBOT = "/etc/letsencrypt"
# what makes a server take up a new certificate; 'start' follows a 'stop' before
_RELOADS = re.compile(r"\b((re)?start|reload|graceful|force-reload)\b|-s\s+reload|kill\s+-HUP")
_PROGRAMS = {"nginx": "nginx", "apache": r"apache2?|httpd"}


@dataclass(frozen=True)
class Renewal:
    """Who renews a certificate. by: the program, '' if nobody does; source: where that stands.

    faults: why it does not work, as far as can be seen; failed: how its last run failed, which may be for another
    certificate; reloads: whether the web server is told of the new certificate, None if that cannot be told.
    unseen: why nothing can be told.
    """

    by: str
    source: str
    faults: tuple[str, ...] = ()
    reloads: bool | None = None
    unseen: str = ""
    failed: str = ""


def renewal(host: Host, path: str, server: str) -> Renewal:
    """Who renews the certificate in a file that a web server ('nginx', 'apache') uses. Never raises Unseen."""
    try:
        for who in (_certbot, _acme_sh, _dehydrated, _lego):
            found = who(host, path, server)
            if found is not None:
                return found
        other = _other(host, path)
    except Unseen as unseen:
        return Renewal("", path, unseen=str(unseen))
    return other or Renewal("", path)


def _runs(host: Host, name: str, pattern: str, unit: str = "") -> tuple[list[Job], list[str]]:
    """The jobs that run something, and why none of them works."""
    found = [job for job in jobs(host) if _calls(host, job, pattern) and not _gives_way(host, job)]
    working = [job for job in found if not job.faults]
    if working:
        return working, []
    if found:
        return found, [fault for job in found for fault in job.faults]
    why = f"nothing runs {name} regularly"
    if unit and starts_at_boot(host, unit) is False:
        why += f" ({unit} is not enabled)"
    return [], [why]


def _calls(host: Host, job: Job, pattern: str) -> bool:
    """Whether a job runs something, itself or by a script."""
    lines = (line.partition("#")[0] for text in _scripts(host, job) for line in text.splitlines())
    return bool(re.search(pattern, job.text, re.DOTALL)) or any(re.search(pattern, line) for line in lines)


def _scripts(host: Host, job: Job) -> list[str]:
    """The texts of the scripts that a job names."""
    return [text for text, _source in scripts_named_by(host, job)[1:]]


def _failed(working: Iterable[Job]) -> str:
    """How the last runs of jobs ended, if all of them badly."""
    working = list(working)
    return working[0].result if working and all(job.failed for job in working) else ""


def _gives_way(host: Host, job: Job) -> bool:
    """Whether a job of cron leaves the work to a timer, as those of Debian's packages do where systemd runs."""
    return "! -d /run/systemd/system" in job.text.replace("\\", "") and has_systemd(host)


def _tells(server: str, texts: Iterable[str]) -> bool:
    """Whether one of some shell texts reloads a web server."""
    program = _PROGRAMS.get(server, re.escape(server))
    return any(re.search(rf"\b({program})\b", text) and _RELOADS.search(text) for text in texts)


def _reloaded_anyway(host: Host, server: str) -> bool:
    """Whether something reloads a web server regularly: the rotation of its logs, or a job."""
    for path in ("/etc/logrotate.d/apache2", "/etc/logrotate.d/httpd") if server == "apache" else ():
        if host.stat(path) is not None and _tells(server, [host.read(path)]):
            return True
    return _tells(server, (job.text for job in jobs(host) if not job.faults))


def _settings(text: str) -> Mapping[str, str]:
    """The 'name = value' lines of a file; quotes are taken off."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, _equals, value in pairs}


# -- certbot ----------------------------------------------------------------------------------------------------------


def _certbot(host: Host, path: str, server: str) -> Renewal | None:
    """A lineage of certbot's: a file below live/, or one that is a link to it."""
    found = re.fullmatch(r"(.*)/(?:live|archive)/([^/]+)/[^/]+", path) or re.fullmatch(
        r"(.*)/archive/([^/]+)/[^/]+", host.real(path)
    )
    if found is None or host.stat(f"{found.group(1)}/renewal") is None:
        return None
    base, lineage = found.groups()
    conf = f"{base}/renewal/{lineage}.conf"
    if host.stat(conf) is None:
        return Renewal("certbot", conf, (f"certbot does not renew {lineage}: {conf} is not there",))
    told = _settings(host.read(conf))
    working, faults = _runs(host, "certbot renew", r"\bcertbot\b.*\brenew\b", "certbot.timer")
    if told.get("autorenew", "").lower() == "false":
        faults.append("renewing is switched off (autorenew = False)")
    if told.get("authenticator") == "manual" and not told.get("manual_auth_hook", "").replace("None", ""):
        faults.append("the proof of the domain is given by hand (authenticator = manual)")
    hooks = [told.get(name, "") for name in ("renew_hook", "deploy_hook", "post_hook")]
    hooks += [text for job in working for text in (job.text, *_scripts(host, job))]
    hooks += _hook_scripts(host, base)
    reloads = told.get("installer") == server or _tells(server, hooks) or _reloaded_anyway(host, server)
    return Renewal("certbot", conf, tuple(dict.fromkeys(faults)), reloads, failed=_failed(working))


def _hook_scripts(host: Host, base: str) -> Iterator[str]:
    """What certbot runs after each renewal, whichever lineage it was."""
    for kind in ("deploy", "post"):
        for name in host.names(f"{base}/renewal-hooks/{kind}"):
            seen = host.stat(f"{base}/renewal-hooks/{kind}/{name}")
            if seen is not None and seen.st_mode & 0o111 and not name.endswith("~"):
                yield host.read(f"{base}/renewal-hooks/{kind}/{name}")
    if host.stat(f"{base}/cli.ini") is not None:
        told = _settings(host.read(f"{base}/cli.ini"))
        yield from (told.get(name, "") for name in ("deploy-hook", "renew-hook", "post-hook"))


# -- others -----------------------------------------------------------------------------------------------------------


def _acme_sh(host: Host, path: str, server: str) -> Renewal | None:
    """acme.sh copies what it obtains to where a configuration of its own says."""
    for conf in (*host.glob("/root/.acme.sh/*/*.conf"), *host.glob("/home/*/.acme.sh/*/*.conf")):
        told = _settings(host.read(conf))
        places = [told.get(name, "") for name in ("Le_RealFullChainPath", "Le_RealCertPath")]
        if path not in places and os.path.dirname(path) != os.path.dirname(conf):
            continue
        working, faults = _runs(host, "acme.sh --cron", r"acme\.sh\b.*--cron")
        reloads = bool(told.get("Le_ReloadCmd")) or _reloaded_anyway(host, server)
        return Renewal("acme.sh", conf, tuple(faults), reloads, failed=_failed(working))
    return None


def _dehydrated(host: Host, path: str, server: str) -> Renewal | None:
    if not re.search(r"/dehydrated/", path):
        return None
    working, faults = _runs(host, "dehydrated --cron", r"\bdehydrated\b.*(\s-c\b|--cron)")
    hooks = [text for job in working for text in (job.text, *_scripts(host, job))]
    for conf in ("/etc/dehydrated/config", *host.glob("/etc/dehydrated/conf.d/*.sh")):
        if host.stat(conf) is None:
            continue
        hook = _settings(host.read(conf)).get("HOOK", "")
        hooks += [host.read(hook)] if hook.startswith("/") and host.stat(hook) is not None else []
    reloads = _tells(server, hooks) or _reloaded_anyway(host, server)
    return Renewal("dehydrated", path, tuple(faults), reloads, failed=_failed(working))


def _lego(host: Host, path: str, server: str) -> Renewal | None:
    """lego keeps a certificate beside a .json file of the same name."""
    stem = re.sub(r"\.(crt|pem|issuer\.crt)$", "", host.real(path))
    if host.stat(f"{stem}.json") is None or os.path.basename(os.path.dirname(stem)) != "certificates":
        return None
    working, faults = _runs(host, "lego renew", r"\blego\b.*\b(renew|run)\b")
    hooks = [text for job in working for text in (job.text, *_scripts(host, job))]
    reloads = _tells(server, hooks) or _reloaded_anyway(host, server)
    return Renewal("lego", f"{stem}.json", tuple(faults), reloads, failed=_failed(working))


def _other(host: Host, path: str) -> Renewal | None:
    """A job that names the file, or certmonger; whether it works cannot be told."""
    if any(process.name == "certmonger" for process in host.processes()):
        for request in host.glob("/var/lib/certmonger/requests/*"):
            if _settings(host.read(request)).get("cert_file") == path:
                return Renewal("certmonger", request)
    for job in jobs(host):
        if path in job.text and not job.faults:
            return Renewal(job.name, job.source, unseen=f"{job.name} names the file; what it does with it is not known")
    return None
