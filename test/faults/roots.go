// Package faults has every goroutine and every export of the module panic once, in calls on the stand-in host, and looks
// at the rest: one stream or one command fails, the log says so, and the process, the other streams and the next call are as
// they were. It needs a module built with the tag "faults" (make faults).
//
// This file finds the places in the source: whatever starts a goroutine, and whatever C calls.
package faults

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// root is the first function of a goroutine, or an export.
type root struct {
	where    string // file and line
	place    string // what it calls itself in fault.At; "": it does not
	recovers bool   // by a deferred function
}

// source is the parsed code of one package.
type source struct {
	files   *token.FileSet
	funcs   map[string]*ast.FuncDecl // by name; a method by its own name, too
	asts    []*ast.File
	recover map[string]bool // functions and methods whose body calls recover itself
}

// moduleRoots finds the roots in goside and bridge. What is not linked into the module is passed over.
func moduleRoots(top string) ([]root, error) {
	var all []root
	for _, tree := range []string{"goside", "bridge"} {
		err := filepath.WalkDir(filepath.Join(top, tree), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			switch d.Name() {
			case "agent", "cmd", "hosttest", "testdata":
				return filepath.SkipDir
			}
			s, err := parsePackage(path)
			if err != nil {
				return err
			}
			all = append(all, s.roots()...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func parsePackage(dir string) (*source, error) {
	s := &source{files: token.NewFileSet(), funcs: map[string]*ast.FuncDecl{}, recover: map[string]bool{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(s.files, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		s.asts = append(s.asts, f)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				s.funcs[fn.Name.Name] = fn
				s.recover[fn.Name.Name] = s.recover[fn.Name.Name] || callsRecover(fn.Body)
			}
		}
	}
	return s, nil
}

// callsRecover reports a call of recover in a body, not in a function inside it, where it would recover nothing.
func callsRecover(body *ast.BlockStmt) (found bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "recover" {
				found = true
			}
		}
		return true
	})
	return found
}

func (s *source) roots() (all []root) {
	for _, f := range s.asts {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				all = append(all, s.root(n, n.Call.Fun))
			case *ast.CallExpr:
				if fn := callback(n); fn != nil {
					all = append(all, s.root(n, fn))
				}
			case *ast.FuncDecl:
				if n.Doc != nil && strings.Contains(commentText(n.Doc), "//export "+n.Name.Name) || n.Name.Name == "Collect" {
					all = append(all, s.root(n, n.Name))
				}
			}
			return true
		})
	}
	return all
}

func commentText(doc *ast.CommentGroup) string {
	var b strings.Builder
	for _, c := range doc.List {
		b.WriteString(c.Text + "\n")
	}
	return b.String()
}

// callback is the function that a call starts on a goroutine of its own: time.AfterFunc, context.AfterFunc, the Go of a
// sync.WaitGroup, and the Run of a connection, which is a coroutine.
func callback(call *ast.CallExpr) ast.Expr {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	switch {
	case ok && sel.Sel.Name == "AfterFunc" && len(call.Args) == 2:
		return call.Args[1]
	case ok && sel.Sel.Name == "Go" && len(call.Args) == 1:
		return call.Args[0]
	case ok && sel.Sel.Name == "Run" && len(call.Args) == 1:
		if fn, ok := call.Args[0].(*ast.FuncLit); ok {
			return fn
		}
	}
	return nil
}

func (s *source) root(at ast.Node, fn ast.Expr) root {
	pos := s.files.Position(at.Pos())
	r := root{where: fmt.Sprintf("%s:%d", pos.Filename, pos.Line)}
	var body *ast.BlockStmt
	switch fn := fn.(type) {
	case *ast.FuncLit:
		body = fn.Body
	case *ast.Ident:
		body = s.body(fn.Name)
	case *ast.SelectorExpr:
		body = s.body(fn.Sel.Name)
	}
	if body == nil {
		return r
	}
	for _, stmt := range body.List {
		if d, ok := stmt.(*ast.DeferStmt); ok && s.recovering(d.Call.Fun) {
			r.recovers = true
		}
	}
	ast.Inspect(body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && r.recovers && len(call.Args) == 1 {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "At" {
				if name, ok := call.Args[0].(*ast.BasicLit); ok {
					r.place, _ = strconv.Unquote(name.Value) // it parsed, so it can be
				}
			}
		}
		return true
	})
	return r
}

func (s *source) body(name string) *ast.BlockStmt {
	if fn := s.funcs[name]; fn != nil {
		return fn.Body
	}
	return nil
}

// recovering reports whether a deferred function recovers.
func (s *source) recovering(fn ast.Expr) bool {
	switch fn := fn.(type) {
	case *ast.FuncLit:
		return callsRecover(fn.Body)
	case *ast.Ident:
		return s.recover[fn.Name]
	case *ast.SelectorExpr:
		return s.recover[fn.Sel.Name]
	}
	return false
}
