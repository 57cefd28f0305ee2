"""Set a value in a running service and read it back.

Run it with the path of the server's socket::

    python example.py SOCKET
"""

from __future__ import annotations

import json
import sys


def main(path: str) -> None:
    """Store 42 in ``my-service`` and print what it holds then."""
    # Not at the top of the file: it is found only when this runs as a script.
    from acton_ipc import ActonClient  # noqa: PLC0415

    with ActonClient(path) as client:
        client.fire_and_forget("my-service", "SetValue", {"value": 42})
        response = client.send("my-service", "GetValue", {})
        print(f"Value: {json.dumps(response, separators=(',', ':'))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
