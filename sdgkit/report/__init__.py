"""The report of a run, the explanation of its drops, and tables to look at."""

from sdgkit.report.histograms import length_histogram, score_histogram
from sdgkit.report.write import write_report

__all__ = ["length_histogram", "score_histogram", "write_report"]
