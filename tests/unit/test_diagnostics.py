"""What pipekit tells of its own work."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PROGRAM = """
    import importlib.abc, importlib.machinery, sys, threading

    begun, go_on = threading.Event(), threading.Event()

    class Slow(importlib.machinery.SourceFileLoader):
        def exec_module(self, module):
            begun.set()
            go_on.wait(30)
            super().exec_module(module)

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name != "logging":
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            spec.loader = Slow(spec.loader.name, spec.loader.path)
            return spec

    from pipekit.diagnostics import debug

    assert "logging" not in sys.modules
    sys.meta_path.insert(0, Finder())
    threading.Thread(target=__import__, args=("logging",)).start()
    begun.wait(30)
    threading.Timer(0.1, go_on.set).start()
    debug("cache", "a message")
"""


def test_a_message_waits_for_logging_where_another_thread_imports_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
