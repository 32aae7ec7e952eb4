"""Texts as data: what checks look for in each language, and how stages and teachers are described.

Each topic is a YAML file in this folder. You can change the files without knowing Python.
"""

from sdgkit.texts.loading import load_texts

__all__ = ["load_texts"]
