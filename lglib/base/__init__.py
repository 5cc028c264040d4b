"""What every room may use: checks of arguments, keyed generators, progress lines, whole files, the hub."""
