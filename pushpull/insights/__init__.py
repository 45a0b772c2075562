"""Rows into meaning: funnel, explanations, rehearsals."""
