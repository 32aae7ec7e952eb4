"""How good is it: seeds, prompts, judges, estimates and students, each tried before you trust it."""
