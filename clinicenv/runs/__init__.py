"""Many consultations: what to run, running it, and the folder that keeps what happened."""
