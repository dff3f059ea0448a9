# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask the OVH API by python-ovh, and say in one line what is wrong where it does not answer.

Nothing here raises or returns a credential. The text of errors that python-ovh and the configuration's parser raise is
not passed on, for it may hold one.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

DEFAULT_ENDPOINT = "ovh-eu"
KEYS = ("application_key", "application_secret", "consumer_key")
OAUTH2 = ("client_id", "client_secret")
CREDENTIALS = KEYS + OAUTH2

# What a consumer key must be granted (GET), by kind of server. A star matches slashes too.
RIGHTS = {
    "dedicated": ("/dedicated/server", "/dedicated/server/*"),
    "vps": ("/vps", "/vps/*"),
    "cloud": ("/cloud/project", "/cloud/project/*"),
}

# Where the API is at fault, it is asked again after so many seconds.
RETRY_AFTER = (0.5, 2.0)

MESSAGE_AT_MOST = 200  # characters of the API's own words in an error


class OvhError(Exception):
    """What was asked cannot be had; the text is one line for the user."""


class RefusedError(OvhError):
    """Nothing can be had, for the credentials are of no use."""


class MissingError(OvhError):
    """What was asked about is not there."""


class ExpiredError(OvhError):
    """The service that was asked about has expired: the API tells no more of it."""


@dataclass(frozen=True)
class Access:
    """How to reach the API. ``timeout``: seconds for a request. ``patience``: seconds to wait in all when told to."""

    endpoint: str | None
    credentials: Mapping[str, str]
    config_file: str | None
    timeout: float
    patience: float


def library() -> Any:
    """python-ovh. It reads its configuration files as it is imported. Raises RefusedError."""
    try:
        import ovh
        import ovh.config
        import ovh.exceptions
    except ImportError:
        raise RefusedError(
            f"the Python package 'ovh' is needed where Ansible runs, and {sys.executable} has none: "
            f"{sys.executable} -m pip install ovh"
        ) from None
    except (configparser.Error, UnicodeError) as error:
        raise RefusedError(_unreadable(error)) from None
    return ovh


def _unreadable(error: Exception) -> str:
    """What is wrong with a configuration file, without the line itself: it may be a secret."""
    source = getattr(error, "source", None) or getattr(error, "filename", None) or "ovh.conf"
    lines = [str(line) for line, _text in getattr(error, "errors", [])] or [str(getattr(error, "lineno", ""))]
    where = f"{source}:{lines[0]}" if lines[0] else str(source)
    return f"{where}: not a configuration file of python-ovh; it has a section [default] and one for each endpoint"


def connect(access: Access, kinds: Iterable[str]) -> Api:
    """A connection to the API; nothing is asked yet. Raises RefusedError."""
    ovh = library()
    try:
        settings = ovh.config.ConfigurationManager()
        if access.config_file is not None:
            if not os.access(access.config_file, os.R_OK):
                raise RefusedError(f"config_file: {access.config_file} cannot be read")
            settings.read(access.config_file)
    except (configparser.Error, UnicodeError) as error:
        raise RefusedError(_unreadable(error)) from None
    endpoint = access.endpoint or settings.get("default", "endpoint") or DEFAULT_ENDPOINT
    if endpoint not in ovh.client.ENDPOINTS:
        raise RefusedError(f"no endpoint {endpoint!r}; there are {', '.join(sorted(ovh.client.ENDPOINTS))}")
    site = ovh.client.ENDPOINTS[endpoint].rpartition("/")[0]
    rights = [right for kind in kinds for right in RIGHTS[kind]]
    advice = f"{site}/createToken/?" + "&".join(f"GET={right}" for right in rights)
    given = {name: access.credentials.get(name) or settings.get(endpoint, name) for name in CREDENTIALS}
    given = {name: value for name, value in given.items() if value}
    _check(given, endpoint, endpoint in ovh.client.OAUTH2_TOKEN_URLS, advice)
    try:
        client = ovh.Client(endpoint=endpoint, config_file=access.config_file, timeout=access.timeout, **given)
    except ovh.exceptions.APIError as error:
        # An empty entry counts as given there.
        kind = type(error).__name__
        raise RefusedError(f"the credentials for {endpoint} are not complete ({kind}): look in {_SOURCES}") from None
    return Api(client, endpoint, site, advice, access.patience)


_SOURCES = "options of the inventory, variables OVH_… of the environment, or ovh.conf"


def _check(given: Mapping[str, str], endpoint: str, oauth2: bool, advice: str) -> None:
    """Whether there is one complete set of credentials. Raises RefusedError."""
    sets = [names for names in (KEYS, OAUTH2) if any(name in given for name in names)]
    if not sets:
        raise RefusedError(
            f"no credentials for {endpoint}: give {', '.join(KEYS)} ({_SOURCES}), which you get at {advice} "
            f"(or {' and '.join(OAUTH2)} of a service account)"
        )
    if len(sets) > 1:
        named = " and ".join(next(name for name in names if name in given) for names in sets)
        raise RefusedError(f"both {named} are given for {endpoint} ({_SOURCES}): keep one kind of credentials")
    lacking = [name for name in sets[0] if name not in given]
    if lacking:
        where = f"; you get one at {advice}" if "consumer_key" in lacking else ""
        raise RefusedError(f"no {' and no '.join(lacking)} for {endpoint}: it belongs in {_SOURCES}{where}")
    if sets[0] is OAUTH2 and not oauth2:
        raise RefusedError(f"{endpoint} knows no OAuth2: give {', '.join(KEYS)}, which you get at {advice}")


class Api:
    """The API for one set of credentials. May be asked from several threads, once the first answer is there."""

    def __init__(self, client: Any, endpoint: str, site: str, advice: str, patience: float) -> None:
        self.endpoint = endpoint
        self._client = client
        self._site = site
        self._advice = advice
        self._patience = patience
        self._left = patience
        self._not_before = 0.0
        self._lock = Lock()

    def get(self, path: str) -> Any:
        """What the API answers. Raises OvhError, or one that says more."""
        limited = failed = 0
        while True:
            time.sleep(max(0.0, self._not_before - time.monotonic()))
            response = self._request(path)
            if response.status_code == 429:
                self._wait(_told(response.headers.get("Retry-After")) or 2.0**limited, path)
                limited += 1
            elif response.status_code >= 500 and failed < len(RETRY_AFTER):
                time.sleep(RETRY_AFTER[failed])
                failed += 1
            else:
                return self._judged(path, response)

    def get_any(self, path: str) -> Any:
        """What the API answers, or None where there is no such thing."""
        try:
            return self.get(path)
        except MissingError:
            return None

    def _wait(self, seconds: float, path: str) -> None:
        """Hold all requests back for so long; the whole run waits no longer than its patience. Raises OvhError."""
        with self._lock:
            now = time.monotonic()
            longer = now + seconds - max(now, self._not_before)
            if longer > self._left:
                raise OvhError(
                    f"OVH limits the rate of requests and says to wait {seconds:.0f} s (GET {path}), which is more "
                    f"than is left of rate_limit_wait ({self._patience:.0f} s): try later, or with fewer threads"
                )
            if longer > 0:
                self._left -= longer
                self._not_before = now + seconds

    def _request(self, path: str) -> Any:
        """The HTTP answer, whatever its status. Raises OvhError where there is none."""
        from ovh import exceptions

        try:
            return self._client.raw_call("GET", path)
        except exceptions.OAuth2FailureError as error:
            raise self._no_token(str(error)) from None
        except exceptions.HTTPError as error:
            raise OvhError(self._unreachable(error.args[-1])) from None
        except exceptions.APIError as error:
            if error.response is not None:
                return error.response
            raise OvhError(f"{self._site} does not answer as the OVH API does ({type(error).__name__})") from None
        except OSError as error:  # all that requests raises, and certificates that cannot be read
            raise OvhError(self._unreachable(error)) from None

    def _unreachable(self, error: Exception) -> str:
        """A failure of the network in words; the kind alone, for proxies' addresses may hold a password."""
        kind = type(error).__name__
        if kind == "OSError":  # a file of certificates
            return f"{self._site} cannot be reached: {_short(error)}"
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()
        return f"{self._site} cannot be reached: {words}"

    def _no_token(self, said: str) -> OvhError:
        refused = re.search(r"status_code=4(?!29)|invalid_client|unauthorized_client|access_denied|invalid_grant", said)
        if not refused:
            return OvhError("OVH's service for OAuth2 tokens fails: try later")
        return RefusedError(
            f"OVH gives no token for this client_id at {self.endpoint}: client_id or client_secret is wrong, or the "
            f"service account is gone (GET /me/api/oauth2/client in the console at {self._site} lists them)"
        )

    def _judged(self, path: str, response: Any) -> Any:
        """The content of an answer. Raises OvhError where it is none."""
        status = int(response.status_code)
        try:
            content = response.json() if status != 204 else None
        except ValueError:
            content = None
            if status < 300:
                raise OvhError(f"OVH's answer to GET {path} is no JSON: is there a proxy in between?") from None
        if status < 300:
            return content
        raise self._error(path, status, content if isinstance(content, dict) else {}, response.headers)

    def _error(self, path: str, status: int, content: Mapping[str, Any], headers: Mapping[str, str]) -> OvhError:
        """An answer that refuses, in words that say what to do."""
        code = str(content.get("errorCode") or "")
        if code in ("INVALID_CREDENTIAL", "NOT_CREDENTIAL"):
            return RefusedError(
                f"the consumer key for {self.endpoint} has expired, was revoked or never validated ({code}): "
                f"get a new one at {self._advice}"
            )
        if code in _AT_FAULT:
            return RefusedError(f"{_AT_FAULT[code]} at {self.endpoint} ({code}); you get a new set at {self._advice}")
        if status == 401:
            return RefusedError(f"OVH does not accept the credentials for {self.endpoint} (401 {_said(content)})")
        if status == 403:
            return OvhError(self._not_allowed(path, code, content))
        if status == 404:
            return MissingError(f"GET {path}: OVH knows of no such thing (404)")
        if status == 460:
            return ExpiredError(f"GET {path}: the service has expired (460)")
        again = ", several times over: try later" if status >= 500 else ""
        query = headers.get("X-OVH-QUERYID")
        asked = f" (query {_short(query)})" if query else ""
        return OvhError(f"OVH answers {status} to GET {path}{again}{asked} {_said(content)}".rstrip())

    def _not_allowed(self, path: str, code: str, content: Mapping[str, Any]) -> str:
        """Which right is lacking. (Rights by IAM policy are named in the answer, those of a consumer key are paths.)"""
        details = content.get("details")
        actions = details.get("unauthorizedActionsByIAM") if isinstance(details, dict) else None
        if actions:
            return f"GET {path} is not allowed: an IAM policy must grant {_short(actions)} to whom the credentials are"
        if code == "NOT_GRANTED_CALL":
            right = _right(path)
            return f"the consumer key may not GET {path}: it needs the right GET {right}; get one at {self._advice}"
        said = _said(content)
        return f"OVH does not allow GET {path} (403 {said}): the credentials need the right GET {_right(path)}"


_AT_FAULT = {
    "INVALID_KEY": "the application key is unknown",
    "INVALID_SIGNATURE": "the application secret does not belong to the application key, or the consumer key does not,",
    "QUERY_TIME_OUT": "the request was out of time: is this machine's clock steady? It was not accepted",
}


def _right(path: str) -> str:
    """The right that covers a path: one of RIGHTS."""
    known = [right for rights in RIGHTS.values() for right in rights]
    covering = [right for right in known if path == right or (right.endswith("*") and path.startswith(right[:-1]))]
    return covering[0] if covering else path


def _said(content: Mapping[str, Any]) -> str:
    return _short(content.get("message") or content.get("errorCode") or "without a reason")


def _short(text: Any) -> str:
    """Somebody else's words on one line."""
    words = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return " ".join(words.split())[:MESSAGE_AT_MOST]


def _told(retry_after: str | None) -> float | None:
    """Seconds to wait, from a header Retry-After in either of its forms; None where it tells none."""
    if not retry_after:
        return None
    if retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
