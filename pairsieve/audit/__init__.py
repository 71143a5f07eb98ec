"""An audit: people label a sample blindly, and a bound says how much the rules have missed."""
