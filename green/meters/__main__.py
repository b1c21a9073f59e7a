"""`python -m green.meters` is `green meter`: how a program that meters itself starts its meter."""

import sys

from green.meters.command import main

sys.exit(main(sys.argv[1:]))
