package main

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folder is one directory with Go files, without those that build constraints leave out.
type folder struct {
	dir     string // relative to its module, "" at the top
	name    string // the package's name
	files   []file
	imports map[string]bool
}

// file is what matters of one Go file.
type file struct {
	name      string   // without .go
	functions []string // exported ones that may be called
	mainAt    int      // where the name of func main is, in bytes; -1: not here
}

func (f folder) main() *file {
	for at := range f.files {
		if f.files[at].mainAt >= 0 {
			return &f.files[at]
		}
	}
	return nil
}

func (f folder) callable() bool {
	for _, file := range f.files {
		if len(file.functions) > 0 {
			return true
		}
	}
	return false
}

// foldersOf reads a module's directories, those of modules inside it and vendored ones excepted.
func foldersOf(root string) ([]folder, error) {
	var found []folder
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if path != root && (ignored(entry.Name()) || exists(filepath.Join(path, "go.mod"))) {
			return filepath.SkipDir
		}
		folder, err := read(root, path)
		if err != nil || len(folder.files) == 0 {
			return err
		}
		found = append(found, folder)
		return nil
	})
	return found, err
}

// ignored are the directories that Go itself leaves out, and Hob's own.
func ignored(name string) bool {
	return name == "vendor" || name == "testdata" || name == kitName || name[0] == '.' || name[0] == '_'
}

func read(root, path string) (folder, error) {
	relative, err := filepath.Rel(root, path)
	if err != nil {
		return folder{}, err
	}
	if relative == "." {
		relative = ""
	}
	context := build.Default
	context.CgoEnabled = false
	about, err := context.ImportDir(path, 0)
	if _, none := err.(*build.NoGoError); none {
		return folder{}, nil
	}
	if err != nil {
		return folder{}, err
	}
	result := folder{dir: filepath.ToSlash(relative), name: about.Name, imports: map[string]bool{}}
	for _, name := range about.GoFiles {
		if err := result.add(filepath.Join(path, name)); err != nil {
			return folder{}, err
		}
	}
	return result, nil
}

func (f *folder) add(path string) error {
	tree, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, each := range tree.Imports {
		f.imports[strings.Trim(each.Path.Value, "`\"")] = true
	}
	result := file{name: strings.TrimSuffix(filepath.Base(path), ".go"), mainAt: -1}
	for _, declaration := range tree.Decls {
		function, is := declaration.(*ast.FuncDecl)
		if !is || function.Recv != nil {
			continue
		}
		if f.name == "main" && function.Name.Name == "main" {
			result.mainAt = int(function.Name.Pos()) - 1 // one file: positions count from 1
		} else if function.Name.IsExported() && mayBeCalled(function.Type) {
			result.functions = append(result.functions, function.Name.Name)
		}
	}
	f.files = append(f.files, result)
	return nil
}

// mayBeCalled leaves out what fits no convention, so that less of the code is linked in for nothing.
// Which convention a function fits is decided when it is loaded, with its real type.
func mayBeCalled(form *ast.FuncType) bool {
	return form.TypeParams == nil && form.Params.NumFields() <= 2 &&
		(form.Results == nil || form.Results.NumFields() <= 2)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
