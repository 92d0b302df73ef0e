"""Telegram: receiving, citizens' conversations, sending. python-telegram-bot appears only here."""

import os

# durations come as timedelta, as they will in its next major version: without this it warns at every 429
os.environ.setdefault("PTB_TIMEDELTA", "true")
