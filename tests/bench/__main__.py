import signal
import sys

if __name__ == "__main__":
    # Ctrl-C while modules are still being imported is an end, and no reason for a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    from tests.bench.cli import main

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
