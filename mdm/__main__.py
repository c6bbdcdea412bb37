"""`python -m mdm …`: the operator's commands. See `mdm.cli.main`."""

import sys

from mdm.cli.main import main

sys.exit(main())
