"""What it costs to import the package, next to the libraries it stands on.

Each contender is a new interpreter; its own start is not counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import Final

from harness import Contender, Plan, Question

_TIMED: Final = """
import json, sys, time
start = time.perf_counter()
{}
each = time.perf_counter() - start
print(json.dumps({{"each": each, "trio": sum(n.split(".")[0] == "trio" for n in sys.modules)}}))
"""

# What it prints goes elsewhere: the last line is the answer.
_HELP: Final = """
sys.argv = ["acton-trio", "--help"]
from acton_trio._cli.main import main
main()
"""


def timed(code: str) -> Mapping[str, float]:
    """Run *code* in a new interpreter; return its time, and how much of trio it has."""
    command = [sys.executable, "-c", _TIMED.format(code)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - no shell, and none of it is input
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def contenders(_plan: Plan) -> list[Contender]:
    """Return the libraries, the package, all of its names, and the help."""
    return [
        Contender(
            "its libraries", partial(timed, "import trio, attrs, cattrs, msgspec")
        ),
        Contender("acton_trio", partial(timed, "import acton_trio")),
        Contender("all its names", partial(timed, "from acton_trio import *")),
        Contender("--help", partial(timed, _HELP)),
    ]


QUESTION = Question("imports", "what an import costs", "its libraries", contenders)

if __name__ == "__main__":
    QUESTION.main()
