"""The rule-driven clinic: lexicon, question router, disclosure, patient's answers, measurement, verdicts."""
