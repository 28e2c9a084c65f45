"""Pictures drawn from a description and a seed; each module needs the extra that its error names."""
