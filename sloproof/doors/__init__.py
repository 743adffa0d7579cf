"""What the commands do, one file a command or a group of them; each returns an `Ending`."""
