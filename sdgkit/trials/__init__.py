"""What is asked outside of a run: seeds checked, prompts tried, judges calibrated, models compared."""
