"""What a release would ship: the contents of the sdist and the wheel, and the configuration that builds the wheels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLATFORMS = {
    "linux": ["manylinux_x86_64", "musllinux_x86_64", "manylinux_aarch64", "musllinux_aarch64"],
    "macos": ["macosx_x86_64", "macosx_arm64"],
    "windows": ["win_amd64"],
}
PYTHONS = ["cp311", "cp312", "cp313", "cp314", "cp314t"]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of a clean copy of the tree, and the wheel built from that sdist."""
    pytest.importorskip("build", reason="the package 'build' is not installed")
    pytest.importorskip("Cython", reason="Cython is not installed")
    folder = tmp_path_factory.mktemp("dist")
    tree = folder / "tree"
    ignored = shutil.ignore_patterns(
        ".git", ".venv*", "build", "dist", "*.so", "*.pyd", "__pycache__", "*.egg-info", ".*_cache"
    )
    shutil.copytree(ROOT, tree, ignore=ignored)
    # Without isolation: the tools that build are those of this environment, and nothing is downloaded.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "out"), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "out"


@pytest.fixture(scope="module")
def wheel_names(distributions: Path) -> list[str]:
    [wheel] = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def sdist_names(distributions: Path) -> list[str]:
    [sdist] = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


@pytest.mark.timeout(600)
def test_wheel_holds_compiled_modules_and_no_sources_of_them(wheel_names: list[str]) -> None:
    modules = {Path(name).name.partition(".")[0] for name in wheel_names if name.endswith((".so", ".pyd"))}
    sources = {path.stem for path in (ROOT / "cext" / "httpfast" / "_cext").glob("*.pyx")}

    assert modules == sources
    assert [name for name in wheel_names if name.endswith((".c", ".pyx", ".pxd", ".h"))] == []


@pytest.mark.timeout(600)
def test_wheel_holds_every_module_stub_and_marker_of_the_package_and_nothing_else(wheel_names: list[str]) -> None:
    package = {
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.py", "*.pyi", "py.typed")
        for path in (ROOT / "httpfast").rglob(pattern)
    }
    shipped = {name for name in wheel_names if ".dist-info/" not in name and not name.endswith((".so", ".pyd"))}

    # And the plugin for pytest, which is no part of the package.
    assert shipped == package | {"httpfast_pytest.py"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel_names)


@pytest.mark.timeout(600)
def test_sdist_holds_what_builds_and_tests_the_package_and_no_build_output(sdist_names: list[str]) -> None:
    needed = [
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "cext/httpfast/_cext/h1.pyx",
        "cext/httpfast/_cext/h1.pxd",
        "Makefile",
        "mkdocs.yml",
        "noxfile.py",
        "tests/typing/pyrightconfig.json",
        "tests/typing/stubtest-allowlist.txt",
    ]

    assert [name for name in needed if name not in sdist_names] == []
    assert [name for name in sdist_names if name.endswith((".c", ".so", ".pyd", ".pyc"))] == []


@pytest.mark.timeout(600)
def test_wheel_names_its_licence_extras_and_command(distributions: Path) -> None:
    [wheel] = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        information = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        folder = information.rpartition("/")[0]
        metadata = message_from_bytes(archive.read(information))
        commands = archive.read(f"{folder}/entry_points.txt").decode()
        licence = archive.read(f"{folder}/licenses/LICENSE")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert set(metadata.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert [line for line in commands.splitlines() if line] == [
        "[console_scripts]",
        "httpfast = httpfast:main",
        "[opentelemetry_instrumentor]",
        "httpfast = httpfast.otel._instrumentor:HTTPFastInstrumentor",
        "[pytest11]",
        "httpfast_pytest = httpfast_pytest",
    ]


@pytest.mark.timeout(600)
def test_distributions_are_what_the_index_takes_and_shows(distributions: Path) -> None:
    pytest.importorskip("twine", reason="the package 'twine' is not installed")
    files = [str(path) for path in distributions.iterdir()]

    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2, done.stdout


@pytest.mark.timeout(600)
def test_distributions_hold_no_path_of_the_tree_that_built_them_and_no_key(distributions: Path) -> None:
    [wheel], [sdist] = distributions.glob("*.whl"), distributions.glob("*.tar.gz")
    contents: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel) as archive:
        contents |= {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(sdist) as tar:
        for member in tar.getmembers():
            if (file := tar.extractfile(member)) is not None:
                contents[member.name] = file.read()
    # pip and build compile below the folder for temporary files, which is where this tree is too.
    folders = [os.fsencode(str(folder)) for folder in (ROOT, distributions, Path(tempfile.gettempdir()) / "build-via")]

    assert [name for name, content in contents.items() if any(folder in content for folder in folders)] == []
    assert [name for name in contents if name.endswith((".pem", ".key", ".p12", ".env", ".netrc", ".pypirc"))] == []
    assert [name for name, content in contents.items() if b"PRIVATE KEY-----\nMI" in content] == []


def test_hooks_before_a_commit_are_the_linters_of_the_makefile() -> None:
    lint = (ROOT / "Makefile").read_text("utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")

    for tool in ("ruff check", "ruff format", "cython-lint"):
        assert f"$(BIN)/{tool}" in lint or f':$$PATH" {tool}' in lint
        assert f".venv/bin/{tool}" in hooks or f':$PATH" {tool}' in hooks


def test_wheels_workflow_is_the_file_at_the_top() -> None:
    top = (ROOT / "wheels.yml").read_bytes()
    workflow = ROOT / ".github" / "workflows" / "wheels.yml"
    if not workflow.exists():
        pytest.skip("this tree has no .github folder (it is not part of the sdist)")

    assert workflow.read_bytes() == top


@pytest.mark.parametrize("system", PLATFORMS)
def test_cibuildwheel_builds_every_python_on_every_platform(system: str) -> None:
    pytest.importorskip("cibuildwheel", reason="cibuildwheel is not installed")
    architectures = {"linux": "x86_64 aarch64", "macos": "x86_64 arm64", "windows": "AMD64"}[system]
    command = [sys.executable, "-m", "cibuildwheel", "--platform", system, "--archs", ",".join(architectures.split())]

    done = subprocess.run(
        [*command, "--print-build-identifiers", str(ROOT)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    expected = {f"{python}-{platform}" for python in PYTHONS for platform in PLATFORMS[system]}
    assert set(done.stdout.split()) == expected
