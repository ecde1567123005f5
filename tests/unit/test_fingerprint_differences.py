"""What a fingerprint says of itself: what differs, what counts besides, and when it is taken."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pipekit.capture.fingerprint import Fingerprinter, differences
from pipekit.errors import UsageError

Load = Callable[[str], ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Imports a source as `flow`, anew each time."""
    count = 0

    def load_source(source: str) -> ModuleType:
        nonlocal count
        count += 1
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "flow.py").write_text(source)
        sys.modules.pop("flow", None)
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
        try:
            return importlib.import_module("flow")
        finally:
            sys.path.remove(str(folder))

    yield load_source
    sys.modules.pop("flow", None)


def root_of(module: ModuleType) -> Path:
    return Path(str(module.__file__)).parent


def compare(load: Load, mine: str, theirs: str) -> list[str]:
    prints = []
    for source in (mine, theirs):
        module = load(source)
        prints.append(Fingerprinter(root=root_of(module)).fingerprint(module.main))
    return differences(prints[0], prints[1])


def test_equal_fingerprints_do_not_differ(load: Load) -> None:
    source = "def main(x): return x"
    assert compare(load, source, source) == []


def test_a_changed_helper_is_named_with_its_file(load: Load) -> None:
    source = "def helper(): return {}\ndef main(): return helper()"
    assert compare(load, source.format(1), source.format(2)) == [
        "function 'flow.helper' in flow.py"
    ]


def test_a_changed_global_is_named_with_both_values(load: Load) -> None:
    source = "RATE = {}\ndef main(): return RATE"
    assert compare(load, source.format(4), source.format(3)) == [
        "global 'flow.RATE' is 3 there and 4 here"
    ]


def test_a_secret_is_not_shown(load: Load) -> None:
    source = "API_KEY = {!r}\ndef main(): return API_KEY"
    assert compare(load, source.format("s3cret"), source.format("hidden")) == [
        "global 'flow.API_KEY' in flow.py"
    ]


def test_a_definition_that_one_side_alone_reaches_is_named(load: Load) -> None:
    source = "def helper(): return 1\ndef main(): return {}"
    assert compare(load, source.format("helper()"), source.format("2")) == [
        "function 'flow.helper' in flow.py is reached here alone",
        "function 'flow.main' in flow.py",
    ]


def test_closures_that_change_places_do_not_go_unnamed(load: Load) -> None:
    source = (
        "def make(n): return lambda x: x + n\nBOTH = [make({}), make({})]\n"
        "def main(x): return BOTH[0](x)"
    )
    assert compare(load, source.format(1, 2), source.format(2, 1)) != []


def test_an_ignored_global_does_not_count(load: Load) -> None:
    source = "RATE = {}\ndef main(): return RATE"
    digests = set()
    for rate in (3, 4):
        module = load(source.format(rate))
        made = Fingerprinter(root=root_of(module)).fingerprint(module.main, ignore=["flow.RATE"])
        digests.add(made.digest)
        assert "flow.RATE" not in {part.name for part in made.parts}
    assert len(digests) == 1


def test_a_function_that_is_named_in_depends_on_counts(load: Load) -> None:
    source = "def hidden(): return {}\ndef main(n): return globals()[n]()"
    digests = set()
    for number in (1, 2):
        module = load(source.format(number))
        fingerprinter = Fingerprinter(root=root_of(module))
        digests.add(fingerprinter.fingerprint(module.main, depends_on=[module.hidden]).digest)
    assert len(digests) == 2


def test_a_file_that_is_named_in_depends_on_counts_by_content(load: Load) -> None:
    module = load("def main(): return 1")
    query = root_of(module) / "query.sql"
    digests = set()
    for text in ("select 1", "select 2"):
        query.write_text(text)
        fingerprinter = Fingerprinter(root=root_of(module))
        made = fingerprinter.fingerprint(module.main, depends_on=[Path("query.sql")])
        digests.add(made.digest)
        assert ("file", "query.sql") in {(part.kind, part.name) for part in made.parts}
    assert len(digests) == 2


def test_a_name_in_depends_on_that_leads_nowhere_is_refused(load: Load) -> None:
    module = load("def main(): return 1")
    with pytest.raises(UsageError, match="no_such_module"):
        Fingerprinter(root=root_of(module)).fingerprint(module.main, depends_on=["no_such_module"])


def test_a_package_counts_by_its_version(load: Load) -> None:
    import numpy

    module = load("import numpy as np\ndef main(x): return np.mean(x)")
    parts = Fingerprinter(root=root_of(module)).fingerprint(module.main).parts
    assert [(part.name, part.text) for part in parts if part.kind == "package"] == [
        ("numpy", numpy.__version__)
    ]


def test_a_library_function_can_be_the_component() -> None:
    import numpy

    made = Fingerprinter().fingerprint(numpy.mean)
    assert [part.name for part in made.parts] == ["numpy", "python"]


def test_the_loaded_code_counts_not_the_file_that_was_edited_since(load: Load) -> None:
    module = load("def main(): return 1")
    before = Fingerprinter(root=root_of(module)).fingerprint(module.main)
    Path(str(module.__file__)).write_text("def main(): return 2")
    after = Fingerprinter(root=root_of(module)).fingerprint(module.main)
    assert after.digest == before.digest


def test_a_value_counts_as_it_was_when_it_was_first_looked_at(load: Load) -> None:
    module = load("SEEN = []\ndef one(): return SEEN\ndef two(): return SEEN")
    fingerprinter = Fingerprinter(root=root_of(module))
    clean = Fingerprinter(root=root_of(module)).fingerprint(module.two)
    fingerprinter.fingerprint(module.one)
    module.SEEN.append(1)
    assert fingerprinter.fingerprint(module.two).digest == clean.digest


def test_after_a_thaw_values_count_as_they_are(load: Load) -> None:
    module = load("RATE = 3\ndef main(): return RATE")
    fingerprinter = Fingerprinter(root=root_of(module))
    before = fingerprinter.fingerprint(module.main)
    module.RATE = 4
    fingerprinter.thaw()
    assert fingerprinter.fingerprint(module.main).digest != before.digest


def test_what_was_fingerprinted_before_does_not_matter(load: Load) -> None:
    source = (
        "def a(): return b()\ndef b(): return a\nT = {'a': a, 'b': b}\n"
        "def one(): return T\ndef two(): return b\n"
    )
    module = load(source)
    alone = Fingerprinter(root=root_of(module)).fingerprint(module.two).digest
    fingerprinter = Fingerprinter(root=root_of(module))
    fingerprinter.fingerprint(module.one)
    fingerprinter.code_of(module.a)
    assert fingerprinter.fingerprint(module.two).digest == alone


def test_a_chain_of_helpers_of_any_length_is_followed(load: Load) -> None:
    helpers = "\n".join(f"def f{n}(): return f{n + 1}()" for n in range(3000))
    module = load(f"{helpers}\ndef f3000(): return 1\ndef main(): return f0()")
    made = Fingerprinter(root=root_of(module)).fingerprint(module.main)
    assert sum(part.kind == "function" for part in made.parts) == 3002


def test_a_fingerprint_travels(load: Load) -> None:
    module = load("RATE = 3\ndef main(): return RATE")
    made = Fingerprinter(root=root_of(module)).fingerprint(module.main)
    assert pickle.loads(pickle.dumps(made)) == made


def test_the_code_of_a_class_changes_with_its_methods(load: Load) -> None:
    source = "class A:\n    def m(self): return {}"
    digests = set()
    for number in (1, 2):
        module = load(source.format(number))
        digests.add(Fingerprinter(root=root_of(module)).code_of(module.A))
    assert len(digests) == 2
