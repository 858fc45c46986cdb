"""Where the pages' examples run: their server, and Pythons that find it under the names in the pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from .blocks import ROOT
from .proxy import ConnectProxy

HERE = Path(__file__).parent
TIMEOUT = 50.0
"""Seconds that a process may take; less than pytest gives to a test."""

NAMES = ("example.org", "httpbin.org", "api.example", "www.example.com")
PROXIES = ("proxy.example:3128", "10.0.0.7:3128")
CHAT = "chat.example.org"


@dataclass
class Site:
    """Servers for all names that the pages use. `run` starts processes that see them, in a folder."""

    ca_file: Path
    hosts: dict[str, int] = field(default_factory=dict)

    def run(self, command: list[str] | str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command, a str by bash, in which `httpfast` and `python` are this Python's."""
        binaries = folder.parent / "bin"
        if not binaries.exists():
            binaries.mkdir()
            for name, arguments in (("python", ""), ("httpfast", "-m httpfast ")):
                (binaries / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
                (binaries / name).chmod(0o755)
        ours = {
            "PYTHONPATH": os.pathsep.join((str(HERE / "prelude"), str(ROOT))),
            "HTTPFAST_DOCS_HOSTS": json.dumps(self.hosts),
            "SSL_CERT_FILE": str(self.ca_file),
            "PATH": os.pathsep.join((str(binaries), os.environ["PATH"])),
            "HOME": str(folder),
            "TOKEN": "t0ken",
        }
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command] if isinstance(command, str) else command,
            cwd=folder,
            env=os.environ | ours,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    certificate = directory / "server.pem"
    authority.issue_cert("localhost", *NAMES, CHAT).private_key_and_cert_chain_pem.write_to_path(certificate)
    commands = (
        ["tests.docs.server", "--tls-port", "0", "--certdir", str(directory)],
        ["tests.websockets.echo_server", str(certificate)],
    )
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        for command in commands
    ]
    try:
        server, chat = [json.loads(process.stdout.readline()) for process in processes if process.stdout is not None]
        made = Site(directory / "ca.pem")
        made.hosts = {f"{name}:443": server["tls_port"] for name in NAMES}
        made.hosts |= {f"{name}:80": server["port"] for name in NAMES}
        made.hosts[f"{CHAT}:443"] = chat
        with ConnectProxy(made.hosts) as proxy:
            made.hosts |= dict.fromkeys(PROXIES, proxy.port)
            yield made
    finally:
        for process in processes:
            process.communicate(timeout=TIMEOUT)
