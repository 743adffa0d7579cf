"""The platform's database: servers, replication between them, fail-over, backups."""
