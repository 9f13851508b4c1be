package cli

// The name of this process, and whether that of another has ended, for tests.
func Worker() string               { return worker() }
func WorkerEnded(name string) bool { return workerEnded(name) }
