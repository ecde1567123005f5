"""A notebook for tests: cells run in a real kernel, as a user's editor would run them."""

from __future__ import annotations

import os
import re
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

_SECONDS = 60


@dataclass
class Cell:
    """What a cell gave.

    Attributes:
        printed: Standard output.
        shown: The text of the value that the cell ended with.
        error: Traceback, without colours; empty where there is none.
    """

    printed: str = ""
    shown: str = ""
    error: str = ""


class Notebook:
    """One kernel; its working folder is the project."""

    def __init__(self, folder: Path) -> None:
        self._manager = KernelManager(kernel_name="python3")
        environment = os.environ | {
            "PIPEKIT_HOME": str(folder / "home"),
            "PIPEKIT_PROGRESS": "off",
            "IPYTHONDIR": str(folder / "ipython"),
        }
        self._manager.start_kernel(
            cwd=str(folder), env=environment, extra_arguments=["--HistoryManager.enabled=False"]
        )
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_SECONDS)

    def clear(self, folder: Path, *, executor: str) -> None:
        """Forget what was defined, and go on in another folder: a new notebook for less time."""
        self.run("%reset -f")
        self.run(
            f"""
            import os
            from pipekit.control.session import close_sessions
            close_sessions()
            os.chdir({str(folder)!r})
            os.environ["PIPEKIT_HOME"] = {str(folder / "home")!r}
            os.environ["PIPEKIT_EXECUTOR"] = {executor!r}
            del os, close_sessions
            """
        )

    def cell(self, source: str) -> Cell:
        """Run a cell to its end, whether or not it raises."""
        cell = Cell()

        def take(message: Any) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind == "stream" and content["name"] == "stdout":
                cell.printed += content["text"]
            elif kind == "execute_result":
                cell.shown = content["data"]["text/plain"]
            elif kind == "error":
                cell.error = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(content["traceback"]))

        self._client.execute_interactive(
            textwrap.dedent(source), timeout=_SECONDS, output_hook=take, allow_stdin=False
        )
        return cell

    def run(self, source: str) -> str:
        """What a cell prints; it is not to raise."""
        cell = self.cell(source)
        assert not cell.error, cell.error
        return cell.printed.strip()

    def interrupted(self, source: str, when: Callable[[], bool]) -> str:
        """The error of a cell whose stop button was pressed as soon as something held."""
        pressed = threading.Thread(target=self._interrupt_when, args=(when,))
        pressed.start()
        cell = self.cell(source)
        pressed.join()
        return cell.error

    def _interrupt_when(self, when: Callable[[], bool]) -> None:
        end = time.monotonic() + _SECONDS
        while not when():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.02)
        self._manager.interrupt_kernel()

    def end(self) -> None:
        """Stop the kernel, with all that it has started."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
