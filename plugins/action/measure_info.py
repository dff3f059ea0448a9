# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Give the module measure_info the sources of what it is asked."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils._sources import packed


class ActionModule(ActionBase):
    """The module of this name, with the sources that its questions need."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        questions = arguments.get("questions")
        # what is wrong with the arguments is the module's to say
        asked = questions if isinstance(questions, list) else []
        measures = {str(one["measure"]) for one in asked if isinstance(one, dict) and "measure" in one}
        arguments["sources"] = packed(measures)
        result: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        return result
