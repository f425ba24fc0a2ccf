import sys
from pathlib import Path

if __name__ == "__main__":
    # The client isn't installed here: it is used from where it is written.
    sys.path.insert(0, str(Path(__file__).parent.parent / "clients" / "python"))

    from local.cli import main

    sys.exit(main())
