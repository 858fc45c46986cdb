"""What a release would ship: the contents of the sdist and the wheel, and the configuration that builds the wheels."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
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
    ]

    assert [name for name in needed if name not in sdist_names] == []
    assert [name for name in sdist_names if name.endswith((".c", ".so", ".pyd", ".pyc"))] == []


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
