// Command build makes programs of a user's code: it looks for what can be called, writes a main that
// knows it, adds Hob's part and compiles. It runs in the build stage of ../build.Dockerfile, on a copy
// of the code that is thrown away: it writes into it.
//
//	build fetch CODE KIT        downloads the modules that go.mod and go.sum of CODE name
//	build warm KIT WORK         compiles what every program needs, so that later builds find it
//	build programs CODE KIT OUT compiles CODE: its top to OUT/handler, others to OUT/programs/DIR/handler
//
// KIT is a directory with wire, capture, handler, nuclio and modules of this folder's parent.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 3 && arguments[0] == "fetch":
		return fetch(arguments[1], arguments[2])
	case len(arguments) == 3 && arguments[0] == "warm":
		return warm(arguments[1], arguments[2])
	case len(arguments) == 4 && arguments[0] == "programs":
		return programs(arguments[1], arguments[2], arguments[3])
	}
	return errors.New("usage: build fetch CODE KIT | warm KIT WORK | programs CODE KIT OUT")
}

// fetch is for a layer of its own: it sees go.mod, go.sum and vendor's modules.txt only. What cannot
// be fetched is no error here: the code may not need it, and if it does then its build says so.
func fetch(code, kit string) error {
	if exists(filepath.Join(code, "modules.txt")) || !exists(filepath.Join(code, "go.mod")) {
		return nil
	}
	if err := (&module{dir: code, kit: kit}).replaceAll(); err != nil {
		return err
	}
	if err := goTool(code, "mod", "download"); err != nil {
		fmt.Fprintln(os.Stderr, "build: modules could not be fetched; where no module proxy answers, put them into vendor/ (go mod vendor)")
	}
	return nil
}

// warm compiles one program that imports everything, for the compiler's cache.
func warm(kit, work string) error {
	const source = "package handler\n\nimport (\n\t\"net/http\"\n\n\t\"github.com/nuclio/nuclio-sdk-go\"\n" +
		"\t_ \"github.com/scaleway/scaleway-functions-go/lambda\"\n)\n\n" +
		"func Handle(w http.ResponseWriter, r *http.Request) {}\n\n" +
		"func Handler(c *nuclio.Context, e nuclio.Event) (interface{}, error) { return nil, nil }\n"
	code := filepath.Join(work, "code")
	if err := write(filepath.Join(code, "handler.go"), source); err != nil {
		return err
	}
	return programs(code, kit, filepath.Join(work, "out"))
}

// programs builds all there is. The program of the top directory must build; another one, for example
// a local test server under cmd/, may fail: then its error is kept for whoever names it as an entry.
func programs(code, kit, out string) error {
	modules, err := modulesOf(code, kit)
	if err != nil {
		return err
	}
	n, failures := 0, []error{}
	for _, module := range modules {
		if err := module.prepare(); err != nil {
			return err
		}
		for _, program := range module.programs() {
			to := outputOf(out, filepath.Join(module.place, program.dir))
			err := module.compile(program, to)
			if err != nil && module.place == "" && program.dir == "" {
				return err
			}
			if err != nil {
				failures = append(failures, err)
				if err := write(filepath.Join(filepath.Dir(to), "error.txt"), err.Error()); err != nil {
					return err
				}
				continue
			}
			n++
		}
	}
	return verdict(n, failures)
}

func verdict(n int, failures []error) error {
	switch {
	case n > 0:
		return nil
	case len(failures) > 0:
		return failures[0]
	}
	return errors.New("there is nothing to call in the code: write an exported function, for example" +
		" `func Handle(w http.ResponseWriter, r *http.Request)`, or a `package main` that starts one")
}

func outputOf(out, place string) string {
	if place == "" {
		return filepath.Join(out, "handler")
	}
	return filepath.Join(out, "programs", place, "handler")
}
