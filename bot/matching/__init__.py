"""Which intent a question is about, or none: pure, synchronous, deterministic, and it can say why."""
