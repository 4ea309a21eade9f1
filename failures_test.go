package ekaf_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestEachSentinelIsAReason: failures are counted under the sentinel's own text,
// so the list by which they are known names each of errors.go, once.
func TestEachSentinelIsAReason(t *testing.T) {
	// namesOf lists the names Err... in what a file gives to its variables, those of
	// the variables themselves (errors.go), or those in their values (failures.go).
	namesOf := func(file string, pick func(*ast.ValueSpec) []ast.Node) (names []string) {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, s := range g.Specs {
					for _, n := range pick(s.(*ast.ValueSpec)) {
						ast.Inspect(n, func(n ast.Node) bool {
							if id, ok := n.(*ast.Ident); ok && strings.HasPrefix(id.Name, "Err") {
								names = append(names, id.Name)
							}
							return true
						})
					}
				}
			}
		}
		slices.Sort(names)
		return names
	}
	declared := namesOf("errors.go", func(v *ast.ValueSpec) []ast.Node { return []ast.Node{v.Names[0]} })
	listed := namesOf("failures.go", func(v *ast.ValueSpec) []ast.Node { return []ast.Node{v.Values[0]} })
	if len(declared) == 0 || !slices.Equal(declared, listed) {
		t.Errorf("errors.go has %v\nfailures.go %v", declared, listed)
	}
}
