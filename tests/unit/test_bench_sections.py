"""Sections of the benchmark's document that other commands write."""

from __future__ import annotations

from pathlib import Path

from bench.sections import ENDLESS, SIZE, kept_sections, put_section


def test_a_section_is_added_replaced_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text("# Benchmarks\n\n## The goals\n\nfew\n", encoding="utf-8")
    put_section(path, SIZE, "first\n")
    put_section(path, ENDLESS, "endless")
    put_section(path, SIZE, "| second |\n\nline")
    text = path.read_text(encoding="utf-8")
    assert text == (
        f"# Benchmarks\n\n## The goals\n\nfew\n\n## {SIZE}\n\n| second |\n\nline\n\n## {ENDLESS}\n\nendless\n"
    )
    assert kept_sections(text) == f"## {SIZE}\n\n| second |\n\nline\n\n## {ENDLESS}\n\nendless\n"
    assert kept_sections("# Benchmarks\n") == ""
