"""The audit changes nothing on the host: seen by strace in its processes, and by comparing all files."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.lab.fleet import BIN, HARDENED, python_of_files, verdicts

TRACE = "/run/traced"
CALLS = (
    "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,"
    "unlink,unlinkat,rmdir,truncate,ftruncate,fallocate,chmod,fchmod,fchmodat,chown,fchown,fchownat,lchown,"
    "utime,utimes,utimensat,futimesat,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,"
    "flock,mount,umount2,swapon,sethostname,settimeofday,clock_settime,reboot"
)
# Python under strace, for Ansible to find as the host's interpreter
WRAPPER = f"""
cat > /usr/local/bin/traced-python << 'END'
#!/bin/sh
exec strace --follow-forks --quiet=all --decode-fds=path --output={TRACE}.$$ --trace={CALLS} /usr/bin/python3 "$@"
END
chmod 755 /usr/local/bin/traced-python
"""
OF_FILES = python_of_files("/usr/local/bin/traced-python-of-files", "/usr/local/bin/traced-python")
# Configuration that names logs which are not there: a program that only reads must not make them.
MISSING = {
    "web1": """
mkdir -p /var/log/nginx/new
cat > /etc/nginx/conf.d/missing.conf << 'END'
server {
    listen 127.0.0.1:8099;
    server_name missing.example;
    access_log /var/log/nginx/new/missing.log;
    error_log /var/log/nginx/new/missing.error.log;
}
END
""",
    "web2": """
mkdir -p /var/log/apache2/new
cat > /etc/apache2/sites-enabled/missing.conf << 'END'
<VirtualHost *:80>
    ServerName missing.example
    CustomLog /var/log/apache2/new/missing.log combined
    ErrorLog /var/log/apache2/new/missing.error.log
</VirtualHost>
END
""",
}
# All that a file tells of itself, but for when it was read.
LISTING = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune -o -printf '%p\t%y %i %m %u %g %s %T@ %C@ %l\n'
find /dev/shm /run /tmp -printf '%p\t%y %i %m %u %g %s %T@ %l\n'
"""
# What a login and other programs of the host write while the audit runs, whoever logs in.
OTHERS = re.compile(
    r"/run/(traced\.\d+|systemd/|user/|log/journal|utmp|sudo/|sshd|udev/|dbus|credentials|motd|lock)"
    r"|/run(/user)?$|/run/(ansible|initctl)"
    r"|/var/log/(journal/|wtmp|btmp|lastlog|auth\.log|syslog|faillog|wtmp\.db)|/var/lib/(lastlog|wtmpdb|systemd/)"
    r"|/(var/)?tmp$|/var/log$|/home/debian/\.ansible/tmp$"
    r"|/var/lib/(mysql|postgresql|redis)/|/dev/shm/PostgreSQL\.\d+$"  # by database servers themselves
    r"|/run/dovecot/srv\.[\w-]+$"  # by Dovecot, for processes that wait for logins
)
# What a probe leaves, and nothing else: a line in the log of the service that was probed, and of an own site's; at a
# webmail the session that each visit to its page of login begins, and that it ends by itself.
PROBED = re.compile(
    r"/var/log/(nginx|apache2|roundcube|postgresql)/[^/]*log$|/var/lib/private/shop/requests$"
    r"|/var/log/roundcube$|/var/lib/dbconfig-common/sqlite3/roundcube(/roundcube)?$"
)

WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (.*)$")
NAMED = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>(?:, )?)?(?:"((?:[^"\\]|\\.)*)")?')
# Python tries out its folder for temporary files with a file that it removes at once; doveconf of 2.4 works on one
TRIED = re.compile(r"/tmp/([a-z0-9_]{8}|doveconf\.[0-9a-f]{16})")  # noqa: S108
OWN = re.compile(r"(/tmp|/var/tmp|/root/\.ansible/tmp|/home/debian/\.ansible/tmp)/ansible[-_][^/]+(/.*)?")


def named(arguments: str) -> list[str]:
    """The paths that a call's arguments name, those relative to a directory joined to it."""
    found = []
    for folder, path in NAMED.findall(arguments):
        if path.startswith("/") or not folder:
            found.append(path)
        else:
            found.append(f"{folder}/{path}" if path else folder)
    return [path for path in found if path]


def harmless(path: str) -> bool:
    """Whether a path is no file of the host's, or belongs to the connection itself."""
    device = path in ("/dev/null", "/dev/tty", "/dev/mapper/control")  # the last one is how the device mapper is asked
    return device or bool(OWN.fullmatch(path) or TRIED.fullmatch(path))


def changes(trace: str) -> list[str]:
    """The calls of a trace that made, changed, renamed, removed or locked something that is not the connection's."""
    return [line for line in written(trace) if not all(map(harmless, named(CALL.match(line).group(2)) or [""]))]


def written(trace: str) -> list[str]:
    """The calls of a trace that made, changed, renamed, removed or locked anything."""
    found = []
    for line in trace.splitlines():
        call = CALL.match(line)
        if not call or call.group(3).startswith("-1 "):
            continue
        if call.group(1).startswith("open") and not WRITES.search(call.group(2)):
            continue
        found.append(line)
    return found


def listing(fleet, host: str) -> dict[str, str]:
    """All files of a host, each with what it tells of itself."""
    lines = (line.split("\t", 1) for line in fleet.shell(host, LISTING, check=False).splitlines())
    return {path: told for path, told in lines if not OTHERS.match(path)}


def log_in(fleet) -> None:
    """Leave the traces that any login over Ansible's connection leaves, before they are looked for."""
    inventories = [f"--inventory={inventory}" for inventory in fleet.inventories]
    command = [str(BIN / "ansible"), ",".join(fleet.hosts), "--become", "-m", "ansible.builtin.ping", *inventories]
    subprocess.run(command, cwd=fleet.lab.state, env=fleet.environment(), check=True, capture_output=True)


def prove_read_only(fleet, python, run: str) -> None:
    """Audit hosts under strace, with that interpreter, and compare all their files with those of before."""
    fleet.shells({host: WRAPPER + OF_FILES + MISSING.get(host, "") for host in fleet.hosts})
    log_in(fleet)
    before = {host: listing(fleet, host) for host in fleet.hosts}
    records = fleet.audit(run, "-e", f"ansible_python_interpreter=/usr/local/bin/{python}")
    for host in fleet.hosts:
        assert {"kept", "broken"} & set(verdicts(records[host]).values()), "the audit saw nothing"
        trace = fleet.shell(host, f"cat {TRACE}.*")
        assert trace.count("openat(") > 100
        assert not changes(trace)
        assert ("ansible" in " ".join(written(trace))) == (python == "traced-python-of-files")
        after = listing(fleet, host)
        changed = {path for path in before[host].keys() | after.keys() if before[host].get(path) != after.get(path)}
        assert not {path for path in changed if not PROBED.match(path)}
        left = "find /tmp /var/tmp /root /home -path '*ansible*' ! -name .ansible ! -name tmp"
        assert not fleet.shell(host, left)


@pytest.mark.parametrize("python", ["traced-python", "traced-python-of-files"], ids=["by one command", "by a module"])
def test_the_audit_makes_changes_and_removes_nothing(python, hardened):
    prove_read_only(hardened, python, f"read-only-{python}")


@pytest.mark.only("trixie")
def test_nor_does_it_on_a_mail_server(fleet, kept):
    assert kept["mail1"]
    mail = fleet.only(("mail1",))
    mail.restore(HARDENED)
    mail.audit("read-only-mail-first")  # services make files for the first who logs in, whoever that is
    prove_read_only(mail, "traced-python", "read-only-mail")


@pytest.mark.only("trixie")
def test_nor_does_it_on_servers_of_databases_and_of_backups(fleet):
    servers = fleet.only(("data1", "backup1"))
    servers.restore(HARDENED)
    prove_read_only(servers, "traced-python", "read-only-backups")


@pytest.mark.only("trixie")
def test_nor_does_it_on_a_machine_with_disks(machines):
    machines.hardened.restore(HARDENED)
    prove_read_only(machines.hardened, "traced-python", "read-only-machine")


def test_without_probes_not_even_a_log_line_is_written(hardened):
    log_in(hardened)
    before = {host: listing(hardened, host) for host in hardened.hosts}
    records = hardened.audit("no-probe", "-e", '{"audit_probe": false}')
    for host in hardened.hosts:
        assert "kept" in verdicts(records[host]).values()
        after = listing(hardened, host)
        changed = {path for path in before[host].keys() | after.keys() if before[host].get(path) != after.get(path)}
        assert not changed


def test_the_trace_sees_a_write():
    """The judgement of a trace, on lines as strace writes them."""
    own = "/tmp/ansible_measure_info_payload_x1"  # noqa: S108
    trace = f"""
12    openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>
12    openat(AT_FDCWD</>, "/dev/null", O_RDWR|O_CLOEXEC) = 3</dev/null>
12    mkdir("{own}", 0700) = 0
12    openat(AT_FDCWD</root>, "{own}/a.zip", O_WRONLY|O_CREAT, 0666) = 4<{own}/a.zip>
12    unlinkat(4<{own}>, "a.zip", 0) = 0
12    ftruncate(3<{own}/a.zip>, 170741) = 0
12    mkdir("/var/log/nginx", 0700) = -1 EEXIST (File exists)
12    openat(AT_FDCWD</root>, "/var/log/nginx/new/missing.log", O_WRONLY|O_CREAT|O_APPEND, 0644) = 5</var/log/nginx/new/missing.log>
13    unlink("/run/nginx.pid") = 0
13    unlinkat(4</etc/nginx>, "nginx.conf", 0) = 0
14    rename("{own}/a", "/etc/a") = 0
14    ftruncate(3</var/log/nginx/access.log>, 0) = 0
14    flock(3</var/lib/logrotate/status>, LOCK_EX|LOCK_NB) = 0
"""  # noqa: E501
    found = [line.split("(")[0].split()[1] for line in changes(trace)]
    assert found == ["openat", "unlink", "unlinkat", "rename", "ftruncate", "flock"]
