"""Bodies in files, and the names of these.

A name that the caller gives is used as it is. One that a server gives, in Content-Disposition (RFC 6266), or that
stands in a URL, may be meant to harm (CVE-2020-8177, CVE-2025-11563): no more than a plain name of it is left, and a
file with it is only ever created, never opened: what is there, a symbolic link too, stays as it is.
"""

from __future__ import annotations

import os
import re
import unicodedata
from urllib.parse import unquote

from .terminal import OutputError, writing
from .text import visible_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from .._response import Response
    from .._url import URL
    from .terminal import Terminal

__all__ = ["chosen_name", "create", "is_folder", "plain_name", "save"]

DEFAULT_NAME = "download"

# Octets of UTF-8: file systems take 255, and a number may have to be put in.
MAX_NAME_BYTES = 200
MAX_SUFFIX_BYTES = 20

MAX_NUMBERED = 99
"""How many names are tried where the first is taken."""

# Of Windows: devices in every folder, whatever the suffix.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|$)", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_PARAMETER = re.compile(r';\s*([!#$&+.^_`|~\w-]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))', re.ASCII)


def is_folder(path: str) -> bool:
    """Whether a path that the caller gives is a folder, in which a file is to be named by the response."""
    return os.path.isdir(path) or path.endswith(("/", os.sep))


def chosen_name(url: URL, disposition: str | None) -> str:
    """The name for a body: of the response's Content-Disposition, else of the URL that the caller gave.

    Args:
        url: the caller's, not one that a redirect leads to: its server chose that one.
        disposition: the field's value.
    """
    given = _disposition_name(disposition or "")
    return plain_name(given) or plain_name(url.path) or DEFAULT_NAME


def _disposition_name(value: str) -> str:
    """The name in a Content-Disposition field; `filename*` goes first (RFC 6266, 4.3). Empty if there is none."""
    parameters: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(";" + value.partition(";")[2]):
        parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted else token)
    extended = parameters.get("filename*", "")
    if extended.count("'") >= 2:
        # RFC 8187, 3.2: charset'language'octets in per cent. UTF-8 is the only charset that has to be known.
        charset, _, octets = extended.split("'", 2)
        if charset.lower() in ("utf-8", "iso-8859-1"):
            name = unquote(octets, encoding=charset, errors="replace")
            if plain_name(name):
                return name
    return parameters.get("filename", "")


def plain_name(text: str) -> str:
    """What is left of a name that somebody else gives, for a file in a folder; empty if nothing is.

    No folders; no control and formatting characters, nor those that Windows or shells take for something else; no dot,
    hyphen or tilde in front; no name of a device; and no more octets than file systems take.
    """
    name = re.split(r"[/\\]", text)[-1]
    name = "".join(
        "_" if unicodedata.category(letter)[0] == "C" else letter for letter in unicodedata.normalize("NFC", name)
    )
    name = _FORBIDDEN.sub("_", name)
    name = " ".join(name.split()).lstrip(".-~ ").rstrip(". ")
    if not name.strip("_ ."):
        return ""
    if _RESERVED.match(name):
        name = "_" + name
    stem, suffix = os.path.splitext(name)
    if len(suffix.encode()) > MAX_SUFFIX_BYTES:
        stem, suffix = name, ""
    stem = stem.encode()[: MAX_NAME_BYTES - len(suffix.encode())].decode("utf-8", "ignore")
    return (stem + suffix).rstrip(". ")


def create(folder: str, name: str) -> tuple[BinaryIO, str]:
    """A new file in a folder, and its path. A number goes into the name where it is taken.

    Raises:
        OutputError: it cannot be created.
    """
    stem, suffix = os.path.splitext(name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    for number in range(MAX_NUMBERED + 1):
        path = os.path.join(folder, f"{stem}.{number}{suffix}" if number else name)
        try:
            return open(os.open(path, flags, 0o666), "wb"), path
        except FileExistsError:
            continue
        except OSError as error:
            raise OutputError(f"{path} cannot be created: {error.strerror or error}") from error
    raise OutputError(f"{os.path.join(folder, name)} exists, and {MAX_NUMBERED} names like it")


def save(response: Response, path: str, url: URL, terminal: Terminal) -> None:
    """Write a body to a file as it comes, with a progress bar on a terminal.

    Args:
        path: of the file, which is written over; or of a folder, in which one is created.
        url: the caller's.

    Raises:
        OutputError
        RequestError: the body did not come whole. What came is in the file.
    """
    is_chosen = is_folder(path)
    if is_chosen:
        file, path = create(path, chosen_name(url, response.headers.get("Content-Disposition")))
    else:
        with writing(path):
            file = open(path, "wb")  # noqa: SIM115 - closed below
    with writing(path), file:
        is_whole = False
        try:
            _copy(response, file, path, terminal)
            is_whole = True
        finally:
            if not is_whole:
                terminal.tell(f"{path} is incomplete: {response.num_bytes_downloaded} octets came")
    if is_chosen:
        terminal.tell(f"Saved as {path}")


def _copy(response: Response, file: BinaryIO, path: str, terminal: Terminal) -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=terminal.err, disable=not terminal.err.is_terminal) as progress:
        task = progress.add_task(visible_line(os.path.basename(path)), total=total)
        for chunk in response.iter_bytes():
            file.write(chunk)
            # Of the octets on the wire, for their length is what the field says.
            progress.update(task, completed=response.num_bytes_downloaded)
