"""The README keeps its word: every Python block runs and prints what stands below it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    heading: str
    code: str
    output: str | None
    """The text block that follows it directly."""


def python_blocks() -> list[Block]:
    fences = list(FENCE.finditer(README))
    blocks = []
    for fence, following in zip(fences, [*fences[1:], None], strict=True):
        if fence[1] != "python":
            continue
        heading = re.findall(r"^#+ (.*)$", README[: fence.start()], re.MULTILINE)[-1]
        adjacent = following is not None and not README[fence.end() : following.start()].strip()
        output = following[2] if following and adjacent and following[1] == "text" else None
        blocks.append(Block(heading, fence[2], output))
    return blocks


def commands_under(marker: str) -> list[str]:
    """The lines of the bash block directly under an HTML comment, which stands there once."""
    found = re.findall(rf"^<!-- {marker} -->\n```bash\n(.*?)^```$", README, re.M | re.S)
    assert len(found) == 1, f"{len(found)} blocks are marked {marker!r}"
    return [line for line in found[0].splitlines() if line.strip()]


def environment(home: Path) -> dict[str, str]:
    """This process's variables, with a home of its own and this interpreter as `python`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIPEKIT_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PIPEKIT_HOME": str(home), "PATH": path}


def run(command: list[str], *, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"
    return done


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=block.heading.replace(" ", "-")) for block in python_blocks()]
)
def test_a_python_block_runs_as_a_script_and_prints_the_text_below_it(
    block: Block, tmp_path: Path
) -> None:
    (tmp_path / "flow.py").write_text(block.code, encoding="utf-8")
    assert block.output is not None, "the README does not say what this block prints"
    for _ in ("computed", "from the cache"):
        done = run([sys.executable, "flow.py"], folder=tmp_path, home=tmp_path / "home")
        assert done.stdout == block.output


def test_the_quick_start_says_what_its_commands_do(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(python_blocks()[0].code, encoding="utf-8")
    start = README[README.index("## Quick start") : README.index("## Three uses")]
    (command,) = re.findall(r"`(pipekit run flow\.py:\S+ [^`]*)`", start)
    home = tmp_path / "home"
    run([sys.executable, "flow.py"], folder=tmp_path, home=home)
    run(["bash", "-c", command], folder=tmp_path, home=home)
    shown = json.loads(run(["pipekit", "show", "--json"], folder=tmp_path, home=home).stdout)
    computed = [step["name"] for step in shown["steps"] if not step["reused"]]
    assert computed == ["square-5", "square-6", "add"]
    listed = run(["pipekit", "ls"], folder=tmp_path, home=home).stdout
    assert listed.count("sum_of_squares") == 2


def test_the_main_job_runs_and_its_second_run_takes_every_step_from_the_cache(
    tmp_path: Path,
) -> None:
    lines = commands_under("main job")
    assert lines[0].startswith("python -m pip install ")
    outputs = [
        run(["bash", "-euc", line], folder=ROOT, home=tmp_path / "home").stdout
        for line in lines[1:]
    ]
    counts = [re.search(r"^(\d+) of (\d+) steps reused", output, re.M) for output in outputs]
    reused = [(int(count[1]), int(count[2])) for count in counts if count]
    assert [some for some, _ in reused] == [0, reused[1][1]]
    accuracies = {output.splitlines()[0] for output in outputs}
    assert len(accuracies) == 1


def test_the_tests_are_run_by_an_installation_and_pytest_alone() -> None:
    install, run_all = commands_under("tests")
    assert install.startswith("python -m pip install ")
    assert run_all == "python -m pytest"


def test_every_file_that_the_readme_names_exists() -> None:
    scripts = re.findall(r"\b((?:examples|benchmarks)/\w+\.py)\b", README)
    numbered = [f"examples/{name}" for name in re.findall(r"`(\d\d_\w+\.py)`", README)]
    table = [f"benchmarks/{name}" for name in re.findall(r"^\| `([a-z]\w+\.py)`", README, re.M)]
    assert len(numbered) >= 3
    assert len(table) >= 5
    missing = [name for name in scripts + numbered + table if not (ROOT / name).is_file()]
    assert missing == []
