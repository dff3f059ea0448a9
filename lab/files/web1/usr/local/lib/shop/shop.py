# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small shop: answers every request and writes each one down, so that a test can prove what never reached it."""

from __future__ import annotations

import os
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REQUESTS = os.path.join(os.environ.get("STATE_DIRECTORY", "."), "requests")
PAGE = b"""<!doctype html>
<title>Shop</title>
<h1>Welcome to the shop</h1>
<form method="post" action="/login">
<input name="name"> <input type="password" name="password"> <button>Log in</button>
</form>
"""


class Shop(BaseHTTPRequestHandler):
    """Says hello and asks who you are; any method, any path."""

    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self):
        with open(REQUESTS, "a", encoding="utf-8") as requests:
            requests.write(f"{self.command} {self.path}\n")
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        if "basket=" not in self.headers.get("Cookie", ""):
            self.send_header("Set-Cookie", f"basket={secrets.token_hex(8)}; Path=/; HttpOnly")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(PAGE)

    def log_message(self, *_):
        """Keep visitors out of the journal: nginx writes the log."""


if __name__ == "__main__":
    open(REQUESTS, "a", encoding="utf-8").close()
    ThreadingHTTPServer(("127.0.0.1", 8000), Shop).serve_forever()
