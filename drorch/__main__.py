"""`python -m drorch` is `drorch`."""

from drorch.cli import main

raise SystemExit(main())
