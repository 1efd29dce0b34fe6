"""What counts as the same request, and which recorded one is nearest to one that isn't there."""
