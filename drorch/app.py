"""The composition root: the only place that knows every room and joins them into live objects."""
