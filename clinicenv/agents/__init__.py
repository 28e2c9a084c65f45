"""Agents: scripted, model, human, replay; cards and casts."""
