"""Reports for people: the terminal's tables and transcripts."""
