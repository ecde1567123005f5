"""Libraries whose source plays the user's project in `mutations.py`: where it comes from, and a
component that uses it. Each component gives the same value whenever it runs.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
from pathlib import Path
from typing import NamedTuple

PREFIX = "my_"
"""Before the name of the copy: the copy must not pass for the installed library."""


class Library(NamedTuple):
    name: str
    style: str
    flow: str
    """The module with the component, `main`."""
    leave_out: tuple[str, ...] = ()
    """Files and folders that nothing imports."""


STATISTICS = Library(
    "statistics",
    "functional, in one file",
    """
from my_statistics import NormalDist, correlation, fmean, linear_regression, mean, median
from my_statistics import mode, multimode, pstdev, quantiles, stdev, geometric_mean, median_grouped

def main():
    xs, ys = [1.0, 2.5, 4.0, 4.0, 7.25], [2, 3, 5, 8, 13]
    normal = NormalDist(3.0, 2.0) + NormalDist.from_samples(xs)
    return [
        mean(ys), fmean(xs, weights=ys), median(xs), mode(ys), multimode(xs), pstdev(xs), stdev(ys),
        quantiles(xs, n=5, method="inclusive"), geometric_mean(ys), median_grouped(ys),
        linear_regression(xs, ys).slope, correlation(xs, ys), normal.cdf(4.0), normal.inv_cdf(0.3),
        normal.overlap(NormalDist(1, 1)), str(normal),
    ]
""",
)
MDURL = Library(
    "mdurl",
    "functional, a package",
    """
from my_mdurl import decode, encode, format, parse

def main():
    urls = ["http://user:pass@example.com:8080/p/a?q=1#frag", "//x.y/%20z", "mailto:a@b.c", "/a b"]
    parsed = [parse(url, slashes_denote_host=True) for url in urls]
    return [
        [tuple(part for part in url) for url in parsed], [format(url) for url in parsed],
        [encode(url + "\\u00fc\\U0001f600") for url in urls], decode("a%20%C3%BC%zz", ";"),
    ]
""",
)
SORTED = Library(
    "sortedcontainers",
    "classes",
    """
from my_sortedcontainers import SortedDict, SortedKeyList, SortedList, SortedSet

def main():
    numbers = SortedList([5, 1, 4, 1, 3])
    numbers.update([9, 2])
    numbers.remove(4)
    keyed = SortedKeyList(["bb", "a", "ccc"], key=len)
    keyed.add("dddd")
    table = SortedDict(str, {"1": 1, "0": 0})
    table["2"] = 2
    some = SortedSet([3, 1, 2]) | SortedSet([7])
    return [
        list(numbers), numbers.bisect(3), numbers[1:4], list(numbers.irange(2, 5)), repr(keyed),
        numbers.count(1), list(table.items()), table.peekitem(0), table.pop("1"), list(some),
        some.index(2), numbers + [3], list(reversed(keyed)), numbers == [1, 1, 2, 3, 5, 9],
    ]
""",
)
PACKAGING = Library(
    "packaging",
    "a package with relative and conditional imports",
    """
from my_packaging.markers import Marker
from my_packaging.requirements import Requirement
from my_packaging.specifiers import SpecifierSet
from my_packaging.utils import canonicalize_name, parse_wheel_filename
from my_packaging.version import InvalidVersion, Version

def main():
    versions = [Version(text) for text in ("1.0", "1.0.post1", "2!1.0a1+local", "1.0rc2.dev3")]
    wanted = Requirement('name[extra]>=1.0,!=1.5; python_version > "3" and extra == "test"')
    try:
        Version("one")
    except InvalidVersion as error:
        failure = str(error)
    marker = Marker('python_version > "3.8" or sys_platform == "win32"')
    return [
        [str(version) for version in sorted(versions)], [version.public for version in versions],
        versions[2].local, versions[0] < versions[1], str(wanted), sorted(wanted.extras), failure,
        [str(v) for v in SpecifierSet("~=1.0,<2").filter(["0.9", "1.1", "2.0", "1.2a1"])],
        marker.evaluate({"python_version": "3.11", "sys_platform": "linux"}),
        canonicalize_name("A_b.C"), str(parse_wheel_filename("a-1.0-py3-none-any.whl")[1]),
    ]
""",
)
MARKDOWN = Library(
    "markdown_it",
    "a large package of classes and tables of functions",
    """
from my_markdown_it import MarkdownIt

TEXT = "# Title\\n\\nsome *text* with `code`, a [link](http://a.b 'c') and\\n\\n- one\\n- two\\n"
TEXT += "\\n> quoted\\n\\n| a | b |\\n|---|--:|\\n| 1 | 2 |\\n\\n```py\\ncode\\n```\\n"

def main():
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = [(token.type, token.tag, token.level, token.map) for token in parser.parse(TEXT)]
    return [parser.render(TEXT), tokens]
""",
    ("cli", "port.yaml"),
)
CLICK = Library(
    "click",
    "decorators and classes",
    """
import my_click as click
from my_click.testing import CliRunner

@click.group()
@click.option("--verbose/--quiet", default=False, help="Say more.")
@click.pass_context
def tool(context, verbose):
    context.obj = {"verbose": verbose}

@tool.command()
@click.argument("names", nargs=-1, required=True)
@click.option("-n", "--count", type=click.IntRange(1, 5), default=2, show_default=True)
@click.option("--kind", type=click.Choice(["a", "b"]))
@click.pass_obj
def greet(obj, names, count, kind):
    for name in names:
        click.echo(f"{obj} {kind} {click.style(name, fg='green')} " * count)

def main():
    calls = [["--help"], ["greet", "x", "y", "-n", "3"], ["greet"], ["greet", "x", "-n", "9"],
             ["--verbose", "greet", "z", "--kind", "b"], ["greet", "--help"], ["nothing"]]
    results = [CliRunner().invoke(tool, call) for call in calls]
    return [(result.exit_code, result.output, repr(result.exception)) for result in results]
""",
)
ATTRS = Library(
    "attr",
    "classes that write code",
    """
import my_attr as attr

@attr.s(auto_attribs=True, order=True)
class Point:
    x: int = attr.ib(converter=int)
    y: int = attr.ib(default=2, validator=attr.validators.instance_of(int))
    tags: list = attr.Factory(list)

@attr.s(frozen=True, slots=True)
class Line:
    start = attr.ib()
    end = attr.ib(validator=attr.validators.optional(attr.validators.instance_of(Point)))
    name = attr.ib(default="line", kw_only=True)

def main():
    one, two = Point("1"), Point(3, 4)
    line = Line(one, two)
    try:
        Point(1, "no")
    except TypeError as error:
        failure = str(error)[:60]
    try:
        line.name = "other"
    except attr.exceptions.FrozenInstanceError as error:
        failure += repr(error)
    return [
        repr(line), attr.asdict(line), attr.evolve(two, x=7) > two, one == Point(1), failure,
        [field.name for field in attr.fields(Line)], attr.astuple(line), hash(Line(1, None)) != 0,
    ]
""",
)

LIBRARIES = (STATISTICS, MDURL, SORTED, PACKAGING, MARKDOWN, CLICK, ATTRS)


def copy_library(library: Library, project: Path) -> list[Path]:
    """Copy the library's source into a project under a name of its own, and write the module with
    the component; gives the copied modules."""
    spec = importlib.util.find_spec(library.name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{library.name} is not installed: pip install 'pipekit[test]'")
    origin = Path(spec.origin)
    if spec.submodule_search_locations:
        target = project / f"{PREFIX}{library.name}"
        hidden = shutil.ignore_patterns("__pycache__", *library.leave_out)
        shutil.copytree(origin.parent, target, ignore=hidden)
        modules = sorted(target.rglob("*.py"))
    else:
        modules = [project / f"{PREFIX}{library.name}.py"]
        shutil.copyfile(origin, modules[0])
    imports = re.compile(rf"^(\s*(?:from|import) ){library.name}\b", re.MULTILINE)
    for module in modules:
        module.write_text(imports.sub(rf"\1{PREFIX}{library.name}", module.read_text()))
    (project / "flow.py").write_text(library.flow)
    return modules


class Mentions:
    """Names that are mentioned by whatever the component may reach. By name alone, wherever a
    definition of that name is: more than can really be reached, never less."""

    def __init__(self, flow: str, sources: list[str]) -> None:
        self._bodies: dict[str, list[ast.AST]] = {}
        self._names: set[str] = set()
        self._pending: list[str] = []
        self._mention(ast.parse(flow))
        for source in sources:
            self._define(ast.parse(source).body)
        while self._pending:
            for node in self._bodies.pop(self._pending.pop(), ()):
                self._mention(node)

    def is_missing(self, name: str) -> bool:
        """Whether nothing that is reached mentions the name."""
        special = name.startswith("__") and name.endswith("__")
        return not special and name not in self._names

    def _define(self, body: list[ast.stmt]) -> None:
        for node in body:
            inner = [
                child
                for name in ("body", "orelse", "finalbody", "handlers")
                for child in getattr(node, name, ())
                if isinstance(child, ast.stmt | ast.ExceptHandler)
            ]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                hidden = node.decorator_list or node.name.startswith("__")
                self._bodies.setdefault("" if hidden else node.name, []).append(node)
                if hidden:
                    self._names.add(node.name)
                    self._mention(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    for name in ast.walk(target):
                        if isinstance(name, ast.Name) and name.id != "__all__":
                            self._bodies.setdefault(name.id, []).append(node)
                            if name.id.startswith("__"):
                                self._mention(node)
                        elif isinstance(name, ast.Attribute):
                            self._mention(node)
            elif inner:
                if isinstance(node, ast.ClassDef):
                    for part in (*node.bases, *node.keywords, *node.decorator_list):
                        self._mention(part)
                self._define(inner)  # type: ignore[arg-type]
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    if alias.asname:
                        self._bodies.setdefault(alias.asname, []).append(alias)
            else:
                self._mention(node)

    def _mention(self, node: ast.AST) -> None:
        for child in ast.walk(node):
            names = [getattr(child, field, None) for field in ("id", "attr", "arg", "value")]
            if isinstance(child, ast.alias):
                names.append(child.name.rpartition(".")[2])
            for name in names:
                if isinstance(name, str) and name not in self._names:
                    self._names.add(name)
                    self._pending.append(name)
