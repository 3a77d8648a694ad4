"""Tests in a real Chromium, which Playwright drives: what only a browser shows."""
