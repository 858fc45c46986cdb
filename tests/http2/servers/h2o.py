"""h2o."""

from __future__ import annotations

import os
import signal

from .base import H2Server

_CONFIGURATION = """
{user}
num-threads: 1
pid-file: {directory}/h2o.pid
error-log: {directory}/error.log
access-log:
  path: {directory}/access.log
  format: "%U%q"
hosts:
  "localhost":
    listen:
      host: 127.0.0.1
      port: {tls}
      ssl:
        certificate-file: {certificate}
        key-file: {certificate}
    listen:
      host: 127.0.0.1
      port: {h2c}
    paths:
      "/bytes":
        file.dir: {files}/bytes
      "/echo":
        mruby.handler: |
          Proc.new do |env|
            target = env["PATH_INFO"].to_s
            target = env["SCRIPT_NAME"].to_s + target
            target += "?" + env["QUERY_STRING"] unless env["QUERY_STRING"].to_s.empty?
            fields = '[["x-token", "' + env["HTTP_X_TOKEN"].to_s + '"]]'
            answer = '{{"method": "' + env["REQUEST_METHOD"] + '", "target": "' + target + '", '
            answer += '"headers": ' + fields + '}}'
            [200, {{"content-type" => "application/json"}}, [answer]]
          end
      "/drain":
        mruby.handler: |
          Proc.new do |env|
            body = env["rack.input"]
            [200, {{"content-type" => "text/plain"}}, [(body ? body.read.bytesize : 0).to_s]]
          end
"""


class H2O(H2Server):
    """Its reload is a new process under the same master; the old one says goodbye."""

    program = "h2o"
    package = "h2o"
    trailers_at = None

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `Daemon`."""
        configuration = _CONFIGURATION.format(
            user="" if os.geteuid() else "user: root",
            directory=self.directory,
            files=self.write_files(),
            certificate=self.certificate,
            **dict(zip(self.names, ports, strict=True)),
        )
        return [["-m", "master", "-c", self.write("h2o.yaml", configuration)]]

    def leave(self) -> None:
        """See `H2Server`."""
        os.kill(self.pid, signal.SIGHUP)
