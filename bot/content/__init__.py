"""What is known and what is asked: read from YAML, checked, frozen. Pure: no clock, no network, no database."""
