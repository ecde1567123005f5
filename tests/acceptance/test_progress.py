"""What one sees on a terminal while a run goes on: the table below, everything else above it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

pyte = pytest.importorskip("pyte")

FLOW = """
import os, subprocess, sys, threading, time
from pathlib import Path
from pipekit import StepFailed, component, get, pipeline, report_progress

def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.01)

@component(cache=False)
def hold(name, number=0):
    print("holding", name)
    report_progress(3, 4)
    wait_for(name)
    return number

@component(cache=False)
def quick(number):
    return number

@component
def slow(rate):
    wait_for("go")
    return rate

@component(cache=False)
def broken():
    raise ValueError("no good")

@pipeline
def one():
    return get(hold("go"))

@pipeline
def many():
    held = [component(cache=False, name=f"held{i}")(hold.function)("go") for i in range(30)]
    return len(get(held))

@pipeline
def writes():
    held = hold("go")
    kept = sys.stdout
    wait_for("write")
    print("printed")
    sys.stderr.write("to stderr\\n")
    os.write(1, b"from below\\n")
    thread = threading.Thread(target=lambda: kept.write("from a thread\\n"))
    thread.start()
    thread.join()
    print("begun", end="", flush=True)
    get(quick(1))
    print(" ended")
    wait_for("written")
    get(held)

@pipeline
def asks():
    held = hold("go")
    name = input("name? ")
    print("hello", name)
    get(held)

@pipeline
def stops():
    held = hold("go")
    wait_for("write")
    breakpoint()
    get(held)

@pipeline
def inner():
    return get(hold("go"))

@pipeline
def outer():
    return get(inner())

@pipeline
def raises():
    held = hold("go")
    wait_for("write")
    raise KeyError("mine")

@pipeline
def step_fails():
    held = hold("go")
    try:
        get(broken())
    except StepFailed:
        print("handled")
    get(held)

@pipeline
def rated(rate=1.0):
    return get(slow(rate))

@pipeline
def forks():
    held = hold("go")
    wait_for("write")
    child = os.fork()
    if child == 0:
        print("in the child", flush=True)
        os._exit(3)
    print("child ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    get(held)

@pipeline
def calls():
    held = hold("go")
    wait_for("write")
    subprocess.run([sys.executable, __file__, "one"])
    get(held)

@component
def known(number):
    return number

@pipeline
def short():
    return sum(get([known(number) for number in range(20)]))

if __name__ == "__main__":
    names = sys.argv[1:]
    if names[0] == "two":
        threads = [threading.Thread(target=each) for each in (one, outer)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    elif names[0] == "inline":
        one.debug()
    elif names[0] == "many":
        many.options(executor="process:12")()
    elif names[0] == "short":
        from pipekit.console import live

        live._SHOW_AFTER_SECONDS = 60.0  # short for that, on however busy a machine
        short()
        print([t.name for t in threading.enumerate() if t.name.startswith("pipekit-")])
        heavy = {"rich", "pipekit.console.screen", "pipekit.console.panel"}
        print(sorted(heavy & set(sys.modules)))
    elif names[0] == "rated":
        rated(float(names[1]))
    else:
        globals()[names[0]]()
    print("after the run")
"""


class Terminal:
    """A program in a terminal, and what that shows."""

    def __init__(self, folder: Path, *arguments: str, columns: int = 80, lines: int = 24) -> None:
        self.folder = folder
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._fd, theirs = pty.openpty()
        self._set_size(columns, lines)
        environment = {
            name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")
        }
        environment |= {
            "TERM": "xterm-256color",
            "PIPEKIT_PROGRESS": "auto",
            "PIPEKIT_HOME": str(folder / "home"),
            "PYTHONIOENCODING": "utf-8",
        }
        self.process = subprocess.Popen(
            [sys.executable, "flow.py", *arguments],
            cwd=folder,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_own_terminal,
        )
        os.close(theirs)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def table(self) -> list[str]:
        """The lines that do not scroll."""
        margins = self.screen.margins
        return self.lines[margins.bottom + 1 :] if margins else []

    @property
    def above(self) -> list[str]:
        """Those that do, without the empty ones."""
        margins = self.screen.margins
        shown = self.lines[: margins.bottom + 1] if margins else self.lines
        return [line for line in shown if line]

    def until(self, seen: Callable[[], bool], seconds: float = 30.0) -> None:
        """Show what the program writes until that is seen."""
        end = monotonic() + seconds
        while not seen():
            left = end - monotonic()
            assert left > 0, f"not seen in time:\n{self.text}"
            if select.select([self._fd], [], [], min(left, 0.1))[0] and not self._read():
                assert seen(), f"not seen when the program had ended:\n{self.text}"
                return

    def until_over(self) -> int:
        """The same until the program has ended; its exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=30)

    def go(self, name: str = "go") -> None:
        (self.folder / name).touch()

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def resize(self, columns: int, lines: int) -> None:
        self._set_size(columns, lines)
        self.screen.resize(lines, columns)

    def close(self) -> None:
        self.go()
        self.process.kill()
        self.process.wait()
        os.close(self._fd)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux says so when the other end is closed
            return False
        self._stream.feed(data)
        return bool(data)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


Opener = Callable[..., Terminal]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Opener]:
    """Runs the flow's script in a terminal; its steps wait until `go`."""
    (tmp_path / "flow.py").write_text(FLOW)
    opened = []

    def open_terminal(*arguments: str, columns: int = 80, lines: int = 24) -> Terminal:
        opened.append(Terminal(tmp_path, *arguments, columns=columns, lines=lines))
        return opened[-1]

    yield open_terminal
    for terminal in opened:
        terminal.close()


def test_the_table_stands_at_the_bottom_and_is_gone_when_the_run_has_ended(run: Opener) -> None:
    terminal = run("one")
    terminal.until(lambda: "3/4" in "".join(terminal.table))
    head, step = terminal.table
    assert head.startswith("▶ one")
    assert "0/1  1 running" in head
    assert step.split()[0] == "hold"
    terminal.until(lambda: any(line.endswith("│ holding go") for line in terminal.above))
    terminal.go()
    assert terminal.until_over() == 0
    assert terminal.screen.margins is None
    assert [line.split()[1] for line in terminal.lines[:4]] == ["▶", "hold", "✓", "✓"]
    assert terminal.lines[4:] == ["after the run", *[""] * 19]


def test_what_others_write_goes_on_above_the_table_line_by_line(run: Opener) -> None:
    terminal = run("writes")
    terminal.until(lambda: len(terminal.table) > 1)
    terminal.go("write")
    terminal.until(lambda: any(line.endswith(" ended") for line in terminal.above))
    own = [line for line in terminal.above if line[2:3] != ":"]
    assert own[:4] == ["printed", "to stderr", "from below", "from a thread"]
    # Half a line is left alone; whether a line of the run comes between the halves is chance.
    assert own[4:] in (["begun", " ended"], ["begun ended"])
    assert terminal.table[0].startswith("▶ writes")
    terminal.go("written")
    terminal.go()
    assert terminal.until_over() == 0


def test_input_is_read_at_its_prompt(run: Opener) -> None:
    terminal = run("asks")
    terminal.until(lambda: "name?" in terminal.text and len(terminal.table) > 1)
    terminal.type("Eva\n")
    terminal.until(lambda: "hello Eva" in terminal.above)
    terminal.go()
    assert terminal.until_over() == 0


def test_a_debugger_in_the_pipeline_function_has_its_prompt(run: Opener) -> None:
    terminal = run("stops")
    terminal.until(lambda: len(terminal.table) > 1)
    terminal.go("write")
    terminal.until(lambda: any(line.startswith("(Pdb)") for line in terminal.above))
    terminal.type("p 6 * 7\n")
    terminal.until(lambda: "42" in terminal.above)
    assert "(Pdb) p 6 * 7" in terminal.above
    terminal.go()
    terminal.type("c\n")
    assert terminal.until_over() == 0


def test_after_a_resize_the_table_stands_at_the_new_bottom_once(run: Opener) -> None:
    terminal = run("one", columns=100)
    terminal.until(lambda: "3/4" in "".join(terminal.table))
    for columns, lines in ((40, 24), (40, 12), (160, 40)):
        terminal.resize(columns, lines)
        terminal.until(lambda: len(terminal.table) == 2 and "3/4" in terminal.table[1])
        assert terminal.lines[-2].startswith("▶ one")
        assert sum(line.startswith("▶ one") for line in terminal.lines) == 1
    terminal.go()
    assert terminal.until_over() == 0


def test_more_running_steps_than_lines_leave_half_of_the_screen(run: Opener) -> None:
    terminal = run("many", lines=16)
    terminal.until(lambda: any(line.endswith("more") for line in terminal.table))
    assert len(terminal.table) == 8
    assert "running" in terminal.table[0]


def test_a_tiny_terminal_has_lines_alone(run: Opener) -> None:
    terminal = run("one", columns=60, lines=6)
    terminal.until(lambda: "holding go" in terminal.text)
    terminal.go()
    assert terminal.until_over() == 0
    assert terminal.screen.margins is None


def test_a_traceback_comes_after_the_table_is_gone(run: Opener) -> None:
    terminal = run("raises")
    terminal.until(lambda: len(terminal.table) > 1)
    terminal.go("write")
    assert terminal.until_over() == 1
    assert terminal.screen.margins is None
    assert "KeyError: 'mine'" in terminal.above
    assert not any(line.startswith("▶") for line in terminal.lines)


def test_ctrl_c_takes_the_table_away_and_ends_the_run(run: Opener) -> None:
    terminal = run("one")
    terminal.until(lambda: len(terminal.table) > 1)
    terminal.type("\x03")
    assert terminal.until_over() in (130, -signal.SIGINT)
    assert terminal.screen.margins is None
    assert any("■ one stopped" in line for line in terminal.lines)


def test_a_second_ctrl_c_takes_it_away_too(run: Opener) -> None:
    terminal = run("asks")
    terminal.until(lambda: "name?" in terminal.text and len(terminal.table) > 1)
    terminal.type("\x03\x03\x03")
    terminal.until_over()
    assert terminal.screen.margins is None


def test_a_failure_that_the_pipeline_handles_is_told_above_the_table(run: Opener) -> None:
    terminal = run("step_fails")
    terminal.until(lambda: "handled" in terminal.above and "1 failed" in "".join(terminal.table))
    assert "    ValueError: no good" in terminal.above
    terminal.go()
    assert terminal.until_over() == 0
    assert terminal.text.count("ValueError: no good") == 1


def test_a_child_run_is_drawn_below_its_step(run: Opener) -> None:
    terminal = run("outer")
    terminal.until(lambda: len(terminal.table) == 3 and "3/4" in terminal.table[2])
    assert terminal.table[1].startswith("  inner")
    assert terminal.table[2].startswith("    hold")
    terminal.go()
    assert terminal.until_over() == 0


def test_two_runs_at_once_share_one_table(run: Opener) -> None:
    terminal = run("two")
    terminal.until(lambda: sum(line.startswith("▶") for line in terminal.table) == 2)
    terminal.go()
    assert terminal.until_over() == 0
    assert terminal.screen.margins is None


def test_an_inline_run_owns_the_terminal(run: Opener) -> None:
    terminal = run("inline")
    terminal.until(lambda: "holding go" in terminal.text)
    terminal.go()
    assert terminal.until_over() == 0
    assert terminal.screen.margins is None
    assert terminal.lines[1] == "holding go"


def test_a_forked_child_writes_above_and_draws_nothing(run: Opener) -> None:
    terminal = run("forks")
    terminal.until(lambda: len(terminal.table) > 1)
    terminal.go("write")
    terminal.until(lambda: "child ended with 3" in terminal.above)
    assert "in the child" in terminal.above
    assert terminal.table[0].startswith("▶ forks")
    terminal.go()
    assert terminal.until_over() == 0


def test_a_run_of_another_process_in_the_same_terminal_has_lines_alone(run: Opener) -> None:
    terminal = run("calls")
    terminal.until(lambda: len(terminal.table) > 1)
    terminal.go("write")
    terminal.until(lambda: sum("holding go" in line for line in terminal.above) == 2)
    assert [line.split()[1] for line in terminal.table if line.startswith("▶")] == ["calls"]
    terminal.go()
    assert terminal.until_over() == 0


def test_why_a_step_ran_again_stands_in_the_table_and_behind_its_end(run: Opener) -> None:
    first = run("rated", "1.0")
    first.go()
    assert first.until_over() == 0
    (first.folder / "go").unlink()
    terminal = run("rated", "2.0", columns=100)
    terminal.until(lambda: "argument 'rate' changed" in "".join(terminal.table))
    terminal.go()
    assert terminal.until_over() == 0
    assert any("✓ slow" in line and "argument 'rate' changed" in line for line in terminal.lines)


def test_a_short_run_starts_no_thread_and_imports_nothing_for_the_table(run: Opener) -> None:
    assert run("short").until_over() == 0
    terminal = run("short")  # on however busy a machine no step takes long: each is reused
    assert terminal.until_over() == 0
    assert "[]\n[]\nafter the run" in terminal.text


def test_where_stderr_is_no_terminal_there_are_plain_lines_even_if_live_was_asked_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "go").touch()
    done = subprocess.run(
        [sys.executable, "flow.py", "one"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PIPEKIT_HOME": str(tmp_path / "home"), "PIPEKIT_PROGRESS": "live"},
    )  # fmt: skip
    assert "\x1b" not in done.stderr
    assert any(line.endswith("│ holding go") for line in done.stderr.splitlines())
    assert done.stdout == "after the run\n"
