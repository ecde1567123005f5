"""Names of library functions whose outcome depends on the outside: clock, chance, environment,
network, other programs; and of those that reach code by a computed name. Knows names only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from pipekit.capture.references import Constants

_CLOCK = frozenset(
    [
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.process_time",
        "time.process_time_ns",
        "time.thread_time",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "pandas.Timestamp.now",
        "pandas.Timestamp.today",
        "pandas.Timestamp.utcnow",
    ]
)
_PRESENT = {"time.localtime": 0, "time.gmtime": 0, "time.ctime": 0, "time.strftime": 1}
"""Functions of a time, and with how many arguments they take the present one."""
_CHANCE = frozenset(
    [
        "uuid.uuid1",
        "uuid.uuid4",
        "os.urandom",
        "os.getrandom",
        "random.SystemRandom",
        "torch.rand",
        "torch.randn",
        "torch.randint",
        "torch.randperm",
        "torch.bernoulli",
        "torch.normal",
        "torch.multinomial",
    ]
)
_SEEDED = frozenset({"Random", "RandomState", "default_rng", "SeedSequence", "PCG64", "MT19937"})
"""Makers of generators: deterministic where they are given a seed."""
_HARMLESS = frozenset({"seed", "getstate", "setstate", "get_state", "set_state", "Generator"})
_ENVIRONMENT = frozenset(
    [
        "os.environ",
        "os.environb",
        "os.getenv",
        "os.getenvb",
        "os.getlogin",
        "sys.argv",
        "sys.stdin",
        "getpass.getuser",
        "builtins.input",
        "platform.node",
    ]
)
_NETWORK = ("socket.", "urllib.request.", "http.client.", "requests.", "httpx.", "aiohttp.",
            "urllib3.", "ftplib.", "smtplib.", "boto3.", "botocore.", "websockets.")  # fmt: skip
_PROGRAM = ("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn")
_TEXT = frozenset(
    [
        "inspect.get_annotations",
        "inspect.getdoc",
        "inspect.getsource",
        "inspect.getsourcelines",
        "inspect.signature",
        "typing.get_type_hints",
    ]
)
"""Annotations, docstrings and comments do not count."""
_DYNAMIC = frozenset(
    [
        "builtins.eval",
        "builtins.exec",
        "builtins.globals",
        "builtins.vars",
        "runpy.run_path",
        "runpy.run_module",
        "importlib.reload",
        "importlib.util.spec_from_file_location",
        "importlib.machinery.SourceFileLoader",
        "sys.modules",
        "_pickle.load",
        "_pickle.loads",
        "pickle.load",
        "pickle.loads",
        "pickle.Unpickler",
        "cloudpickle.load",
        "cloudpickle.loads",
        "dill.load",
        "dill.loads",
        "joblib.load",
        "joblib.numpy_pickle.load",
        "pandas.read_pickle",
        "pandas.io.pickle.read_pickle",
        "shelve.open",
        "torch.load",
        "torch.serialization.load",
    ]
)
IMPORTERS = frozenset({"builtins.__import__", "importlib.import_module", "importlib.__import__"})


def find_outside(name: str, called_with: Constants | None) -> str:
    """What makes the outcome of this depend on the outside, as a phrase, or nothing.

    Args:
        name: Dotted name of a library's function, class or module attribute.
        called_with: Its arguments where all are constants; None where that is not known.
    """
    for kind, matches in _KINDS:
        if matches(name, called_with):
            return "" if _is_inert(name) else f"uses {kind}: {_spoken(name)}"
    return ""


def is_dynamic(name: str, called_with: Constants | None) -> bool:
    """Whether this reaches code by a name that the code does not show."""
    if name == "builtins.vars":
        return called_with == ()
    return name in _DYNAMIC


def _is_clock(name: str, called_with: Constants | None) -> bool:
    if name in _PRESENT:
        return called_with is not None and len(called_with) <= _PRESENT[name]
    return name in _CLOCK


def _is_chance(name: str, called_with: Constants | None) -> bool:
    if name.startswith(("random.", "numpy.random.")):
        last = name.rpartition(".")[2]
        if last in _HARMLESS:
            return False
        return called_with in ((), (None,)) if last in _SEEDED else not last.startswith("_")
    return name in _CHANCE or name.startswith("secrets.")


def _is_environment(name: str, called_with: Constants | None) -> bool:
    return name in _ENVIRONMENT or name.startswith(("os.environ.", "os.environb.", "sys.stdin."))


def _is_network(name: str, called_with: Constants | None) -> bool:
    return name.startswith(_NETWORK)


def _is_program(name: str, called_with: Constants | None) -> bool:
    return name.startswith(_PROGRAM)


def _is_text(name: str, called_with: Constants | None) -> bool:
    return name in _TEXT


_KINDS: tuple[tuple[str, Callable[[str, Constants | None], bool]], ...] = (
    ("the clock", _is_clock),
    ("chance", _is_chance),
    ("the environment", _is_environment),
    ("the network", _is_network),
    ("another program", _is_program),
    ("the text of code, which does not count", _is_text),
)


def _is_inert(name: str) -> bool:
    """Whether it is an exception or a constant, like `subprocess.PIPE`."""
    found: object = None
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        module = sys.modules.get(".".join(parts[:end]))
        if module is not None:
            found = module
            for part in parts[end:]:
                found = getattr(found, part, None)
            break
    if isinstance(found, type):
        return issubclass(found, BaseException | Warning)
    return isinstance(found, int | str | float)


def _spoken(name: str) -> str:
    short = name.removeprefix("builtins.").replace("datetime.datetime.", "datetime.")
    return short if name in ("os.environ", "os.environb", "sys.argv", "sys.stdin") else f"{short}()"
