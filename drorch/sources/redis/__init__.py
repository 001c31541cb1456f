"""Redis and Valkey: all that a server holds, as the file it would write itself (RDB), streamed as a replica gets it.

Promise: a stream that was cut anywhere is no dump; its password is in no command line, no environment and no file.

The server makes the stream for a replica that never was: redis-cli --rdb. It waits for further replicas before it
begins, for repl-diskless-sync-delay seconds (5 where nobody changed that), which is its own to decide. An RDB cannot be
loaded into a running server, so what is put back is the file, for a server to start with.
"""

from drorch.sources.redis.kind import Redis
from drorch.sources.redis.settings import RedisSettings

__all__ = ["Redis", "RedisSettings"]
