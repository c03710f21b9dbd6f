package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

// kitName is the directory that Hob's part gets in the user's module.
const kitName = "hob_kit"

// standIns are modules that users import and that we have stand-ins for, with what those import.
var standIns = map[string][]string{
	"github.com/nuclio/nuclio-sdk-go":           {"github.com/nuclio/logger"},
	"github.com/nuclio/logger":                  nil,
	"github.com/scaleway/scaleway-functions-go": nil,
}

const sdk = "github.com/nuclio/nuclio-sdk-go"

// module is one go.mod and the code under it.
type module struct {
	dir, kit string
	place    string // relative to the top of the code, "" there
	path     string // the import path
	made     bool   // the go.mod is ours
	folders  []folder
}

// modulesOf finds each go.mod. The top of the code is a module even without one, if it has Go files.
func modulesOf(code, kit string) ([]*module, error) {
	var found []*module
	err := filepath.WalkDir(code, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if path != code && ignored(entry.Name()) {
			return filepath.SkipDir
		}
		if path != code && !exists(filepath.Join(path, "go.mod")) {
			return nil
		}
		relative, err := filepath.Rel(code, path)
		if err != nil {
			return err
		}
		found = append(found, &module{dir: path, kit: kit, place: strings.TrimPrefix(filepath.ToSlash(relative), ".")})
		return nil
	})
	return found, err
}

// prepare reads the module's code and makes go.mod and vendor/ such that it can be compiled.
func (m *module) prepare() (err error) {
	if m.folders, err = foldersOf(m.dir); err != nil || len(m.folders) == 0 {
		return err
	}
	if !exists(filepath.Join(m.dir, "go.mod")) {
		m.made = true
		if err := write(filepath.Join(m.dir, "go.mod"), "module handler\n\ngo "+languageVersion()+"\n"); err != nil {
			return err
		}
	}
	if m.path, err = m.readPath(); err != nil {
		return err
	}
	for _, path := range m.wantedStandIns() {
		if err := m.standIn(path); err != nil {
			return err
		}
	}
	if err := m.addKit(); err != nil {
		return err
	}
	if m.made && !m.vendored() && m.importsOthers() {
		return goTool(m.dir, "mod", "tidy")
	}
	return nil
}

// languageVersion is what go.mod says of our compiler: `1.19` for go1.19.8.
func languageVersion() string {
	parts := strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)
	if len(parts) < 2 {
		return "1.19"
	}
	return parts[0] + "." + parts[1]
}

type goMod struct {
	Module  struct{ Path string }
	Replace []struct{ Old struct{ Path string } }
}

func (m *module) read() (mod goMod, err error) {
	command := exec.Command("go", "mod", "edit", "-json")
	command.Dir, command.Stderr = m.dir, os.Stderr
	text, err := command.Output()
	if err != nil {
		return mod, fmt.Errorf("%s cannot be read: %w", filepath.Join(m.place, "go.mod"), err)
	}
	return mod, json.Unmarshal(text, &mod)
}

func (m *module) readPath() (string, error) {
	mod, err := m.read()
	if err == nil && mod.Module.Path == "" {
		err = errors.New("go.mod names no module; let it begin with `module NAME`")
	}
	return mod.Module.Path, err
}

func (m *module) vendored() bool { return exists(filepath.Join(m.dir, "vendor", "modules.txt")) }

// wantedStandIns are those that the code imports itself and does not bring along.
func (m *module) wantedStandIns() []string {
	wanted := map[string]bool{}
	for path, needs := range standIns {
		if !m.imports(path) || exists(filepath.Join(m.dir, "vendor", filepath.FromSlash(path))) {
			continue
		}
		wanted[path] = true
		for _, need := range needs {
			wanted[need] = true
		}
	}
	return sorted(wanted)
}

func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for each := range set {
		list = append(list, each)
	}
	sort.Strings(list)
	return list
}

// imports says whether any of the code imports the module of this path.
func (m *module) imports(path string) bool {
	for _, folder := range m.folders {
		for each := range folder.imports {
			if each == path || strings.HasPrefix(each, path+"/") {
				return true
			}
		}
	}
	return false
}

// importsOthers says whether the code needs modules that only a proxy can give.
func (m *module) importsOthers() bool {
	for _, folder := range m.folders {
		for each := range folder.imports {
			first, _, _ := strings.Cut(each, "/")
			if strings.Contains(first, ".") && !isStandIn(each) {
				return true
			}
		}
	}
	return false
}

func isStandIn(path string) bool {
	for each := range standIns {
		if path == each || strings.HasPrefix(path, each+"/") {
			return true
		}
	}
	return false
}

// replaceAll lets go.mod take every stand-in that it requires: for fetching, when no code is known yet.
func (m *module) replaceAll() error {
	text, err := os.ReadFile(filepath.Join(m.dir, "go.mod"))
	if err != nil {
		return err
	}
	for path := range standIns {
		if bytes.Contains(text, []byte(path+" ")) {
			if err := m.replace(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace lets go.mod take our stand-in, unless the user replaces that module already.
func (m *module) replace(path string) error {
	mod, err := m.read()
	if err != nil {
		return err
	}
	for _, each := range mod.Replace {
		if each.Old.Path == path {
			return nil
		}
	}
	to := filepath.Join(m.kit, "modules", filepath.FromSlash(path))
	return goTool(m.dir, "mod", "edit", "-require="+path+"@v0.0.0", "-replace="+path+"="+to)
}

// standIn makes a stand-in known to go.mod, and to vendor/ if the code has one.
func (m *module) standIn(path string) error {
	if err := m.replace(path); err != nil || !m.vendored() {
		return err
	}
	from := filepath.Join(m.kit, "modules", filepath.FromSlash(path))
	to := filepath.Join(m.dir, "vendor", filepath.FromSlash(path))
	packages, err := copyGo(from, to, func(text []byte) []byte { return text })
	if err != nil {
		return err
	}
	listing := filepath.Join(m.dir, "vendor", "modules.txt")
	text, err := os.ReadFile(listing)
	if err != nil {
		return err
	}
	text = withoutModule(text, path)
	entry := fmt.Sprintf("\n# %s v0.0.0 => %s\n## explicit; go 1.17\n", path, from)
	for _, each := range packages {
		entry += strings.TrimSuffix(path+"/"+each, "/") + "\n"
	}
	entry += fmt.Sprintf("# %s => %s\n", path, from)
	return os.WriteFile(listing, append(bytes.TrimRight(text, "\n"), entry...), 0o644)
}

// withoutModule takes a module out of vendor's list: one that is required but whose packages are not there.
func withoutModule(listing []byte, path string) []byte {
	var kept []string
	inside := false
	for _, line := range strings.Split(string(listing), "\n") {
		if strings.HasPrefix(line, "# ") {
			inside = strings.HasPrefix(line, "# "+path+" ")
		}
		if !inside {
			kept = append(kept, line)
		}
	}
	return []byte(strings.Join(kept, "\n"))
}

// addKit copies our part beside the user's packages, under the user's module: so neither go.mod nor
// vendor/ needs to know of it.
func (m *module) addKit() error {
	parts := []string{"wire", "capture", "handler"}
	if m.imports(sdk) {
		parts = append(parts, "nuclio")
	}
	ours := []byte("\"" + m.path + "/" + kitName + "/")
	for _, part := range parts {
		_, err := copyGo(filepath.Join(m.kit, part), filepath.Join(m.dir, kitName, part), func(text []byte) []byte {
			return bytes.ReplaceAll(text, []byte("\"hob/"), ours)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// copyGo copies the Go files of a tree, tests excepted, and returns the directories that have any.
func copyGo(from, to string, change func([]byte) []byte) ([]string, error) {
	packages := map[string]bool{}
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		packages[strings.TrimPrefix(filepath.ToSlash(filepath.Dir(relative)), ".")] = true
		return write(filepath.Join(to, relative), string(change(text)))
	})
	return sorted(packages), err
}

// goTool runs the go command and shows what it says; its last words come back as the error.
func goTool(dir string, arguments ...string) error {
	var said bytes.Buffer
	command := exec.Command("go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "PWD="+dir)
	command.Stdout, command.Stderr = os.Stderr, io.MultiWriter(os.Stderr, &said)
	if err := command.Run(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", arguments[0], err, said.String())
	}
	return nil
}
