# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""login_notice: what whoever logs in is told before.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._finding import CONFIGURED, ERROR, NOT_APPLICABLE, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host, Unseen
from .._measure import Check, Question
from .._services import login_banner as sshd
from .._services.listeners import unknown_listeners


def check_notice(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether sshd shows a notice with the words, as configured, loaded and seen."""
    if not sshd.present(host):
        yield from _absent(host, option)
        return
    words = question.asked["words"]
    yield _weighed(option, words, [_configured(host, words), *_running(host), _observed(host, question, words)])


def check_exceptions(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether the notice is the same for everybody: a second sshd or a Match block may show another."""
    if not sshd.present(host):
        return
    expected = "one notice for everybody"
    listening = sshd.running(host)
    told = [(f"an sshd runs with options of its own: {sshd.own_options(process)}", f"process {process.pid}")
            for process in listening if sshd.own_options(process)]  # fmt: skip
    told += [(f"{len(listening)} sshd listen", "processes")] if len(listening) > 1 and not told else []
    told += [(f"'Match {one.condition}' sets Banner {one.value}", one.source)
             for one in sshd.directives(host) if one.keyword == "banner" and one.condition]  # fmt: skip
    for observed, source in told:
        remedy = "Set Banner once, outside of Match blocks, and run one sshd."
        text = f"{observed}: whom that shows what cannot be told"
        yield Finding("login_notice", "exceptions", option, "sshd", ERROR, "", expected, text, source, remedy)
    if not told:
        text = "one sshd, and Banner is in no Match block"
        yield Finding(
            "login_notice", "exceptions", option, "sshd", PASS, CONFIGURED, expected, text, sshd.CONFIGURATION
        )


def _absent(host: Host, option: str) -> Iterator[Finding]:
    """No sshd: not applicable, where everything that listens is known."""
    for listener in unknown_listeners(host):
        yield Finding("login_notice", "notice", option, listener.program, ERROR, "",
                      "every program that listens is known", str(listener), "listening sockets",
                      f"Say what {listener.program} serves.")  # fmt: skip
        return
    seen = "no sshd runs or starts at boot, and every program that listens is known"
    yield Finding("login_notice", "notice", option, "sshd", NOT_APPLICABLE, "", "", seen, "processes and units")


def _configured(host: Host, words: Sequence[str]) -> Layer:
    """What the files say: the file that Banner names holds the words."""
    try:
        path = sshd.setting(host, "banner")
        where = next((one.source for one in sshd.directives(host) if one.keyword == "banner" and not one.condition), "")
        if path == "none":
            return Layer(CONFIGURED, False, "no Banner is configured", where or sshd.CONFIGURATION)
        if host.stat(path) is None:
            return Layer(CONFIGURED, False, f"Banner names {path}, which is not there", where)
        missing = _missing(words, host.read(path))
    except Unseen as unseen:
        return Layer(CONFIGURED, None, str(unseen))
    told = f"its notice lacks {missing}" if missing else f"its notice holds {', '.join(words)}"
    return Layer(CONFIGURED, not missing, told, path)


def _running(host: Host) -> Iterator[Layer]:
    yield from (sshd.reloaded(host, process) for process in sshd.running(host))


def _observed(host: Host, question: Question, words: Sequence[str]) -> Layer:
    """What a connection from the host to itself is shown."""
    source = "a connection from the host to itself"
    if not question.probe:
        return Layer(OBSERVED, None, "probes are switched off (audit_probe)")
    try:
        missing = _missing(words, sshd.shown_at_connection(host))
    except Unseen as unseen:
        return Layer(OBSERVED, None, str(unseen))
    told = f"what is shown lacks {missing}" if missing else f"a notice with {', '.join(words)} is shown"
    return Layer(OBSERVED, not missing, told, source)


def _missing(words: Sequence[str], text: str) -> str:
    """The words that a text lacks, as one text; letters' case does not matter."""
    return ", ".join(word for word in words if word.casefold() not in text.casefold())


def _weighed(option: str, words: Sequence[str], layers: Sequence[Layer]) -> Finding:
    status, proof, seen, source = weigh(layers)
    expected = f"before login a notice is shown that holds {', '.join(words)}"
    configured = layers[0]
    if status == PASS and configured.good is None:
        status, proof = ERROR, ""  # one connection was shown it; that others are is not known
    if configured.good is False:
        source = configured.source
    remedy = "" if status == PASS else "Run harden --tags login_notice, or mend what the source names and reload ssh."
    return Finding("login_notice", "notice", option, "sshd", status, proof, expected, seen, source, remedy)


CHECKS = (
    Check("notice", ("words",), check_notice),
    Check("exceptions", ("words",), check_exceptions),
)
