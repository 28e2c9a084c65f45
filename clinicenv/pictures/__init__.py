"""Picture files made plain: pixels, and no trace of whose they are."""
