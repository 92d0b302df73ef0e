"""`python -m bot` is `hotline`."""

from bot.cli import main

raise SystemExit(main())
