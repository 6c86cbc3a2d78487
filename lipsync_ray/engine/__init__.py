"""The only room that knows Ray: rows through stages to outcomes, attempts, resources, progress."""
