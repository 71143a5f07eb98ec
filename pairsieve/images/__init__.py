"""Picture bytes to pixels, with guards."""
