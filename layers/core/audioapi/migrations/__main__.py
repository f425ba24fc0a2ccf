"""`DATABASE_URL=… python -m audioapi.migrations`: brings that database to the newest revision.

The URL comes by the environment, as everybody on a machine may read a command's arguments.
"""

from __future__ import annotations

import os
import sys

from sqlalchemy.exc import DBAPIError

from audioapi import database, migrations


def main() -> str:
    """What was done, in a sentence. Ends the program with another one if it can't be."""
    url = os.environ.get("DATABASE_URL", "")
    if not database.is_valid(url):
        raise SystemExit("DATABASE_URL must be like postgresql://user:password@host:5432/database")
    try:
        change = migrations.upgrade(url)
    except DBAPIError as error:
        raise SystemExit(f"The schema is as it was: {database.reason(error)}") from None
    if change.before == change.after:
        return f"The schema is at {change.after} already."
    return f"The schema was at {change.before or 'nothing'}, and is at {change.after} now."


if __name__ == "__main__":
    sys.stdout.write(main() + "\n")
