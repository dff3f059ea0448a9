"""The inventory of OVH, as ansible-inventory shows it, against an API that checks what python-ovh sends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from datetime import datetime, timezone
from email.utils import formatdate
from pathlib import Path

import certifi
import pytest
import yaml

from ansible_collections.privacy.hosting.plugins.inventory import ovh
from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Standing
from ansible_collections.privacy.hosting.plugins.plugin_utils._supplier import judge
from tests.unit.ovh_api import (
    API_HOST,
    APPLICATION_KEY,
    APPLICATION_SECRET,
    CANARIES,
    CLIENT_ID,
    CLIENT_SECRET,
    CONSUMER_KEY,
    SECRETS,
    OvhApi,
    refusal,
)

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

KEYS = {
    "OVH_APPLICATION_KEY": APPLICATION_KEY,
    "OVH_APPLICATION_SECRET": APPLICATION_SECRET,
    "OVH_CONSUMER_KEY": CONSUMER_KEY,
}
KEYS_AS_OPTIONS = {name.removeprefix("OVH_").lower(): value for name, value in KEYS.items()}
OAUTH2 = {"OVH_CLIENT_ID": CLIENT_ID, "OVH_CLIENT_SECRET": CLIENT_SECRET}

DEDICATED, VPS, INSTANCE = "ns3000001.ip-203-0-113.eu", "vps-0a1b2c3d.vps.ovh.net", "shop1"
PROJECT, IDENTITY = "0123456789abcdef0123456789abcdef", "8f3ab2c1-0000-4000-8000-000000000001"
ANOTHER = "9e0c0000-0000-4000-8000-000000000004"
WARNING = "[WARNING]: "
CREATE = f"https://{API_HOST}/createToken/?GET="


Done = subprocess.CompletedProcess[str]

# ansible-inventory, again and again: each run is a process of its own, and what they all import is imported once.
RUNS = """
import json, os, sys
import requests_oauthlib
from ansible.cli.inventory import InventoryCLI
for line in sys.stdin:
    run = json.loads(line)
    child = os.fork()
    if not child:
        os.environ.clear()
        os.environ.update(run["environment"])
        os.chdir(run["folder"])
        for number, name, flags in ((0, "/dev/null", os.O_RDONLY), (1, "out", 577), (2, "err", 577)):
            os.dup2(os.open(name, flags), number)
        InventoryCLI.cli_executor(run["command"])
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Runs:
    """Runs of ansible-inventory, one after the other."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNS], env=environment_of(home), cwd=home,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, command: list[str], folder: Path, environment: dict[str, str]) -> Done:
        self.process.stdin.write(json.dumps({"command": command, "folder": str(folder), "environment": environment}))
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return Done(command, status, (folder / "out").read_text(), (folder / "err").read_text())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)


def environment_of(home: Path) -> dict[str, str]:
    """An environment with nothing of this machine's user in it."""
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "COLUMNS": "10000", "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


class Account:
    """An account with servers, and a folder with an inventory that asks for them."""

    def __init__(self, folder: Path, api: OvhApi, runs: Runs) -> None:
        self.folder = folder
        self.api = api
        self.runs = runs
        self.file = folder / "fleet.ovh.yml"
        self.credentials = dict(KEYS)

    def run(self, *words: str, environment: dict[str, str] | None = None, **options) -> Done:
        """Run ansible-inventory on an inventory with these options; from scratch, where it has its own environment."""
        if options or not self.file.exists():
            self.file.write_text(yaml.safe_dump({"plugin": "privacy.hosting.ovh", **options}))
        command = ["ansible-inventory", "-i", str(self.file), *words]
        whole = environment_of(self.folder) | self.api.environment | self.credentials | (environment or {})
        if environment is None:
            done = self.runs.run(command, self.folder, whole)
        else:
            done = subprocess.run(
                [BIN / command[0], *command[1:]], cwd=self.folder, env=whole, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip
        for secret in (*SECRETS, *CANARIES.values()):
            assert secret not in done.stdout + done.stderr
        assert self.api.faults == []
        return done

    def list(self, *words: str, **options) -> dict:
        done = self.run("--list", *words, **options)
        assert done.returncode == 0, done.stderr
        return shown(done)

    def hosts(self, **options) -> dict[str, dict]:
        return self.list(**options)["_meta"]["hostvars"]

    def error(self, **options) -> str:
        """The one line that says why there is no inventory: the run must stop."""
        return one_error(self.run("--list", **options))


def shown(done: Done) -> dict:
    """The inventory that was printed. (Ansible marks each text that is no template.)"""
    return json.loads(done.stdout, object_hook=lambda found: found.get("__ansible_unsafe", found))


def one_error(done: Done) -> str:
    assert done.returncode != 0, done.stdout
    begin = f"{WARNING}Failed to parse inventory with 'auto' plugin: "
    lines = [line for line in done.stderr.splitlines() if line.startswith(begin)]
    assert len(lines) == 1, done.stderr
    assert "Completely failed to parse inventory source" in done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def warnings(done: Done) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [line.removeprefix(WARNING) for line in done.stderr.splitlines() if line.startswith(WARNING)]


@pytest.fixture
def api():
    served = OvhApi()
    yield served
    served.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    started = Runs(tmp_path_factory.mktemp("home"))
    yield started
    started.close()


@pytest.fixture
def account(tmp_path, api, runs):
    """One server of each kind."""
    api.add_dedicated(DEDICATED, "203.0.113.10")
    api.add_vps(VPS, ["203.0.113.20", "2001:db8:20::1"])
    api.add_project(PROJECT, "Webshops")
    addresses = [("10.0.0.5", "private"), ("203.0.113.30", "public"), ("2001:db8:30::1", "public")]
    api.add_instance(PROJECT, IDENTITY, INSTANCE, addresses)
    return Account(tmp_path, api, runs)


class TestWhatIsThere:
    def test_all_kinds_with_their_addresses_and_groups(self, account):
        data = account.list()
        hosts = data["_meta"]["hostvars"]
        assert {name: host["ansible_host"] for name, host in hosts.items()} == {
            DEDICATED: "203.0.113.10",
            VPS: "203.0.113.20",
            INSTANCE: "203.0.113.30",
        }
        groups = {name: data.get(name, {}).get("hosts", []) for name in ovh.GROUPS}
        assert groups == {
            "ovh_dedicated": [DEDICATED],
            "ovh_vps": [VPS],
            "ovh_cloud": [INSTANCE],
            "ovh_rescue": [],
            "ovh_expired": [],
            "ovh_incomplete": [],
        }
        assert sorted(data["ovh"]["hosts"]) == sorted(hosts)

    def test_what_is_known_of_a_dedicated_server(self, account):
        about = account.hosts()[DEDICATED]
        asked_at = about.pop("ovh_asked_at")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", asked_at)
        assert about == {
            "ansible_host": "203.0.113.10",
            "ovh_kind": "dedicated",
            "ovh_id": DEDICATED,
            "ovh_name": DEDICATED,
            "ovh_display_name": None,
            "ovh_project": None,
            "ovh_project_name": None,
            "ovh_datacenter": "gra3",
            "ovh_region": "eu-west-gra",
            "ovh_zone": "eu-west-gra-a",
            "ovh_offer": "advance-1",
            "ovh_os": "debian12_64",
            "ovh_image_user": None,
            "ovh_state": "ok",
            "ovh_power_state": "poweron",
            "ovh_boot_mode": "harddisk",
            "ovh_rescue": False,
            "ovh_ipv4": "203.0.113.10",
            "ovh_ipv6": "2001:db8:1:2::",
            "ovh_private_ips": [],
            "ovh_ips": ["203.0.113.10/32", "198.51.100.16/29", "2001:db8:1:2::/64"],
            "ovh_reverse": DEDICATED,
            "ovh_expiry": "2027-01-05",
            "ovh_service_status": "ok",
            "ovh_tags": {},
            "ovh_incomplete": False,
            "ovh_supplier": "OVH",
            "ovh_endpoint": "ovh-eu",
        }

    def test_what_it_knows_proves_where_each_of_them_stands(self, account):
        now = datetime.now(timezone.utc)
        for about in account.hosts().values():
            found = judge(Standing("OVH", ("gra",)), about, about["ansible_host"], now)
            assert found.status == "pass", found

    def test_what_is_known_of_a_vps(self, account):
        about = account.hosts()[VPS]
        expected = {
            "datacenter": "gra", "region": "Gravelines", "zone": "Region OpenStack: os-gra7", "os": "Debian 12",
            "offer": "vps-comfort-4-8-160", "state": "running", "boot_mode": "local", "expiry": "2027-01-05",
            "ipv4": "203.0.113.20", "ipv6": "2001:db8:20::1", "tags": {"role": "mail"}, "reverse": None,
        }  # fmt: skip
        assert {name: about[f"ovh_{name}"] for name in expected} == expected

    def test_what_is_known_of_an_instance(self, account):
        about = account.hosts()[INSTANCE]
        expected = {
            "id": IDENTITY, "project": PROJECT, "project_name": "Webshops", "region": "GRA11", "offer": "b3-8",
            "os": "Ubuntu 24.04", "image_user": "ubuntu", "state": "ACTIVE", "boot_mode": "local",
            "ipv6": "2001:db8:30::1", "private_ips": ["10.0.0.5"], "expiry": "2027-01-05",
        }  # fmt: skip
        assert {name: about[f"ovh_{name}"] for name in expected} == expected

    def test_the_documentation_names_every_variable(self, account):
        variables = set(account.hosts()[VPS]) - {"ansible_host"}
        documented = set(re.findall(r"C\((ovh_\w+)\)", ovh.DOCUMENTATION))
        assert documented == variables | set(ovh.GROUPS)
        page = (ROOT / "docs" / "ovh.md").read_text()
        assert {name for name in documented if f"`{name}`" not in page} == set()

    def test_the_graph(self, account):
        lines = account.run("--graph", environment={}).stdout.splitlines()
        assert f"  |  |  |--{VPS}" in lines[lines.index("  |  |--@ovh_vps:") :]

    def test_a_kind_that_is_not_wanted_is_not_asked_for(self, account):
        account.api.rights = ["/vps", "/vps/*"]
        assert set(account.hosts(kinds=["vps"])) == {VPS}
        assert not [path for path in account.api.asked if "dedicated" in path or "cloud" in path]

    def test_the_projects_that_are_wanted(self, account):
        other = "f" * 32
        account.api.add_project(other, "Others")
        account.api.add_instance(other, "8f3ab2c1-0000-4000-8000-000000000009", "other1", [("203.0.113.31", "public")])
        assert set(account.hosts(kinds=["cloud"])) == {INSTANCE, "other1"}
        assert set(account.hosts(kinds=["cloud"], projects=[other])) == {"other1"}

    def test_only_files_of_its_name(self, account):
        account.file = account.folder / "servers.yml"
        done = account.run("--list")
        assert "could not be verified by inventory plugin" in done.stderr
        assert not account.api.asked


class TestAddresses:
    def test_ipv6_first(self, account):
        hosts = account.hosts(address=["ipv6", "ipv4"])
        assert [host["ansible_host"] for _name, host in sorted(hosts.items())] == [
            "2001:db8:1:2::",
            "2001:db8:30::1",
            "2001:db8:20::1",
        ]

    def test_the_name_in_the_dns_where_there_is_one(self, account):
        hosts = account.hosts(address=["reverse", "ipv4"])
        assert hosts[DEDICATED]["ansible_host"] == DEDICATED
        assert hosts[VPS]["ansible_host"] == "mx0.example"
        assert hosts[INSTANCE]["ansible_host"] == "203.0.113.30"

    def test_the_own_address_of_a_vps_with_more(self, account):
        account.api.add_vps("vps-2.vps.ovh.net", ["198.51.100.77", "203.0.113.21", "2001:db8:21::1"])
        assert account.hosts()["vps-2.vps.ovh.net"]["ansible_host"] == "203.0.113.21"

    def test_a_private_instance(self, account):
        account.api.add_instance(PROJECT, "8f3ab2c1-0000-4000-8000-000000000002", "db1", [("10.0.0.9", "private")])
        assert account.hosts()["db1"]["ansible_host"] == "10.0.0.9"

    def test_an_instance_without_an_address_is_not_looked_for_by_its_name(self, account):
        identity = "8f3ab2c1-0000-4000-8000-000000000003"
        account.api.add_instance(PROJECT, identity, "mail", [], status="BUILD")
        done = account.run("--list")
        assert shown(done)["_meta"]["hostvars"]["mail"]["ansible_host"] == f"{identity}.no-address.invalid"
        assert warnings(done) == ["mail: OVH tells no address, so it cannot be reached"]


class TestNames:
    def test_namesakes_are_two_hosts(self, account):
        account.api.add_instance(PROJECT, ANOTHER, INSTANCE, [("203.0.113.31", "public")])
        hosts = account.hosts()
        assert hosts[f"{INSTANCE}-8f3ab2c1"]["ansible_host"] == "203.0.113.30"
        assert hosts[f"{INSTANCE}-9e0c0000"]["ansible_host"] == "203.0.113.31"
        assert len(hosts) == 4

    def test_namesakes_with_alike_ids(self, account):
        identity = IDENTITY[:-1] + "7"
        account.api.add_instance(PROJECT, identity, INSTANCE, [("203.0.113.31", "public")])
        hosts = account.hosts()
        assert len(hosts) == 4
        assert [name for name in hosts if name.endswith(identity)]

    @pytest.mark.parametrize("name", ["localhost", "all", "ovh_rescue"])
    def test_a_name_that_means_something_else(self, account, name):
        account.api.add_instance(PROJECT, ANOTHER, name, [("203.0.113.31", "public")])
        assert account.hosts()[f"{name}-9e0c0000"]["ansible_host"] == "203.0.113.31"

    def test_display_names_made_fit(self, account):
        account.api.services[f"/vps/{VPS}"]["displayName"] = "Mail (new), \x1b[31mEU!"
        assert set(account.hosts(hostname="display_name")) == {DEDICATED, INSTANCE, "Mail-new-31mEU-"}

    def test_what_the_api_tells_is_no_template(self, account):
        account.api.services[f"/dedicated/server/{DEDICATED}"]["os"] = "{{ 1 + 1 }}"
        hosts = account.hosts(compose={"found": "ovh_os"})
        assert hosts[DEDICATED]["found"] == hosts[DEDICATED]["ovh_os"] == "{{ 1 + 1 }}"


class TestConstructed:
    def test_groups_and_variables(self, account):
        data = account.list(
            keyed_groups=[
                {"prefix": "at", "key": "ovh_datacenter or ovh_region"},
                {"prefix": "tag", "key": "ovh_tags"},
            ],
            groups={"debian": "ovh_os is search('(?i)debian')"},
            compose={"ansible_user": "ovh_image_user or 'debian'"},
        )
        assert data["at_gra3"]["hosts"] == [DEDICATED]
        assert data["at_GRA11"]["hosts"] == [INSTANCE]
        assert data["tag_role_mail"]["hosts"] == [VPS]
        assert sorted(data["debian"]["hosts"]) == [DEDICATED, VPS]
        users = {name: host["ansible_user"] for name, host in data["_meta"]["hostvars"].items()}
        assert users == {DEDICATED: "debian", VPS: "debian", INSTANCE: "ubuntu"}

    def test_the_pages_inventory(self, account):
        (block,) = re.findall(r"```yaml\n(plugin: .*?)```", (ROOT / "docs" / "ovh.md").read_text(), re.DOTALL)
        account.api.services[f"/vps/{VPS}"]["iam"]["tags"]["owner"] = "customer"
        account.file.write_text(block)
        data = account.list()
        users = {name: host["ansible_user"] for name, host in data["_meta"]["hostvars"].items()}
        assert users == {DEDICATED: "debian", INSTANCE: "ubuntu"}

    def test_the_documentations_examples(self, account):
        plain, full = yaml.safe_load_all(ovh.EXAMPLES)
        for example in (plain, full | KEYS_AS_OPTIONS):
            assert example.pop("plugin") == "privacy.hosting.ovh"
            assert len(account.hosts(**example)) == 3

    def test_strict(self, account):
        assert "Could not set found" in account.error(strict=True, compose={"found": "ovh_no_such_thing"})
        assert "found" not in account.hosts(strict=False, compose={"found": "ovh_no_such_thing"})[VPS]

    def test_what_is_left_out(self, account):
        assert set(account.hosts(exclude=["ovh_tags.role | default('') == 'mail'"])) == {DEDICATED, INSTANCE}

    def test_what_cannot_be_judged_is_not_left_out_or_in(self, account):
        assert "exclude: 'ovh_tags.role == 5' cannot be evaluated for" in account.error(exclude=["ovh_tags.role == 5"])

    def test_options_of_no_use(self, account):
        assert "kinds" in account.run("--list", kinds=["mainframe"]).stderr


CACHE = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": "cache"}


class TestCache:
    def test_it_is_asked_once(self, account):
        first = account.hosts(**CACHE)
        asked = account.api.asked.total()
        assert asked
        assert account.hosts() == first
        assert account.api.asked.total() == asked
        (kept,) = (account.folder / "cache").iterdir()
        for secret in (*SECRETS, *CANARIES.values()):
            assert secret not in kept.read_text()

    def test_it_is_flushed(self, account):
        account.hosts(**CACHE)
        account.api.services["/vps"].remove(VPS)
        assert VPS in account.hosts()
        assert VPS not in account.list("--flush-cache")["_meta"]["hostvars"]
        assert VPS not in account.hosts()

    def test_it_is_for_one_question(self, account):
        account.hosts(**CACHE)
        assert set(account.hosts(**CACHE, kinds=["vps"])) == {VPS}

    def test_an_incomplete_inventory_is_not_kept(self, account):
        account.api.instead["/vps"] = [refusal(500, "INTERNAL", "Internal server error")]
        assert VPS not in account.hosts(**CACHE, partial=True)
        account.api.instead.clear()
        assert VPS in account.hosts()

    def test_without_it_every_run_asks(self, account):
        account.hosts()
        asked = account.api.asked.total()
        account.hosts()
        assert account.api.asked.total() == 2 * asked


class TestCredentials:
    CONFIGURATION = """\
        [default]
        endpoint=ovh-eu
        [ovh-eu]
        application_key={}
        application_secret={}
        consumer_key={}
        """

    def configuration(self, *values: str) -> str:
        return textwrap.dedent(self.CONFIGURATION).format(*values)

    def test_options(self, account):
        account.credentials = {}
        assert set(account.hosts(**KEYS_AS_OPTIONS)) == {DEDICATED, VPS, INSTANCE}

    def test_options_that_are_looked_up(self, account):
        account.credentials = {}
        options = {}
        for name, value in KEYS.items():
            (account.folder / name).write_text(value)
            options[name.removeprefix("OVH_").lower()] = f"{{{{ lookup('file', '{account.folder / name}') }}}}"
        assert len(account.hosts(**options)) == 3

    def test_an_option_from_the_vault(self, account):
        (account.folder / "password").write_text("a long word")
        sealed = subprocess.run(
            [BIN / "ansible-vault", "encrypt_string", "--vault-password-file", "password", APPLICATION_SECRET],
            cwd=account.folder, env=os.environ | {"HOME": str(account.folder)},
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        del account.credentials["OVH_APPLICATION_SECRET"]
        account.file.write_text(f"plugin: privacy.hosting.ovh\napplication_secret: {sealed}")
        assert len(account.list("--vault-password-file", "password")["_meta"]["hostvars"]) == 3

    @pytest.mark.parametrize("name", ["ovh.conf", ".ovh.conf"])
    def test_the_configuration_file_of_python_ovh(self, account, name):
        account.credentials = {}
        (account.folder / name).write_text(self.configuration(*KEYS.values()))
        assert len(account.hosts()) == 3

    def test_a_configuration_file_of_ones_own(self, account):
        account.credentials = {}
        (account.folder / "other.conf").write_text(self.configuration(*KEYS.values()))
        assert len(account.hosts(config_file=str(account.folder / "other.conf"))) == 3

    def test_a_configuration_file_that_is_not_there(self, account):
        assert "config_file: /no/such.conf cannot be read" in account.error(config_file="/no/such.conf")

    @pytest.mark.parametrize("content", ["application_secret={}\n", "[ovh-eu]\n{}\n", "[a]\nx=1\n[a]\ny={}\n"])
    @pytest.mark.parametrize("own", [True, False])
    def test_a_configuration_file_with_mistakes_is_not_quoted(self, account, content, own):
        path = account.folder / ("other.conf" if own else "ovh.conf")
        path.write_text(content.format(APPLICATION_SECRET))
        error = account.error(**({"config_file": str(path)} if own else {}))
        assert re.search(rf"{path.name}:\d: not a configuration file of python-ovh", error)

    def test_an_option_comes_before_the_environment(self, account):
        assert "INVALID_KEY" in account.error(application_key="another")

    def test_a_service_account(self, account):
        account.credentials = OAUTH2
        assert len(account.hosts()) == 3
        assert len(account.api.tokens) == 1

    def test_a_service_account_for_one_project(self, account):
        account.credentials = OAUTH2
        assert set(account.hosts(kinds=["cloud"], projects=[PROJECT])) == {INSTANCE}
        assert len(account.api.tokens) == 1

    def test_the_most_talkative_run_tells_no_secret(self, account):
        assert account.run("--list", "-vvvvv", **KEYS_AS_OPTIONS).returncode == 0
        account.api.credential = "expired"
        assert "has expired" in one_error(account.run("--list", "-vvvvv"))

    def test_a_clock_that_is_off(self, account):
        account.api.clock = -7200
        assert len(account.hosts()) == 3

    def test_none(self, account):
        account.credentials = {}
        error = account.error()
        assert "no credentials for ovh-eu: give application_key, application_secret, consumer_key" in error
        assert f"{CREATE}/dedicated/server&GET=/dedicated/server/*&GET=/vps&GET=/vps/*" in error

    def test_an_incomplete_set(self, account):
        del account.credentials["OVH_CONSUMER_KEY"]
        error = account.error(kinds=["vps"])
        assert "no consumer_key for ovh-eu" in error
        assert f"you get one at {CREATE}/vps&GET=/vps/*" in error

    def test_two_kinds(self, account):
        account.credentials |= OAUTH2
        assert "both application_key and client_id are given for ovh-eu" in account.error()

    def test_an_endpoint_that_is_none(self, account):
        assert "no endpoint 'ovh-nl'; there are kimsufi-ca, kimsufi-eu, ovh-ca" in account.error(endpoint="ovh-nl")

    def test_an_endpoint_without_oauth2(self, account):
        account.credentials = OAUTH2
        assert "soyoustart-eu knows no OAuth2" in account.error(endpoint="soyoustart-eu")

    def test_without_the_library(self, account):
        (account.folder / "ovh").mkdir()
        (account.folder / "ovh" / "__init__.py").write_text("raise ImportError('no module')\n")
        done = account.run("--list", environment={"PYTHONPATH": str(account.folder)})
        assert "the Python package 'ovh' is needed where Ansible runs" in one_error(done)
        assert "-m pip install ovh" in one_error(done)


class TestRefusals:
    @pytest.mark.parametrize(("state", "code"), [("expired", "INVALID_CREDENTIAL"), ("unknown", "NOT_CREDENTIAL")])
    def test_a_consumer_key_that_has_expired(self, account, state, code):
        account.api.credential = state
        error = account.error(kinds=["vps"])
        assert f"the consumer key for ovh-eu has expired, was revoked or never validated ({code})" in error
        assert f"get a new one at {CREATE}/vps&GET=/vps/*" in error

    def test_a_consumer_key_that_expires_meanwhile(self, account):
        path = f"/vps/{VPS}/ips"
        account.api.instead[path] = [refusal(403, "INVALID_CREDENTIAL", "This credential is not valid")]
        assert "has expired" in account.error(partial=True)

    def test_an_unknown_application(self, account):
        account.credentials["OVH_APPLICATION_KEY"] = "another"
        assert "the application key is unknown at ovh-eu (INVALID_KEY)" in account.error()

    def test_another_applications_secret(self, account):
        account.credentials["OVH_APPLICATION_SECRET"] = "another"  # noqa: S105
        assert "the application secret does not belong to the application key" in account.error()

    def test_a_service_account_with_a_wrong_secret(self, account):
        account.credentials = OAUTH2 | {"OVH_CLIENT_SECRET": "another"}
        assert "client_id or client_secret is wrong" in account.error()

    @pytest.mark.parametrize("body", [{"error": "temporarily_unavailable"}, b"<html>Bad gateway</html>"])
    def test_tokens_that_cannot_be_had(self, account, body):
        account.credentials = OAUTH2
        account.api.instead["token"] = [(503, body, {})]
        assert "OVH's service for OAuth2 tokens fails: try later" in account.error()

    def test_a_token_that_is_not_accepted(self, account):
        account.credentials = OAUTH2
        account.api.instead["*"] = [refusal(401, "INVALID_ACCESS_TOKEN", "This session is invalid")]
        assert "OVH does not accept the credentials for ovh-eu (401 This session is invalid)" in account.error()

    @pytest.mark.parametrize(
        ("rights", "path", "right"),
        [
            (["/dedicated/*", "/cloud/*"], "/vps", "/vps"),
            (["/dedicated/*", "/vps", "/cloud/*"], f"/vps/{VPS}", "/vps/*"),
            (["/dedicated/*", "/vps*", "/cloud/project"], f"/cloud/project/{PROJECT}", "/cloud/project/*"),
        ],
    )
    def test_a_right_that_is_missing(self, account, rights, path, right):
        account.api.rights = rights
        error = account.error()
        assert f"the consumer key may not GET {path}: it needs the right GET {right}; get one at {CREATE}" in error

    def test_a_policy_that_is_missing(self, account):
        account.credentials = OAUTH2
        account.api.rights = ["/dedicated/*", "/cloud/*"]
        assert "GET /vps is not allowed: an IAM policy must grant vps:apiovh:get" in account.error()

    def test_another_refusal(self, account):
        account.api.instead["/vps"] = [refusal(403, "FORBIDDEN", "Not from\nyour \x1b[1m address")]
        assert "OVH does not allow GET /vps (403 Not from your [1m address): the credentials need" in account.error()


class TestRateLimit:
    def test_it_waits_as_told(self, account):
        account.api.instead["/vps"] = [refusal(429, "TOO_MANY", "Too many requests"), (200, [VPS], {})]
        account.api.instead["/vps"][0][2]["Retry-After"] = "2"
        assert VPS in account.hosts()
        assert account.api.asked["/1.0/vps"] == 2
        assert 2 <= account.api.pause("/vps") < 10

    def test_it_waits_until_a_time(self, account):
        later = {"Retry-After": lambda: formatdate(time.time() + 4, usegmt=True)}
        account.api.instead["/vps"] = [(429, {}, later), (200, [VPS], {})]
        assert VPS in account.hosts()
        assert 2.5 <= account.api.pause("/vps") < 10

    def test_it_waits_without_being_told_how_long(self, account):
        account.api.instead["/vps"] = [(429, b"slow down", {}), (429, b"slow down", {}), (200, [VPS], {})]
        assert VPS in account.hosts()
        assert 3 <= account.api.pause("/vps") < 10

    def test_all_wait_when_one_is_told_to(self, account):
        for number in range(30):
            account.api.add_vps(f"vps-{number}.vps.ovh.net", ["203.0.113.99"])
        path = f"/vps/{VPS}"
        account.api.instead[path] = [(429, {}, {"Retry-After": "2"}), (200, account.api.services[path], {})]
        assert len(account.hosts(kinds=["vps"], rate_limit_wait=3)) == 31
        first = next(when for target, when in account.api.asked_at if target == f"/1.0{path}")
        assert not [target for target, when in account.api.asked_at if first + 0.5 < when < first + 1.9]

    def test_it_does_not_wait_for_ever(self, account):
        account.api.instead["*"] = [(429, {}, {"Retry-After": "1"})]
        started = time.monotonic()
        assert "which is more than is left of rate_limit_wait (3 s)" in account.error(rate_limit_wait=3)
        assert time.monotonic() - started < 15

    def test_it_does_not_wait_long(self, account):
        account.api.instead["/vps"] = [(429, {}, {"Retry-After": "3600"})]
        started = time.monotonic()
        error = account.error(kinds=["vps"])
        assert "OVH limits the rate of requests and says to wait 3600 s (GET /vps)" in error
        assert time.monotonic() - started < 15


class TestFailures:
    def test_a_failure_that_passes(self, account):
        fault = refusal(500, "INTERNAL", "Internal server error")
        account.api.instead["/vps"] = [fault, (200, [VPS], {})]
        assert VPS in account.hosts()

    def test_a_failure_that_stays(self, account):
        account.api.instead["/vps"] = [refusal(503, "INTERNAL", "Internal server error")]
        error = account.error()
        assert "OVH answers 503 to GET /vps, several times over: try later" in error
        assert "(query EU.ext-1.65f0.1234.canary) Internal server error" in error
        assert account.api.asked["/1.0/vps"] == 3

    def test_a_failing_gateway(self, account):
        account.api.instead["/vps"] = [(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})]
        assert "OVH answers 502 to GET /vps, several times over: try later" in account.error()

    def test_an_answer_that_is_none(self, account):
        account.api.instead["/vps"] = [(200, b"<html>Log in to the airport's network</html>", {})]
        assert "OVH's answer to GET /vps is no JSON" in account.error()

    def test_no_network(self, account):
        account.api.close()
        assert f"https://{API_HOST} cannot be reached: proxy error" in account.error()

    def test_no_answer_in_time(self, account):
        account.api.delay = 5
        assert f"https://{API_HOST} cannot be reached: read timeout" in account.error(timeout=1)

    def test_a_certificate_that_is_not_trusted(self, account):
        done = account.run("--list", environment={"REQUESTS_CA_BUNDLE": certifi.where()})
        assert f"https://{API_HOST} cannot be reached: sslerror" in one_error(done)

    def test_certificates_that_are_not_there(self, account):
        done = account.run("--list", environment={"REQUESTS_CA_BUNDLE": "/no/such.pem"})
        assert f"https://{API_HOST} cannot be reached: Could not find a suitable TLS CA" in one_error(done)

    @pytest.mark.parametrize("part", ["", "/ips", "/serviceInfos", "/images/current"])
    def test_a_part_that_fails_fails_all(self, account, part):
        account.api.instead[f"/vps/{VPS}{part}"] = [refusal(403, "NOT_GRANTED_CALL", "This call has not been granted")]
        assert f"the consumer key may not GET /vps/{VPS}{part}" in account.error()

    def test_the_run_stops_where_other_sources_have_hosts(self, account):
        account.api.credential = "expired"
        (account.folder / "hosts").mkdir()
        account.file = account.folder / "hosts" / "ovh.yml"
        (account.folder / "hosts" / "more.yml").write_text("all: {hosts: {elsewhere1: }}\n")
        account.run("--list")  # writes the file
        account.file = account.file.parent
        assert "has expired" in one_error(account.run("--list"))

    def test_a_listed_server_that_is_not_there(self, account):
        del account.api.services[f"/vps/{VPS}"]
        assert f"GET /vps/{VPS}: OVH knows of no such thing (404)" in account.error()

    def test_a_playbook_stops(self, account):
        account.api.credential = "expired"
        account.run("--list")
        (account.folder / "play.yml").write_text("- {hosts: all, gather_facts: false, tasks: []}\n")
        ours = {"HOME": str(account.folder), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "COLUMNS": "9999"}
        environment = os.environ | account.api.environment | account.credentials | ours
        command = [BIN / "ansible-playbook", "-i", account.file, "-i", "elsewhere1,", "play.yml"]
        done = subprocess.run(command, cwd=account.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "the consumer key for ovh-eu has expired" in done.stderr
        assert "PLAY" not in done.stdout


class TestPartial:
    def test_a_list_that_cannot_be_had(self, account):
        account.api.rights = ["/dedicated/*", "/cloud/*"]
        done = account.run("--list", partial=True)
        assert set(shown(done)["_meta"]["hostvars"]) == {DEDICATED, INSTANCE}
        (warning,) = warnings(done)
        assert "the inventory of OVH is incomplete, as 'partial' allows: the consumer key may not GET /vps" in warning

    def test_a_server_that_cannot_be_read_is_there_all_the_same(self, account):
        account.api.instead[f"/vps/{VPS}"] = [refusal(500, "INTERNAL", "Internal server error")]
        done = account.run("--list", partial=True)
        data = shown(done)
        assert data["ovh_incomplete"]["hosts"] == [VPS]
        assert data["_meta"]["hostvars"][VPS]["ansible_host"] == VPS
        assert len(data["_meta"]["hostvars"]) == 3
        assert f"{VPS}: OVH answers 500" in warnings(done)[0]

    def test_a_project_that_cannot_be_read(self, account):
        account.api.instead[f"/cloud/project/{PROJECT}/instance"] = [refusal(403, "FORBIDDEN", "Suspended")]
        done = account.run("--list", partial=True)
        assert set(shown(done)["_meta"]["hostvars"]) == {DEDICATED, VPS}
        assert f"GET /cloud/project/{PROJECT}/instance (403 Suspended)" in warnings(done)[0]

    def test_credentials_that_are_of_no_use_stop_it(self, account):
        account.api.credential = "expired"
        assert "has expired" in account.error(partial=True)

    def test_a_whole_inventory_warns_of_nothing(self, account):
        assert warnings(account.run("--list")) == []


class TestStates:
    RESCUE = "set to OVH's rescue system"

    def rescued(self, account, name: str) -> None:
        done = account.run("--list")
        data = shown(done)
        assert data["ovh_rescue"]["hosts"] == [name]
        rescue = {host: about["ovh_rescue"] for host, about in data["_meta"]["hostvars"].items()}
        assert [host for host, is_rescue in rescue.items() if is_rescue] == [name]
        assert data["_meta"]["hostvars"][name]["ovh_boot_mode"] == "rescue"
        (warning,) = warnings(done)
        assert warning.startswith(f"{name}: {self.RESCUE}")

    def test_a_dedicated_server_in_rescue_mode(self, account):
        account.api.services[f"/dedicated/server/{DEDICATED}"]["bootId"] = 1122
        self.rescued(account, DEDICATED)

    def test_a_vps_in_rescue_mode(self, account):
        account.api.services[f"/vps/{VPS}"] |= {"netbootMode": "rescue", "state": "rescued"}
        self.rescued(account, VPS)

    @pytest.mark.parametrize("status", ["RESCUE", "RESCUED", "RESCUING", "UNRESCUING"])
    def test_an_instance_in_rescue_mode(self, account, status):
        account.api.services[f"/cloud/project/{PROJECT}/instance/{IDENTITY}"] |= {
            "status": status,
            "rescuePassword": CANARIES["rescuePassword"],
        }
        self.rescued(account, INSTANCE)

    def test_a_vps_on_its_way_back(self, account):
        account.api.services[f"/vps/{VPS}"]["state"] = "rescued"
        assert account.hosts()[VPS]["ovh_rescue"] is True

    def test_a_server_that_boots_by_a_script(self, account):
        account.api.services[f"/dedicated/server/{DEDICATED}"]["bootId"] = None
        assert account.hosts()[DEDICATED]["ovh_boot_mode"] == "unknown"

    def test_a_service_that_has_expired(self, account):
        account.api.instead[f"/vps/{VPS}"] = [refusal(460, "SERVICE_EXPIRED", "This service is expired")]
        data = account.list()
        assert data["ovh_expired"]["hosts"] == [VPS]
        assert data["_meta"]["hostvars"][VPS]["ovh_service_status"] == "expired"

    def test_an_instance_whose_image_is_gone(self, account):
        account.api.services[f"/cloud/project/{PROJECT}/instance/{IDENTITY}"]["image"] = None
        about = account.hosts()[INSTANCE]
        assert (about["ovh_os"], about["ovh_image_user"]) == (None, None)

    def test_an_old_vps_that_has_no_image(self, account):
        del account.api.services[f"/vps/{VPS}/images/current"]
        assert account.hosts()[VPS]["ovh_os"] is None


class TestAudit:
    def verdicts(self, account) -> dict[str, tuple[str, str]]:
        """Verdict and first reason of each promise about the VPS, as which this machine answers."""
        (register,) = re.findall(r"```yaml\n(statement:.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
        folder = account.folder / "inventory"
        (folder / "group_vars" / "all").mkdir(parents=True)
        (folder / "group_vars" / "all" / "statement.yml").write_text(register)
        account.file = folder / "ovh.yml"
        here = {"ansible_connection": "'local'", "ansible_python_interpreter": f"'{sys.executable}'"}
        account.list(kinds=["vps"], compose=here)
        done = subprocess.run(
            [BIN / "ansible-playbook", "-i", folder, "-e", "audit_run=now", "privacy.hosting.audit"],
            cwd=account.folder, env=environment_of(account.folder) | account.api.environment | account.credentials,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        report = account.folder / "reports" / "now" / f"{VPS}.json"
        assert report.exists(), done.stdout + done.stderr
        rows = json.loads(report.read_text())["promises"]
        return {row["id"]: (row["verdict"], "".join(f["observed"] for f in row["findings"][:1])) for row in rows}

    def test_the_rescue_system_is_not_audited_for_the_server(self, account):
        account.api.services[f"/vps/{VPS}"]["netbootMode"] = "rescue"
        verdicts = self.verdicts(account)
        for promise in ("traffic-recorded", "traffic-kept-two-years"):
            assert verdicts[promise][0] == "unproven"
            assert "set to a rescue system (ovh_rescue)" in verdicts[promise][1]

    def test_a_server_is_audited(self, account):
        assert "rescue" not in self.verdicts(account)["traffic-recorded"][1]


class TestFleet:
    def test_five_hundred_servers_in_seconds(self, account, capsys):
        for number in range(400):
            account.api.add_dedicated(f"ns{number}.ip-203-0-113.eu", f"203.0.113.{number % 250 + 1}")
        for number in range(97):
            account.api.add_vps(f"vps-{number}.vps.ovh.net", [f"198.51.100.{number + 1}"])
        account.api.delay = 0.02
        started = time.monotonic()
        assert len(account.hosts()) == 500
        took = time.monotonic() - started
        requests = account.api.asked.total()
        with capsys.disabled():
            print(f"\n500 servers, {requests} requests of 20 ms, {account.api.most_at_once} at once: {took:.1f} s")
        assert account.api.most_at_once == 10

    def test_one_request_at_a_time(self, account):
        assert len(account.hosts(threads=1)) == 3
        assert account.api.most_at_once == 1
