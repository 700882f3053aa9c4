"""Running cases: the plugin of pytest and its runner, the case decorator, the aliasing guard, the trace of one case."""
