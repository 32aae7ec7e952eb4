"""Is it any good? Seeds, prompts, judges and students, each tried before you trust it."""
