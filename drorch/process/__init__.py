"""The only place that starts children: foreign programs, and drorch's own worker processes."""
