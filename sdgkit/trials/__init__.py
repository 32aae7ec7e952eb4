"""What is asked outside of a run: seeds are looked at, prompts tried and compared, a judge is calibrated, a run is
estimated, a tuned model evaluated."""
