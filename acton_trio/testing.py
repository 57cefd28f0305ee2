"""What tests of actors are written with: probes, faults, leak checks, many orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._base.facade import lazy_names

if TYPE_CHECKING:
    from ._testing import faults
    from ._testing.codec_contract import (
        AnyCodec,
        check_codec,
    )
    from ._testing.contracts import (
        ContractError,
    )
    from ._testing.crashing import (
        crash,
    )
    from ._testing.desk import (
        ProbeError,
    )
    from ._testing.events import (
        EventError,
    )
    from ._testing.exploring import (
        Exploration,
        Explored,
        explore,
    )
    from ._testing.faults import (
        CrashError,
        Fault,
    )
    from ._testing.harness import (
        open_test_runtime,
    )
    from ._testing.idle import (
        wait_idle,
    )
    from ._testing.leaks import (
        Leak,
        LeakError,
    )
    from ._testing.ledger import (
        expect_event,
    )
    from ._testing.mailbox_contract import (
        AnyMailbox,
        check_mailbox,
    )
    from ._testing.pairs import (
        IpcPair,
        open_ipc_pair,
    )
    from ._testing.probes import (
        Probe,
        open_probe,
    )
    from ._testing.streams import (
        CloggedStream,
        MemoryListener,
        chop,
        clog,
        memory_listener,
    )
    from ._testing.transport_contract import (
        check_transport,
    )
    from ._testing.watchdog import (
        HangError,
        run_with_watchdog,
        watchdog,
    )
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "_testing.codec_contract": ["AnyCodec", "check_codec"],
            "_testing.contracts": ["ContractError"],
            "_testing.crashing": ["crash"],
            "_testing.desk": ["ProbeError"],
            "_testing.events": ["EventError"],
            "_testing.exploring": ["Exploration", "Explored", "explore"],
            "_testing.faults": ["CrashError", "Fault"],
            "_testing.harness": ["open_test_runtime"],
            "_testing.idle": ["wait_idle"],
            "_testing.leaks": ["Leak", "LeakError"],
            "_testing.ledger": ["expect_event"],
            "_testing.mailbox_contract": ["AnyMailbox", "check_mailbox"],
            "_testing.pairs": ["IpcPair", "open_ipc_pair"],
            "_testing.probes": ["Probe", "open_probe"],
            "_testing.streams": [
                "CloggedStream",
                "MemoryListener",
                "chop",
                "clog",
                "memory_listener",
            ],
            "_testing.transport_contract": ["check_transport"],
            "_testing.watchdog": ["HangError", "run_with_watchdog", "watchdog"],
        },
        modules={"faults": "_testing.faults"},
    )

__all__ = [
    "AnyCodec",
    "AnyMailbox",
    "CloggedStream",
    "ContractError",
    "CrashError",
    "EventError",
    "Exploration",
    "Explored",
    "Fault",
    "HangError",
    "IpcPair",
    "Leak",
    "LeakError",
    "MemoryListener",
    "Probe",
    "ProbeError",
    "check_codec",
    "check_mailbox",
    "check_transport",
    "chop",
    "clog",
    "crash",
    "expect_event",
    "explore",
    "faults",
    "memory_listener",
    "open_ipc_pair",
    "open_probe",
    "open_test_runtime",
    "run_with_watchdog",
    "wait_idle",
    "watchdog",
]


def __dir__() -> list[str]:
    return __all__
