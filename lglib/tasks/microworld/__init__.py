"""A small world in text: its words, its facts, passages and skills asked about, and models trained on it."""
