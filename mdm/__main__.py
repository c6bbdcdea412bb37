"""`python -m mdm …`: runs the command line of `mdm.cli.main`."""

import sys

from mdm.cli.main import main

sys.exit(main())
