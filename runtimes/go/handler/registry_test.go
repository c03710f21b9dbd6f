package handler

import (
	"net/http"
	"testing"

	"hob/wire"
)

func TestEntriesMeanWhatTheySay(t *testing.T) {
	web := func(http.ResponseWriter, *http.Request) {}
	functions := []Function{
		{Dir: "", Package: "fn", File: "app", Name: "Other", Value: web},
		{Dir: "", Package: "fn", File: "app", Name: "Handle", Value: web},
		{Dir: "handlers/hello", Package: "hello", File: "web", Name: "Handle", Value: web},
		{Dir: "", Package: "fn", File: "app", Name: "Main", Value: func() {}},
	}
	for entry, want := range map[string]string{
		"": "/Handle", ".": "/Handle", "main.main": "/Handle", "Handle": "/Handle", "handle": "/Handle", "app.Other": "/Other",
		"fn:Other": "/Other", "app.go:Other": "/Other", "handlers/hello/Handle": "handlers/hello/Handle",
		"handlers/hello.Handle": "handlers/hello/Handle", "hello.Handle": "handlers/hello/Handle",
		"handlers/hello/web.Handle": "handlers/hello/Handle",
	} {
		found := Program{Functions: functions}.candidates(clear(entry), "Handle")
		if len(found) == 0 || found[0].Dir+"/"+found[0].Name != want {
			t.Errorf("%q: %v", entry, found)
		}
	}
	for _, entry := range []string{"Nothing", "nowhere.Handle", "handlers.Handle"} {
		if _, err := (Program{Functions: functions}).find(entry, Conventions["event-context"], wire.About{}); err == nil {
			t.Errorf("%q was found", entry)
		}
	}
}

// clear is an entry as find looks for it.
func clear(text string) entry { return Program{}.wanted(text) }

func TestTheProgramIsNamedByItsDirectory(t *testing.T) {
	top, deep := Program{Run: func() {}}, Program{Run: func() {}, Dir: "handlers/hello"}
	for entry, want := range map[string][2]bool{
		"": {true, true}, ".": {true, true}, "./": {true, true}, "main.main": {true, true}, "handlers/hello": {false, true},
		"./handlers/hello/": {false, true}, "Handle": {false, false},
	} {
		if got := [2]bool{top.isProgram(entry), deep.isProgram(entry)}; got != want {
			t.Errorf("%q: %v", entry, got)
		}
	}
	if (Program{}).isProgram("") {
		t.Error("there is no main")
	}
}
