"""CLIP models: their settings, weights, and two towers."""
