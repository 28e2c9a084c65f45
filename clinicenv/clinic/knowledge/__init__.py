"""Data files of the clinic: the lexicon, the test catalogue, disease profiles."""
