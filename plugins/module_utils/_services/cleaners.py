# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What destroys files by itself, beside logrotate: systemd-tmpfiles, find and rm in jobs, our own destroyer.

PRIVATE to the collection.
"""

from __future__ import annotations

import fnmatch
import functools
import glob as globbing
import itertools
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .._host import Host, Unseen
from .._option import Period
from . import jobs as running
from .jobs import Job

DESTROYER_CONFIG = "/etc/privacy-hosting/log-retention.json"
DESTROYER = "privacy-hosting-log-retention"
DESTROYER_TIMER = f"{DESTROYER}.timer"

LINES, MTIME, ANY_TIME = "its newest line", "the file's mtime", "the latest of mtime, ctime and atime"


@dataclass(frozen=True)
class Cleaner:
    """Something that destroys files which have come of age.

    roots: patterns of directories or files; deep: also what lies below directories; names: patterns of base names, none
    for all; spared: patterns of paths that it passes over.
    days: the age from which a file goes at its next run; by: what the age is counted from (LINES, MTIME, ANY_TIME).
    clear: that is all there is to it; else it may destroy less, or other files, than it seems to.
    words: what it does, as it is written.
    """

    name: str
    roots: tuple[str, ...]
    days: float
    by: str
    job: Job
    source: str
    deep: bool = True
    names: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    clear: bool = True
    words: str = ""

    def __str__(self) -> str:
        return self.words or self.name

    def reaches(self, path: str) -> bool:
        """Whether a file is one of those that it destroys in time."""
        if not any(_below(path, root, self.deep) for root in self.roots):
            return False
        if self.names and not any(fnmatch.fnmatchcase(os.path.basename(path), name) for name in self.names):
            return False
        return not any(_below(path, spared) for spared in self.spared)


def _below(path: str, root: str, deep: bool = True) -> bool:
    """Whether a path is what a pattern names, or lies in it."""
    start, pattern = _compiled(root, deep)
    return path.startswith(start) and bool(pattern.fullmatch(path))


@functools.lru_cache(maxsize=4096)
def _compiled(root: str, deep: bool) -> tuple[str, re.Pattern[str]]:
    """How every path below a root begins, and an expression for all of them."""
    root = os.path.normpath(root)
    parts = [re.sub(r"\\[Zz]$", "", fnmatch.translate(part)).replace(".*", "[^/]*") for part in root.split("/")]
    below = r"(?:/.*)?" if deep else r"(?:/[^/]*)?"
    return re.split(r"[*?\[]", root)[0], re.compile("/".join(parts) + below, re.DOTALL)


@dataclass(frozen=True)
class LogrotateRun:
    """One way in which logrotate is run: its configuration files, its state file, and what runs it.

    forced: it rotates at each run, whatever its rules say of when.
    """

    paths: tuple[str, ...]
    state: str
    job: Job
    forced: bool = False


def logrotate_runs(host: Host) -> list[LogrotateRun]:
    """Every job that runs logrotate, those that do not really run included. Raises Unseen."""
    return host.once("logrotate runs", lambda: list(_logrotate_runs(host)))


def _logrotate_runs(host: Host) -> Iterator[LogrotateRun]:
    for job in running.jobs(host):
        for command in _commands(job.text):
            if os.path.basename(command[0]) != "logrotate":
                continue
            state, paths, words = "/var/lib/logrotate/status", [], iter(command[1:])
            forced = any(re.fullmatch(r"--force|-[a-z?]*f[a-z?]*", word) for word in command[1:])
            for word in words:
                if word in ("-s", "--state"):
                    state = next(words, state)
                elif word in ("-l", "--log", "-m", "--mail"):
                    next(words, "")
                elif word.startswith("--state="):
                    state = word.partition("=")[2]
                elif not word.startswith("-"):
                    paths.append(word)
            if not {"-d", "--debug"} & set(command) and paths:
                yield LogrotateRun(tuple(paths), state, job, forced)


def cleaners(host: Host) -> list[Cleaner]:
    """Everything found that destroys files by itself. Raises Unseen."""
    return host.once("cleaners", lambda: [*_destroyer(host), *_tmpfiles(host), *_from_jobs(host)])


# jobs of Debian's own packages that touch no log: systemd timers, and scripts of cron
_HARMLESS = re.compile(
    r"(?:.*/)?(?:apt-daily(?:-upgrade)?|apt-(?:compat|listbugs|show-versions)|dpkg(?:-db-backup)?|man-db|"
    r"e2scrub(?:_all|_reap)?|fstrim|0?anacron|certbot|phpsessionclean|php|sysstat(?:-collect|-summary|-rotate)?|mdadm|"
    r"mdcheck_(?:start|continue)|mdmonitor-oneshot|popularity-contest|exim4-base|update-notifier-(?:download|motd)|"
    r"motd-news|fwupd-refresh|ua-timer|systemd-tmpfiles-clean|logrotate|m?locate|plocate(?:-updatedb)?|"
    r"spamassassin(?:-maintenance)?|chkrootkit|bsdmainutils|cracklib-runtime|passwd|debsums|needrestart|ntpsec(?:-rotate-stats)?|"
    r"chrony-dnssrv@.*|btrfs.*|zfsutils-linux|zfs-.*|smartmontools|acct|geoipupdate|unattended-upgrades|lynis|raid-check|"
    r"postfix|roundcube-(?:core|gc|cleandb)|etckeeper|\.placeholder|privacy-hosting-.*|cron\.daily/apache2)(?:\.timer|\.service)?"
)


def unknown_jobs(host: Host) -> list[Job]:
    """Jobs of which we cannot tell whether they destroy logs beside what cleaners() says. Raises Unseen."""
    return [
        job
        for job in running.jobs(host)
        if not _HARMLESS.fullmatch(job.name) and not _only_harmless(job) and not _all_known(host, job)
    ]


def _only_harmless(job: Job) -> bool:
    if not job.name.startswith("the line in"):
        return False
    run = re.findall(r"\brun-parts\b((?: -\S+)*) *([^\s;&|]*)", job.text)
    return all(_LOOKED_AT.fullmatch(directory) for _options, directory in run) and bool(_HARMLESS_LINE.search(job.text))


# directories whose scripts are jobs of their own
_LOOKED_AT = re.compile(r"/etc/cron\.(?:hourly|daily|weekly|monthly|yearly)/?")
# lines of cron that Debian's packages bring
_HARMLESS_LINE = re.compile(
    r"\brun-parts\b|\banacron\b|/usr/lib/php\d?/sessionclean|\bcertbot\b|\bdebian-sa1\b|/usr/lib/sysstat/|"
    r"/usr/share/mdadm/|/usr/share/roundcube/bin/|\be2scrub|/usr/lib/zfs-linux/|/usr/sbin/popularity-contest|\bgeoipupdate\b|\bchkrootkit\b"
)
# programs that destroy no logs; backups among them only read what they copy
_HARMLESS_COMMANDS = frozenset(
    program
    for programs in (
        "[ [[ : test true false echo printf exit return set unset export local read sleep date cat grep egrep head",
        "tail cut tr sort uniq wc awk stat ls df du id logger mail mailx sendmail curl wget cd pwd mkdir touch",
        "basename dirname hostname uname umask ulimit trap wait fi done esac for case shift break continue",
        "chmod chown chgrp",
        "borg restic tar gzip xz zstd bzip2 cp rsync scp mysqldump mariadb-dump pg_dump pg_dumpall pg_basebackup",
        "redis-cli mysqlcheck aide rkhunter apt apt-get ntpdate fstrim debsecan",
        "journalctl",  # what it throws away of the journal is looked at with the journal
    )
    for program in programs.split()
)
_DANGEROUS_WORD = re.compile(r"--?(?:del|delete|remove|purge)|-delete|-exec|/dev/null$")
# what these destroy is told by cleaners() and logrotate_runs(), where they are given whole paths
_DESTROYING = frozenset(["rm", "unlink", "shred"])  # what find may run to destroy a file
_TOLD_BY_PATH = frozenset(["find", "rm", "unlink", "shred", "truncate", "mv", "tmpreaper", "tmpwatch", "savelog"])
_TOLD = frozenset(["logrotate", "systemd-tmpfiles"])
_UNIT_COMMANDS = re.compile(
    r"systemctl( -\S+)* (try-)?(reload|restart|kill|is-active|status)\b|service \S+ (reload|restart|rotate|status)\b|"
    r"invoke-rc\.d( -\S+)* \S+ (reload|restart|rotate)\b|nginx -s re(load|open)\b|apache2?ctl graceful\b|"
    r"(p?kill|killall) "
)
_LEADING = frozenset(["if", "elif", "while", "until", "!"])


def _all_known(host: Host, job: Job) -> bool:
    """Whether every command of a job, those of scripts that it calls included, is understood or destroys no logs."""
    texts = running.scripts_of(host, job)
    scripts = {source for text, source in texts if text.strip()}
    pipelines = [pipeline for text, _source in texts for pipeline in _pipelines(text)]
    fed_by_find = [piped for command, piped in pipelines if os.path.basename(command[0]) == "find"]
    return bool(pipelines) and all(
        command[0] in scripts or _is_known(command, command in fed_by_find) for command, _piped in pipelines
    )


def _is_known(command: Sequence[str], fed_by_find: bool) -> bool:
    words = list(command)
    while words and words[0] in _LEADING:
        words.pop(0)
    if not words:
        return True
    name = os.path.basename(words[0])
    if name == "xargs":
        given = [word for word in words[1:] if not word.startswith("-")]
        return fed_by_find and bool(given) and given[0] in _DESTROYING
    if name in _TOLD_BY_PATH:
        return _whole_paths(words) and all(_is_known_of_find(inner) for inner in _run_by_find(words))
    if name in _TOLD or _UNIT_COMMANDS.match(" ".join([name, *words[1:]])):
        return True
    if list(_emptied(words)):
        return False
    return name in _HARMLESS_COMMANDS and not any(map(_DANGEROUS_WORD.match, words[1:]))


def _run_by_find(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """The commands that find runs for each file."""
    for place, word in enumerate(words):
        if word in ("-exec", "-execdir", "-ok", "-okdir"):
            yield list(itertools.takewhile(lambda inner: inner not in (";", "+"), words[place + 1 :]))


def _is_known_of_find(command: Sequence[str]) -> bool:
    return os.path.basename(command[0] if command else "") in _DESTROYING or _is_known(command, fed_by_find=False)


def _whole_paths(words: Sequence[str]) -> bool:
    """Whether a command that destroys is given paths, and each of them begins at the root."""
    given = [word for word in words[1:] if not re.fullmatch(r"-.*|\d+[a-z]?|\d?>.*|[!(]", word)]
    if os.path.basename(words[0]) == "find":
        given = list(itertools.takewhile(lambda word: not re.match(r"-[a-z]|[!(]", word), words[1:]))
    return bool(given) and all(word.startswith("/") and "$" not in word and "`" not in word for word in given)


def _emptied(words: Sequence[str]) -> Iterator[str]:
    """The files that a command's redirections empty."""
    for place, word in enumerate(words):
        found = re.match(r"[^<>]*>(?!>)\|?(.*)", word, re.DOTALL)
        if found:
            target = found.group(1) or "".join(words[place + 1 : place + 2])
            if target.startswith("/") and not target.startswith("/dev/"):
                yield target


# -- our own destroyer ------------------------------------------------------------------------------------------------


def _destroyer(host: Host) -> Iterator[Cleaner]:
    """The destroyer that the role log_retention installs."""
    job = next((job for job in running.jobs(host) if job.name == DESTROYER_TIMER), None)
    if host.stat(DESTROYER_CONFIG) is None:
        return
    try:
        told = json.loads(host.read(DESTROYER_CONFIG))
        rules = [
            (Period.parse(one["period"]), tuple(map(str, one["paths"])), tuple(map(str, one.get("keep", ()))))
            for one in told.values()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unseen(f"{DESTROYER_CONFIG} cannot be understood: {error}") from None
    missing = Job(DESTROYER_TIMER, "", 1.0, DESTROYER_CONFIG, (f"{DESTROYER_TIMER} is not there",))
    if job is not None and not job.faults and DESTROYER not in job.text:
        runs = " ".join(job.text.split()) or "nothing"
        job = replace(job, faults=(f"{job.unit} runs {runs}, not {DESTROYER}",), source=job.command or job.source)
    for period, paths, spared in rules:
        days = (host.now - period.before(host.now)).total_seconds() / 86400
        words = f"{DESTROYER}, {period}"
        yield Cleaner(DESTROYER, paths, days, LINES, job or missing, DESTROYER_CONFIG, spared=spared, words=words)


# -- systemd-tmpfiles -------------------------------------------------------------------------------------------------

_TMPFILES = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")
_AGED, _SPARING = frozenset("dDevqQC"), frozenset("xX")


def _tmpfiles(host: Host) -> Iterator[Cleaner]:
    runs = [job for job in running.jobs(host) if job.unit == "systemd-tmpfiles-clean.service"]
    nothing = ("nothing runs systemd-tmpfiles",)
    job = runs[0] if runs else Job("systemd-tmpfiles-clean.timer", "", 1.0, "", nothing, runs=False)
    if runs and "--clean" not in job.text:
        job = replace(job, faults=(*job.faults, f"{job.unit} does not run systemd-tmpfiles --clean"), runs=False)
    lines = list(_tmpfiles_lines(host))
    spared = tuple(path for kind, path, _age, _source in lines if kind in _SPARING)
    seen: set[str] = set()
    for kind, path, age, source in lines:
        if kind in "rR" and "!" not in kind:
            continue
        if kind in _AGED and path not in seen:
            seen.add(path)
            by, days = tmpfiles_age(age)
            if days is not None:
                others = tuple(o for k, o, _a, _s in lines if k in _AGED and o != path and _below(o, path))
                yield Cleaner(
                    "systemd-tmpfiles",
                    (path,),
                    days,
                    by,
                    job,
                    source,
                    spared=(*spared, *others),
                    words=f"systemd-tmpfiles, {age}",
                )


def _tmpfiles_lines(host: Host) -> Iterator[tuple[str, str, str, str]]:
    """Type, path, age and source of the lines in effect: a name in an earlier directory hides it in later ones."""
    files: dict[str, str] = {}
    for directory in _TMPFILES:
        for name in host.names(directory):
            if name.endswith(".conf"):
                files.setdefault(name, f"{directory}/{name}")
    for name in sorted(files):
        if host.real(files[name]) == "/dev/null":
            continue  # it only hides the one of that name
        for number, line in enumerate(host.read(files[name]).splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                fields = shlex.split(line)
            except ValueError:
                continue
            if len(fields) >= 2:
                age = fields[5] if len(fields) > 5 else "-"
                yield fields[0][:1], os.path.normpath(fields[1].replace("%%", "%")), age, f"{files[name]}:{number}"


def tmpfiles_age(field: str) -> tuple[str, float | None]:
    """What a line's age is counted from, and the days; None where the line destroys nothing by age."""
    text = field.removeprefix("~")
    by, _colon, rest = text.rpartition(":")
    if by and not re.fullmatch("[aAbBcCmM]+", by):
        return ANY_TIME, None
    days = None if rest in ("-", "") else running.span_days(rest)
    return (MTIME if by and set(by) <= set("mM") and "m" in by else ANY_TIME), days


# -- find, rm and others in jobs --------------------------------------------------------------------------------------


def _from_jobs(host: Host) -> Iterator[Cleaner]:
    for job in running.jobs(host):
        if "systemd-tmpfiles" in job.text:
            continue
        for text, source in running.scripts_of(host, job):
            for cleaner in of_script(text, job, source):
                # another user may lack the rights, and without a shell nobody resolves a pattern
                shell = not job.unit or source != job.command or " -c " in text
                sure = job.user == "root" and (shell or not any(map(globbing.has_magic, cleaner.roots)))
                yield cleaner if sure else replace(cleaner, clear=False)


_SEPARATORS = frozenset([";", "&&", "||", "&", "|", "\n", "(", ")", "{", "}", "then", "do", "else", "|&"])
_WITH_COMMAND = frozenset(
    ["nice", "ionice", "nohup", "exec", "command", "sudo", "chronic", "time", "env", "timeout", "flock"]
)


_SHELLS = frozenset(["sh", "bash", "dash"])
_CONDITION = re.compile(r"(?:^|[;\s])(?:if|case|while|until)\s|\|\||&&", re.MULTILINE)


def of_script(text: str, job: Job, source: str) -> Iterator[Cleaner]:
    """The cleaners that a piece of shell text amounts to."""
    conditional = (
        bool(re.search(r"(^|[;\s])(if|case|while|until)\s", text))
        or "||" in text
        or "&& " in re.sub(r"cd \S+ && ", "", text)
    )
    for command, piped in _pipelines(text):
        name = os.path.basename(command[0])
        if name == "find":
            yield from _find(command, piped, job, _at(source, text, "find", ""), clear=not conditional)
        elif name in ("rm", "unlink", "shred", "truncate"):
            paths = tuple(word for word in command[1:] if word.startswith("/"))
            if paths:
                yield Cleaner(name, paths, 0.0, MTIME, job, _at(source, text, name, paths[0]), clear=not conditional)
        elif name in ("tmpreaper", "tmpwatch", "savelog"):
            paths = tuple(word for word in command[1:] if word.startswith("/"))
            if paths:
                yield Cleaner(name, paths, 0.0, ANY_TIME, job, _at(source, text, name, ""), clear=False)
        emptied = [*_emptied(command), *_taken_away(name, command)]
        if emptied:
            # what is emptied may have been copied before, and what is moved is somewhere else
            where = _at(source, text, name if re.match(r"\w", name) else "", emptied[0])
            words = f"'{' '.join(command)}'"
            yield Cleaner(name, tuple(emptied), 0.0, MTIME, job, where, clear=False, words=words)


def _taken_away(name: str, command: Sequence[str]) -> Iterator[str]:
    """The files that 'mv' takes away, and those that 'cp /dev/null' empties."""
    paths = [word for word in command[1:] if word.startswith("/")]
    if name == "mv":
        yield from paths[:-1]
    elif name == "cp" and paths[:1] == ["/dev/null"]:
        yield from paths[1:]


# brackets and semicolons that are words of find, not of the shell
_SIGNS = {"\x01": "(", "\x02": ")", "\x03": ";"}
_QUOTED_SIGNS = [(form.format(sign), mark) for mark, sign in _SIGNS.items() for form in ("\\{}", "'{}'", '"{}"')]


def _at(source: str, text: str, command: str, path: str) -> str:
    """A source with the line of a script that a command stands on."""
    if re.search(r":\d+$", source):
        return source
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(rf"\b{command}\b", line) and path in line and not line.lstrip().startswith("#"):
            return f"{source}:{number}"
    return source


def _commands(text: str) -> Iterator[list[str]]:
    """The simple commands in shell text, each as its words, wrappers like nice left out."""
    for command, _piped in _pipelines(text):
        yield command


@functools.cache
def _pipelines(text: str) -> list[tuple[list[str], list[str]]]:
    """Each simple command of shell text, with the words of what it is piped into."""
    return list(_read_pipelines(text))


def _read_pipelines(text: str) -> Iterator[tuple[list[str], list[str]]]:
    text = _without_variables(text.replace("\\\n", " "))
    text = re.sub(r"&>", ">", re.sub(r"\d?>&\s*[\d-]", " ", text))  # the shell's own signs for streams
    for written, mark in _QUOTED_SIGNS:
        text = text.replace(written, f" {mark} ")
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()\n")
        lexer.whitespace = " \t\r"
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return
    commands: list[tuple[list[str], str]] = [([], "")]
    for word in words:
        if word in _SEPARATORS or (word and set(word) <= set(";&|()\n")):
            commands[-1] = (commands[-1][0], word)
            commands.append(([], ""))
        else:
            commands[-1][0].append(_SIGNS.get(word, word))
    for place, (command, end) in enumerate(commands):
        piped = commands[place + 1][0] if end == "|" and place + 1 < len(commands) else []
        bare = _unwrapped(command)
        if bare and os.path.basename(bare[0]) in _SHELLS and "-c" in bare:
            yield from _pipelines(" ".join(bare[bare.index("-c") + 1 :]))
        elif bare:
            yield bare, piped


def _unwrapped(words: Sequence[str]) -> list[str]:
    """A command without what only runs it otherwise ('nice -n 19 find …')."""
    rest = list(words)
    while rest and (os.path.basename(rest[0]) in _WITH_COMMAND or re.match(r"[A-Za-z_]\w*=", rest[0])):
        rest.pop(0)
        while rest and (rest[0].startswith("-") or rest[0].isdigit()):
            rest.pop(0)
    return rest


def _without_variables(text: str) -> str:
    """Shell text with plain assignments and for loops over words put in place."""
    values = {
        name: value.strip("\"'") for name, value in re.findall(r"^\s*([A-Za-z_]\w*)=([^\s;$`]*)", text, re.MULTILINE)
    }
    loops = re.findall(r"\bfor\s+([A-Za-z_]\w*)\s+in\s+([^;\n$`]+)", text)
    values.update({name: words.strip() for name, words in loops})
    return re.sub(r"\"?\$\{?([A-Za-z_]\w*)\}?\"?", lambda found: values.get(found.group(1), found.group(0)), text)


# words of find that narrow nothing that matters, and how many words follow them
_FIND_PLAIN = {"-type": 1, "-xdev": 0, "-mount": 0, "-maxdepth": 1, "-mindepth": 1, "-daystart": 0, "-print": 0,
               "-print0": 0, "-depth": 0, "-noleaf": 0, "-a": 0, "-and": 0, "-ls": 0}  # fmt: skip
_FIND_NAMES = frozenset(["-name", "-iname"])
_FIND_AGES = {"-mtime": (1.0, MTIME), "-mmin": (1 / 1440, MTIME), "-ctime": (1.0, ANY_TIME),
              "-cmin": (1 / 1440, ANY_TIME), "-atime": (1.0, ANY_TIME), "-amin": (1 / 1440, ANY_TIME)}  # fmt: skip


@dataclass
class _Found:
    """What a find expression says so far."""

    days: float = 0.0
    by: str = MTIME
    deep: bool = True
    names: tuple[str, ...] = ()
    deletes: bool = False
    clear: bool = True
    brackets: int = 0
    other: bool = False  # a -o was the last word
    age: str = ""


def _find(words: list[str], piped: list[str], job: Job, source: str, clear: bool) -> Iterator[Cleaner]:
    start = next(
        (place for place, word in enumerate(words) if place and (word[0] in "-(!" and word not in ("-H", "-L", "-P"))),
        len(words),
    )
    roots = tuple(word for word in words[1:start] if not word.startswith("-"))
    found = _Found(clear=clear)
    rest = words[start:]
    while rest:
        rest = rest[_find_word(rest, found) :]
    if piped and os.path.basename(piped[0]) == "xargs" and {"rm", "/bin/rm", "/usr/bin/rm"} & set(piped):
        found.deletes = True
    if not found.deletes or not roots:
        return
    known = all(root.startswith("/") and "$" not in root and "`" not in root for root in roots)
    words_of = " ".join(filter(None, ("find", found.age)))
    clear = found.clear and known
    yield Cleaner(
        "find", roots, found.days, found.by, job, source, found.deep, found.names, clear=clear, words=words_of
    )


def _find_word(rest: list[str], found: _Found) -> int:
    """Take one test or action of a find expression; how many words it was."""
    word, value = rest[0], rest[1] if len(rest) > 1 else ""
    if word in ("-exec", "-execdir"):
        end = next((place for place, item in enumerate(rest) if item in (";", "+")), len(rest) - 1)
        found.deletes = found.deletes or os.path.basename(value) in _DESTROYING
        return end + 1
    if word in _FIND_AGES:
        unit, found.by = _FIND_AGES[word]
        found.age = f"{word} {value}"
        match = re.fullmatch(r"\+(\d+)", value)
        if match:
            # find drops the fraction of an age, so +13 is true from 14 whole units on
            found.days = max(found.days, (int(match.group(1)) + 1) * unit)
        else:
            found.clear = False
        return 2
    if word in _FIND_NAMES:
        # several names are a list only with -o between
        found.clear = found.clear and (found.other or not found.names)
        found.names, found.other = (*found.names, value), False
        return 2
    _find_plain(word, value, found)
    return 1 + _FIND_PLAIN.get(word, 0)


def _find_plain(word: str, value: str, found: _Found) -> None:
    """Take a word of a find expression that is neither an age, a name nor a command."""
    if word == "-delete":
        found.deletes = True
    elif word == "-maxdepth":
        found.deep = value not in ("0", "1")
    elif word in ("-o", "-or"):
        # '-name a -o -name b' in brackets is a list of names; anything else binds otherwise than it looks
        found.clear = found.clear and found.brackets > 0 and value in _FIND_NAMES
        found.other = True
    elif word in ("(", ")"):
        found.brackets += 1 if word == "(" else -1
    elif word not in _FIND_PLAIN:
        found.clear = False
    if word == "-type" and value != "f":
        found.clear = False
