"""What is learned of published links when they are asked again, and what follows from it."""
