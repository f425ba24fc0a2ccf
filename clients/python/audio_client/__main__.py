import sys

from audio_client.cli import main

sys.exit(main())
