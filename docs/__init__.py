"""The documentation, and the program that makes parts of it."""
