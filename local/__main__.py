import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    # Ctrl-C while modules are still being imported is an end, and no reason for a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # awscrt, which SAM brings, takes longer to import and to sign than Python's own does.
    os.environ.setdefault("BOTO_DISABLE_CRT", "true")
    # The client isn't installed here: it is used from where it is written.
    sys.path.insert(0, str(Path(__file__).parent.parent / "clients" / "python"))

    from local.command_line.cli import main

    sys.exit(main())
