"""What a session is set to, and where each value came from. Reads the environment and
`pyproject.toml`; creates nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from pipekit.diagnostics import debug
from pipekit.errors import SettingsError, nearest
from pipekit.origin import project_root

HOME_NAME = ".pipekit"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one session.

    A value comes from the call's arguments, else `PIPEKIT_<NAME>`, else the table
    `[tool.pipekit]` of the project's `pyproject.toml`, else the default here.
    """

    home: Path
    """Folder of records, blobs and logs."""
    project_root: Path
    store: str = ""
    """URL of the store; empty: `sqlite:///<home>/pipekit.db`."""
    artifacts: str = ""
    """Folder of the blobs; empty: `<home>/blobs`."""
    executor: str = "process"
    durability: Literal["normal", "full"] = "normal"
    """`full` waits for the disk (fsync): completed steps then survive a power cut."""
    progress: Literal["auto", "live", "lines", "off"] = "auto"
    """What a run prints to stderr while it goes on: `lines`, or `live`, with a table of what runs
    below them, where stderr is a terminal that can show it; `auto` is live on such a terminal."""
    log_limit_bytes: int = 256 * 1024 * 1024
    """Console output of one attempt above which the attempt is ended."""
    snapshot_limit_bytes: int = 100_000_000
    """Size of a project's files above which they are not sent along with a task."""
    downloads_limit_bytes: int = 10_000_000_000
    """What the local copies of downloaded files may take in all."""
    stop_seconds: float = 10.0
    """What a step that is to stop has for it after SIGINT, before SIGTERM and at last SIGKILL."""
    gpus: str = ""
    """The GPUs that steps may ask for, as in `CUDA_VISIBLE_DEVICES`, which goes before it; empty:
    those that the NVIDIA driver has."""
    blind_spots: Literal["warn", "rerun", "error", "ok"] = "warn"
    """What is done where the code that a step reaches cannot be followed: it is named, the step
    runs each time, the run is refused, nothing."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Setting -> where its value came from, for those that are not the default."""

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite:///{self.home / 'pipekit.db'}"

    @property
    def blob_folder(self) -> Path:
        return Path(self.artifacts) if self.artifacts else self.home / "blobs"


_SETTABLE = tuple(
    f.name for f in fields(Settings) if f.name not in ("home", "project_root", "sources")
)
_CHOICES = {"durability": ("normal", "full"), "progress": ("auto", "live", "lines", "off"),
            "blind_spots": ("warn", "rerun", "error", "ok")}  # fmt: skip


def read_settings(start: Path | None = None, **given: Any) -> Settings:
    """The settings that hold for code in the folder `start` (default: the working folder).

    Raises:
        SettingsError: a value does not fit, pyproject.toml names an unknown setting, or there is
            no working folder.
    """
    try:
        root = project_root(start or Path.cwd())
    except FileNotFoundError as error:
        raise SettingsError(
            "The working folder does not exist any more.", hint="cd to a folder that does."
        ) from error
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    table = _pyproject_table(root / "pyproject.toml")
    for name in table:
        if name not in _SETTABLE and name != "home":
            raise SettingsError(
                f"[tool.pipekit] in {root / 'pyproject.toml'} has an unknown setting {name!r}.",
                hint=nearest(name, (*_SETTABLE, "home")) or f"known: {', '.join(_SETTABLE)}.",
            )
    for name in ("home", *_SETTABLE):
        variable = f"PIPEKIT_{name.upper()}"
        if given.get(name) is not None:
            values[name], sources[name] = given[name], "argument"
        elif os.environ.get(variable):
            values[name], sources[name] = os.environ[variable], variable
        elif name in table:
            values[name], sources[name] = table[name], "pyproject.toml"
    home = Path(values.pop("home", root / HOME_NAME)).expanduser()
    home = home if home.is_absolute() else root / home
    for name, value in values.items():
        values[name] = _checked(name, value, sources[name])
    debug("settings", "home %s; set: %s", home, sources or "nothing")
    return Settings(home=home, project_root=root, sources=sources, **values)


def command_for(home: Path) -> str:
    """What to type in the working folder to reach a home: `pipekit`, with the variable before it
    where another home would be found there."""
    try:
        if read_settings().home == home:
            return "pipekit"
    except (SettingsError, OSError):
        pass  # the variable goes before what cannot be read
    from shlex import quote

    return f"PIPEKIT_HOME={quote(str(home))} pipekit"


def without_password(url: str) -> str:
    """A URL as it may be shown: with stars for the password between `user:` and `@`, and for
    parameters that hold one."""
    import re  # 5 ms where nothing else has imported it

    shown = re.sub(r"(?<=://)([^/?#@:]*):[^/?#]*(?=@)", r"\1:***", url)
    return re.sub(r"(?i)([?&](?:password|sslpassword|token|secret)=)[^&#]*", r"\1***", shown)


def _checked(name: str, value: Any, source: str) -> Any:
    if name in _CHOICES and value not in _CHOICES[name]:
        words = " or ".join(repr(choice) for choice in _CHOICES[name])
        raise SettingsError(f"Setting {name!r} from {source} is {value!r}; it can be {words}.")
    if name.endswith("_bytes"):
        try:
            value = int(value)
        except (TypeError, ValueError):
            value = -1
        if value <= 0:
            raise SettingsError(f"Setting {name!r} from {source} is not a count of bytes above 0.")
        return value
    if name.endswith("_seconds"):
        try:
            value = float(value)
        except (TypeError, ValueError):
            value = -1.0
        if not 0 <= value < float("inf"):
            raise SettingsError(f"Setting {name!r} from {source} is no number of seconds.")
        return value
    if name == "artifacts" and "://" in value:
        raise SettingsError(
            f"Setting 'artifacts' from {source} is {value!r}; so far blobs are kept in folders.",
            hint="give a folder, for example PIPEKIT_ARTIFACTS=/data/blobs.",
        )
    return value


def _pyproject_table(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    if "[tool.pipekit" not in text:
        return {}  # the parser costs several milliseconds
    import tomllib

    try:
        table = tomllib.loads(text).get("tool", {}).get("pipekit", {})
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error
    return dict(table)
