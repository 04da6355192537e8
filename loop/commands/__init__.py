"""The `adloom` command, one file a group."""
