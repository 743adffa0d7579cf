"""The pytest plug-in's parts: collecting experiments, running them beside pytest, telling."""
