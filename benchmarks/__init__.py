"""What is measured; never run as a test. `python -m benchmarks` writes results.json."""
