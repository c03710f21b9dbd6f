// Package handler is the part of Hob inside the user's program: it is copied beside the user's code
// when that is built, and a generated main calls Main.
//
//	registry    which of the user's functions an entry means
//	serve       the loop: load, invoke, reply, with the shim on the other side
//	http        the convention event-context: an http.HandlerFunc
//	kwargs      the convention kwargs: JSON in, JSON out
//	failure     errors and panics as the daemon wants to read them
//
// The convention context-event is in ../nuclio, so that only programs which import its SDK need it.
// Output, deadlines and the end of the process are the shim's business, not ours.
package handler

import (
	"fmt"
	"path"
	"sort"
	"strings"
	"unicode"

	"hob/wire"
)

// Function is an exported function of the user's code.
type Function struct {
	Dir     string // its package's directory in the code, "" at the top
	Package string // the package's name
	File    string // the file's name without .go
	Name    string
	Value   any
}

// Program is what was built of the user's code.
type Program struct {
	Dir       string // the directory of its main package, "" at the top
	Run       func() // the user's own main, nil if there is none
	Functions []Function
}

// Convention turns one of the user's functions into the answer to calls. Nil for a function that does
// not have the convention's form, which Form describes.
type Convention struct {
	Form    string
	Usual   string // the name that such a function has when the entry does not say
	Prepare func(function Function, program Program, about wire.About) (Answer, error)
}

// Answer answers one call. An error is reported as raised unless it is a *wire.Failure.
type Answer func(call *Call) error

// Conventions are those that this program speaks; a package may add one when it is imported.
var Conventions = map[string]Convention{
	"event-context": {Form: "func(http.ResponseWriter, *http.Request)", Usual: "Handle", Prepare: prepareHTTP},
	"kwargs":        {Form: "func(map[string]interface{}) (interface{}, error)", Usual: "Main", Prepare: prepareKwargs},
}

// entry is NAME, or PLACE and NAME with `.`, `/` or `:` between them. PLACE is a directory, a package or a file.
type entry struct {
	place, name string
}

func parseEntry(text string) entry {
	text = strings.TrimPrefix(strings.TrimSuffix(strings.TrimSpace(text), "/"), "./")
	text = strings.TrimSuffix(text, ".go")
	at := strings.LastIndexAny(text, "./:")
	return entry{place: strings.Trim(text[:max(at, 0)], "./"), name: text[at+1:]}
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

// isProgram says whether the entry means the user's own main: nothing, the directory, or main itself.
func (p Program) isProgram(text string) bool {
	if p.Run == nil {
		return false
	}
	clean := strings.Trim(path.Clean("/"+strings.ReplaceAll(text, ":", "/")), "/")
	return clean == "" || clean == p.Dir || clean == "main" || clean == "main.main" || clean == "main.go"
}

// find returns the function that an entry names, or an answer's failure that says what there is.
func (p Program) find(text string, convention Convention, about wire.About) (Answer, error) {
	wanted := p.wanted(text)
	for _, function := range p.candidates(wanted, convention.Usual) {
		answer, err := convention.Prepare(function, p, about)
		if answer != nil || err != nil {
			return answer, err
		}
		if wanted.name != "" {
			return nil, loadFailure("TypeError", fmt.Sprintf("the function `%s` is a %T; this calling convention takes %s",
				function.Name, function.Value, convention.Form))
		}
	}
	return nil, loadFailure("NameError", p.missing(text, convention))
}

// wanted is the entry with an empty name when that means the usual function.
func (p Program) wanted(text string) entry {
	wanted := parseEntry(text)
	if wanted.name == "main" || path.Join(wanted.place, wanted.name) == p.Dir {
		return entry{}
	}
	return wanted
}

// candidates are the functions that the entry may mean, the likeliest first.
func (p Program) candidates(wanted entry, usual string) []Function {
	var found []Function
	for _, function := range p.Functions {
		if wanted.name == "" || function.Name == wanted.name || function.Name == exported(wanted.name) {
			if wanted.name == "" || wanted.place == "" || function.isAt(wanted.place) {
				found = append(found, function)
			}
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return rank(found[i], usual) < rank(found[j], usual) })
	return found
}

func rank(function Function, usual string) int {
	n := strings.Count(function.Dir, "/")
	if function.Dir != "" {
		n++
	}
	if function.Name != usual {
		n += 1000
	}
	return n
}

func (f Function) isAt(place string) bool {
	place = strings.ReplaceAll(strings.TrimSuffix(place, ".go"), ".", "/")
	return place == f.Dir || place == f.Package || place == f.File || place == path.Join(f.Dir, f.File) ||
		place == path.Join(f.Dir, f.Package)
}

// exported is the name as Go exports it: `handler` can only have meant `Handler`.
func exported(name string) string {
	for at, first := range name {
		return string(unicode.ToUpper(first)) + name[at+len(string(first)):]
	}
	return name
}

func (p Program) missing(text string, convention Convention) string {
	hint := "write one in the form " + convention.Form
	if len(p.Functions) > 0 {
		names := make([]string, 0, len(p.Functions))
		for _, function := range p.Functions {
			names = append(names, path.Join(function.Dir, function.Name))
		}
		sort.Strings(names)
		if len(names) > 10 {
			names = append(names[:10], "...")
		}
		hint += ", or let the entry name one of: " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("the code has no exported function for the entry `%s`; %s", text, hint)
}

func loadFailure(of, message string) error {
	return wire.NewFailure(wire.LoadFail, of, message, "")
}
