"""The library behind the book: subspaces, captures, recovery, random search and their null laws."""
