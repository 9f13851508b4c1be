#!/bin/sh
# Runs the official MCP conformance suite: all that two protocol versions require
# against the fixtures, and what any server must do against the real program.
# Exits 1 when something required fails. Needs Go, npm and the npm registry.
set -eu
cd "$(dirname "$0")/../.."
suite=0.2.0-alpha.12
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vast-mcp-conformance
out=$(mktemp -d)
failed=0

npm install --prefix "$cache" --no-audit --no-fund --loglevel=error \
	node@22 "@modelcontextprotocol/conformance@$suite" >"$out/npm.txt" 2>&1 || { cat "$out/npm.txt"; exit 1; }
conformance() {
	"$cache/node_modules/.bin/node" "$cache/node_modules/@modelcontextprotocol/conformance/dist/index.js" server "$@"
}

go build -o "$out/fixtures" ./internal/conformance
go build -o "$out/vast-mcp" .
"$out/fixtures" --listen 127.0.0.1:0 >"$out/fixtures.url" 2>"$out/fixtures.log" &
fixtures=$!
"$out/vast-mcp" http --sandbox --state-dir "$out/state" --listen 127.0.0.1:0 >"$out/program.url" 2>"$out/program.log" &
program=$!
trap 'kill $fixtures $program 2>/dev/null; wait; rm -rf "$out"' EXIT
trap 'exit 1' HUP INT PIPE TERM

# url NAME waits until the server has said where it is.
url() {
	for _ in $(seq 100); do
		grep -o 'http://[^ ]*' "$out/$1.url" && return
		sleep 0.1
	done
	cat "$out/$1.log" >&2
	return 1
}

# row SERVER VERSION WHAT VERDICT DETAILS is one line of the table.
row() { printf '| %-8s | %-10s | %-42s | %-4s | %s\n' "$1" "$2" "$3" "$4" "$5"; }

# all VERSION runs all that the version requires against the fixtures.
all() {
	verdict=ok
	conformance --url "$fixtures_url" --requirements "$1" >"$out/log" 2>&1 || { verdict=FAIL failed=1; }
	# The summary names every scenario, and after it those that do not count.
	sed -n '/=== SUMMARY/,$p' "$out/log" >"$out/summary"
	sed -En 's/^  (✓|✗) ([^ ]*).*/\2:/p' "$out/summary" >"$out/optional"
	grep -E '^(✓|✗) ' "$out/summary" | grep -vwFf "$out/optional" >"$out/required" || cat "$out/log"
	row fixtures "$1" "$(grep -c '^✓' "$out/required") of $(wc -l <"$out/required") required scenarios" "$verdict" "$(grep '^✗' "$out/required" | tr '\n' ' ')"
}

# one VERSION SCENARIO runs one scenario against the program.
one() {
	verdict=ok
	conformance --url "$program_url" --spec-version "$1" --scenario "$2" >"$out/log" 2>&1 || { verdict=FAIL failed=1; }
	row program "$1" "$2" "$verdict" "$(sed -n 's/^    Error: //p' "$out/log" | tr '\n' ' ')"
}

fixtures_url=$(url fixtures)
program_url=$(url program)
row server protocol scenario ok ''
row -------- ---------- ------------------------------------------ ---- ''
all 2025-11-25
all 2026-07-28
for scenario in server-initialize ping tools-list resources-list prompts-list completion-complete \
	server-sse-multiple-streams server-session-lifecycle dns-rebinding-protection; do
	one 2025-11-25 "$scenario"
done
for scenario in tools-list resources-list prompts-list completion-complete caching sep-2164-resource-not-found \
	server-sse-multiple-streams input-required-result-unsupported-methods dns-rebinding-protection http-header-validation; do
	one 2026-07-28 "$scenario"
done
exit $failed
