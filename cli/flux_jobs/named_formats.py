# SPDX-License-Identifier: LGPL-3.0
"""Formats with names: those that come with `flux jobs`, and those that are configured for it.

Files are found, merged and checked as UtilConfig of Flux's Python module flux.util does it:
``flux/flux-jobs.toml``, ``.json`` and ``.yaml`` in $XDG_CONFIG_HOME (~/.config), which goes
before $XDG_CONFIG_DIRS (/etc/xdg). The name "default" is replaced by $FLUX_JOBS_FORMAT_DEFAULT.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from eventstore.errors import InputError

__all__ = ["FORMATS", "NamedFormat", "as_configuration", "chosen", "formats"]

_DEFAULT = "FLUX_JOBS_FORMAT_DEFAULT"  # environment: as for `flux jobs`


class NamedFormat(NamedTuple):
    """A format that `-o NAME` selects."""

    description: str
    format: str


FORMATS = {
    "default": NamedFormat(
        "Default flux-jobs format string",
        "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} "
        "{status_abbrev:>2.2} {ntasks:>6} {nnodes:>6h} "
        "{contextual_time!F:>8h} {contextual_info}",
    ),
    "cute": NamedFormat(
        "Cute flux-jobs format string (default with emojis)",
        "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} "
        "{status_emoji:>5.5} {ntasks:>6} {nnodes:>6h} "
        "{contextual_time!F:>8h} {contextual_info}",
    ),
    "long": NamedFormat(
        "Extended flux-jobs format string",
        "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} "
        "{status:>9.9} {ntasks:>6} {nnodes:>6h} "
        "{t_submit!d:%b%d %R::>12} {t_remaining!F:>12h} "
        "{contextual_time!F:>8h} {contextual_info}",
    ),
    "deps": NamedFormat(
        "Show job urgency, priority, and dependencies",
        "{id.f58:>12} ?:{queue:<8.8} {name:<10.10+} {urgency:<3} "
        "{priority:<12} {state:<8.8} {dependencies}",
    ),
    "endreason": NamedFormat(
        "Show why each job ended",
        "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} "
        "{status_abbrev:>2.2} {t_inactive!d:%b%d %R::>12h} {inactive_reason}",
    ),
}


def formats() -> dict[str, NamedFormat]:
    """Return all formats by name. Raises InputError, in one line, for a mistake in a file."""
    found = dict(FORMATS)
    for path in _files():
        for name, form in _read(path).items():
            old = found.get(name, NamedFormat("", ""))
            found[name] = NamedFormat(
                str(form.get("description", old.description)), form["format"]
            )
    return found


def chosen(text: str | None, known: Mapping[str, NamedFormat]) -> str:
    """Return the format string that `-o TEXT` means: itself, or the one of that name.

    Raises ValueError for a name that is not known.
    """
    text = text or "default"
    if text == "default":
        text = os.environ.get(_DEFAULT) or text
    if "{" in text:
        return text
    if text in known:
        return known[text].format
    meant = re.sub(r"\w+", r"{\g<0>}", text)
    raise ValueError(f"--format: No such format {text} (Did you mean '{meant}'?)")


def as_configuration(name: str, known: Mapping[str, NamedFormat]) -> list[str]:
    """Return the lines of TOML that configure a format. Raises ValueError."""
    if name not in known:
        raise ValueError(f"--format: No such format {name}")
    described = {"description": known[name].description, "format": known[name].format}
    # A string of JSON is one of TOML.
    lines = [
        f"{key} = {json.dumps(text, ensure_ascii=False)}"
        for key, text in described.items()
        if text
    ]
    return [f"[formats.{name}]", *lines]


def _files() -> Iterator[Path]:
    """Yield the files that there are; later ones go before."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    system = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    for folder in reversed([home, *system.split(":")]):
        yield from sorted(
            path for path in Path(folder, "flux").glob("flux-jobs.*") if path.suffix in _READERS
        )


def _toml(file: BinaryIO) -> object:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415
    return tomllib.load(file)


def _yaml(file: BinaryIO) -> object:
    try:
        import yaml  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError as error:
        raise ValueError("PyYAML, which reads it, is not installed; use .toml") from error
    try:
        return yaml.safe_load(file)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


_READERS: dict[str, Callable[[BinaryIO], object]] = {
    ".json": json.load,
    ".toml": _toml,
    ".yaml": _yaml,
}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        with path.open("rb") as file:
            return _checked(_READERS[path.suffix](file))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; make it readable, or remove it") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _checked(tables: object) -> dict[str, dict[str, Any]]:
    """Return the formats of a file; raises ValueError for what Flux refuses, too."""
    if not isinstance(tables, dict):
        raise ValueError("expected a mapping with the key 'formats'")  # noqa: TRY004
    other = next((key for key in tables if key != "formats"), None)
    if other is not None:
        raise ValueError(f"invalid key {other}")
    found = tables.get("formats", {})
    if not isinstance(found, dict):
        raise ValueError("the 'formats' key must be a mapping")  # noqa: TRY004
    for name, form in found.items():
        if name in FORMATS:
            raise ValueError(f"override of builtin format '{name}' not permitted")
        if not isinstance(form, dict):
            raise ValueError(f"'formats.{name}' must be a mapping")  # noqa: TRY004
        if not isinstance(form.get("format"), str):
            raise ValueError(f"formats.{name}: the key 'format' must be there, and a string")  # noqa: TRY004
    return found
