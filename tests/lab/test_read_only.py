"""The audit changes nothing on the host: seen by strace in its processes, and by comparing all files."""

from __future__ import annotations

import re

import pytest

from tests.lab.fleet import verdicts

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
exec strace --follow-forks --quiet=all --output={TRACE}.$$ --trace={CALLS} /usr/bin/python3 "$@"
END
chmod 755 /usr/local/bin/traced-python
"""
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
    r"|/run$|/run/(ansible|initctl)"
    r"|/var/log/(journal/|wtmp|btmp|lastlog|auth\.log|syslog|faillog|wtmp\.db)|/var/lib/(lastlog|wtmpdb|systemd/)"
    r"|/home/debian/\.(cache|sudo_as_admin_successful)"
)
# What a probe leaves, and nothing else: a line in the log of the service that was probed.
PROBED = re.compile(r"/var/log/(nginx|apache2)/[^/]*log$")

WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
HARMLESS = re.compile(r'"/dev/(null|tty)"')
PATHS = re.compile(r'"((?:[^"\\]|\\.)*)"')


def own_folders(trace: str) -> set[str]:
    """The temporary folders that the connection made for its own programs."""
    found = re.findall(r'mkdir(?:at)?\((?:AT_FDCWD, )?"([^"]*ansible[^"]*)"', trace)
    return {folder.rstrip("/") for folder in found}


def changes(trace: str) -> list[str]:
    """The calls of a trace that made, changed, renamed, removed or locked something outside the own folders."""
    own = tuple(own_folders(trace))
    found = []
    for line in trace.splitlines():
        call = re.match(r"\d+\s+(\w+)\(", line)
        if not call or HARMLESS.search(line) or " = -1 E" in line:
            continue
        if call.group(1).startswith("open") and not WRITES.search(line):
            continue
        paths = PATHS.findall(line)
        if own and paths and all(path.startswith(own) for path in paths):
            continue
        found.append(line)
    return found


def listing(fleet, host: str) -> dict[str, str]:
    """All files of a host, each with what it tells of itself."""
    lines = (line.split("\t", 1) for line in fleet.shell(host, LISTING, check=False).splitlines())
    return {path: told for path, told in lines if not OTHERS.match(path)}


@pytest.mark.parametrize("pipelining", ["1", "0"], ids=["pipelined", "by files"])
def test_the_audit_makes_changes_and_removes_nothing(pipelining, hardened):
    hosts = hardened.hosts
    hardened.shells({host: WRAPPER + MISSING[host] for host in hosts})
    before = {host: listing(hardened, host) for host in hosts}
    records = hardened.audit(
        f"read-only-{pipelining}", "-e", "ansible_python_interpreter=/usr/local/bin/traced-python",
        ANSIBLE_PIPELINING=pipelining,
    )  # fmt: skip
    for host in hosts:
        assert {"kept", "broken"} & set(verdicts(records[host]).values()), "the audit saw nothing"
        trace = hardened.shell(host, f"cat {TRACE}.*")
        assert "AnsiballZ" in trace or "measure_info" in trace or "/proc/" in trace
        assert not changes(trace)
        after = listing(hardened, host)
        changed = {path for path in before[host].keys() | after.keys() if before[host].get(path) != after.get(path)}
        assert not {path for path in changed if not PROBED.match(path)}
        left = "find /tmp /var/tmp /root /home -path '*ansible*' ! -name .ansible ! -name tmp"
        assert not hardened.shell(host, left)


def test_without_probes_not_even_a_log_line_is_written(hardened):
    before = {host: listing(hardened, host) for host in hardened.hosts}
    records = hardened.audit("no-probe", "-e", '{"audit_probe": false}')
    for host in hardened.hosts:
        assert "kept" in verdicts(records[host]).values()
        after = listing(hardened, host)
        changed = {path for path in before[host].keys() | after.keys() if before[host].get(path) != after.get(path)}
        assert not changed


def test_the_trace_sees_a_write():
    """The judgement of a trace, on lines as strace writes them."""
    trace = "\n".join(
        [
            '12 openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3',
            '12 openat(AT_FDCWD, "/dev/null", O_RDWR|O_CLOEXEC) = 3',
            '12 mkdir("/tmp/ansible_x_payload_1", 0700) = 0',
            '12 openat(AT_FDCWD, "/tmp/ansible_x_payload_1/a.zip", O_WRONLY|O_CREAT, 0666) = 4',
            '12 openat(AT_FDCWD, "/var/log/nginx/new/missing.log", O_WRONLY|O_CREAT|O_APPEND, 0644) = 5',
            '12 unlink("/run/nginx.pid") = 0',
            '12 rename("/tmp/ansible_x_payload_1/a", "/etc/a") = 0',
        ]
    )
    assert [line.split("(")[0] for line in changes(trace)] == ["12 openat", "12 unlink", "12 rename"]
