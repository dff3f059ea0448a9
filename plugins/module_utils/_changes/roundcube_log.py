# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role mail_log changes in Roundcube as Debian lays it out: logins are recorded with the visitor's address.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .._change import Transaction, Validation
from .._host import Host
from .mail_edits import UNDONE_BY, Wanted

CONFIG = "/etc/roundcube/config.inc.php"
PLUGINS = "/var/lib/roundcube/plugins"
_NAME = "privacy_hosting"
_OWN = "privacy-hosting.inc.php"
_SETS = re.compile(r"\$config\s*\[")
_HERE = r"(?:\w+://)?(?:localhost|127\.[\d.]+|\[?::1\]?)(?::\d+)?"

_PLUGIN = f"""<?php
// {UNDONE_BY}

/** Tells the IMAP server for whom the webmail logs in. Dovecot believes it from login_trusted_networks only. */
class {_NAME} extends rcube_plugin
{{
    public function init()
    {{
        $this->add_hook('storage_connect', [$this, 'name_visitor']);
    }}

    public function name_visitor($options)
    {{
        $told = isset($options['preauth_ident']) ? (array) $options['preauth_ident'] : [];
        $options['preauth_ident'] = ['x-originating-ip' => rcube_utils::remote_addr()] + $told;
        return $options;
    }}
}}
"""
_SETTINGS = f"""<?php
// {UNDONE_BY}
$config['log_logins'] = true;
$config['smtp_log'] = true;
"""
_NO_CONTENT = """// These write whole conversations: subjects, messages and passwords.
foreach (['imap_debug', 'smtp_debug', 'ldap_debug', 'sql_debug'] as $name) {
    $config[$name] = false;
}
"""
_WITH_PLUGIN = f"""if (!in_array('{_NAME}', $config['plugins'] ?? [], true)) {{
    $config['plugins'][] = '{_NAME}';
}}
"""


def plan(
    host: Host, transaction: Transaction, wanted: Wanted, config: str = CONFIG, plugins: str = PLUGINS
) -> Iterator[str]:
    """Fill the transaction for Roundcube. Yields what an administrator must know."""
    if "webmail" not in wanted.logins or host.stat(config) is None:
        return
    text = host.read(config)
    if not _SETS.search(text):
        yield f"{config}: it sets no $config['…'], so it was left as it is: set $config['log_logins'] = true"
        return
    own = f"{config.rpartition('/')[0]}/{_OWN}"
    transaction.directory(f"{plugins}/{_NAME}")
    transaction.write(f"{plugins}/{_NAME}/{_NAME}.php", _PLUGIN, 0o644)
    transaction.write(own, _SETTINGS + (_NO_CONTENT if wanted.dropped else "") + _WITH_PLUGIN, 0o644)
    if own not in text:
        transaction.write(config, _included(text, own))
    if not connects_here(host, config):
        yield (
            f"{config}: its IMAP server is another machine, which must believe this one about visitors' addresses: "
            "name this one's address there in mail_log_trusted_proxies"
        )
    if host.has("php"):
        transaction.validations.append(Validation(("php", "-n", "-l", config)))
    units = host.glob("/usr/lib/systemd/system/php*-fpm.service")
    transaction.reloads += [unit.rpartition("/")[2].removesuffix(".service") for unit in units]


def connects_here(host: Host, config: str = CONFIG) -> bool:
    """Whether there is a Roundcube that logs in at this host's own IMAP server, and can be told to name visitors."""
    if host.stat(config) is None or not _SETS.search(host.read(config)):
        return False
    code = re.sub(r"(?m)^\s*(?://|#|\*).*$", "", host.read(config))
    told = re.findall(r"\$config\s*\[\s*'(?:imap_host|default_host)'\s*\]\s*=\s*([^;]*);", code)
    hosts = re.findall(r"""['"]([^'"]*)['"]""", told[-1]) if told else ["localhost"]
    return any(re.fullmatch(_HERE, name) for name in hosts)


def _included(text: str, own: str) -> str:
    """The configuration with our file read last."""
    head, tag, tail = text.rstrip().rpartition("?>")
    line = f"include '{own}';\n"
    return f"{head.rstrip()}\n{line}{tag}\n" if tag and not tail else f"{text.rstrip()}\n\n{line}"
