# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role web_tls changes: what web servers offer, and which sites answer over https, and only there.

A site is brought there in steps, each a transaction that proves itself: a place for the authority's proofs, the
certificate, https beside http, and only once that answers for every name, the redirect and the header that tells
browsers to stay.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from .._change import LIMITS, ChangeError, Planned, Transaction
from .._host import Host
from .._services.panels import panel
from .._services.virtualhost import WebServer
from .._services.web import web_servers
from . import apache_tls, certbot, nginx_tls
from .edits import Edits, unit
from .reachable import (
    addresses,
    circles,
    elsewhere,
    holder_of_443,
    not_provable,
    not_reached,
    not_redirected,
    not_served,
    proxies,
    takes_from,
)
from .sites import (
    ACME,
    CHALLENGE,
    ENCRYPTED,
    GOOD,
    OWN,
    WHOLE,
    Pair,
    Site,
    Wanted,
    covered,
    for_visitors,
    sites_of,
)
from .tls_level import knows_post_quantum

_SERVERS: dict[str, ModuleType] = {"nginx": nginx_tls, "apache": apache_tls}


def plan_servers(host: Host, transaction: Transaction, wanted: Wanted) -> Planned:
    """Fill the transaction with what web servers offer to everybody. Raises Unseen, ChangeError.

    The result tells whether certbot is needed for the sites, and is not there.
    """
    name = panel(host)
    if name:
        told = f"{name} runs this host and writes its configuration: nothing was changed"
        return Planned({"panel": name, "needs_certbot": False}, [told])
    warnings: list[str] = []
    for server in web_servers(host):
        warnings += _SERVERS[server.name].plan_server(host, transaction, server, wanted)
    if wanted.level == GOOD and not knows_post_quantum(host):
        warnings.append("OpenSSL here knows no post-quantum key exchange, so that nothing can reach the level 'good'")
    needed = not host.has("certbot") and any(
        _needs_certbot(host, site, wanted) for site, why_not in _sites(host, wanted) if not why_not
    )
    return Planned({"needs_certbot": needed}, warnings)


def plan_sites(host: Host, transaction: Transaction, wanted: Wanted) -> Planned:
    """Fill the transaction with the first step of all named sites; the others follow when it is complete.

    In check mode all steps are planned at once, as if each succeeded. Raises Unseen, ChangeError.
    """
    if panel(host):
        return Planned()
    warnings = list(_strangers(host, wanted))
    sites = []
    for site, why_not in _sites(host, wanted):
        if why_not:
            warnings.append(f"{site.label} was left as it is: {why_not}")
            continue
        lacks, told = _lacks(host, site, wanted)
        if lacks:
            sites.append(site)
            continue
        warnings += told
        if _uses_certbot(host, site, wanted):
            certbot.prepare(transaction, wanted)
    if transaction.check:
        warnings += _plan(host, transaction, sites, wanted, WHOLE)
        return Planned({}, warnings)
    steps = _Steps(transaction, wanted, warnings)
    return Planned({}, warnings, lambda: steps.take(sites))


def _sites(host: Host, wanted: Wanted) -> Iterator[tuple[Site, str]]:
    """The named sites, and why one is not to be edited. Raises Unseen."""
    for server in web_servers(host):
        for site in sites_of(server, wanted):
            if any(for_visitors(vhost, tls=tls) for vhost in site.vhosts for tls in (False, True)):
                yield site, _why_not(host, site, wanted)


def _why_not(host: Host, site: Site, wanted: Wanted) -> str:
    """Why a site is left as it is, '' where it can be edited. Raises Unseen."""
    if not site.names and not all(map(wanted.names, site.vhosts)):
        return (
            "it has no name of its own that a certificate could bear; give it one, or have it refuse all who ask for "
            f"no other virtual host by adding '{site.label}' to web_tls_sites"
        )
    if not site.names:
        return str(_SERVERS[site.server.name].obstacle(Edits(host, _trial()), site))
    behind = proxies(site) or elsewhere(site)
    if behind:
        return f"{behind}, where visitors' connections end; configure it there"
    encrypted = any(for_visitors(vhost, tls=True) for vhost in site.vhosts)
    if not encrypted:
        if wanted.certificates == OWN:
            return "it has no certificate; add 'listen 443 ssl' and its files, or let web_tls_certificates be acme"
        holder = holder_of_443(host, site)
        if holder:
            return f"port 443 is held by {holder}; configure it there"
    taken = takes_from(site)
    if taken:
        return f"port 443 of its address alone would take https from {taken}; have both listen alike"
    if wanted.certificates == ACME and not site.plain_names and _certificate(host, site, wanted) is None:
        return (
            f"its names ({', '.join(site.names)}) hold a wildcard, for which no authority takes a proof by http; give "
            "it a certificate and let web_tls_certificates be own"
        )
    lost = [name for name in site.names if _needs_certbot(host, site, wanted) and not addresses(name)]
    if lost:
        return f"{lost[0]} leads to no address, asked from here, so that no authority would certify it"
    return str(_SERVERS[site.server.name].obstacle(Edits(host, _trial()), site))


def _strangers(host: Host, wanted: Wanted) -> Iterator[str]:
    """What administrators must do themselves: virtual hosts that are not named. Raises Unseen."""
    for server in web_servers(host):
        for vhost in server.vhosts:
            plain = for_visitors(vhost, tls=False)
            if not wanted.means(vhost) or wanted.may_edit(vhost) or not plain or not vhost.directive:
                continue
            site = Site(server, [vhost])
            behind = proxies(site) or elsewhere(site)
            if behind:
                yield f"{vhost.source}: {vhost.label} was left as it is: {behind}, where visitors' connections end"
            else:
                yield from _SERVERS[server.name].told(host, server, vhost, wanted)


# -- certificates -----------------------------------------------------------------------------------------------------


def _certificate(host: Host, site: Site, wanted: Wanted) -> Pair | None:
    """The certificate that a site has or could use without asking for one. Raises Unseen."""
    kept = certbot.pair(site.label)
    found: list[Pair] = _SERVERS[site.server.name].pairs(site)
    if all(covered(vhost, site) or not for_visitors(vhost, tls=False) for vhost in site.vhosts):
        good = [pair for pair in found if not certbot.why_not_good(host, pair, site.names, wanted.authorities)]
        renewed = [pair for pair in good if wanted.certificates == OWN or certbot.is_renewed(host, pair)]
        if found and len(renewed) == len(found):
            return renewed[0]
    if wanted.certificates == ACME and not certbot.why_not_good(host, kept, site.names, wanted.authorities):
        return kept
    return None


def _needs_certbot(host: Host, site: Site, wanted: Wanted) -> bool:
    asked = wanted.certificates == ACME and wanted.certificate and bool(site.names)
    return asked and _certificate(host, site, wanted) is None


def _uses_certbot(host: Host, site: Site, wanted: Wanted) -> bool:
    if wanted.certificates == OWN or not wanted.certificate or not site.names:
        return False
    found = _certificate(host, site, wanted)
    return found is None or certbot.is_renewed(host, found)


def _lacks(host: Host, site: Site, wanted: Wanted) -> tuple[bool, list[str]]:
    """Whether a site lacks anything that can be done, and what an administrator must know. Raises Unseen."""
    trial = _trial()
    told = _plan(host, trial, [site], wanted, WHOLE)
    edited = set(trial.changes) - {certbot.TIMER, *certbot.files()}
    return bool(edited) or _needs_certbot(host, site, wanted), told


def _trial() -> Transaction:
    """A transaction that is never made."""
    return Transaction("", "web_tls", check=True, root="/nonexistent")


# -- steps ------------------------------------------------------------------------------------------------------------


def _plan(host: Host, transaction: Transaction, sites: Iterable[Site], wanted: Wanted, upto: int) -> list[str]:
    """Fill the transaction with the edits that bring sites as far as asked. What an administrator must know."""
    edits = Edits(host, transaction)
    warnings: list[str] = []
    servers: dict[int, WebServer] = {}
    for site in sites:
        module = _SERVERS[site.server.name]
        if _uses_certbot(host, site, wanted):
            certbot.prepare(transaction, wanted)
        pair = _certificate(host, site, wanted)
        if pair is None and _needs_certbot(host, site, wanted):
            pair = certbot.pair(site.label)
        warnings += module.plan_site(host, edits, transaction, site, wanted, pair, upto)
        servers[id(site.server)] = site.server
    edits.make()
    for server in servers.values():
        warnings += _SERVERS[server.name].finish(host, transaction, server)
    return warnings


# says what is wrong with a site after a step, '' if nothing is; told whether the step has just changed it
Judge = Callable[[Site, bool], str]


def _content(_site: Site, _changed: bool) -> str:
    return ""


@dataclass
class _Steps:
    """Brings sites over https, step by step; one that fails is put back and left as it was, with a warning.

    opened: transactions that made places for proofs; fresh: keys of sites that have just got their certificate.
    """

    first: Transaction
    wanted: Wanted
    warnings: list[str]
    changes: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)
    changed: bool = False
    opened: list[Transaction] = field(default_factory=list)
    fresh: set[tuple[str, str]] = field(default_factory=set)

    def take(self, sites: list[Site]) -> dict[str, Any]:
        """All steps of all sites; the result of the module."""
        self.changes += self.first.changes
        self.first.close()
        told = len(self.warnings)
        ready = self._certified(sites)
        served = self._made(ready, ENCRYPTED, self._served)
        reached = [site for site in served if self._is_reached(site)]
        self._made(reached, WHOLE, self._whole)
        warnings, self.warnings[told:] = self.warnings[told:], []
        return {"changed": self.changed, "changes": self.changes, "diff": self.diff, "warnings": warnings}

    def _certified(self, sites: list[Site]) -> list[Site]:
        """Those of the sites that have a certificate now. What was opened for others' proofs is closed again."""
        host = Host(LIMITS)
        ready = [site for site in sites if not _needs_certbot(host, site, self.wanted)]
        before = (self.changed, [*self.changes], [*self.diff])
        asking = self._made([site for site in sites if site not in ready], CHALLENGE, _content)
        failed = [site for site in asking if self._is_refused(site)]
        if failed:
            self.changed, self.changes, self.diff = before
            for opened in reversed(self.opened):
                with contextlib.closing(opened):
                    opened.revoke()
            self._made([site for site in asking if site not in failed], CHALLENGE, _content)
        self._load([site for site in asking if site not in failed])
        return [site for site in sites if site in ready or (site in asking and site not in failed)]

    def _load(self, obtained: list[Site]) -> None:
        """Have servers load certificates that they may be using already, in the place of older ones."""
        self.changed = self.changed or bool(obtained)
        self.fresh |= {site.key for site in obtained}
        host = Host(LIMITS)
        for server in {id(site.server): site.server for site in obtained}.values():
            reloaded = unit(host, server, {"nginx": "nginx", "apache": "apache2"}[server.name])
            if reloaded and self.first.call(("systemctl", "is-active", reloaded)).rc == 0:
                self.first.call(("systemctl", "reload", reloaded))

    def _is_refused(self, site: Site) -> bool:
        """Whether no certificate was obtained for a site that can be used."""
        fault = not_provable(site) or certbot.obtain(site, self.wanted)
        if not fault:
            wrong = certbot.why_not_good(Host(LIMITS), certbot.pair(site.label), site.names, self.wanted.authorities)
            fault = f"the one obtained is not to be used: {wrong}" if wrong else ""
        if fault:
            self.warnings.append(f"{site.label} was left as it is, for it has got no certificate: {fault}")
        return bool(fault)

    def _is_reached(self, site: Site) -> bool:
        found = _found(site, self.wanted)
        fault = not_reached(found, self.wanted.authorities) or circles(found) if found else "it is gone"
        if fault:
            self.warnings.append(
                f"{site.label} answers over https, but visitors of plain http were not sent there: {fault}"
            )
        return not fault

    def _served(self, site: Site, changed: bool) -> str:
        return not_served(site, self.wanted.authorities, patient=changed)

    def _whole(self, site: Site, changed: bool) -> str:
        fault = self._served(site, changed)
        return fault or (not_redirected(site) if self.wanted.redirect and changed else "")

    def _made(self, sites: list[Site], upto: int, judge: Judge) -> list[Site]:
        """Those of the sites that were brought so far; together, or one by one where that fails."""
        if not sites:
            return []
        try:
            self._make(sites, upto, judge)
            return sites
        except ChangeError as error:
            if len(sites) > 1:
                return [done for site in sites for done in self._made([site], upto, judge)]
            self.warnings.append(f"{sites[0].label} was left as it was: {error}")
            return []

    def _make(self, sites: list[Site], upto: int, judge: Judge) -> None:
        host = Host(LIMITS)
        with contextlib.closing(Transaction(self.first.run, "web_tls")) as transaction:
            found = [again for site in sites for again in [_found(site, self.wanted, host)] if again]
            told = _plan(host, transaction, found, self.wanted, upto)
            for site in sites:
                transaction.proofs.append(lambda site=site: self._proof(site, judge, True))  # type: ignore[misc]
            self._commit(transaction)
            faults = [] if transaction.changed else [self._proof(site, judge, site.key in self.fresh) for site in sites]
            if any(faults):
                raise ChangeError(next(filter(None, faults)))
            self.opened += [transaction] if upto == CHALLENGE else []
            self.warnings += [line for line in told if line not in self.warnings]

    def _proof(self, site: Site, judge: Judge, changed: bool) -> str:
        found = _found(site, self.wanted)
        return judge(found, changed) if found else f"{site.label} is not to be found any more"

    def _commit(self, transaction: Transaction) -> None:
        changes, diff = transaction.changes, transaction.diff()
        if transaction.commit():
            self.changed = True
            self.changes += [change for change in changes if change not in self.changes]
            self.diff += diff


def _found(site: Site, wanted: Wanted, host: Host | None = None) -> Site | None:
    """A site as its files are now. Raises Unseen."""
    again = [other for server in web_servers(host or Host(LIMITS)) for other in sites_of(server, wanted)]
    return next((other for other in again if other.key == site.key), None)
