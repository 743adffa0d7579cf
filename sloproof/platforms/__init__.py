"""Where a target lives, one file a platform: turns intents into effects."""
