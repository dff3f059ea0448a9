# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the picture of the report goes."""

from __future__ import annotations


def pytest_addoption(parser):
    parser.addoption("--screenshot", metavar="FILE", help="write a picture of the report there, as PNG")
    parser.addoption("--page", metavar="FILE", help="the page it is of, as reports/lab/before/web1.html")
