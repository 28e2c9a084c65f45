"""What a trajectory is worth: ratings, marks and statistics. Knows nothing of agents."""
