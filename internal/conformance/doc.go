// Command conformance serves the server of internal/server with the fixtures
// that the official MCP conformance suite asks for: tools, resources and prompts
// whose names begin with test_ or test:. run.sh runs the suite against it and
// against the real program.
//
// The one rule: fixtures are added to the assembled server and change nothing of
// it, so that what the suite says holds for what ships.
package main
