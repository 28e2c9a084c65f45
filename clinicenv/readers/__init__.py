"""Expert readers: programs that say what stands in a picture; each needs the extra that its error names."""
