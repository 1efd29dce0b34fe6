"""Keeping secrets out of cassettes: rules that find them, and placeholders in their place."""
