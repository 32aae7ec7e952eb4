"""Texts as data: what checks look for in each language, and what is said about stages, seeds and teachers.

Each topic is a YAML file in this folder. You can change the files and add to them without knowing Python.
"""

from sdgkit.texts.loading import load_texts

__all__ = ["load_texts"]
