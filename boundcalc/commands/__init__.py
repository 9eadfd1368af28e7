"""The commands, one module for each kind; no mathematics, and nothing heavy at the top."""
