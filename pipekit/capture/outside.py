"""Names of library functions whose outcome depends on the outside: clock, chance, environment,
network, other programs; and of those that reach code by a computed name. Knows names only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from pipekit.capture.node import ANNOTATIONS, DOCSTRINGS, OWN_LOCALS
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
        "os.environb",
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
_UNSEEN_READERS = frozenset(
    [
        "cv2.FileStorage",
        "cv2.VideoCapture",
        "cv2.imread",
        "cv2.imreadmulti",
        "dbm.open",
        "duckdb.connect",
        "h5py.File",
        "lightgbm.Booster",
        "lxml.etree.iterparse",
        "lxml.etree.parse",
        "netCDF4.Dataset",
        "onnxruntime.InferenceSession",
        "pandas.HDFStore",
        "pandas.read_hdf",
        "pyarrow.OSFile",
        "pyarrow.csv.open_csv",
        "pyarrow.csv.read_csv",
        "pyarrow.dataset.dataset",
        "pyarrow.feather.read_feather",
        "pyarrow.feather.read_table",
        "pyarrow.json.read_json",
        "pyarrow.memory_map",
        "pyarrow.orc.read_table",
        "pyarrow.parquet.ParquetDataset",
        "pyarrow.parquet.ParquetFile",
        "pyarrow.parquet.read_metadata",
        "pyarrow.parquet.read_pandas",
        "pyarrow.parquet.read_schema",
        "pyarrow.parquet.read_table",
        "pyogrio.read_dataframe",
        "rasterio.open",
        "safetensors.safe_open",
        "soundfile.read",
        "tables.open_file",
        "xarray.open_dataset",
    ]
)
"""Library functions in compiled code that opens files by itself, which no observer sees."""
_UNSEEN_READING = ("polars.read_", "polars.scan_", "tensorflow.io.", "safetensors.torch.load_file",
                   "safetensors.numpy.load_file")  # fmt: skip
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
_TEXT = frozenset(
    [
        "inspect.getsource",
        "inspect.getsourcelines",
        "inspect.getcomments",
        "inspect.get_annotations",
        "inspect.getdoc",
        "inspect.signature",
        "typing.get_type_hints",
        "linecache.getline",
        "linecache.getlines",
    ]
)
_ABOUT = {
    "builtins.eval": (OWN_LOCALS,),
    "builtins.exec": (OWN_LOCALS,),
    "builtins.help": (DOCSTRINGS, ANNOTATIONS),
    "builtins.locals": (OWN_LOCALS,),
    "inspect.get_annotations": (ANNOTATIONS,),
    "inspect.getdoc": (DOCSTRINGS,),
    "inspect.getfullargspec": (ANNOTATIONS,),
    "inspect.signature": (ANNOTATIONS,),
    "inspect.Signature.from_callable": (ANNOTATIONS,),
    "typing.get_type_hints": (ANNOTATIONS,),
    "typing_extensions.get_type_hints": (ANNOTATIONS,),
    "typing_extensions.get_annotations": (ANNOTATIONS,),
    "annotationlib.get_annotations": (ANNOTATIONS,),
}
_LOCALS = frozenset({"builtins.vars", "builtins.dir"})
"""Without an argument they give the locals, with their names."""
IMPORTERS = frozenset({"builtins.__import__", "importlib.import_module", "importlib.__import__"})


def find_outside(name: str, called_with: Constants | None) -> str:
    """What makes the outcome of this depend on the outside, as a phrase, or nothing.

    Args:
        name: Dotted name of a library's function, class or module attribute.
        called_with: Its arguments where all are constants; None where that is not known.
    """
    for kind, matches in _KINDS:
        if matches(name, called_with):
            return "" if _is_inert(name) else f"{kind}: {_spoken(name)}"
    return ""


def is_dynamic(name: str, called_with: Constants | None) -> bool:
    """Whether this reaches code by a name that the code does not show."""
    if name == "builtins.vars":
        return called_with == ()
    return name in _DYNAMIC


def find_read(name: str, called_with: Constants | None) -> tuple[str, ...]:
    """Which of docstrings, annotations and names of locals this reads."""
    if name in _LOCALS:
        return (OWN_LOCALS,) if called_with == () else ()
    return _ABOUT.get(name, ())


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
    return name in _ENVIRONMENT or name.startswith(("os.environb.", "sys.stdin."))


def _is_unseen_reader(name: str, called_with: Constants | None) -> bool:
    return name in _UNSEEN_READERS or name.startswith(_UNSEEN_READING)


def _is_network(name: str, called_with: Constants | None) -> bool:
    return name.startswith(_NETWORK)


def _is_program(name: str, called_with: Constants | None) -> bool:
    return name.startswith(_PROGRAM)


def _is_text(name: str, called_with: Constants | None) -> bool:
    return name in _TEXT


_KINDS: tuple[tuple[str, Callable[[str, Constants | None], bool]], ...] = (
    ("uses the clock", _is_clock),
    ("uses chance", _is_chance),
    ("uses the environment", _is_environment),
    ("uses the network", _is_network),
    ("uses another program", _is_program),
    ("reads files unseen", _is_unseen_reader),
    ("uses the text of code", _is_text),
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
    return short if name in ("os.environb", "sys.argv", "sys.stdin") else f"{short}()"
