"""What is said of a run: medians with their confidence, ratios, tables and plots. It measures nothing."""
