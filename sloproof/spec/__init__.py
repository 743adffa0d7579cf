"""What people write: experiments, targets, objectives; YAML in, frozen models out."""
