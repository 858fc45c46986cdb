"""Fails when a type of the public interface is not known: a program, run by `make types`.

pyright has to meet the package as a user's program does, from a folder that is not its own. What stands on packages
that are not installed here, whose types nobody knows, is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LEFT_OUT = "httpfast.integrations."


def main() -> int:
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    command += ["--verifytypes", "httpfast", "--ignoreexternal", "--outputjson"]
    result = subprocess.run(
        command, cwd=HERE, env={"PYTHONPATH": str(HERE.parent.parent)}, capture_output=True, text=True
    )
    report = json.loads(result.stdout)["typeCompleteness"]
    symbols = [symbol for symbol in report["symbols"] if symbol["isExported"]]
    unknown = [symbol for symbol in symbols if not symbol["isTypeKnown"] and not symbol["name"].startswith(LEFT_OUT)]
    for symbol in unknown:
        print(symbol["name"], *(diagnostic["message"] for diagnostic in symbol["diagnostics"]), sep="\n    ")
    print(f"{len(symbols)} public symbols, {len(unknown)} of a type that is not known")
    return 1 if unknown or not symbols else 0


if __name__ == "__main__":
    sys.exit(main())
