"""The second factor over SSH, by logging in: who gets in, who does not, and that nobody is ever locked out."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pexpect
import pyotp
import pytest
import yaml

from lab import machine
from tests.lab.fleet import BIN, ROOT, WEB, Fleet, Played
from tests.lab.logins import Login, code, fresh_code, key, log_in, secret, sftp
from tests.lab.security_key import SecurityKey, plugged_in

T = TypeVar("T")

ASKED = "ssh-asked"  # the snapshot in which people are asked for a second factor
ROLLBACK = "privacy-hosting-ssh-rollback"
SOON = json.dumps({"__ssh_two_factor_rollback_after": 5})  # seconds, instead of minutes
NEVER = json.dumps({"__ssh_two_factor_rollback_after": 3000})  # not before the test lets it come

# All that the role may change, with content, mode and owner, but for the line by which controllers are not punished.
STATE = r"""
find /etc/ssh /etc/pam.d /etc/systemd/system /home/debian/.ssh \( -type f -o -type l -o -type d \) \
    ! -name 00-privacy-hosting.conf -printf '%p %y %m %u %g %l ' \
    \( -type f -exec sha256sum -b {} \; -o -printf '\n' \) | sort
grep -v -e '^#' -e '^$' -e PerSourcePenalty /etc/ssh/sshd_config.d/00-privacy-hosting.conf 2> /dev/null || true
"""


def harden(fleet: Fleet, *arguments: str, **environment: str) -> Played:
    """Run the role on one host, or on those that arguments choose."""
    return fleet.play("harden", "--tags", "ssh_two_factor", *arguments, **environment)


def state(fleet: Fleet, host: str) -> str:
    """What the role may change on a host, as it is now."""
    return fleet.shell(host, STATE)


def password(fleet: Fleet, account: str) -> str:
    """The password of an account of the lab's."""
    return (fleet.lab.state / "accounts" / account / "password").read_text().strip()


def all_get_in(fleet: Fleet, host: str) -> Login:
    """Automation and a customer get in as ever, and staff by a key, with a code where one is asked."""
    assert log_in(fleet, host, "debian", methods="publickey") == Login((), True)
    assert sftp(fleet, host, "klant1").let_in
    staff = log_in(fleet, host, "anna", methods="publickey")
    if "keyboard-interactive" in staff.output:
        staff = log_in(fleet, host, "anna", fresh_code(fleet, host, "anna"), methods="publickey,keyboard-interactive")
    assert staff.let_in, staff.output
    return staff


@pytest.fixture(scope="session")
def fleet(fleet: Fleet) -> Fleet:
    """The web servers: the others have fewer ways in."""
    return fleet.only(WEB)


@pytest.fixture(scope="module")
def asked(fleet: Fleet) -> Fleet:
    """Hosts that ask staff for a second factor, on which nobody has logged in yet; each test takes its own accounts."""
    fleet.restore("pristine")
    played = harden(fleet)
    assert played.status == 0, played.output
    fleet.lab.snapshot(ASKED)
    return fleet


# -- who gets in ----------------------------------------------------------------------------------------------


def test_a_right_code_lets_staff_in_once(asked: Fleet):
    right = code(asked, "anna")
    assert log_in(asked, "web1", "anna", right) == Login(("code",), True)
    again = log_in(asked, "web1", "anna", right)
    assert again.asked == ("code",) and not again.let_in
    # on another host nobody has used it; each host counts for itself
    assert log_in(asked, "web2", "anna", right).let_in


def test_a_wrong_code_is_refused_and_a_scratch_code_is_good_once(asked: Fleet):
    _secret, scratch = secret(asked, "bert")
    assert not log_in(asked, "web1", "bert", "000000").let_in
    assert log_in(asked, "web1", "bert", scratch[0]).let_in
    assert not log_in(asked, "web1", "bert", scratch[0]).let_in
    # and the fourth attempt within half a minute is not even asked
    assert not log_in(asked, "web1", "bert", code(asked, "bert")).let_in


def test_a_code_without_a_key_is_refused(asked: Fleet):
    for methods in ("keyboard-interactive,password", "password", "keyboard-interactive"):
        without = log_in(asked, "web2", "bert", code(asked, "bert"), identity=None, methods=methods)
        assert without.asked == () and not without.let_in
    foreign = log_in(asked, "web2", "bert", code(asked, "bert"), identity=key(asked, "anna"))
    assert foreign.asked == () and not foreign.let_in


NEWCOMER = """
useradd -m -s /bin/bash -G staff-ssh {name}
install -d -o {name} -g {name} -m 700 /home/{name}/.ssh
install -o {name} -g {name} -m 600 /home/anna/.ssh/authorized_keys /home/{name}/.ssh/
"""
GONE = "userdel -rf {name} 2> /dev/null || true; ! id {name} 2>&1; rm -f /var/lib/privacy-hosting/two-factor/{name}"


def test_staff_without_a_secret_is_refused(asked: Fleet):
    asked.shell("web1", NEWCOMER.format(name="carl"))
    refused = log_in(asked, "web1", "carl", "123456", identity=key(asked, "anna"))
    asked.shell("web1", GONE.format(name="carl"))
    assert not refused.let_in
    # the key was accepted, and the code was not
    assert "Permission denied (keyboard-interactive)" in refused.output


def test_automation_gets_in_by_key_alone_from_the_controller_only(asked: Fleet):
    assert log_in(asked, "web1", "debian", methods="publickey").let_in
    identity = key(asked, "debian").read_text()
    script = f"""
        umask 077; cat > /root/key << 'END'
{identity}END
        ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no debian@{asked.address("web1")} \
            echo let-in 2>&1 || true
        rm /root/key
    """
    elsewhere = asked.shell("front1", script)
    assert "let-in" not in elsewhere and "Permission denied" in elsewhere
    limited = asked.shell("web1", "cat /home/debian/.ssh/authorized_keys")
    assert re.match(rf'from="{asked.lab.network.ipv4(1)}/32,', limited)


def test_customers_log_in_as_before(asked: Fleet):
    for host in asked.hosts:
        assert sftp(asked, host, "klant1").let_in
        assert sftp(asked, host, "klant1", password(asked, "klant1")) == Login(("password",), True)


def test_nothing_is_left_armed_and_a_second_run_changes_nothing(asked: Fleet):
    for host in asked.hosts:
        assert "inactive" in asked.shell(host, f"systemctl is-active {ROLLBACK}.timer || true")
        assert asked.shell(host, "ls /var/lib/privacy-hosting").split() == ["two-factor", "undo"]
    before = {host: state(asked, host) for host in asked.hosts}
    again = harden(asked, "--diff")
    assert again.status == 0, again.output
    assert all(counts["changed"] == 0 for counts in again.recap.values()), again.output
    assert {host: state(asked, host) for host in asked.hosts} == before


# -- enrolment ------------------------------------------------------------------------------------------------

NOWHERE = "journalctl -q --no-pager; cat /var/log/*.log /home/*/.ansible/tmp/*/* 2> /dev/null || true"


def test_enrolment_shows_a_secret_once_on_the_terminal_and_nowhere_else(asked: Fleet):
    asked.shells(dict.fromkeys(asked.hosts, NEWCOMER.format(name="eva")))
    log = asked.lab.state / "enrol.log"
    command = asked.command("enrol", "-e", "account=eva", "-vvv")
    # what Ansible prints goes elsewhere than to the terminal
    with_log = ["-c", f"exec {shlex.join(command)} > {log} 2>&1"]
    environment = asked.environment(ANSIBLE_LOG_PATH=f"{log}.2")
    child = pexpect.spawn(
        "sh", with_log, cwd=str(asked.lab.state), env=environment, timeout=120, encoding="utf-8", dimensions=(60, 200)
    )
    child.expect(pexpect.EOF)
    shown = child.before or ""
    told = log.read_text() + Path(f"{log}.2").read_text()
    child.close()
    assert child.exitstatus == 0, told
    url = urllib.parse.urlsplit(re.findall(r"otpauth://\S+", shown)[0])
    made = urllib.parse.parse_qs(url.query)["secret"][0]
    scratch = re.findall(r"^ {4}(\d{8})\s*$", shown, re.MULTILINE)
    assert len(scratch) == 8 and "▄" in shown
    assert shown.count(made) == 1
    for hidden in (made, *scratch):
        assert hidden not in told
        assert hidden not in asked.shell("web1", NOWHERE)
    # it is the same on both hosts, and works
    now = pyotp.TOTP(made).now()
    for host in asked.hosts:
        assert log_in(asked, host, "eva", now, identity=key(asked, "anna")) == Login(("code",), True)
        assert asked.shell(host, "stat -c '%a %U' /var/lib/privacy-hosting/two-factor/eva").strip() == "400 root"
        asked.shell(host, GONE.format(name="eva"))


def test_enrolment_without_a_terminal_takes_a_file_of_the_vault(asked: Fleet):
    asked.shells(dict.fromkeys(asked.hosts, NEWCOMER.format(name="eva")))
    file, vault = asked.lab.state / "eva.vault.yml", asked.lab.state / "vault-password"
    file.unlink(missing_ok=True)
    vault.write_text("Correct-Horse-9\n")
    refused = asked.play("enrol", "-e", "account=eva")
    assert refused.status != 0 and "there is no terminal to show the secret on" in refused.output
    refused = asked.play("enrol", "-e", "account=eva", "-e", f"enrol_file={file}")
    assert refused.status != 0 and "give --ask-vault-pass" in refused.output
    arguments = ["-e", "account=eva", "-e", f"enrol_file={file}", "--vault-password-file", str(vault), "-vvvv"]
    first = asked.play("enrol", "--limit", "web1", *arguments)
    second = asked.play("enrol", *arguments)  # the other host is given the same
    assert first.status == second.status == 0, first.output + second.output
    assert file.stat().st_mode & 0o777 == 0o600 and file.read_text().startswith("$ANSIBLE_VAULT;")
    viewed = subprocess.run(
        [BIN / "ansible-vault", "view", "--vault-password-file", vault, file],
        capture_output=True, text=True, check=True, env=asked.environment(),
    )  # fmt: skip
    told = yaml.safe_load(viewed.stdout)
    assert len(told["scratch_codes"]) == 8 and told["url"].startswith("otpauth://totp/")
    for hidden in (told["secret"], *told["scratch_codes"]):
        assert hidden not in first.output + second.output
        assert hidden not in asked.shell("web1", NOWHERE)
    # who has a secret keeps it
    third = asked.play("enrol", *arguments)
    assert all(counts["changed"] == 0 for counts in third.recap.values()), third.output
    for host in asked.hosts:
        assert log_in(asked, host, "eva", told["scratch_codes"][0], identity=key(asked, "anna")).let_in
        asked.shell(host, GONE.format(name="eva"))


# -- security keys --------------------------------------------------------------------------------------------


def test_a_security_key_is_enough_where_it_verifies_its_user(fleet: Fleet, tmp_path: Path):
    fleet.restore("pristine", ["web1"])
    verifying, touched = SecurityKey(verifies=True), SecurityKey(verifies=False)
    fleet.shell("web1", NEWCOMER.format(name="hans"))  # with anna's key
    add = f"printf '%s\\n' 'verify-required {verifying.public}' '{touched.public}' >> /home/hans/.ssh/authorized_keys"
    fleet.shell("web1", add)
    played = harden(fleet, "--limit", "web1")
    assert played.status == 0, played.output

    def with_key(security_key: SecurityKey, account: str) -> Login:
        public = tmp_path / "key.pub"
        public.write_text(security_key.public)
        with plugged_in(security_key, tmp_path / "agent") as agent:
            return log_in(fleet, "web1", account, identity=public, agent=agent)

    assert with_key(verifying, "hans") == Login((), True)
    assert not with_key(touched, "hans").let_in
    assert not log_in(fleet, "web1", "hans", "123456", identity=key(fleet, "anna")).let_in
    # it is nobody else's
    assert not with_key(verifying, "anna").let_in
    # by identifier: of a process that has ended, a busy journald no longer learns the unit
    journal = fleet.shell("web1", "journalctl -q -o cat -t sshd -t sshd-session -t sshd-auth")
    assert "user verification requirement not met" in journal


# -- grace ----------------------------------------------------------------------------------------------------


@pytest.mark.only("trixie")
def test_a_time_of_grace_ends_by_itself(fleet: Fleet):
    fleet.restore("pristine")
    fleet.shells(dict.fromkeys(fleet.hosts, "mv /var/lib/privacy-hosting/two-factor/bert /root/"))
    grace = json.dumps({"ssh_two_factor_grace_until": "2037-01-30"})
    played = harden(fleet, "-e", grace)
    assert played.status == 0, played.output
    again = harden(fleet, "-e", grace, "--limit", "web1")
    assert again.recap["web1"]["changed"] == 0, again.output
    # until then: bert by key alone, all others with a code
    assert log_in(fleet, "web1", "bert") == Login((), True)
    assert log_in(fleet, "web1", "anna", code(fleet, "anna")) == Login(("code",), True)
    timer = "systemctl show -p NextElapseUSecRealtime --value privacy-hosting-ssh-grace.timer"
    assert "2037-01-31 00:00:00 UTC" in fleet.shell("web1", timer)
    # the timer is told of another moment, and comes
    fleet.shell("web1", "systemctl is-enabled --quiet privacy-hosting-ssh-grace.timer")
    soon = "sed -i \"s/^OnCalendar=.*/OnCalendar=$(date -u -d '+3 seconds' '+%F %T UTC')/\""
    file = "/etc/ssh/sshd_config.d/00-privacy-hosting-grace.conf"
    over = f"for _ in $(seq 100); do [ -e {file} ] || exit 0; sleep 0.1; done"
    timer = "/etc/systemd/system/privacy-hosting-ssh-grace.timer"
    fleet.shell("web1", f"{soon} {timer}; systemctl daemon-reload; {over}; exit 1")
    fleet.shell("web1", "systemctl is-active --quiet --wait privacy-hosting-ssh-grace.service || sleep 1")
    refused = log_in(fleet, "web1", "bert", "123456")
    assert refused.asked == ("code",) and not refused.let_in
    # who is enrolled meanwhile is asked from then on
    assert log_in(fleet, "web2", "bert") == Login((), True)
    made, scratch = secret(fleet, "bert")
    file, vault = fleet.lab.state / "bert.vault.yml", fleet.lab.state / "vault-password"
    vault.write_text("Correct-Horse-9\n")
    file.write_text(json.dumps({"account": "bert", "secret": made, "scratch_codes": scratch}))
    with_vault = ["--vault-password-file", str(vault)]
    subprocess.run([BIN / "ansible-vault", "encrypt", *with_vault, file], check=True, env=fleet.environment())
    enrolled = fleet.play("enrol", "-e", "account=bert", "-e", f"enrol_file={file}", *with_vault)
    assert enrolled.status == 0, enrolled.output
    assert log_in(fleet, "web2", "bert", code(fleet, "bert")) == Login(("code",), True)


# -- undo -----------------------------------------------------------------------------------------------------


@pytest.mark.only("trixie")
def test_undo_puts_all_back_but_the_secrets(fleet: Fleet):
    fleet.restore("pristine")
    whole = STATE.replace("! -name 00-privacy-hosting.conf", "")
    before = {host: fleet.shell(host, whole) for host in fleet.hosts}
    assert harden(fleet).status == 0
    played = fleet.play("undo")
    assert played.status == 0, played.output
    assert "the secrets in" in played.output
    for host in fleet.hosts:
        assert fleet.shell(host, whole) == before[host]
        assert fleet.shell(host, "ls /var/lib/privacy-hosting/two-factor").split() == ["anna", "bert"]
        assert log_in(fleet, host, "anna", methods="publickey").let_in


# -- cut off --------------------------------------------------------------------------------------------------


def tasks_of(role: str) -> list[str]:
    """The names of a role's tasks, in their order; that of the specification comes first."""

    def flat(file: str) -> Iterator[str]:
        tasks = yaml.safe_load((ROOT / "roles" / role / "tasks" / file).read_text())
        for task in [inner for outer in tasks for inner in outer.get("block", [outer])]:
            if "ansible.builtin.meta" not in task:  # nobody is told of its start; the next task's is as good
                yield task["name"]
            yield from flat(task["ansible.builtin.include_tasks"]) if "ansible.builtin.include_tasks" in task else ()

    told = ["Validating arguments against arg spec 'main' - Two factors at the login over SSH", *flat("main.yml")]
    return list(dict.fromkeys(told))


TASKS = tasks_of("ssh_two_factor")
assert len(TASKS) >= 12


@pytest.fixture(scope="module")
def reached(fleet: Fleet) -> Fleet:
    """Hosts on which the role never came to its end. Whatever is cut off leaves them so."""
    fleet.restore("pristine")
    return fleet


@pytest.fixture(scope="module")
def begun(fleet: Fleet) -> Fleet:
    """The same, for tests that do not follow those to the end of the role."""
    fleet.restore("pristine")
    return fleet


def side_by_side(fleet: Fleet, action: Callable[[str], T]) -> dict[str, T]:
    """Do the same on each host at once; what came of it, by host."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(fleet.hosts, pool.map(action, fleet.hosts), strict=True))


def start(fleet: Fleet, host: str, after: str, **environment: str) -> subprocess.Popen[str]:
    """Begin to harden one host."""
    return subprocess.Popen(
        fleet.command("harden", "--tags", "ssh_two_factor", "--limit", host, "-e", after),
        cwd=fleet.lab.state, env=fleet.environment(**environment), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def cut_off_at_task(fleet: Fleet, host: str, task: str) -> None:
    """Begin to harden a host, and kill the controller's side when a task begins."""
    process = start(
        fleet, host, NEVER, CUT_OFF_AT=f": {task}", ANSIBLE_CALLBACKS_ENABLED="cut_off",
        ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests" / "lab" / "callback_plugins"),
    )  # fmt: skip
    output, _none = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, output


def wait_for_rollback(fleet: Fleet, host: str) -> None:
    """Wait until no rollback is armed or under way any more."""
    idle = f"""
        for _ in $(seq 300); do
            systemctl is-active --quiet {ROLLBACK}.timer {ROLLBACK}.service || exit 0
            sleep 0.1
        done
        exit 1
    """
    fleet.shell(host, idle)


def let_rollback_come(fleet: Fleet, host: str) -> None:
    """Start, where a rollback is armed, what its timer would start in some time."""
    now = f"""
        systemctl is-active --quiet {ROLLBACK}.timer || exit 0
        systemctl start {ROLLBACK}.service
        while systemctl is-active --quiet {ROLLBACK}.service; do sleep 0.1; done
        systemctl stop {ROLLBACK}.timer
    """
    fleet.shell(host, now)


@pytest.mark.parametrize("number", range(0, len(TASKS), 2), ids=lambda number: " | ".join(TASKS[number : number + 2]))
def test_cut_off_at_any_task_nobody_is_locked_out(number: int, reached: Fleet):
    """Two tasks at once, each on a host of its own."""
    tasks = dict(zip(reached.hosts, [*TASKS, TASKS[-1]][number : number + 2], strict=True))
    before = side_by_side(reached, lambda host: state(reached, host))

    def cut(host: str) -> tuple[str, Login]:
        cut_off_at_task(reached, host, tasks[host])
        let_rollback_come(reached, host)
        return state(reached, host), all_get_in(reached, host)

    for host, (after, staff) in side_by_side(reached, cut).items():
        if TASKS.index(tasks[host]) > TASKS.index("Call the rollback off"):  # all was done and proven before
            assert staff.asked == ("code",), tasks[host]
        else:
            assert after == before[host] and staff.asked == (), tasks[host]


# Commands of the host's that wait when they are called like this, and say so; all is killed meanwhile.
MOMENTS = {
    "while the rollback is being armed": ("systemd-run", "bin", "*' --on-active='*"),
    "while sshd tests its files": ("sshd", "sbin", "*' -t '*"),
    "while sshd tells what it would do": ("sshd", "sbin", "*' user=anna,'*"),
    "when sshd is to reload": ("systemctl", "bin", "*' reload ssh'*"),
    "while the rollback is called off": ("systemctl", "bin", f"*' stop {ROLLBACK}.timer '*"),
}
WAITING = """
cat > /usr/local/sbin/{command} << 'END'
#!/bin/sh
case " $* " in
    {call}) [ -e {armed} ] && touch /run/waiting && sleep 100 ;;
esac
exec /usr/{folder}/{command} "$@"
END
chmod 755 /usr/local/sbin/{command}
"""


@pytest.mark.only("trixie")
@pytest.mark.parametrize("moment", MOMENTS)
def test_cut_off_within_a_task_nobody_is_locked_out(moment: str, begun: Fleet):
    command, folder, call = MOMENTS[moment]
    called_off = "called off" in moment
    being_armed = "being armed" in moment
    armed = "/var/lib/privacy-hosting" + (
        "" if called_off else f"/ssh-rollback/{'rollback.py' if being_armed else 'armed.json'}"
    )
    before = side_by_side(begun, lambda host: state(begun, host))

    def cut(host: str) -> tuple[str, Login]:
        begun.shell(host, WAITING.format(command=command, folder=folder, call=call, armed=armed))
        process = start(begun, host, NEVER if called_off else SOON)
        begun.shell(host, "for _ in $(seq 600); do [ -e /run/waiting ] && exit 0; sleep 0.1; done; exit 1")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        begun.shell(host, f"systemctl kill --signal=KILL user-1000.slice; rm /run/waiting /usr/local/sbin/{command}")
        (let_rollback_come if called_off else wait_for_rollback)(begun, host)
        return state(begun, host), all_get_in(begun, host)

    for host, (after, staff) in side_by_side(begun, cut).items():
        if called_off:  # all was done and proven before
            assert staff.asked == ("code",)
        else:
            assert after == before[host] and staff.asked == ()


@pytest.mark.only("trixie")
def test_the_next_run_puts_back_what_was_cut_off_and_does_it_all(fleet: Fleet):
    fleet.restore("pristine", ["web1"])
    cut_off_at_task(fleet, "web1", "Call the rollback off")
    again = harden(fleet, "--limit", "web1")
    assert again.status == 0, again.output
    wait_for_rollback(fleet, "web1")
    assert all_get_in(fleet, "web1").asked == ("code",)


@pytest.mark.only("bookworm")
def test_cut_off_and_restarted_the_host_puts_itself_back(fleet: Fleet):
    """A restart ends the timer; what is armed is put back before sshd starts."""
    fleet.restore("pristine", ["web1"])
    before = state(fleet, "web1")
    cut_off_at_task(fleet, "web1", "Call the rollback off")
    assert "publickey,keyboard-interactive:pam" in state(fleet, "web1")
    machine.podman("restart", "--time=0", fleet.lab.container(fleet.lab.hosts["web1"]))
    fleet.shell("web1", "for _ in $(seq 300); do systemctl is-system-running --wait && exit 0; sleep 0.1; done; exit 1")
    assert state(fleet, "web1") == before
    assert all_get_in(fleet, "web1").asked == ()


# -- however Ansible logs in ------------------------------------------------------------------------------------

ADMIN = """
useradd -m -G sudo -s /bin/bash admin
echo admin:Correct-Horse-9 | chpasswd
for home in /home/admin:admin /root:root; do
    install -d -o ${home#*:} -g ${home#*:} -m 700 ${home%:*}/.ssh
    install -o ${home#*:} -g ${home#*:} -m 600 /home/debian/.ssh/authorized_keys ${home%:*}/.ssh/
done
rm -r /home/debian/.ssh
"""


@pytest.mark.only("bookworm")
@pytest.mark.parametrize("way", ["as root", "as admin with a password for sudo", "through a bastion"])
def test_however_ansible_logs_in_it_gets_in_again(way: str, fleet: Fleet):
    fleet.restore("pristine", ["web1", "front1"])
    fleet.shell("web1", ADMIN)
    name = "root" if way == "as root" else "admin"
    options: dict[str, Any] = {"ansible_user": name, "ssh_two_factor_automation_accounts": [name]}
    if name == "root":
        options |= {"ansible_become": False}
        fleet.shell("web1", "userdel -rf admin 2> /dev/null")
    else:
        options |= {"ansible_become_password": "Correct-Horse-9"}
        fleet.shell("web1", "rm -r /root/.ssh")
    if way == "through a bastion":
        jump = shlex.join(["ssh", "-F", "/dev/null", *own_options(fleet), f"debian@{fleet.address('front1')}", "-W"])
        options["ansible_ssh_common_args"] = f"{shlex.join(own_options(fleet))} -o ProxyCommand='{jump} %h:%p'"
        refused = harden(fleet, "--limit", "web1", "-e", json.dumps(options))
        assert f"this run comes from {fleet.address('front1')}, which ssh_two_factor_controllers" in refused.output
        options["ssh_two_factor_controllers"] = [fleet.address("front1")]
    elif name == "admin":
        fleet.shell("web1", "rm /etc/sudoers.d/*")
    played = harden(fleet, "--limit", "web1", "-e", json.dumps(options))
    assert played.status == 0, played.output
    assert harden(fleet, "--limit", "web1", "-e", json.dumps(options)).recap["web1"]["changed"] == 0
    assert "Correct-Horse" not in played.output
    anna = log_in(fleet, "web1", "anna", code(fleet, "anna"))
    assert anna == Login(("code",), True)


def own_options(fleet: Fleet) -> list[str]:
    """The options by which the lab's own key and known hosts are used."""
    state = fleet.lab.state
    return ["-i", f"{state}/id_ed25519", "-o", f"UserKnownHostsFile={state}/known_hosts", "-o", "IdentitiesOnly=yes"]


@pytest.mark.only("trixie")
def test_root_gets_in_by_key_and_code(fleet: Fleet):
    fleet.restore("pristine", ["web1"])
    enrolled = """
        install -d -m 700 /root/.ssh
        install -m 600 /home/anna/.ssh/authorized_keys /root/.ssh/
        cp -p /var/lib/privacy-hosting/two-factor/anna /var/lib/privacy-hosting/two-factor/root
    """
    fleet.shell("web1", enrolled)
    played = harden(fleet, "--limit", "web1")
    assert played.status == 0, played.output
    root = log_in(fleet, "web1", "root", code(fleet, "anna"), identity=key(fleet, "anna"))
    assert root == Login(("code",), True), root.output
    assert not log_in(fleet, "web1", "root", "000000", identity=key(fleet, "anna")).let_in


# -- where it cannot be done ----------------------------------------------------------------------------------

FULL = """
for folder in {folders}; do
    mount -t tmpfs -o size=4m,mode=755 tmpfs /mnt
    cp -a $folder/. /mnt/
    mount --move /mnt $folder
    cat /dev/zero > $folder/full 2> /dev/null || true
done
"""
# What is wrong with the host, or with the options; and what the run says of it, in one line.
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "the PAM module is missing": (
        "rm /usr/lib/*/security/pam_google_authenticator.so", {}, r"pam_google_authenticator\.so is not installed",
    ),
    "another file decides": (
        r"""printf 'Match Group staff-ssh\n AuthenticationMethods publickey\n' > /etc/ssh/sshd_config.d/00-aaa.conf
            systemctl reload ssh""",
        {}, r"'sshd -T -C user=anna,.*instead of 'publickey,keyboard-interactive:pam': another file decides before",
    ),
    "sshd's files were wrong before": (
        "echo 'Nonsense yes' > /etc/ssh/sshd_config.d/zz.conf", {}, r"Bad configuration option: Nonsense",
    ),
    "sshd does without PAM": (
        "usermod -p '*' debian; sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config; systemctl reload ssh", {},
        r"'UsePAM no', so it cannot ask for codes",
    ),
    "somebody's edit was not loaded yet, and would lock out": (
        "sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config", {}, r"sshd on :22 has not loaded its files",
    ),
    "the clock is not kept right": (
        "ln -s /bin/false /usr/local/sbin/systemd-detect-virt", {}, r"the clock is not synchronised",
    ),
    "the clock is wrong": (
        "", {"__ssh_two_factor_controller_time": "2026-01-31T12:00:00Z"}, r"the clock differs by \d+ s",
    ),
    "/etc is full": (
        FULL.format(folders="/etc/ssh /etc/pam.d") + "systemctl reload ssh", {}, r"No space left on device",
    ),
    "/var is full": (
        FULL.format(folders="/var/lib/privacy-hosting"), {}, r"No space left on device",
    ),
    "the controller is not named": (
        "", {"ssh_two_factor_controllers": ["198.51.100.7"]}, r"this run comes from [0-9.]+, which ssh_two_factor_con",
    ),
    "Ansible's account is not automation": (
        "", {"ssh_two_factor_automation_accounts": []}, r"this run logs in as debian, which would be asked",
    ),
    "staff without a key": (
        "rm /home/bert/.ssh/authorized_keys", {}, r"bert: logs in by password only",
    ),
    "root has a key and no second factor": (
        "install -d -m 700 /root/.ssh; install -m 600 /home/anna/.ssh/authorized_keys /root/.ssh/", {},
        r"no second factor yet: root; enrol each",
    ),
    "a secret that others may read": (
        "chmod 644 /var/lib/privacy-hosting/two-factor/bert", {}, r"two-factor/bert is not root's alone",
    ),
}  # fmt: skip


@pytest.mark.only("bookworm")
@pytest.mark.parametrize("number", range(0, len(REFUSED), 2), ids=lambda number: " | ".join([*REFUSED][number:][:2]))
def test_where_it_cannot_be_done_all_is_as_before(number: int, fleet: Fleet):
    """Two cases at once, each on a host of its own."""
    fleet.restore("pristine")
    cases = dict(zip(fleet.hosts, [*REFUSED][number:][:2], strict=True))

    def refused(host: str) -> None:
        script, variables, told = REFUSED[cases[host]]
        fleet.shell(host, script)
        before = state(fleet, host)
        played = harden(fleet, "--limit", host, "-e", json.dumps({**json.loads(SOON), **variables}))
        assert played.status != 0, cases[host]
        assert re.search(rf'"msg": "[^"]*{told}', played.output), played.output
        wait_for_rollback(fleet, host)
        assert state(fleet, host) == before, cases[host]
        assert all_get_in(fleet, host).asked == (), cases[host]

    side_by_side(fleet, refused)


@pytest.mark.only("trixie")
def test_one_host_comes_first(fleet: Fleet):
    """Where no new login works on the first host, the others are left as they are."""
    fleet.restore("pristine")
    before = side_by_side(fleet, lambda host: state(fleet, host))
    assert harden(fleet, "--check").status == 0  # the connections that this makes stay open
    fleet.shell("web1", "echo closed > /etc/nologin")
    played = harden(fleet, "-e", NEVER)
    assert played.recap["web1"]["unreachable"] == 1, played.output
    assert "web1 came first, and it did not go well there" in played.output
    # the host put itself back
    fleet.shell("web1", "rm /etc/nologin")
    let_rollback_come(fleet, "web1")
    assert side_by_side(fleet, lambda host: state(fleet, host)) == before
    assert side_by_side(fleet, lambda host: all_get_in(fleet, host).asked) == dict.fromkeys(fleet.hosts, ())
    journal = fleet.shell("web1", f"journalctl -q -o cat -u {ROLLBACK}.service")
    assert "No new login followed" in journal and "put back /etc/pam.d/sshd" in journal


# ssh as it is with ControlMaster in somebody's own configuration, of which Ansible knows nothing
OWN_SSH = """#!/bin/sh
for word; do [ "$word" = -O ] && exit 255; done
exec ssh -o ControlMaster=auto -o ControlPersist=20 -o ControlPath=/tmp/privacy-hosting-test-%C "$@"
"""


@pytest.mark.only("trixie")
def test_a_connection_from_before_proves_nothing(fleet: Fleet):
    """Where somebody's own ControlMaster hides that Ansible did not log in anew."""
    fleet.restore("pristine", ["web1"])
    before = state(fleet, "web1")
    ssh = fleet.lab.state / "own-ssh"
    ssh.write_text(OWN_SSH)
    ssh.chmod(0o755)
    options = {**json.loads(NEVER), "ansible_ssh_executable": str(ssh), "ansible_ssh_args": ""}
    try:
        played = harden(fleet, "--limit", "web1", "-e", json.dumps(options))
    finally:
        ssh.unlink()
    assert played.status != 0 and "Ansible did not log in anew" in played.output, played.output
    let_rollback_come(fleet, "web1")
    assert state(fleet, "web1") == before
    assert all_get_in(fleet, "web1").asked == ()
