# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages: what a host's record and fleet.json look like to a reader. They add no fact to them.

PRIVATE to the collection.

A page is made in two steps: a view (what stands where, in which words) and a template (markup alone).
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import takewhile
from math import ceil
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import escape

from ...module_utils._measures import MEASURES
from .._verdict import BROKEN, IN_FORCE, LAPSED, UNPROVEN, VERDICTS, WAIVED
from .fleet import JUDGED_BY, coverage, day_of, notices
from .former import KINDS
from .record import AUDITED, GROUNDS, REACH, RUN, applies, reached
from .wording import Wording

HERE = Path(__file__).parent

# Sizes, so that a page stays below 300 kB whatever a host holds (design, section 5).
ROWS_BYTES = 150_000  # of all findings and remedies on a page
TABLE_ROWS = 100  # in one table; a reader looks at no more, and the JSON has them all
CELL_CHARACTERS = 400
STEPS = 5  # different remedies for one promise
MATRIX_BYTES = 110_000  # of the fleet's matrix
LIST_BYTES = 60_000  # of the hosts that the matrix had no room for
COLUMNS = 8  # promises side by side, at most
NAMES = 6  # hosts named in one sentence
LINES = 40  # of what changed, of what lapses, of suppliers and the like
REVIEW_DAYS = 366  # after which a look at a supplier counts as long ago: our own bound, a year

OPEN = (BROKEN, UNPROVEN, LAPSED, WAIVED)  # shown unfolded, in this order
STATUSES = ("fail", "error", "pass", "not_applicable")
_STATUS_RANK = {status: rank for rank, status in enumerate(STATUSES)}

About = Mapping[str, Mapping[str, Mapping[str, str]]]  # measure -> title and why -> language -> text
View = dict[str, Any]


def host_page(record: Mapping[str, Any], file: str, about: About, language: str | None = None) -> str:
    """One host's page.

    file: the name of its files; about: title and reason of each measure, by language; language: the page's, by
    default the statement's.
    """
    words = Wording(language or record["statement"]["language"])
    return _template("host.html.j2").render(
        _common(words, f"{file}.json"), **_host_view(record, f"{file}.json", about, words)
    )


def fleet_page(fleet: Mapping[str, Any], language: str | None = None) -> str:
    """The fleet's page, from the content of fleet.json. language: by default the statement's."""
    words = Wording(language or fleet["statement"]["language"])
    return _template("index.html.j2").render(_common(words, "fleet.json"), **_fleet_view(fleet, words))


@cache
def _template(name: str) -> Template:
    """A template of ours, in an environment of its own: nothing of Ansible's templating comes near hosts' words."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)


@cache
def _style(language: str) -> tuple[str, str]:
    """The style sheet, with the labels that a narrow table shows, and its digest for the page's policy."""
    words = Wording(language)
    labels = {name: words(f"column.{name}") for name in ("status", "expected", "observed", "proof", "source")}
    text = (HERE / "style.css").read_text(encoding="utf-8")
    text = re.sub(r"@label\((\w+)\)", lambda match: f'"{labels[match[1]]}"', text)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", text).strip()
    return text, base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _common(words: Wording, file: str) -> View:
    """What both pages have."""
    style, digest = _style(words.language)
    return {"t": words, "style": style, "style_digest": digest, "json_file": file}


# --- a host -------------------------------------------------------------------------------------------------------


def _host_view(record: Mapping[str, Any], file: str, about: About, words: Wording) -> View:
    """What the template of a host's page shows."""
    mine = [entry for entry in record["promises"] if applies(entry)]
    found = coverage(mine)
    said = {entry["id"]: entry["says"] for entry in record["promises"]}
    budget = _Budget(ROWS_BYTES, len(record["promises"]))
    ordered = sorted(record["promises"], key=lambda entry: VERDICTS.index(entry["verdict"]))
    promises = [_promise_view(entry, record["host"], file, about, words, budget) for entry in ordered]
    return {
        "host": record["host"],
        "statement": _statement_view(record["statement"], words),
        "audited": words.moment(record["audited_at"]),
        "partial": words("partial.host") if record["partial"] else "",
        "headline": _headline(found, "host", words) if reached(record) else words("headline.unreached"),
        "mood": _mood(found) if reached(record) else UNPROVEN,
        "coverage": _coverage_line(found, "host", words),
        "counts": _counts(found, words),
        "notices": [_notice_view(notice, said, words) for notice in notices(record)],
        "bad": [promise for promise in promises if promise["verdict"] in OPEN],
        "good": _groups(promises, words),
    }


def _statement_view(statement: Mapping[str, Any], words: Wording) -> View:
    """The head's facts of the statement."""
    language = str(statement["language"])
    return {
        "provider": statement["provider"],
        "title": statement["title"],
        "url": _web_address(statement.get("url")),
        "published": words.day(str(statement["published"])),
        "language": words(f"language.{language}") if language in ("en", "nl") else language,
    }


def _web_address(given: object) -> str:
    """An address that a link may lead to; '' for all else."""
    return str(given) if re.match(r"https?://[^\s]+$", str(given or "")) else ""


def _mood(found: Mapping[str, Any]) -> str:
    """The verdict whose colour the headline takes."""
    verdicts = found["verdicts"]
    return next((word for word in VERDICTS if verdicts[word]), UNPROVEN)


def _headline(found: Mapping[str, Any], kind: str, words: Wording) -> str:
    """One sentence for the page: the worst that there is. kind: host or fleet."""
    verdicts, total = found["verdicts"], found["total"]
    if verdicts[BROKEN]:
        return words(f"headline.{kind}.broken", n=verdicts[BROKEN], total=total)
    if still_open := verdicts[UNPROVEN] + verdicts[LAPSED]:
        return words(
            "headline.open" if found["checked"] or kind == "fleet" else "headline.unchecked", n=still_open, total=total
        )
    if verdicts[WAIVED]:
        return words("headline.waived", n=verdicts[WAIVED])
    return words("headline.kept" if verdicts["kept"] else "headline.unmeasured")


def _coverage_line(found: Mapping[str, Any], kind: str, words: Wording) -> str:
    """How much was checked, and what the rest stands on. kind: host or fleet."""
    verdicts = found["verdicts"]
    parts = [words(f"coverage.{kind}.checked", n=found["checked"], total=found["total"])]
    if verdicts["attested"]:
        parts.append(words("coverage.attested", n=verdicts["attested"]))
    if verdicts[WAIVED]:
        parts.append(words("coverage.waived", n=verdicts[WAIVED], day=words.day(found["waived_until"])))
    parts += [words(f"coverage.{word}", n=verdicts[word]) for word in (UNPROVEN, LAPSED) if verdicts[word]]
    return ", ".join(parts)


def _judged_line(found: Mapping[str, Any], words: Wording) -> str:
    """By what the promises are judged."""
    told = [words(f"judged.{kind}", n=found["by"][kind]) for kind in JUDGED_BY if found["by"][kind]]
    return words("judged", parts=", ".join(told))


def _counts(found: Mapping[str, Any], words: Wording) -> list[View]:
    """Each verdict that there is, with its number."""
    verdicts = found["verdicts"]
    return [
        {"verdict": word, "word": words(f"verdict.{word}"), "n": verdicts[word]} for word in VERDICTS if verdicts[word]
    ]


def _groups(promises: Sequence[View], words: Wording) -> list[View]:
    """Promises that are in order, folded by verdict."""
    found = []
    for word in ("kept", "attested", "not_applicable"):
        if group := [promise for promise in promises if promise["verdict"] == word]:
            found.append({"verdict": word, "title": words(f"group.{word}", n=len(group)), "promises": group})
    return found


def _notice_view(notice: Mapping[str, Any], said: Mapping[str, str], words: Wording) -> View:
    """One thing that lapses soon or has lapsed."""
    key = f"notice.{notice['kind']}.{'over' if notice['lapsed'] else 'soon'}"
    return {
        "anchor": anchor(notice["promise"]),
        "says": said[notice["promise"]],
        "text": words(key, by=notice["by"], n=notice["days"], day=words.day(notice["until"])),
        "lapsed": notice["lapsed"],
        "hosts": _named(notice.get("hosts", []), words),
    }


def anchor(promise: str) -> str:
    """A promise's place on a page, the same on every page."""
    return "promise-" + re.sub(r"[^A-Za-z0-9_-]", "-", promise)


def _promise_view(
    entry: Mapping[str, Any], host: str, file: str, about: About, words: Wording, budget: _Budget
) -> View:
    """One promise: the verdict in a sentence, what was seen, why it matters, what to do."""
    findings = sorted(entry["findings"], key=lambda finding: _STATUS_RANK.get(finding["status"], 1))
    shown = budget.take(_row(finding, words) for finding in findings[:TABLE_ROWS])
    turning = [row for row in shown if row["status"] not in ("pass", "not_applicable")]
    rest = shown[len(turning) :]
    folded = bool(turning) and bool(rest)
    return {
        **_promise_head(entry, words),
        "sentence": _sentence(entry, words),
        "grounds": _grounds(entry, words),
        "rows": turning if folded else shown,
        "rest": rest if folded else [],
        "rest_title": words("seen.rest", n=len(rest)) if folded else "",
        "more": words("seen.more", n=len(findings) - len(shown), file=file) if len(findings) > len(shown) else "",
        "whys": _whys(entry, about, words),
        "steps": _steps(entry, host, file, words, budget),
    }


def _promise_head(entry: Mapping[str, Any], words: Wording) -> View:
    """What both pages tell of a promise."""
    where = entry["where"] or {}
    articles = [str(article) for article in entry["gdpr"] or []]
    known = ("section", "paragraph", "sentence")
    places = [words(f"where.{key}", value=where[key]) for key in known if where.get(key) is not None]
    told = (*known, "fingerprint")  # the last is for programs
    places += [words("where.other", name=key, value=value) for key, value in where.items() if key not in told]
    return {
        "id": entry["id"],
        "anchor": anchor(entry["id"]),
        "says": entry["says"],
        "verdict": entry["verdict"],
        "word": words(f"verdict.{entry['verdict']}"),
        "where": ", ".join(
            [*places, *([words("gdpr", n=len(articles), value=", ".join(articles))] if articles else [])]
        ),
    }


def _sentence(entry: Mapping[str, Any], words: Wording) -> str:
    """The verdict in a sentence or two."""
    statuses = [finding["status"] for finding in entry["findings"]]
    fails, passes, total = statuses.count("fail"), statuses.count("pass"), len(statuses)
    unknown = total - fails - passes - statuses.count("not_applicable")
    judged = total - statuses.count("not_applicable")
    sentences: Mapping[str, Callable[[], str]] = {
        "broken": lambda: words("says.broken", n=fails, total=judged),
        "unproven": lambda: _unproven_sentence(entry, unknown, judged, words),
        "lapsed": lambda: words("says.lapsed", day=words.day(entry["attested"]["until"])),
        "waived": lambda: _waived_sentence(entry, fails, judged, words),
        "kept": lambda: words("says.kept", n=passes),
        "attested": lambda: words(
            "says.attested", by=entry["attested"]["by"], day=words.day(entry["attested"]["until"])
        ),
        "not_applicable": lambda: words("says.not_applicable" if applies(entry) else "says.elsewhere"),
    }
    told = sentences[entry["verdict"]]()
    return f"{told} {words('says.also_unknown', n=unknown)}" if fails and unknown else told


def _unproven_sentence(entry: Mapping[str, Any], unknown: int, judged: int, words: Wording) -> str:
    """Why it is not shown that a promise is kept."""
    if any(finding["check"] in (REACH, AUDITED) for finding in entry["findings"]):
        return words("says.unproven.away")
    if unknown:
        return words("says.unproven.error", n=unknown, total=judged)
    if entry.get("planned"):
        return words("says.unproven.planned")
    return words("says.unproven.absent" if entry["findings"] else "says.unproven.nothing")


def _waived_sentence(entry: Mapping[str, Any], fails: int, judged: int, words: Wording) -> str:
    """What is waived, by whom, and for how long."""
    waiver = entry["waiver"]
    key = "says.waived.fail" if fails else "says.waived.open"
    return words(key, n=fails, total=judged, by=waiver["by"], day=words.day(waiver["until"]))


def _grounds(entry: Mapping[str, Any], words: Wording) -> list[View]:
    """What a promise stands on beside findings: a waiver, an attestation, a plan."""
    found = []
    for kind in GROUNDS:
        if ground := entry.get(kind):
            values = {key: ground.get(key) or "–" for key in ("by", "reason", "evidence")}
            days = {"day": words.day(ground["until"]), "since": words.day(ground.get("since"))}
            state = "told" if (entry["verdict"], kind) in _TOLD else ground["state"]
            lines = [words(f"ground.{kind}.{state}", **values, **days)]
            if ground.get("evidence"):
                lines.append(words("ground.evidence", **values))
            found.append({"text": " ".join(lines), "lapsed": ground["state"] != IN_FORCE})
    for option, reason in (entry.get("chosen") or {}).items():
        found.append({"text": words("ground.chosen", option=option, reason=reason), "lapsed": False})
    return found


# The sentence of that verdict tells of that ground already.
_TOLD = {(WAIVED, "waiver"), ("attested", "attested"), (LAPSED, "attested")}


def _row(finding: Mapping[str, Any], words: Wording) -> View:
    """One finding, cut where somebody's text is too long for a page."""
    status = finding["status"] if finding["status"] in _STATUS_RANK else "error"
    asked = ".".join(filter(None, (finding["measure"], finding["option"])))
    return {
        "status": status,
        "status_word": words(f"status.{status}"),
        "proof_word": words(f"proof.{finding['proof']}") if finding["proof"] in _PROOFS else finding["proof"],
        "asked": cut(asked or finding["check"]),
        **{key: cut(finding[key]) for key in ("subject", "expected", "observed", "source")},
    }


_PROOFS = ("", "configured", "running", "observed")


def cut(text: str) -> str:
    """The text, or its beginning and how much is left out."""
    text = str(text)
    left = len(text) - CELL_CHARACTERS
    return text if left <= 0 else f"{text[:CELL_CHARACTERS]} … (+{left})"


def _whys(entry: Mapping[str, Any], about: About, words: Wording) -> list[View]:
    """Why the measures asked about matter, each once."""
    measures = dict.fromkeys(finding["measure"] for finding in entry["findings"] if finding["measure"] in about)
    return [{key: about[name][key][words.language] for key in ("title", "why")} for name in measures]


def _steps(entry: Mapping[str, Any], host: str, file: str, words: Wording, budget: _Budget) -> View:
    """What to do about a promise that is not in order."""
    if entry["verdict"] not in OPEN:
        return {}
    turning = [finding for finding in entry["findings"] if finding["status"] not in ("pass", "not_applicable")]
    remedies = list(dict.fromkeys(cut(finding["remedy"]) for finding in turning if finding["remedy"]))
    shown = budget.take_texts(remedies[:STEPS])
    away = any(finding["check"] in (REACH, RUN, AUDITED) for finding in turning)
    failing = sorted({finding["measure"] for finding in turning if finding["status"] == "fail"} & MEASURES.keys())
    own = [words("todo.attest")] if (entry.get("attested") or {}).get("state") == LAPSED else []
    own += [words("todo.planned")] if entry.get("planned") else []
    limit = shlex.quote(host)
    steps = {
        "remedies": shown,
        "more": words("todo.more", n=len(remedies) - len(shown), file=file) if len(remedies) > len(shown) else "",
        "own": own,
        "audit": f"ansible-playbook privacy.hosting.audit --limit {limit}" if away else "",
        "harden": [f"ansible-playbook privacy.hosting.harden --tags {name} --limit {limit}" for name in failing],
    }
    return steps if any(steps.values()) else {}


class _Budget:
    """Room for findings and remedies on one page, shared out so that every promise gets some, the worst ones first."""

    def __init__(self, size: int, promises: int) -> None:
        """size: bytes of markup; promises: how many will ask."""
        self._left = size
        self._asking = promises
        self._share = 0

    def take(self, rows: Iterable[View]) -> list[View]:
        """The first of the rows for which there is room. Call it once for each promise."""
        self._share = self._left // max(1, self._asking)
        self._asking -= 1
        return list(takewhile(lambda row: self._spend(420 + _size("".join(row.values()))), rows))

    def take_texts(self, texts: Sequence[str]) -> list[str]:
        """The first of some texts for which the promise has room after its findings."""
        return list(takewhile(lambda text: self._spend(50 + _size(text)), texts))

    def _spend(self, size: int) -> bool:
        if size > self._share:
            return False
        self._share -= size
        self._left -= size
        return True


def _size(text: str) -> int:
    """Bytes of a text as escaped UTF-8."""
    return len(escape(text).encode())


# --- the fleet ----------------------------------------------------------------------------------------------------


def _fleet_view(fleet: Mapping[str, Any], words: Wording) -> View:
    """What the template of the fleet's page shows."""
    said = {promise["id"]: promise["says"] for promise in fleet["promises"]}
    numbered = [
        {**_promise_head(promise, words), "number": number, "on": _spread(promise, fleet["hosts"], words)}
        for number, promise in enumerate(fleet["promises"], 1)
    ]
    ordered = sorted(numbered, key=lambda promise: VERDICTS.index(promise["verdict"]))
    covered = [host for host in fleet["hosts"] if host["state"] != "outside"]
    matrix, further = _matrix(fleet["hosts"], numbered, words)
    return {
        "statement": _statement_view(fleet["statement"], words),
        "run": fleet["run"],
        "audited": _period(fleet, words),
        "hosts_line": _hosts_line(covered, words),
        "partial": _partial_line(covered, fleet, words),
        "headline": _headline(fleet["coverage"], "fleet", words),
        "mood": _mood(fleet["coverage"]),
        "coverage": f"{_coverage_line(fleet['coverage'], 'fleet', words)}. {_judged_line(fleet['coverage'], words)}",
        "counts": _counts(fleet["coverage"], words),
        "notices": [_notice_view(notice, said, words) for notice in fleet["notices"][:LINES]],
        "notices_more": _more(len(fleet["notices"]) - LINES, words),
        "changes": _changes_view(fleet, said, words) if fleet["previous"] else None,
        "suppliers": [_supplier_view(one, fleet, words) for one in fleet["statement"].get("suppliers", [])[:LINES]],
        "conflicts": [_conflict_view(one, said, words) for one in fleet["statement"].get("conflicts", [])[:LINES]],
        "periods": [_period_view(one, said, words) for one in fleet["open_periods"][:LINES]],
        "bad": [promise for promise in ordered if promise["verdict"] in OPEN],
        "good": _groups(ordered, words),
        "matrix": matrix,
        "further": further,
    }


def _more(n: int, words: Wording) -> str:
    """'and 12 more', or nothing."""
    return words("and_more", n=n) if n > 0 else ""


def _period(fleet: Mapping[str, Any], words: Wording) -> str:
    """When the hosts were audited."""
    first, last = words.moment(fleet["audited_from"]), words.moment(fleet["audited_at"])
    return last if first == last else words("between", first=first, last=last)


def _hosts_line(covered: Sequence[Mapping[str, Any]], words: Wording) -> str:
    """How many hosts there are, and how many of them could not be looked at."""
    parts = [words("servers", n=len(covered))]
    for state in ("unreached", "unaudited"):
        if n := sum(host["state"] == state for host in covered):
            parts.append(words(f"servers.{state}", n=n))
    return ", ".join(parts)


def _partial_line(covered: Sequence[Mapping[str, Any]], fleet: Mapping[str, Any], words: Wording) -> str:
    """What a limited run leaves out; '' for a whole one."""
    if not fleet["partial"]:
        return ""
    total = len(fleet["hosts"])
    return words("partial.fleet", n=len(covered), total=total) if len(covered) < total else words("partial.host")


def _spread(promise: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]], words: Wording) -> list[str]:
    """On which hosts a promise has which verdict, worst first."""
    found = []
    for word in VERDICTS:
        names = [host for host, verdict in promise["hosts"].items() if verdict == word]
        if not names:
            continue
        told = words(f"verdict.{word}")
        everywhere = len(names) == len(promise["hosts"]) and len(names) > NAMES
        found.append(
            words("on.all", verdict=told, n=len(names))
            if everywhere
            else words("on", verdict=told, hosts=_named(names, words))
        )
    return found or [words("on.none")]


def _named(hosts: Sequence[str], words: Wording) -> str:
    """Some hosts by name, and how many more there are."""
    names = [cut(host) for host in hosts[:NAMES]]
    return ", ".join([*names, words("and_more", n=len(hosts) - NAMES)] if len(hosts) > NAMES else names)


def _changes_view(fleet: Mapping[str, Any], said: Mapping[str, str], words: Wording) -> View:
    """What is another than in the run before: of hosts, of what was asked, and verdict by verdict."""
    verdicts = _alike(fleet["changes"])
    told = [_change_view(one, hosts, said, words) for one, hosts in verdicts[:LINES]]
    groups = [
        {"kind": kind, "title": words(f"changes.{kind}"), "changes": [one for one in told if one["kind"] == kind]}
        for kind in KINDS
    ]
    return {
        "since": words.moment(fleet["previous"]["made_at"]),
        "partial": words("changes.partial") if fleet["partial"] or fleet["previous"]["partial"] else "",
        "moved": _moved_lines(fleet["moved"], words),
        "groups": [group for group in groups if group["changes"]],
        "more": _more(len(verdicts) - LINES, words),
    }


def _alike(changes: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], list[str]]]:
    """Changes that are the same on several hosts, as one with all their names."""
    found: dict[tuple[Any, ...], tuple[Mapping[str, Any], list[str]]] = {}
    for one in changes:
        key = tuple(one[name] for name in ("kind", "promise", "before", "after", "since"))
        found.setdefault(key, (one, []))[1].append(one["host"])
    return list(found.values())


def _change_view(change: Mapping[str, Any], hosts: Sequence[str], said: Mapping[str, str], words: Wording) -> View:
    """One promise whose verdict is not what it was on some hosts."""
    after, before = words(f"verdict.{change['after']}"), change["before"]
    known = before in VERDICTS
    text = words("change", before=words(f"verdict.{before}"), after=after) if known else after
    return {
        "kind": change["kind"],
        "verdict": change["after"],
        "text": text,
        "hosts": _named(hosts, words),
        "since": words("change.since", day=words.moment(change["since"])) if change["since"] else "",
        **_promise_link(change["promise"], said),
    }


def _promise_link(promise: str, said: Mapping[str, str]) -> View:
    """A promise in its words, with its place on the page; one that is not of this page by its name."""
    return {"anchor": anchor(promise) if promise in said else "", "says": said.get(promise, promise)}


def _moved_lines(moved: Mapping[str, Any], words: Wording) -> list[str]:
    """What is another beside verdicts, a sentence each."""
    lines = [words(f"moved.{key}", n=len(moved[key]), names=_named(moved[key], words)) for key in _MOVED if moved[key]]
    if moved["text"]:
        lines.append(words("moved.text"))
    if moved["collection"]:
        before, after = (version or words("moved.unknown") for version in moved["collection"])
        lines.append(words("moved.collection", before=before, after=after))
    return lines


_MOVED = (
    "hosts_silent", "hosts_back", "hosts_new", "hosts_gone", "promises_new", "promises_gone", "promises_changed",
    "checks",
)  # fmt: skip


def _supplier_view(supplier: Mapping[str, Any], fleet: Mapping[str, Any], words: Wording) -> View:
    """Somebody to whom data go."""
    reviewed = supplier.get("reviewed", "")
    old = not reviewed or (day_of(fleet["made_at"]) - day_of(reviewed)).days > REVIEW_DAYS
    return {
        **{key: cut(supplier.get(key, "")) for key in ("name", "role", "ground")},
        "data": cut(", ".join(supplier.get("data", []))),
        "url": _web_address(supplier.get("url")),
        "no_url": words("supplier.no_url"),
        "reviewed": words.day(reviewed),
        "old": words("supplier.old") if old else "",
    }


def _conflict_view(conflict: Mapping[str, Any], said: Mapping[str, str], words: Wording) -> View:
    """Two things that cannot both be kept to the letter."""
    return {
        "between": [_promise_link(one, said) for one in conflict["between"]],
        "says": cut(conflict["says"]),
        "chosen": words("conflict.chosen", chosen=cut(conflict["chosen"])) if conflict.get("chosen") else "",
        "open": "" if conflict.get("chosen") else words("conflict.open"),
    }


def _period_view(period: Mapping[str, Any], said: Mapping[str, str], words: Wording) -> View:
    """A period that the statement leaves open."""
    reason = period["reason"]
    told = words("period.chosen", reason=cut(reason)) if reason else words("period.open")
    return {**_promise_link(period["promise"], said), "option": period["option"], "text": told, "open": not reason}


def _matrix(hosts: Sequence[Mapping[str, Any]], promises: Sequence[View], words: Wording) -> tuple[list[View], View]:
    """Tables of hosts by promises, COLUMNS wide, the worst hosts first; and the hosts for which there is no room."""
    ordered = sorted(hosts, key=lambda host: VERDICTS.index(host["verdict"]) if host["verdict"] else len(VERDICTS))
    width = ceil(len(promises) / ceil(len(promises) / COLUMNS))
    columns = [promises[start : start + width] for start in range(0, len(promises), width)]
    row_size = sum(100 + 42 * len(part) for part in columns)
    size, fitting = 0, 0
    for host in ordered:
        size += row_size + 2 * len(columns) * len(cut(host["name"]).encode())
        if size > MATRIX_BYTES:
            break
        fitting += 1
    tables = [
        {
            "caption": words("matrix.caption", first=part[0]["number"], last=part[-1]["number"]),
            "promises": part,
            "rows": [_matrix_row(host, part, words) for host in ordered[:fitting]],
        }
        for part in columns
    ]
    return tables, _further(ordered[fitting:], words)


def _matrix_row(host: Mapping[str, Any], promises: Iterable[View], words: Wording) -> View:
    """One host's verdicts for some promises."""
    state = host["state"]
    cells = []
    for promise in promises:
        verdict = host["verdicts"].get(promise["id"])
        empty = "row.outside" if state == "outside" else "cell.elsewhere"
        cells.append({"verdict": verdict or "", "word": words(f"verdict.{verdict}") if verdict else words(empty)})
    return {**_host_cell(host), "note": words(f"row.{state}") if state != "audited" else "", "cells": cells}


def _host_cell(host: Mapping[str, Any]) -> View:
    """A host's name and page."""
    return {"name": cut(host["name"]), "file": host["file"]}


def _further(hosts: Sequence[Mapping[str, Any]], words: Wording) -> View:
    """Hosts that the matrix had no room for: a plain list, itself cut where it grows too long."""
    listed, size = [], 0
    for host in hosts:
        size += 70 + 2 * len(cut(host["name"]).encode())
        if size > LIST_BYTES:
            break
        word = words(f"verdict.{host['verdict']}") if host["verdict"] else words("row.outside")
        listed.append({**_host_cell(host), "word": word})
    return {
        "title": words("matrix.more", n=len(hosts)) if hosts else "",
        "hosts": listed,
        "more": words("seen.more", n=len(hosts) - len(listed), file="fleet.json") if len(hosts) > len(listed) else "",
    }
