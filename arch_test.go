package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// floors is the house from the ground up. A package imports only from floors
// below its own; docs/design.md says what each room is for.
func floors() [][]string {
	return [][]string{
		{"internal/usd", "internal/install", "internal/plain", "internal/complete", "internal/faultpoint", "internal/golden"},
		{"journal", "vast", "sandbox", "internal/region"},
		{"guard", "internal/journaltest"},
		{"rental", "internal/tool", "internal/watch", "remote"},
		{"internal/view"},
		{"tools", "resources", "prompts"},
		{"internal/server", "internal/doctor"},
		{"internal/cli", "internal/rig", "internal/faults", "internal/conformance"},
		{"internal/docs", "bench", "bench/bare", "packaging"},
		{""},
	}
}

// closed lists what a room may not know although it lies below.
func closed() map[string][]string {
	return map[string][]string{
		"guard":         {"vast", "sandbox"},
		"internal/tool": {"vast", "sandbox"},
		"rental":        {"sandbox"},
		"tools":         {"sandbox", "journal"},
		"resources":     {"sandbox", "journal"},
		"prompts":       {"sandbox", "journal"},
		"vast":          {"internal/usd", "internal/plain"},
		"sandbox":       {"internal/usd", "internal/plain"},
	}
}

// keepers lists the only rooms that may import a library.
func keepers() map[string][]string {
	return map[string][]string{
		"github.com/mark3labs/mcp-go":           {"internal/tool", "resources", "prompts", "internal/server", "internal/conformance", "bench", "bench/bare"},
		"github.com/invopop/jsonschema":         {"internal/tool"},
		"modernc.org/sqlite":                    {"journal"},
		"github.com/jackc/pgx":                  {"journal"},
		"github.com/alecthomas/kong":            {"internal/cli"},
		"github.com/tailscale/hujson":           {"internal/install"},
		"github.com/BurntSushi/toml":            {"internal/install"},
		"github.com/stretchr/testify":           {"internal/golden", "internal/rig", "internal/journaltest"},
		"github.com/rogpeppe/go-internal":       {"sandbox"},
		"github.com/santhosh-tekuri/jsonschema": {"internal/tool"},
	}
}

type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
	Module     *struct{ Path string }
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,Module", "./...").Output()
	require.NoError(t, err)
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, p)
	}
}

func room(importPath string) (string, bool) {
	rest, ours := strings.CutPrefix(importPath, "vast-mcp")
	return strings.TrimPrefix(rest, "/"), ours && (rest == "" || rest[0] == '/')
}

func TestImportsGoDownOnly(t *testing.T) {
	floor := map[string]int{}
	for i, rooms := range floors() {
		for _, r := range rooms {
			floor[r] = i
		}
	}
	for _, p := range packages(t) {
		here, _ := room(p.ImportPath)
		height, known := floor[here]
		require.True(t, known, "%s is on no floor: find the room that its lines belong in, or add it to floors and docs/design.md", here)
		for _, imp := range p.Imports {
			if there, ours := room(imp); ours {
				require.Less(t, floor[there], height, "%s imports %s, which is not below it", here, there)
				require.NotContains(t, closed()[here], there, "%s must not know %s", here, there)
			}
			for library, rooms := range keepers() {
				if imp == library || strings.HasPrefix(imp, library+"/") {
					require.Contains(t, rooms, here, "%s imports %s, which only %v may", here, library, rooms)
				}
			}
		}
	}
}

// sources parses every Go file below the root, tests included.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	all := map[string]*ast.File{}
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		all[path] = f
		if err == nil {
			checkLengths(t, set, path, f)
		}
		return err
	})
	require.NoError(t, err)
	return all
}

const (
	longestFile     = 400
	longestTestFile = 600
	longestFunc     = 60
)

func checkLengths(t *testing.T, set *token.FileSet, path string, f *ast.File) {
	t.Helper()
	limit := longestFile
	if strings.HasSuffix(path, "_test.go") {
		limit = longestTestFile
	}
	require.LessOrEqual(t, set.Position(f.FileEnd).Line, limit, "%s is too long: it holds more than one noun", path)
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && !strings.HasSuffix(path, "_test.go") {
			lines := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1
			require.LessOrEqual(t, lines, longestFunc, "%s: %s is too long: it does more than one thing", path, fn.Name.Name)
		}
	}
}

func TestSourcesKeepTheHouseRules(t *testing.T) {
	docs := map[string]int{}
	files := sources(t)
	rooms := map[string][]*ast.File{}
	for path, f := range files {
		rooms[filepath.Dir(path)] = append(rooms[filepath.Dir(path)], f)
	}
	for path, f := range files {
		test := strings.HasSuffix(path, "_test.go")
		if !test {
			docs[filepath.Dir(path)] += len(strings.TrimSpace(f.Doc.Text()))
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				require.False(t, fn.Recv == nil && fn.Name.Name == "init", "%s has an init func: build things where they are used", path)
			}
			if v, ok := d.(*ast.GenDecl); ok && v.Tok == token.VAR && !test {
				checkVars(t, path, v, rooms[filepath.Dir(path)])
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			checkCall(t, path, test, n)
			return true
		})
	}
	for dir, doc := range docs {
		require.Positive(t, doc, "%s has no package comment: say what it is for and the one rule it keeps", dir)
	}
}

// checkVars allows at package level what is never written to: errors, compiled
// patterns, tables, files that are built in.
func checkVars(t *testing.T, path string, decl *ast.GenDecl, siblings []*ast.File) {
	t.Helper()
	for _, s := range decl.Specs {
		v, ok := s.(*ast.ValueSpec)
		require.True(t, ok)
		for i, name := range v.Names {
			if name.Name == "_" {
				continue
			}
			require.True(t, len(v.Values) > i || embeds(decl), "%s: var %s has no value and so is meant to be written to", path, name.Name)
			require.False(t, len(v.Values) > i && mutable(v.Values[i]), "%s: var %s is package-level state: make it a const or a func", path, name.Name)
			for _, f := range siblings {
				require.False(t, writes(f, name.Name), "%s: var %s is written to: package-level state", path, name.Name)
			}
		}
	}
}

// embeds reports whether the compiler fills the variable from a file.
func embeds(decl *ast.GenDecl) bool {
	return decl.Doc != nil && slices.ContainsFunc(decl.Doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// mutable reports whether the value is made to be changed: a pointer, something
// of sync, or what make and new return.
func mutable(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.UnaryExpr:
		return v.Op == token.AND
	case *ast.CompositeLit:
		sel, ok := v.Type.(*ast.SelectorExpr)
		return ok && slices.Contains([]string{"sync", "atomic"}, sel.X.(*ast.Ident).Name)
	case *ast.CallExpr:
		id, ok := v.Fun.(*ast.Ident)
		return ok && slices.Contains([]string{"make", "new"}, id.Name)
	}
	return false
}

// writes reports whether the file assigns to the variable or to a part of it.
func writes(f *ast.File, name string) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		assign, ok := n.(*ast.AssignStmt)
		if !ok || assign.Tok == token.DEFINE {
			return true
		}
		for _, to := range assign.Lhs {
			for {
				index, ok := to.(*ast.IndexExpr)
				if !ok {
					break
				}
				to = index.X
			}
			if id, ok := to.(*ast.Ident); ok && id.Name == name {
				found = true
			}
		}
		return true
	})
	return found
}

// checkCall forbids what makes tests slow or code untestable.
func checkCall(t *testing.T, path string, test bool, n ast.Node) {
	t.Helper()
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return
	}
	switch name := x.Name + "." + sel.Sel.Name; {
	case test && name == "time.Sleep":
		t.Errorf("%s sleeps: use synctest or the sandbox's clock", path)
	case !test && slices.Contains([]string{"tools", "resources", "prompts"}, filepath.Dir(path)) && name == "vast.Client":
		t.Errorf("%s knows vast.Client: declare the small interface that the handler needs", path)
	// internal/faultpoint is empty unless it is built for tests, and too deep for
	// the command line to reach.
	case !test && (name == "os.Getenv" || name == "os.LookupEnv") && !slices.Contains([]string{"internal/cli", "internal/golden", "internal/journaltest", "internal/faultpoint"}, filepath.ToSlash(filepath.Dir(path))):
		t.Errorf("%s reads the environment, which only internal/cli may", path)
	}
}
