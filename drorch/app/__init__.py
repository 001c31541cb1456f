"""The composition root: what an operator names becomes live objects, which are handed to actions.

The only place that knows everything. Each function opens the repository, holds a shared lock while the action works
(unless the operator forbids it), and closes the target again, whatever happens. Nothing is gathered here: a verb
imports only the part it needs, so that no verb waits for what another one uses.
"""
