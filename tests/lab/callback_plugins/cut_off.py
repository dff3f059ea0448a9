"""Kills ansible-playbook, with all that it started, when a task begins: the one whose name CUT_OFF_AT ends with."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Loaded by ANSIBLE_CALLBACK_PLUGINS and ANSIBLE_CALLBACKS_ENABLED=cut_off."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "cut_off"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Kill at the start of the task; nothing of it has been done."""
        if task.get_name().endswith(os.environ["CUT_OFF_AT"]):
            os.killpg(0, signal.SIGKILL)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Fail loudly where the run came to its end: that task never began."""
        os._exit(99)
